"""What the comparison reads of the tables of a run: places of documents, then reasons of those that differ."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final, TypeAlias

import pyarrow as pa
import pyarrow.compute as pc

from beam_jobs import io
from beam_jobs.diff.differences import Loss, Side, node_keys, quote
from beam_jobs.diff.runs import Trail
from beam_jobs.rows import row_groups
from obelics_pipeline.assembled import assembled_of
from obelics_pipeline.document import Document
from obelics_pipeline.fetch_types import FetchStatus
from obelics_pipeline.tables import documents_of

UNAVAILABLE: Final = frozenset(status.value for status in FetchStatus) - {FetchStatus.OK.value}

State: TypeAlias = tuple[str, int, int, bytes]
"""Where a run has a document: its name, number of the part, row (-1: it refused it), and keys of the nodes."""

Ask: TypeAlias = tuple[str, int, bool, tuple[int, ...]]
"""What to tell of a document: its id, row (-1: why it was refused), whether both runs kept it, and the places
of the nodes that the other one lacks."""

Place: TypeAlias = tuple[str, str | None]
"""The name of a run, and the file its pages were read from."""


def places(run: str, number: int, path: str, kept: bool) -> Iterator[tuple[str, State]]:
    """A light row for each document that is kept in a table, or refused in a table of decisions."""
    if kept:
        row = 0
        for table in row_groups(path):
            for document, statuses in _read(table):
                yield document.id, (run, number, row, node_keys(document, statuses))
                row += 1
        return
    for table in row_groups(path, ("id", "level", "kept")):
        refused = pc.and_(pc.equal(table["level"], "document"), pc.equal(table["kept"], False))
        for id in table.filter(refused)["id"].to_pylist():
            yield id, (run, number, -1, b"")


def _read(table: pa.Table) -> Iterator[tuple[Document, tuple[str | None, ...]]]:
    if "slots" not in table.schema.names:
        for document in documents_of(table):
            yield document, ()
        return
    for row in assembled_of(table):
        yield row.document, tuple(slot.status if slot else None for slot in row.slots)


def sides(
    number: int, path: str, asks: list[Ask], trails: tuple[Trail, Trail], first: int
) -> Iterator[tuple[str, Side]]:
    """What one part of a run tells of the documents it is asked for; parts of the second run begin at ``first``."""
    if not asks:
        return
    trail = trails[number >= first]
    losses = read_losses(trail, path, asks)
    for id, row, _, _ in asks:
        if row < 0:
            found = losses.get(id, [])
            yield id, Side(trail.name, trail.stages[0], False, "", tuple(found[:1]))
    for (id, _, _, only), document, statuses in _asked(path, asks):
        nodes = document.nodes
        lost = [*losses.get(id, []), *_unavailable(document, statuses)]
        yield (
            id,
            Side(
                run=trail.name,
                first=trail.stages[0],
                kept=True,
                url=document.url,
                losses=tuple(lost),
                only=tuple(quote(nodes[place]) for place in only),
                file=document.source.warc_filename,
                offset=document.source.warc_offset,
            ),
        )


def _asked(path: str, asks: Iterable[Ask]) -> Iterator[tuple[Ask, Document, tuple[str | None, ...]]]:
    wanted = {ask[1]: ask for ask in asks if ask[1] >= 0}
    start = 0
    for table in row_groups(path) if wanted else ():
        here = [row for row in range(start, start + table.num_rows) if row in wanted]
        taken = table.take(pa.array([row - start for row in here], pa.int64()))
        for row, (document, statuses) in zip(here, _read(taken), strict=True):
            yield wanted[row], document, statuses
        start += table.num_rows


def read_losses(trail: Trail, path: str, asks: Iterable[Ask]) -> dict[str, list[Loss]]:
    """By id, the decisions of a part against the document that is asked for, or against nodes of it."""
    about = {id: both for id, row, both, _ in asks if both or row < 0}
    ids = pa.array(list(about), pa.string())
    found: dict[str, list[Loss]] = {}
    for stage, decisions in trail.decisions(path) if about else ():
        for table in row_groups(decisions, ("id", "kept", *Loss.__struct_fields__[1:])):
            chosen = table.filter(pc.and_(pc.equal(table["kept"], False), pc.is_in(table["id"], ids)))
            for row in chosen.drop_columns("kept").to_pylist():
                id = row.pop("id")
                if about[id] == (row["level"] != "document"):
                    found.setdefault(id, []).append(Loss(stage=stage, **row))
    return found


def _unavailable(document: Document, statuses: Sequence[str | None]) -> Iterator[Loss]:
    for node, status in zip(document.nodes, statuses, strict=bool(statuses)):
        if status in UNAVAILABLE:
            level, words = quote(node)
            yield Loss("images", status, None, None, None, level, None, words)


def failures(run: str, path: str, table: bool) -> Iterator[tuple[Place, tuple[int | None, str, str]]]:
    """What a run failed to read: (offset, error, message) by file; of an archive only that it was read."""
    if not table:
        yield (run, io.name_of(path)), (None, "", "")
        return
    for group in row_groups(path):
        for row in group.to_pylist():
            yield (run, row["warc_filename"]), (row["warc_offset"], row["error"], row["message"])
