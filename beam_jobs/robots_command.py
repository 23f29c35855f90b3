"""``obelics robots``: captures of robots.txt made ready for look-ups, and what they say."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from io import BytesIO
from typing import BinaryIO, Final

from beam_jobs import io, selected
from beam_jobs.config import ExtractSection, load
from beam_jobs.http_file import Manners
from beam_jobs.inputs import find_archives, is_selection
from obelics_pipeline.errors import InputError, NoSuchFile
from obelics_pipeline.robots_store import Manifest, RobotsStore, compile_robots


def _compile(options: argparse.Namespace) -> None:
    paths = [entry.path for entry in find_archives(options.archives, "WARC")]
    _print(compile_robots(_opened(paths), options.output, name=options.name))


def _opened(paths: list[str]) -> Iterator[tuple[str, BinaryIO]]:
    for path in paths:
        if is_selection(path):
            yield from _selected(path)
            continue
        with io.reaching(f"WARC {path}"):
            stream = io.open_read(path)
        with stream:
            yield path, stream


def _selected(path: str) -> Iterator[tuple[str, BinaryIO]]:
    """The records that a selection names, each as an archive of its own."""
    section, manners = ExtractSection(), Manners()
    for rows in selected.cut(path, section.range_bytes, manners):
        for archive, _, record in selected.read_records(path, rows, section, manners):
            if isinstance(record, NoSuchFile):
                raise InputError(f"WARC {path}: {record}; is the prefix of its archives right?")
            yield archive, BytesIO(record)


def _show(options: argparse.Namespace) -> None:
    store = RobotsStore.open(options.folder, verify=True)
    _print(store.manifest)
    print(f"version {store.version}")


def _check(options: argparse.Namespace) -> None:
    store, policy = RobotsStore.open(options.folder), load(options.config).consent
    for url in options.urls:
        found = store.signals(url, policy.agents, policy.ai_agents)
        print(f"{'not captured' if found is None else ' '.join(found) or 'nothing'}  {url}")


def _print(manifest: Manifest) -> None:
    days = f", captured from {manifest.oldest} to {manifest.newest}" if manifest.newest else ""
    megabytes = sum(entry.bytes for entry in manifest.files) / 1e6
    print(f"{manifest.name}: {manifest.origins:,} origins{days}; {megabytes:,.1f} MB")
    for what, count in manifest.answers.items():
        print(f"  {what:<12} {count:>13,}")
    print(f"  {'bodies':<12} {manifest.bodies:>13,}")
    if manifest.unresolved:
        print(f"  {manifest.unresolved:,} more lead on to what is not there, and count as not captured")
    print(f"  records: {', '.join(f'{word} {count:,}' for word, count in manifest.records.items())}")


ACTIONS: Final[dict[str, Callable[[argparse.Namespace], None]]] = {
    "compile": _compile,
    "show": _show,
    "check": _check,
}
"""What can be done with a store."""
