"""The other addresses of a picture (``srcset`` and the like): which are asked when the first has no image any more."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Final, TypeAlias

import apache_beam as beam
import msgspec
import pyarrow.compute as pc

from beam_jobs.rows import row_groups
from obelics_pipeline.fetch_types import FetchResult, FetchStatus
from obelics_pipeline.url import canonical, host_of

Shown: TypeAlias = tuple[int, tuple[tuple[int, str], ...]]
"""How many slots show a URL, and its candidates, each after the best place that a page gives it."""

Fetched: TypeAlias = tuple[FetchResult, int]
"""A result without its body, and where in the spool that is."""

_OF_HOST: Final = frozenset(
    {FetchStatus.DNS, FetchStatus.CONNECT, FetchStatus.TLS, FetchStatus.HOST_BUSY, FetchStatus.HOST_DOWN}
)
"""What ails the host and not the image: candidates on the same host are passed over."""

GONE: Final = _OF_HOST | {
    FetchStatus.BAD_URL,
    FetchStatus.TIMEOUT,
    FetchStatus.PROTOCOL,
    FetchStatus.REDIRECT,
    FetchStatus.HTTP_4XX,
    FetchStatus.HTTP_5XX,
    FetchStatus.HTTP_OTHER,
    FetchStatus.TOO_LARGE,
    FetchStatus.TRUNCATED,
    FetchStatus.EMPTY,
    FetchStatus.NOT_IMAGE,
    FetchStatus.UNDECODABLE,
    FetchStatus.TOO_MANY_PIXELS,
}
"""After these the next candidate is asked. Not after what somebody refuses: that picture is not taken elsewhere."""

_LEGAL: Final = 451
"""The status code for what may not be shown for legal reasons (RFC 7725): a refusal, too."""


class Outcome(msgspec.Struct, frozen=True):
    """What became of ``url``: the result of its own address, or of the candidate that decides instead.

    ``first`` is what its own address ended with in that case. ``position`` is that of the body in the spool.
    """

    url: str
    result: FetchResult
    position: int
    first: FetchStatus | None = None


# Which candidates a URL has


def shown_images(path: str, most: int) -> Iterator[tuple[str, Shown]]:
    """The image URLs of a part, with the slots that show them and up to ``most`` candidates."""
    for table in row_groups(path, ("nodes",)):
        images = table.column("nodes").combine_chunks().flatten().field("image").drop_null()
        for entry in images.field("url").value_counts():
            yield entry["values"].as_py(), (entry["counts"].as_py(), ())
        if most:
            several = images.filter(pc.greater(pc.list_value_length(images.field("candidates")), 0))
            urls, lists = several.field("url").to_pylist(), several.field("candidates").to_pylist()
            for url, candidates in zip(urls, lists, strict=True):
                yield url, (0, tuple(enumerate(candidates[:most])))


def merged(most: int, shown: Iterable[Shown]) -> Shown:
    """All slots of a URL, and its ``most`` best candidates; the same in whatever order and portions it is merged."""
    slots, best = 0, dict[str, int]()
    for count, candidates in shown:
        slots += count
        for place, candidate in candidates:
            best[candidate] = min(place, best.get(candidate, place))
    ranked = sorted((place, candidate) for candidate, place in best.items())
    return slots, tuple(ranked[:most])


class ReservedCandidates(beam.PTransform):  # type: ignore[misc]
    """Tell each shard what pages said of the candidates in it: ``(shard, (key, 0, (said,)))``.

    Takes ``(shard, candidates)`` of the URLs and ``(key, said)`` of what is reserved.
    """

    def expand(self, given: tuple[beam.PCollection, beam.PCollection]) -> beam.PCollection:
        """Join both by the key of the address."""
        candidates, said = given
        asking = candidates | "Keys" >> beam.FlatMap(_keys) | "EachOnce" >> beam.Distinct()
        return (asking, said) | beam.CoGroupByKey() | "Tell" >> beam.FlatMap(_tell)


def _keys(element: tuple[int, Sequence[str]]) -> Iterator[tuple[str, int]]:
    shard, candidates = element
    return ((canonical(candidate), shard) for candidate in candidates)


def _tell(
    element: tuple[str, tuple[Iterable[int], Iterable[str]]],
) -> Iterator[tuple[int, tuple[str, int, tuple[str]]]]:
    key, (shards, said) = element
    return ((shard, (key, 0, (words,))) for words in said for shard in shards)


# Which of them decides


def follow(
    shown: Mapping[str, Sequence[str]],
    ask: Callable[[list[str]], Iterable[Fetched]],
    objections: Callable[[], frozenset[str]],
) -> list[Outcome]:
    """Ask for every URL of ``shown``, then for the first candidates of those that are gone, and so on; by URL.

    ``ask`` gives one result for each address and is never given one twice. ``objections`` are the addresses that
    somebody speaks against, as far as is known: no candidate is asked for what was there.
    """
    known: dict[str, Fetched] = {}
    ways = {url: (url, *candidates) for url, candidates in shown.items()}
    asked = set(shown)
    while asked:
        known.update((fetched[0].url, fetched) for fetched in ask(sorted(asked)))
        objected = objections()
        following = (_trail(way, known, objected)[1] for way in ways.values())
        asked = {address for address in following if address is not None}
    return [_outcome(url, ways[url], known, objected) for url in sorted(ways)]


def _trail(
    way: Sequence[str], known: Mapping[str, Fetched], objected: frozenset[str]
) -> tuple[list[Fetched], str | None]:
    """The results on the way up to the one that ends it, and the address to ask next, if it has no end yet."""
    trail: list[Fetched] = []
    failing: set[str] = set()
    for address in way:
        if host_of(address) in failing:
            continue
        if address not in known:
            return trail, address
        result, _ = known[address]
        trail.append(known[address])
        if result.status not in GONE or result.http_status == _LEGAL:
            break
        if objected & {result.url, *result.via, result.final_url}:
            break
        if result.status in _OF_HOST:
            failing |= {host_of(address), host_of(result.final_url or address)}
    return trail, None


def _outcome(url: str, way: Sequence[str], known: Mapping[str, Fetched], objected: frozenset[str]) -> Outcome:
    trail, _ = _trail(way, known, objected)
    first, last = trail[0], trail[-1]
    if last is first or last[0].status in GONE:
        return Outcome(url, *first)
    return Outcome(url, *last, first=first[0].status)
