"""Images to which redirects led over an address that a page reserves: known once all of them have been asked for.

A shard of ``images`` knows what pages say of the addresses that it asks for, not of those where redirects lead. So the
keys of both meet here, and whoever shows such an image learns that it may not.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

import apache_beam as beam
import msgspec
import pyarrow.compute as pc
from msgspec.structs import replace

from beam_jobs.optouts import reserved_rows
from beam_jobs.rows import row_groups
from beam_jobs.transforms import Paths
from filters.consent.verdict import EvidenceRow
from obelics_pipeline.denylist import withheld
from obelics_pipeline.fetch_types import FetchStatus
from obelics_pipeline.url import canonical


def ways(path: str) -> Iterator[tuple[str, str]]:
    """Of the images in a part of ``image_results``: the keys of addresses on the way, each with the hash of the URL."""
    for table in row_groups(path, ("url", "fetched_url", "final_url", "via", "status")):
        for row in table.filter(pc.equal(table.column("status"), FetchStatus.OK.value)).to_pylist():
            places = {*(row["via"] or ()), row["final_url"]} - {None, row["url"], row["fetched_url"]}
            yield from ((key, withheld(row["url"])) for key in sorted(set(map(canonical, places))))


def first_said(rows: Iterable[EvidenceRow]) -> EvidenceRow:
    """The row that stands for all; the same in whatever order they come."""
    return min(rows, key=msgspec.msgpack.encode)


class ReservedOnTheWay(beam.PTransform):  # type: ignore[misc]
    """What pages said of addresses on the way to images: ``(hash of the image's URL, row)``, one for each image.

    Args:
        results: the parts of ``image_results``.
        evidence: those of ``consent/filter``.
    """

    def __init__(self, results: Sequence[str], evidence: Sequence[str]) -> None:
        super().__init__()
        self._results, self._evidence = list(results), list(evidence)

    def expand(self, pipeline: beam.Pipeline) -> beam.PCollection:
        """Join both by the key of the address."""
        passed = pipeline | "Redirected" >> Paths(self._results) | "ReadWays" >> beam.FlatMap(ways)
        said = (
            pipeline
            | "Evidence" >> Paths(self._evidence)
            | "ReadReserved" >> beam.FlatMap(reserved_rows)
            | "SaidOnce" >> beam.CombinePerKey(first_said)
        )
        return (
            (passed, said)
            | "ByPlace" >> beam.CoGroupByKey()
            | "Meet" >> beam.FlatMap(_meet)
            | "FirstOnTheWay" >> beam.CombinePerKey(first_said)
        )


def _meet(
    element: tuple[str, tuple[Iterable[str], Iterable[EvidenceRow]]],
) -> Iterator[tuple[str, EvidenceRow]]:
    _, (images, said) = element
    return ((image, row) for row in said for image in images)


def on_the_way(url: str, said: EvidenceRow) -> EvidenceRow:
    """The evidence against the image at ``url``, which is what is ``said`` of another address."""
    return replace(said, url=url, value=f"{said.value} {said.url}")


def reserved_on_the_way(
    results: Iterable[str], evidence: Iterable[str], wanted: Mapping[str, str]
) -> dict[str, EvidenceRow]:
    """The same for a few images, here and now: ``wanted`` are their URLs by the hashes of these; so is the result."""
    passed = [(key, image) for path in results for key, image in ways(path) if image in wanted]
    keys = {key for key, _ in passed}
    said: dict[str, list[EvidenceRow]] = {}
    for path in evidence if keys else ():
        for key, row in reserved_rows(path):
            if key in keys:
                said.setdefault(key, []).append(row)
    found: dict[str, list[EvidenceRow]] = {}
    for key, image in passed:
        found.setdefault(wanted[image], []).extend(said.get(key, ()))
    return {url: first_said(rows) for url, rows in found.items() if rows}
