"""What earlier runs know about image addresses, so that they need not be asked again.

An image that was there is read from the run that has it, and checked like an answer of a server: by today's bounds,
policy and lists. Of failures those are known that asking again would not change. The rest is asked anew.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from functools import partial
from typing import Any, BinaryIO, Final, TypeAlias

import apache_beam as beam
import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from beam_jobs import io
from beam_jobs.config import ImagesSection
from beam_jobs.earlier import EarlierRun, read_earlier
from beam_jobs.parts import table_path
from beam_jobs.rows import row_groups
from beam_jobs.stages import IMAGES
from filters.consent.policy import Policy
from obelics_pipeline.answer import Answer
from obelics_pipeline.decoder import decoder
from obelics_pipeline.denylist import withheld
from obelics_pipeline.errors import InputError, RunFailed
from obelics_pipeline.fetch import result_of
from obelics_pipeline.fetch_types import FetchResult, FetchStatus
from obelics_pipeline.hosts import FILES as HOST_FILES
from obelics_pipeline.images_table import read_image

FINAL: Final = frozenset(
    {
        FetchStatus.HTTP_4XX,
        FetchStatus.EMPTY,
        FetchStatus.NOT_IMAGE,
        FetchStatus.UNDECODABLE,
        FetchStatus.TOO_LARGE,
        FetchStatus.TOO_MANY_PIXELS,
    }
)
"""Failures that are known. Not those that may pass, and no opt-outs: who reserves an image is asked each time."""

_BOUND_OF: Final = {FetchStatus.TOO_LARGE: "max_bytes", FetchStatus.TOO_MANY_PIXELS: "max_pixels"}
"""The bounds that a failure depends on: it is known to runs whose bound is no higher."""

_BOUNDS: Final = b"obelics:bounds"
_HEARD: Final = b"obelics:heard"
_DAY: Final = 86_400_000
"""Milliseconds."""

_HEAD: Final = (
    "final_url",
    "via",
    "http_status",
    "content_type",
    "num_bytes",
    "md5",
    "sha1",
    "sha256",
    "signals",
)
_READ: Final = ("url", "fetched_url", "status", *_HEAD, "part", "offset")
_LOGGED: Final = ("fetched_at", "first_status")


class Known(msgspec.Struct, frozen=True):
    """What an earlier run knows about an address: how it ended, without body; of an image, where its bytes are."""

    result: FetchResult
    run: str
    path: str = ""
    offset: int = 0

    @property
    def order(self) -> tuple[bool, int, bool, str]:
        """What is known last counts; but a hit of a deny-list stays one."""
        status, at = self.result.status, self.result.fetched_at
        return status is FetchStatus.DENYLIST, at, status is FetchStatus.OK, self.run


KnownRow: TypeAlias = tuple[str, Known]
"""What stands for an address (``withheld``), and what is known about it."""


def earlier_runs(section: ImagesSection, output: str) -> list[EarlierRun]:
    """The runs of ``images.earlier``; ``InputError`` if one has fetched no images, or is not whole."""
    found: dict[str, EarlierRun] = {}
    for root in section.earlier:
        run = _opened(root, output)
        if run.manifest.digest in found:
            raise InputError(f"images.earlier: {root}: is the same run as {found[run.manifest.digest].root}")
        found[run.manifest.digest] = run
    return list(found.values())


def _opened(root: str, output: str) -> EarlierRun:
    run = read_earlier("images.earlier:", root, output, IMAGES)
    for folder, columns in (("image_results", _READ), ("fetch_log", _LOGGED)):
        for path in run.paths(folder)[:1]:
            _check_columns(path, columns)
    return run


def _check_columns(path: str, columns: Sequence[str]) -> None:
    with io.open_read(path) as stream:
        names = pq.read_schema(stream).names
    if missing := set(columns) - set(names):
        raise InputError(
            f"{path}: has no column {min(missing)!r}, another version wrote it; leave the run out"
        )


def with_bounds(schema: pa.Schema, section: ImagesSection, policy: Policy) -> pa.Schema:
    """The schema of ``image_results``, saying also which bounds its failures depend on, and what hosts were asked."""
    bounds = {name: getattr(section, name) for name in _BOUND_OF.values()}
    said = {_BOUNDS: json.dumps(bounds), _HEARD: json.dumps(sorted(_heard(section, policy)))}
    return schema.with_metadata({**(schema.metadata or {}), **said})


def _heard(section: ImagesSection, policy: Policy) -> set[str]:
    """Which files hosts are asked for, and on whose behalf: what they say to others is not in the tables."""
    files = {name for name in HOST_FILES if getattr(section, name)}
    names = {"agents": policy.agents, "ai_agents": policy.ai_agents} if files else {}
    return files | {f"{kind}:{name.lower()}" for kind, agents in names.items() for name in agents}


# Reading what is known


class ReadKnown(beam.PTransform):  # type: ignore[misc]
    """What ``runs`` know about the addresses of each shard: ``(shard, Known)``, from ``(shard, addresses)``."""

    def __init__(self, runs: Sequence[EarlierRun], section: ImagesSection, policy: Policy) -> None:
        super().__init__()
        since = time.time_ns() // 1_000_000 - int(section.known_days * _DAY)
        bounds = {name: getattr(section, name) for name in _BOUND_OF.values()}
        parts = {run.root: len(run.paths("image_results")) for run in runs}
        self._parts = [(root, number) for root, count in parts.items() for number in range(count)]
        self._read = partial(known_rows, since=since, bounds=bounds, heard=_heard(section, policy))

    def expand(self, asking: beam.PCollection) -> beam.PCollection:
        """Join both by the hash of the address."""
        known = (
            asking.pipeline
            | "EarlierParts" >> beam.Create(self._parts)
            | "ReadEarlier" >> beam.FlatMapTuple(self._read)
        )
        addresses = asking | "HashAddresses" >> beam.FlatMap(_hashed) | "EachAddress" >> beam.Distinct()
        return (addresses, known) | "ByAddress" >> beam.CoGroupByKey() | "TellKnown" >> beam.FlatMap(_tell)


def _hashed(element: tuple[int, Iterable[str]]) -> Iterator[tuple[str, tuple[int, str]]]:
    shard, addresses = element
    return ((withheld(address), (shard, address)) for address in addresses)


def _tell(
    element: tuple[str, tuple[Iterable[tuple[int, str]], Iterable[Known]]],
) -> Iterator[tuple[int, Known]]:
    _, (asking, known) = element
    best = max(known, key=lambda item: item.order, default=None)
    if best is not None:
        for shard, address in asking:
            yield (
                shard,
                msgspec.structs.replace(best, result=msgspec.structs.replace(best.result, url=address)),
            )


def known_rows(
    run: str, number: int, since: int, bounds: Mapping[str, int], heard: Set[str]
) -> Iterator[KnownRow]:
    """What a part of the run at ``run`` knows and has seen after ``since`` (milliseconds since 1970).

    Failures count whose bounds were no lower than ``bounds``. If hosts were not asked all that is in ``heard``, nobody
    knows whether they refuse, and nothing counts but hits of deny-lists.
    """
    path = io.join(run, table_path("image_results", number))
    with io.open_read(path) as stream:
        metadata = pq.read_schema(stream).metadata or {}
    then, asked = json.loads(metadata.get(_BOUNDS, b"{}")), json.loads(metadata.get(_HEARD, b"[]"))
    unheard = not heard <= set(asked)
    held = {status for status, name in _BOUND_OF.items() if then.get(name, 0) < bounds[name]}
    logs = row_groups(io.join(run, table_path("fetch_log", number)), _LOGGED)
    for table, log in zip(row_groups(path, _READ), logs, strict=True):
        times = log.column("fetched_at").cast(pa.int64()).to_pylist()
        firsts = log.column("first_status").to_pylist()
        for row, at, first in zip(table.to_pylist(), times, firsts, strict=True):
            if row["status"] == FetchStatus.DENYLIST:
                yield row["url"], _denied(row["url"], run, at)
            elif at is not None and at >= since and not unheard:
                for item in _of_row(row, at, first, run):
                    if item.result.status not in held:
                        yield withheld(item.result.url), item


def _denied(url: str, run: str, at: int | None) -> Known:
    detail = f"earlier:{run}"
    return Known(FetchResult(url, FetchStatus.DENYLIST, fetched_at=at or 0, detail=detail), run)


def _of_row(row: dict[str, Any], at: int, first: str | None, run: str) -> Iterator[Known]:
    status = FetchStatus(row["status"])
    detail = f"known from {run}"
    url = row["fetched_url"] or row["url"]
    head = {name: row[name] for name in _HEAD} | {name: tuple(row[name] or ()) for name in ("via", "signals")}
    result = FetchResult(url, status, fetched_at=at, detail=detail, **head)
    if status is FetchStatus.OK:
        yield Known(result, run, io.join(run, table_path("images", row["part"])), row["offset"])
    elif status in FINAL and first is None:  # else nobody knows what the address itself said with its failure
        yield Known(result, run)


# Using it


class KnownImages:
    """What is known about the addresses of a part; ``used`` are those that were not asked for that reason."""

    def __init__(self, known: Iterable[Known], section: ImagesSection) -> None:
        self._known = {item.result.url: item for item in known}
        self._section = section
        self.used: set[str] = set()

    def use(self, urls: Iterable[str]) -> set[str]:
        """Those of ``urls`` that are known, which from now on are ``used``."""
        found = self._known.keys() & urls
        self.used |= found
        return found

    def answers(self, urls: Iterable[str]) -> Iterator[FetchResult]:
        """The results for ``urls``, which are all known, as if they had been fetched now, but for the time.

        ``RunFailed`` if the bytes of one are not those that the earlier run stored.
        """
        known = sorted((self._known[url] for url in urls), key=lambda item: (item.path, item.offset))
        opened: tuple[str, BinaryIO] | None = None
        with decoder() as child:
            try:
                for item in known:
                    if not item.path:
                        yield item.result
                        continue
                    if opened is None or opened[0] != item.path:
                        if opened:
                            opened[1].close()
                        opened = item.path, io.open_read(item.path)
                    answer = _answer(item, opened[1])
                    fresh = result_of(item.result.url, answer, self._section, child)
                    yield msgspec.structs.replace(fresh, fetched_at=item.result.fetched_at)
            finally:
                if opened:
                    opened[1].close()


def _answer(item: Known, stream: BinaryIO) -> Answer:
    result = item.result
    try:
        body = read_image(stream, item.offset, result.num_bytes or 0, result.sha256 or "")
    except RunFailed as error:
        raise RunFailed(
            f"images.earlier: {item.path}: its bytes at {item.offset} are not the image that {item.run} stored; "
            "leave that run out"
        ) from error
    return Answer(
        FetchStatus.OK,
        http_status=result.http_status,
        final_url=result.final_url,
        via=result.via,
        body=body,
        content_type=result.content_type,
        signals=result.signals,
        detail=result.detail,
    )
