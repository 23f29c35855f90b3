"""Runs whose documents come before: checked before anything runs, and put in the order in which they were made."""

from __future__ import annotations

from collections.abc import Sequence

from beam_jobs.dedup.sign import check_comparable
from beam_jobs.earlier import EarlierRun, read_earlier
from beam_jobs.stages import DEDUP
from filters.dedup.options import DedupOptions
from filters.dedup.rank import MAX_EARLIER
from obelics_pipeline.errors import InputError


def earlier_runs(roots: Sequence[str], output: str, options: DedupOptions) -> list[EarlierRun]:
    """The runs at ``roots``, each after those that it was compared with itself.

    ``InputError`` if one is not finished, is named twice or is the output, was compared with a run that is not named,
    or has signatures that cannot be compared with those of ``options``.
    """
    if len(roots) > MAX_EARLIER:
        raise InputError(f"--against: {len(roots)} runs; {MAX_EARLIER} can be compared with at once")
    runs: dict[str, EarlierRun] = {}
    for root in roots:
        run = read_earlier("--against", root, output, DEDUP)
        if run.manifest.digest in runs:
            raise InputError(
                f"--against {root}: is the same run as {runs[run.manifest.digest].root}; name it once"
            )
        runs[run.manifest.digest] = run
    for run in runs.values():
        for entry in run.manifest.inputs[1:]:
            if entry.digest not in runs:
                raise InputError(
                    f"--against {run.root}: was itself compared with {entry.path}; name that, too (as it was then)"
                )
        for path in run.paths("signatures")[:1]:
            check_comparable(path, options)
    # Who was compared with another names all that one was compared with, and that one.
    return sorted(runs.values(), key=lambda run: len(run.manifest.inputs))
