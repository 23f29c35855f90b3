"""Runs that were made before, whose tables a stage reads besides its own input."""

from __future__ import annotations

import os

import msgspec

from beam_jobs import io, stages
from beam_jobs.stages import Layout
from obelics_pipeline.errors import InputError
from obelics_pipeline.manifest import InputEntry, Manifest


class EarlierRun(msgspec.Struct, frozen=True):
    """An earlier run: its folder, and what a stage of it wrote."""

    root: str
    layout: Layout
    manifest: Manifest

    def paths(self, folder: str) -> list[str]:
        """Its files below ``folder``."""
        return [io.join(self.root, entry.path) for entry in self.manifest.under(folder)]

    @property
    def entry(self) -> InputEntry:
        """The run as the input of another."""
        return msgspec.structs.replace(stages.input_of(self.manifest, self.layout), path=self.root)


def read_earlier(where: str, root: str, output: str, layout: Layout) -> EarlierRun:
    """The run at ``root``, which ``where`` names; ``InputError`` if the stage is not finished or it is ``output``."""
    if not root:
        raise InputError(f"{where}: is empty; name the folder of an earlier run")
    if io.is_local(root) and io.is_local(output) and os.path.realpath(root) == os.path.realpath(output):
        raise InputError(f"{where} {root}: is the output of this run; name the folder of an earlier one")
    try:
        with io.reaching(f"{where} {root}"):
            return EarlierRun(root, layout, stages.read_manifest(root, layout))
    except InputError as error:
        raise InputError(f"{where} {root}: no finished run to read: {error}") from error
