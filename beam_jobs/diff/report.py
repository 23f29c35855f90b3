"""What ``obelics diff`` prints: the two runs, a table of what differs by reason, and examples."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice, zip_longest
from typing import Any, Final

from rich.console import Console
from rich.table import Table
from rich.text import Text

from beam_jobs.diff.differences import CAME, CHANGED, WENT, Difference
from beam_jobs.diff.runs import Run
from beam_jobs.rows import row_groups
from beam_jobs.stages import EXTRACT
from obelics_pipeline.accounting import Tally

STYLES: Final = {CAME: "green", WENT: "red", CHANGED: "yellow"}
LOOKED_AT: Final = 10_000
"""Rows among which examples are chosen; documents are spread over the parts by a hash."""


def render(a: Run, b: Run, tally: Tally, console: Console) -> None:
    """Print which runs they are, what they had in common, and what differs."""
    for run in (a, b):
        kept = tally.level(f"documents of {run.trail.name}").kept
        console.print(
            Text(f"{run.trail.name}  {run.trail.root}: {kept:,} documents after {run.layout.stage}")
        )
    console.print(Text(f"not the same: {'; '.join(circumstances(a, b)) or 'nothing'}\n"), soft_wrap=True)
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("what")
    table.add_column("n", justify="right")
    table.add_column("by the rule, in the run that lacks it", overflow="fold")
    for cells in _lines(tally):
        table.add_row(*cells)
    console.print(table)


def circumstances(a: Run, b: Run) -> list[str]:
    """What two runs were not given alike: configuration of stages, input, code."""
    pairs = {stage: (mine, b.manifests[stage]) for stage, mine in a.manifests.items() if stage in b.manifests}
    first, *_ = pairs
    found = []
    if changed := [stage for stage, (mine, other) in pairs.items() if mine.config_hash != other.config_hash]:
        found.append(f"configuration of {', '.join(changed)}")
    if pairs[first][0].inputs != pairs[first][1].inputs:
        found.append("archives" if first == EXTRACT.stage else f"input of {first}")
    versions = [run.manifests[run.layout.stage].code_version for run in (a, b)]
    if versions[0] != versions[1]:
        found.append(f"code ({' and '.join(versions)})")
    return found


def _lines(tally: Tally) -> Iterator[Sequence[str]]:
    reasons: dict[str, dict[str, int]] = defaultdict(dict)
    for name, n in tally.notes.items():
        group, _, reason = name.partition(": ")
        reasons[group][reason] = n
    for change in ("unchanged", CAME, WENT, CHANGED):
        what = {CAME: "came (not in A)", WENT: "went (not in B)"}.get(change, change)
        yield f"documents {what}", f"{tally.level(change).kept:,}", _counted(reasons.pop(change, {}))
    for group, counts in sorted(reasons.items()):
        yield f"  {group}", f"{sum(counts.values()):,}", _counted(counts)


def _counted(counts: dict[str, int]) -> str:
    ordered = sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))
    return ", ".join(f"{reason} {n:,}" for reason, n in ordered)


def rows_of(paths: Iterable[str]) -> Iterator[Difference]:
    """The rows in the files of a table of differences."""
    for path in paths:
        for table in row_groups(path):
            for row in table.to_pylist():
                yield Difference(**row)


def choose(rows: Iterable[Difference], most: int) -> list[Difference]:
    """At most so many of the first rows, of every reason some."""
    by_reason: dict[tuple[str, str], list[Difference]] = defaultdict(list)
    for row in islice(rows, LOOKED_AT):
        alike = by_reason[row.group, row.reason]
        if len(alike) < most:
            alike.append(row)
    rounds: Iterable[Any] = zip_longest(*(by_reason[key] for key in sorted(by_reason)))
    chosen = list(islice((row for turn in rounds for row in turn if row is not None), most))
    return sorted(chosen, key=lambda row: (row.change, row.group, row.reason, row.url))


def show(row: Difference) -> Text:
    """A difference in a line: ``went http://…: filter/word_count: 12 < 20``."""
    line = Text(f"{row.change:<8}", STYLES[row.change]) + Text(f"{row.url}  ")
    if row.level != "document":
        place = "" if row.index is None else f" {row.index}"
        line.append(f"{row.level}{place} {row.group.rpartition(' ')[2]}: ", "dim")
    line.append(why(row))
    if row.excerpt:
        line.append(f"  “{row.excerpt}”", "dim")
    return line


def why(row: Difference) -> str:
    """The reason in words: ``filter/word_count: 3 < 4``."""
    if row.value is None or row.threshold is None:
        return row.reason
    return f"{row.reason}: {row.value:g} {row.op} {row.threshold:g}"
