"""``obelics registry``: lists of opt-outs made ready for look-ups, and what they say."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Final

from obelics_pipeline.registry import JoinedRegistry, Manifest, Registry
from obelics_pipeline.registry.compiling import compile_registry
from obelics_pipeline.registry.folder import read_manifest

_SOURCES: Final = 20
"""Sources that are printed."""


def _compile(options: argparse.Namespace) -> None:
    given = {"name": options.name, "skip_bad": options.skip_bad, "joined": options.joined}
    _print(compile_registry(options.lists, options.output, **given))


def _show(options: argparse.Namespace) -> None:
    registry = opened(options.folder, verify=True)
    _print(registry.manifest)
    print(f"version {registry.version}")


def _check(options: argparse.Namespace) -> None:
    registry = opened(options.folder)
    for url in options.urls:
        for what, hit in (("page", registry.page(url)), ("image", registry.image(url))):
            print(f"{what:<5}  {f'{hit.kind} {hit.value}' if hit else 'not listed'}  {url}")


def opened(path: str, *, verify: bool = False) -> Registry | JoinedRegistry:
    """A registry of either kind, on this machine; ``InputError`` if it cannot be relied on."""
    if not read_manifest(path.rstrip("/")).joined:
        return Registry.open(path, verify=verify)
    registry = JoinedRegistry.open(path)
    if verify:
        registry.verify()
    return registry


def _print(manifest: Manifest) -> None:
    skipped = f", {manifest.skipped:,} skipped" if manifest.skipped else ""
    newest = f", the newest of {manifest.newest}" if manifest.newest else ""
    print(f"{manifest.name}: {manifest.rows:,} rows{skipped}{newest}")
    for table in manifest.tables:
        megabytes = sum(entry.bytes for entry in table.files) / 1e6
        print(f"  {table.kind:<10} {table.scope:<5} {table.count:>13,}  {megabytes:,.1f} MB")
    by_rows = sorted(manifest.sources.items(), key=lambda source: -source[1])
    for source, count in by_rows[:_SOURCES]:
        print(f"  source {source or '(not named)'}: {count:,}")
    if len(by_rows) > _SOURCES:
        print(f"  and {len(by_rows) - _SOURCES:,} more sources")
    if manifest.public_suffixes:
        print(f"  all hosts below these public suffixes are listed: {', '.join(manifest.public_suffixes)}")


ACTIONS: Final[dict[str, Callable[[argparse.Namespace], None]]] = {
    "compile": _compile,
    "show": _show,
    "check": _check,
}
"""What can be done with a registry."""
