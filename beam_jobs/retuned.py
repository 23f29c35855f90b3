"""What another configuration would keep of a run, as values and as a table."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

import msgspec
from rich.console import Console
from rich.table import Table

ENOUGH: Final = 100
"""Documents below which a share of them says little: at 100 it is right to about 10 percentage points."""


class Counts(msgspec.Struct, frozen=True):
    """What would become of the documents, paragraphs or images of the sample.

    ``rejected`` counts items by the first rule that refuses them, ``only_this_rule`` those that no other rule
    refuses, and ``all_that_reject`` an item for every rule that does.
    """

    entered: int = msgspec.field(name="in")
    kept: int
    rejected: dict[str, int]
    unavailable: dict[str, int]
    only_this_rule: dict[str, int]
    all_that_reject: dict[str, int]


class Change(msgspec.Struct, frozen=True):
    """What the run kept of the sample; what comes in addition by the rule that refused it there, and what goes."""

    kept: int
    comes: dict[str, int]
    goes: dict[str, int]


class Retuned(msgspec.Struct, frozen=True):
    """A prediction from ``share`` of the ``documents`` that the run's stage reads.

    ``change`` is ``None`` if the run has no complete tables of this stage, or has them of other documents.
    ``made_otherwise`` are the stages before it that the run did with another configuration, which a real run
    would do again.
    """

    stage: str
    share: float
    documents: int
    levels: dict[str, Counts]
    change: Change | None
    made_otherwise: tuple[str, ...] = ()

    def encode(self) -> bytes:
        """Readable JSON."""
        return msgspec.json.format(msgspec.json.encode(self), indent=1)


def render(retuned: Retuned, console: Console) -> None:
    """Print a prediction as a table, like the funnel of a run, and how it differs from that."""
    n = retuned.levels["documents"].entered
    share = f"(share {retuned.share:g})"
    _say(console, f"{retuned.stage}, predicted from {n:,} of {retuned.documents:,} documents {share}")
    if n:
        console.print(_table(retuned))
        if retuned.made_otherwise:
            _say(console, _otherwise(retuned))
        _say(console, _compared(retuned))
    if n < ENOUGH and n < retuned.documents:
        more = min(1.0, 1.5 * ENOUGH / retuned.documents)
        _say(console, f"{n} documents say little; --share {float(f'{more:.1g}'):g} takes more of them.")


def _table(retuned: Retuned) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("items", no_wrap=True)
    table.add_column("", no_wrap=True)
    for name in ("", "share", "only this rule", "all that reject"):
        table.add_column(name, justify="right")
    for name, counts in retuned.levels.items():
        for cells in _rows(name, counts):
            table.add_row(*cells)
    return table


def _say(console: Console, line: str) -> None:
    console.print(line, highlight=False, markup=False, soft_wrap=True)


def _rows(name: str, counts: Counts) -> Iterator[Sequence[str]]:
    def row(what: str, n: int) -> tuple[str, str, str]:
        return what, f"{n:,}", f"{n / counts.entered:.1%}" if counts.entered else ""

    yield name, "in", f"{counts.entered:,}"
    yield "", *row("kept", counts.kept)
    for rule, n in counts.rejected.items():
        others = (found.get(rule) for found in (counts.only_this_rule, counts.all_that_reject))
        yield "", *row(rule, n), *("" if other is None else f"{other:,}" for other in others)
    for status, n in counts.unavailable.items():
        yield "", *row(f"~{status}", n)


def _otherwise(retuned: Retuned) -> str:
    *others, last = retuned.made_otherwise
    stages = f"{', '.join(others)} and {last}" if others else last
    return (
        f"The run's documents were made with another configuration of {stages}: "
        f"only {retuned.stage} is predicted."
    )


def _compared(retuned: Retuned) -> str:
    change = retuned.change
    if change is None:
        return f"The run has no complete tables of {retuned.stage} to compare this with."
    return (
        f"Of these documents the run keeps {change.kept:,}: {_told(change.comes)} would come, "
        f"{_told(change.goes)} would go."
    )


def _told(counts: Mapping[str, int]) -> str:
    reasons = ", ".join(f"{rule} {n:,}" for rule, n in counts.items())
    return f"{sum(counts.values()):,}" + (f" ({reasons})" if reasons else "")
