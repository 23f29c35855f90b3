"""What a whole crawl costs, stage by stage, by the measured rates: 90,000 archives of a gigabyte, 1,000 workers.

Measures nothing: rates stand in ``obelics_pipeline/rates.py`` with the commands that measured them, prices are the
defaults of the section ``cost``.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator

from _figures import Figure, arguments, report

from beam_jobs.build import PLANS
from beam_jobs.dry_run import duration, size_of
from obelics_pipeline.estimate import CostOptions, Work, archives, estimate

ARCHIVES = 90_000
BYTES = 1e9
PAGES = 3e9
"""Of a crawl: its archives, the bytes of one, and the pages in all of them."""
WORKERS = 1_000


def works() -> Iterator[tuple[str, Work]]:
    """The stages in order."""
    flow = archives(ARCHIVES * BYTES, PAGES)
    for name in PLANS:
        work = estimate(name, flow)
        yield name, work
        flow = work.gives


def figures() -> list[Figure]:
    """A row for each stage, and the sum."""
    prices, rows = CostOptions(), []
    for name, work in works():
        flow = work.gives
        how = (
            f"{duration(work.wall(WORKERS))}; reads {size_of(work.reads)}, {size_of(work.moved)} from outside; "
            f"writes {size_of(work.writes)}; {flow.documents / 1e6:,.0f} M documents; ${work.cost(prices):,.0f}"
        )
        rows.append(Figure(name, work.seconds / 3600, "core-h", how=how))
    done = [work for _, work in works()]
    how = f"${sum(work.cost(prices) for work in done):,.0f}; writes {size_of(sum(work.writes for work in done))}"
    return [*rows, Figure("all", sum(row.value for row in rows), "core-h", how=how)]


if __name__ == "__main__":
    options = arguments(__doc__.splitlines()[0])
    sys.exit(report(figures, as_json=options.json))
