"""The command ``obelics diff``: run the comparison, print what came of it."""

from __future__ import annotations

import tempfile

import msgspec
from rich.console import Console

from beam_jobs import io, runner, stages
from beam_jobs.config import Config
from beam_jobs.diff.runs import find
from beam_jobs.runner import LOCAL_RUNNER, BeamOptions
from beam_jobs.stages import Session
from obelics_pipeline.errors import Misconfigured


class DiffOptions(msgspec.Struct, frozen=True):
    """What to compare and to show.

    ``a`` and ``b`` are folders of runs; ``stage`` is the last common one if None; ``output`` is where the
    table of differences goes, if it is to stay; ``examples`` is how many of its rows are printed.
    """

    a: str
    b: str
    stage: str | None = None
    output: str | None = None
    examples: int = 10
    beam: BeamOptions = BeamOptions()


def diff(options: DiffOptions, console: Console | None = None) -> None:
    """Compare two runs and print what differs, and why.

    Raises ``InputError`` if they cannot be compared, ``Misconfigured`` if the options make no sense together.
    """
    a, b = find(options.a, options.b, options.stage)
    runner.check_options(options.beam)
    if options.output is None:
        if runner.arguments(options.beam)[0] != LOCAL_RUNNER:
            raise Misconfigured(
                "diff: a job that runs elsewhere needs --output DIR, where its workers can write"
            )
        with tempfile.TemporaryDirectory(prefix="obelics-diff-") as folder:
            diff(msgspec.structs.replace(options, output=folder), console)
        return
    io.check_writable(options.output)
    console = console or Console()
    runner.quiet()  # before Beam is imported, which is when it begins to talk
    from beam_jobs.diff import job, report

    session = Session(Config(), options.output, options.output, beam=options.beam)
    done = stages.run(job.plan(session, a, b), session).manifest
    report.render(a, b, done.tally, console)
    paths = [io.join(options.output, entry.path) for entry in done.under(job.DIFF.home)]
    chosen = report.choose(report.rows_of(paths), options.examples) if options.examples else []
    for number, row in enumerate(chosen):
        console.print(*([] if number else [""]), report.show(row), sep="\n", soft_wrap=True, highlight=False)
