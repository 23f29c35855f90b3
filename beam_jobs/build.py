"""All stages in order, each skipped if it is done; then the funnel."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

from beam_jobs import assemble, export, extract, filtering, images, io, scores, stages
from beam_jobs.dedup import stage as dedup
from beam_jobs.stages import LAYOUTS, Plan, Session
from obelics_pipeline import report as reports
from obelics_pipeline.manifest import code_version
from obelics_pipeline.release import check_release
from obelics_pipeline.report import Report, StageReport

PLANS: Final[dict[str, Callable[[Session], Plan]]] = {
    "extract": extract.plan,
    "filter": filtering.plan,
    "dedup": dedup.plan,
    "images": images.plan,
    "assemble": assemble.plan,
    "export": export.plan,
}


def build(session: Session, names: Iterable[str] = tuple(PLANS)) -> Report:
    """Run the stages ``names`` in order and return the funnel, which is also written to ``report.json``.

    ``RunFailed`` if a stage fails or if an item is not accounted for.
    """
    wanted = list(names)
    check(session, wanted)
    done = []
    for name in wanted:
        finished = stages.run(PLANS[name](session), session)
        tally = finished.manifest.tally
        done.append(StageReport(name, finished.seconds, tally))
        if finished.seconds is None:
            session.say(f"{name}: done before")
    report = Report(code_version(), (*_before(session.output, wanted[0]), *done))
    report.check()
    io.write_atomically(io.join(session.output, "report.json"), report.encode())
    return report


def check(session: Session, names: Iterable[str]) -> None:
    """Raise ``Misconfigured`` for what the stages ``names`` would find wrong after hours of other work."""
    wanted = set(names)
    if "images" in wanted:
        images.check(session)
        scores.check_scorer(session.config.images)
    if "export" in wanted:
        check_release(session.config.export)


def _before(output: str, first: str) -> list[StageReport]:
    """What the last report tells of the stages before ``first``."""
    path = io.join(output, "report.json")
    earlier = [layout.stage for layout in LAYOUTS[: list(PLANS).index(first)]]
    if not earlier or io.size(path) is None:
        return []
    last = reports.decode(io.read_bytes(path))
    return [stage for stage in last.stages if stage.stage in earlier] if last else []
