"""What a crawl, and a TB of archives on Dataflow, costs stage by stage by the measured rates: the tables of the docs.

Measures nothing: rates stand in ``obelics_pipeline/rates.py`` with the commands that measured them. Prints the tables
of docs/scaling.md and docs/running.md, and fails if these have others; ``--write`` puts them there.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterable, Iterator
from itertools import dropwhile
from pathlib import Path
from typing import TypeAlias

from _figures import say

from beam_jobs.build import PLANS
from beam_jobs.dry_run import duration, size_of
from obelics_pipeline.estimate import CostOptions, Flow, Work, archives, estimate
from obelics_pipeline.rates import RATES

DOCS = Path(__file__).parents[2] / "docs"
CRAWL = archives(90_000 * 1e9, 3e9)
"""Archives of a gigabyte, and the pages in all of them."""
WORKERS = 1_000
TERABYTE = archives(1e12)
PROCESSORS, ROOM = CostOptions(gb_month=0), CostOptions(core_hour=0)
"""The default prices, of the one and of the other."""
DATAFLOW = CostOptions(core_hour=0.072, gb_month=0)
"""An hour of a core with its memory and disk, as docs/running.md adds them up."""

Column: TypeAlias = Callable[[list[Work]], str]
"""What a table tells of one stage, or of several together."""


def total(name: str, work: list[Work]) -> float:
    """The sum of an attribute."""
    return sum(float(getattr(each, name)) for each in work)


def core_hours(work: list[Work]) -> str:
    """Processor time."""
    return f"{total('seconds', work) / 3600:,.0f}"


def size(name: str) -> Column:
    """An attribute that is a number of bytes."""
    return lambda work: size_of(total(name, work)) if total(name, work) else ""


def millions(number: float) -> str:
    """How many are handed on."""
    return f"{number / 1e6:,.0f} M" if number else ""


def dollars(prices: CostOptions, digits: int = 0) -> Column:
    """What it costs."""
    return lambda work: f"{sum(each.cost(prices) for each in work):,.{digits}f}"


OF_A_CRAWL: dict[str, Column] = {
    "core-hours": core_hours,
    "with 1,000 workers": lambda work: duration(sum(each.wall(WORKERS) for each in work)),
    "reads": size("reads"),
    "of it from outside": size("moved"),
    "writes": size("writes"),
    "documents": lambda work: millions(work[-1].gives.documents),
    "images": lambda work: millions(work[-1].gives.images),
    "processors, $": dollars(PROCESSORS),
    "room, $": dollars(ROOM),
}
ON_DATAFLOW: dict[str, Column] = {"core-hours": core_hours, "$": dollars(DATAFLOW, 1)}


def stages_table(flow: Flow, columns: dict[str, Column]) -> Iterator[str]:
    """A row for each stage, and one for all."""
    yield row("stage", columns)
    yield "|".join(["", "---", *("---:" for _ in columns), ""])
    done: list[Work] = []
    for name in PLANS:
        done.append(estimate(name, flow))
        flow = done[-1].gives
        yield row(f"`{name}`", (tell(done[-1:]) for tell in columns.values()))
    yield row("all", (tell(done) for tell in columns.values()))


def rates_table() -> Iterator[str]:
    """Each rate, and where it is from."""
    yield "| rate | | measured by |"
    yield "|---|---:|---|"
    for name, rate in RATES.items():
        source = f"`{rate.source}`" if rate.source.startswith("scripts/") else rate.source
        yield row(f"`{name}`", (f"{rate.value:,} {rate.unit}", f"{source}, {rate.date}"))


def row(first: str, others: Iterable[str]) -> str:
    """A line of a Markdown table."""
    return " ".join(f"| {cell}".rstrip() for cell in (first, *others)) + " |"


def with_table(text: str, table: list[str]) -> str:
    """``text`` with ``table`` instead of the one under the same head; ``ValueError`` if there is none."""
    head = table[0] + "\n"
    before, found, rest = text.partition(head)
    if not found:
        raise ValueError(f"no table begins with {table[0]!r}")
    after = "".join(dropwhile(lambda line: line.startswith("|"), rest.splitlines(keepends=True)))
    return before + "\n".join(table) + "\n" + after


TABLES = {
    "scaling.md": [list(stages_table(CRAWL, OF_A_CRAWL)), list(rates_table())],
    "running.md": [list(stages_table(TERABYTE, ON_DATAFLOW))],
}


def main() -> int:
    """Print the tables, compare, and write them if asked to; the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--write", action="store_true", help="put the tables into the docs")
    write, others = parser.parse_args().write, []
    for name, tables in TABLES.items():
        before = after = (DOCS / name).read_text(encoding="utf-8")
        for table in tables:
            print(f"docs/{name}", "", *table, "", sep="\n")
            after = with_table(after, table)
        if after != before:
            others.append(f"docs/{name}")
            if write:
                (DOCS / name).write_text(after, encoding="utf-8")
    if others and not write:
        say(f"{' and '.join(others)}: other tables than these; run scripts/bench crawl_cost --write")
    return int(bool(others) and not write)


if __name__ == "__main__":
    sys.exit(main())
