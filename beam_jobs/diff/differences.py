"""What differs between a document in one run and the same in another, and why: plain functions, no tables.

A node is known by what a reader gets of it. Nodes are matched with the decisions on them by what those quote:
so a reason is found also if extraction was another one, and places are not the same.
"""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from collections.abc import Iterable, Iterator, Sequence
from hashlib import blake2b
from typing import Final

import msgspec
import pyarrow as pa

from beam_jobs.stages import EXTRACT
from filters.apply import OK
from filters.decisions import excerpt
from obelics_pipeline.document import Document, ImageNode, Node

CAME, WENT, CHANGED = "came", "went", "changed"
CHANGES: Final = (CAME, WENT, CHANGED)

NOT_IN_INPUT: Final = "not_in_input"
"""The archive of the page, or the document, is not in what the run read."""
NO_NODES: Final = "no_nodes"
"""The page was read and had no nodes, so there is no document."""
NOT_EXTRACTED: Final = "not_extracted"
"""Extraction made no such node of the page."""
EDITED: Final = "edited"
"""Both have the node, but not the same: other text behind its beginning, other words about the image."""
ORDER: Final = "order"
"""The same nodes in another order."""

KEY_BYTES: Final = 8
NO_IMAGE: Final = bytes(KEY_BYTES)
"""The key of a slot that holds no image: nothing that could differ."""

DIFFERENCES: Final = pa.schema(
    [
        ("id", pa.string()),
        ("url", pa.string()),
        ("change", pa.string()),
        ("level", pa.string()),
        ("run", pa.string()),
        ("stage", pa.string()),
        ("rule", pa.string()),
        ("value", pa.float64()),
        ("threshold", pa.float64()),
        ("op", pa.string()),
        ("index", pa.int32()),
        ("excerpt", pa.string()),
    ]
)


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """A row of the table of differences: a document that came or went, or what changed in one that stayed.

    ``run`` is the run that lacks it (``A`` or ``B``), and the row is the decision of that run: ``stage`` and
    ``rule``, ``value op threshold``, ``index`` as in ``Decision``. ``rule`` is None until it is known why.
    """

    id: str
    url: str
    change: str
    level: str = "document"
    run: str | None = None
    stage: str | None = None
    rule: str | None = None
    value: float | None = None
    threshold: float | None = None
    op: str | None = None
    index: int | None = None
    excerpt: str = ""

    @property
    def reason(self) -> str:
        """``filter/word_count``."""
        return f"{self.stage}/{self.rule}"

    @property
    def group(self) -> str:
        """What is counted together: ``came``, ``went``, ``paragraphs came``, ``images went`` …"""
        if self.change != CHANGED:
            return self.change
        how = {"A": CAME, "B": WENT, None: CHANGED}[self.run]
        return f"{self.level}s {how}" if self.level != "document" else CHANGED


class Loss(msgspec.Struct, frozen=True):
    """A decision of a run against a document or a node of it: what of it goes into a ``Difference``."""

    stage: str
    rule: str
    value: float | None
    threshold: float | None
    op: str | None
    level: str
    index: int | None
    excerpt: str


class Side(msgspec.Struct, frozen=True):
    """What one run tells of a document that differs.

    ``first`` is the first stage that the run knows of. If the run kept the document, ``file`` and ``offset``
    are where its page was read, ``only`` are (level, excerpt) of the nodes that the other run lacks, and
    ``losses`` are of nodes; else they are of the document.
    """

    run: str
    first: str
    kept: bool
    url: str
    losses: tuple[Loss, ...]
    only: tuple[tuple[str, str], ...] = ()
    file: str | None = None
    offset: int | None = None


def quote(node: Node) -> tuple[str, str]:
    """The level of a node, and what a decision quotes of it."""
    return ("image", excerpt(node.url)) if isinstance(node, ImageNode) else ("paragraph", excerpt(node.text))


def node_keys(document: Document, statuses: Sequence[str | None] = ()) -> bytes:
    """Eight bytes for each node, the same for the same; ``statuses`` are those of its slots, if it has any."""
    keys = map(_key, document.nodes)
    if not statuses:
        return b"".join(keys)
    return b"".join(
        key if status in (None, OK) else NO_IMAGE for key, status in zip(keys, statuses, strict=True)
    )


def _key(node: Node) -> bytes:
    if isinstance(node, ImageNode):
        parts = ["image", node.url, *(words or "" for words in (node.alt, node.title, node.caption))]
    else:
        parts = [node.kind, node.text]
    return blake2b("\0".join(parts).encode("utf-8", "replace"), digest_size=KEY_BYTES).digest()


def _cut(keys: bytes) -> list[bytes]:
    return [keys[start : start + KEY_BYTES] for start in range(0, len(keys), KEY_BYTES)]


def same(keys: bytes, others: bytes) -> bool:
    """Whether two documents show the same nodes in the same order."""
    if keys == others:
        return True
    return [k for k in _cut(keys) if k != NO_IMAGE] == [k for k in _cut(others) if k != NO_IMAGE]


def only_in(keys: bytes, others: bytes) -> tuple[int, ...]:
    """The places of the nodes that the other document has not, or not as often."""
    spare = Counter(_cut(others))
    places = []
    for place, key in enumerate(_cut(keys)):
        if key == NO_IMAGE:
            continue
        if spare[key]:
            spare[key] -= 1
        else:
            places.append(place)
    return tuple(places)


def explain(id: str, sides: Iterable[Side]) -> list[Difference]:
    """The differences of a document that at least one run kept, each with its reason.

    One that a run neither kept nor refused comes without a rule: the reason is not in its decisions.
    """
    by_run = {side.run: side for side in sides}
    kept = [side for _, side in sorted(by_run.items()) if side.kept]
    if len(kept) == 2:
        return list(_changed(id, *kept))
    (there,) = kept
    change, lacking = (WENT, "B") if there.run == "A" else (CAME, "A")
    other = by_run.get(lacking)
    row = Difference(id=id, url=there.url, change=change, run=lacking)
    return [_because(row, other.losses[0]) if other and other.losses else row]


def _changed(id: str, a: Side, b: Side) -> Iterator[Difference]:
    row = Difference(id=id, url=b.url, change=CHANGED)
    if not a.only and not b.only:
        yield msgspec.structs.replace(row, stage=b.first, rule=ORDER)
        return
    lost_by_a, lost_by_b = without_common(a.losses, b.losses)
    went = _blame(row, a.only, lost_by_b, b)
    came = _blame(row, b.only, lost_by_a, a)
    yield from _pair_edited(went, came)


def without_common(losses: Sequence[Loss], others: Sequence[Loss]) -> tuple[list[Loss], list[Loss]]:
    """The losses without those of nodes that both runs refused: these are no difference."""
    kept = []
    for mine, theirs in ((losses, others), (others, losses)):
        common = Counter(map(_node_of, theirs))
        kept.append([loss for loss in mine if not _take(common, _node_of(loss))])
    return kept[0], kept[1]


def _node_of(loss: Loss) -> tuple[str, str, int | None, str]:
    return loss.stage, loss.level, loss.index, loss.excerpt


def _take(counts: Counter[tuple[str, str, int | None, str]], key: tuple[str, str, int | None, str]) -> bool:
    counts[key] -= 1
    return counts[key] >= 0


def _blame(
    row: Difference, nodes: Iterable[tuple[str, str]], losses: Iterable[Loss], side: Side
) -> list[Difference]:
    """A row for each of ``nodes``, which the run of ``side`` lacks, with the decision that quotes it."""
    reasons: dict[tuple[str, str], deque[Loss]] = defaultdict(deque)
    for loss in losses:
        reasons[loss.level, loss.excerpt].append(loss)
    rows = []
    for level, words in nodes:
        lacking = msgspec.structs.replace(row, level=level, run=side.run, excerpt=words)
        found = reasons[level, words]
        rows.append(_because(lacking, found.popleft()) if found else _unseen(lacking, side.first))
    return rows


def _because(row: Difference, loss: Loss) -> Difference:
    return msgspec.structs.replace(row, **msgspec.structs.asdict(loss))


def _unseen(row: Difference, first: str) -> Difference:
    rule = NOT_EXTRACTED if first == EXTRACT.stage else NOT_IN_INPUT
    return msgspec.structs.replace(row, stage=first, rule=rule)


def _pair_edited(went: list[Difference], came: list[Difference]) -> Iterator[Difference]:
    """All rows, of which two become one if they are a node before and after: it begins the same."""
    unseen = (NOT_EXTRACTED, NOT_IN_INPUT)
    later = Counter((row.level, row.excerpt) for row in came if row.rule in unseen)
    earlier: Counter[tuple[str, str]] = Counter()
    for row in went:
        key = (row.level, row.excerpt)
        if row.rule in unseen and later[key]:
            later[key] -= 1
            earlier[key] += 1
            yield msgspec.structs.replace(row, run=None, rule=EDITED)
        else:
            yield row
    for row in came:
        key = (row.level, row.excerpt)
        if row.rule in unseen and earlier[key]:
            earlier[key] -= 1
        else:
            yield row
