"""Runs whose documents come before: checked before anything runs, and put in the order in which they were made."""

from __future__ import annotations

import os
from collections.abc import Sequence

import msgspec

from beam_jobs import io, stages
from beam_jobs.dedup.sign import check_comparable
from beam_jobs.stages import DEDUP
from filters.dedup.options import DedupOptions
from filters.dedup.rank import MAX_EARLIER
from obelics_pipeline.errors import InputError
from obelics_pipeline.manifest import InputEntry, Manifest


class Earlier(msgspec.Struct, frozen=True):
    """A run to compare with: its folder, and what its stage ``dedup`` wrote."""

    root: str
    manifest: Manifest

    def paths(self, folder: str) -> list[str]:
        """Its files below ``folder``."""
        return [io.join(self.root, entry.path) for entry in self.manifest.under(folder)]

    @property
    def entry(self) -> InputEntry:
        """The run as the input of another."""
        return msgspec.structs.replace(stages.input_of(self.manifest, DEDUP), path=self.root)


def earlier_runs(roots: Sequence[str], output: str, options: DedupOptions) -> list[Earlier]:
    """The runs at ``roots``, each after those that it was compared with itself.

    ``InputError`` if one is not finished, is named twice or is the output, was compared with a run that is not named,
    or has signatures that cannot be compared with those of ``options``.
    """
    if len(roots) > MAX_EARLIER:
        raise InputError(f"--against: {len(roots)} runs; {MAX_EARLIER} can be compared with at once")
    runs: dict[str, Earlier] = {}
    for root in roots:
        run = _read(root, output)
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


def _read(root: str, output: str) -> Earlier:
    if not root:
        raise InputError("--against: is empty; name the folder of an earlier run")
    if io.is_local(root) and io.is_local(output) and os.path.realpath(root) == os.path.realpath(output):
        raise InputError(f"--against {root}: is the output of this run; name the folder of an earlier one")
    try:
        with io.reaching(f"--against {root}"):
            return Earlier(root, stages.read_manifest(root, DEDUP))
    except InputError as error:
        raise InputError(f"--against {root}: no finished run to compare with: {error}") from error
