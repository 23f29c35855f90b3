"""Lists that are too long for each worker (``consent.joined``): every part is told which of its addresses they hold.

Only the hashes of addresses travel, to whoever reads the piece of the list that may hold them, and back come those
that it holds. No worker has more than a few pieces, and the list itself is never shuffled.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from itertools import islice
from typing import Final, TypeAlias

import apache_beam as beam
import msgspec
import numpy as np

from beam_jobs.lists import joined_lists
from beam_jobs.part_files import PartFiles
from beam_jobs.parts import Part
from beam_jobs.stages import Run
from beam_jobs.transforms import GiveToParts
from filters.consent.policy import Policy
from obelics_pipeline.registry import JoinedRegistry
from obelics_pipeline.registry.joined import Place

BATCH: Final = 4096
"""Bundles of hashes that are looked up at once."""

Asking: TypeAlias = Callable[[int, str], Iterable[tuple[int, str]]]
"""From the number and the path of a source to addresses, each with the part that wants to know of it."""

Listed: TypeAlias = tuple[int, int, int]
"""The number of a list, that of its table, and a hash that it holds."""

_PART = np.dtype("<u4")
_HASH = np.dtype("<u8")
_ENCODER = msgspec.msgpack.Encoder()
_DECODER = msgspec.msgpack.Decoder(Listed)


def join_lists(
    files: PartFiles, policy: Policy, scope: str, sources: Sequence[str], asking: Asking, run: Run
) -> None:
    """Leave for each part what the lists hold of its addresses as pages or images (``scope``)."""
    if policy.joined and not files.finished(listed_file(scope)):
        run(partial(_join, files, policy, scope, list(enumerate(sources)), asking), len(sources))


def told_lists(part: Part, policy: Policy, scope: str, urls: Iterable[str]) -> tuple[JoinedRegistry, ...]:
    """The lists for ``part``, whose addresses are ``urls``, as ``join_lists`` has left them."""
    if not policy.joined:
        return ()
    known, files = list(urls), PartFiles(part.space.folder, part.number + 1)
    held = files.read(listed_file(scope), part.number, list[Listed])
    views = []
    for place, opened in enumerate(joined_lists(policy)):
        listed: dict[int, list[int]] = {}
        for of, table, hashed in held:
            if of == place:
                listed.setdefault(table, []).append(hashed)
        views.append(opened.view(scope, known, listed))
    return tuple(views)


def listed_file(scope: str) -> str:
    """The file of a part with what the lists hold of its addresses."""
    return f"listed-{scope}"


def _join(
    files: PartFiles,
    policy: Policy,
    scope: str,
    sources: Sequence[tuple[int, str]],
    asking: Asking,
    pipeline: beam.Pipeline,
) -> None:
    _ = (
        pipeline
        | "Sources" >> beam.Create(sources)
        | "Ask"
        >> beam.FlatMapTuple(partial(_ask, policy, scope, asking)).with_output_types(tuple[bytes, bytes])
        | "ByPiece" >> beam.GroupByKey()
        | "LookUp" >> beam.FlatMapTuple(partial(_look_up, policy)).with_output_types(tuple[int, bytes])
        | "GiveToParts" >> GiveToParts([""] * files.parts)
        | "Write" >> beam.MapTuple(partial(_write, files, listed_file(scope)))
    )


def _ask(policy: Policy, scope: str, asking: Asking, number: int, path: str) -> Iterator[tuple[bytes, bytes]]:
    """Keys that name a piece, each with a part and the hashes that it asks for."""
    urls: dict[int, set[str]] = {}
    for part, url in asking(number, path):
        urls.setdefault(part, set()).add(url)
    for part, asked in urls.items():
        head = np.array(part, _PART).tobytes()
        for of, opened in enumerate(joined_lists(policy)):
            for place, hashed in opened.keys_of(scope, asked):
                yield _ENCODER.encode((of, place)), head + hashed.astype(_HASH).tobytes()


def _look_up(policy: Policy, key: bytes, bundles: Iterable[bytes]) -> Iterator[tuple[int, bytes]]:
    of, place = msgspec.msgpack.decode(key, type=tuple[int, Place])
    registry, rest = joined_lists(policy)[of], iter(bundles)
    while batch := list(islice(rest, BATCH)):
        asked = [np.frombuffer(bundle, _HASH, offset=_PART.itemsize) for bundle in batch]
        held = set(registry.listed(place, np.concatenate(asked)).tolist())
        if held:
            for bundle, hashes in zip(batch, asked, strict=True):
                part = int(np.frombuffer(bundle, _PART, count=1)[0])
                yield from (
                    (part, _ENCODER.encode((of, place.table, hashed)))
                    for hashed in hashes.tolist()
                    if hashed in held
                )


def _write(files: PartFiles, name: str, number: int, path: str, rows: list[bytes]) -> None:
    files.write(name, number, sorted(map(_DECODER.decode, set(rows))))
