"""The folders of finished runs, as other commands read them: what a run has, and how it hangs together."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import msgspec

from beam_jobs import io, stages
from beam_jobs.stages import ASSEMBLE, DEDUP, EXTRACT, FILTER, IMAGES, Layout
from obelics_pipeline.errors import InputError
from obelics_pipeline.manifest import Manifest

WAY: Final = (EXTRACT, FILTER, DEDUP, ASSEMBLE)
"""The way of a document. Each of these stages leaves it in the part of its number."""

JUDGES: Final = WAY[1:]
"""The stages that decide which documents are kept, and leave a row for what they refuse."""


class Trail(msgspec.Struct, frozen=True):
    """Where a worker finds the tables of a run.

    ``name`` is ``A`` or ``B``. ``stages`` are those whose tables are in the folder ``root`` and lead without a
    gap to the last of them.
    """

    name: str
    root: str
    stages: tuple[str, ...]

    def decisions(self, part: str) -> Iterator[tuple[str, str]]:
        """The stages that judged, each with the path of its decisions on the documents of the file ``part``."""
        for stage in self.stages:
            if stage != EXTRACT.stage:
                yield stage, io.join(self.root, "decisions", stage, part.rpartition("/")[2])


class Run(msgspec.Struct, frozen=True):
    """A run up to the stage of ``layout``, with the manifests of its ``trail`` and of its images."""

    trail: Trail
    layout: Layout
    manifests: dict[str, Manifest]

    @property
    def rows(self) -> int:
        """The documents that the stage kept."""
        return sum(entry.rows for entry in self.manifests[self.layout.stage].under(self.layout.home))

    @property
    def parts(self) -> list[str]:
        """The paths of the files of these documents, in order of their numbers."""
        return self.paths(self.layout.stage, self.layout.home)

    def paths(self, stage: str, folder: str) -> list[str]:
        """The paths of the files that ``stage`` wrote below ``folder``; none if the run has no such stage."""
        found = self.manifests.get(stage)
        return [io.join(self.trail.root, entry.path) for entry in found.under(folder)] if found else []


def find(a: str, b: str, stage: str | None = None) -> tuple[Run, Run]:
    """The runs in the folders ``a`` and ``b`` up to ``stage``, else up to the last one that both finished.

    Raises ``InputError`` for a folder that is not there, that lacks the stage, or whose tables were not made
    from each other.
    """
    has = {root: _finished(root) for root in (a, b)}
    both = [layout for layout in JUDGES if all(layout.stage in names for names in has.values())]
    if stage is not None:
        layout = next(layout for layout in JUDGES if layout.stage == stage)
    elif both:
        layout = both[-1]
    else:
        told = "; ".join(f"{root} has {', '.join(names) or 'none of them'}" for root, names in has.items())
        known = ", ".join(judge.stage for judge in JUDGES)
        raise InputError(f"no stage of {known} is finished in both runs ({told}); run one to its end in both")
    return _open("A", a, layout), _open("B", b, layout)


def _finished(root: str) -> list[str]:
    with io.reaching(root):
        found = [layout.stage for layout in WAY if _is_there(root, layout)]
        if not found and not io.sizes_below(root, "*"):
            raise InputError(f"{root}: no run is there; name a folder that 'obelics build' wrote")
    return [stage for stage in found if stage != EXTRACT.stage]


def _is_there(root: str, layout: Layout) -> bool:
    return io.size(stages.manifest_path(root, layout)) is not None


def _open(name: str, root: str, layout: Layout) -> Run:
    with io.reaching(root):
        found = {layout.stage: stages.read_manifest(root, layout)}
        later = layout
        for earlier in reversed(WAY[: WAY.index(layout)]):
            if not _is_there(root, earlier):
                break
            manifest = stages.read_manifest(root, earlier)
            if stages.input_of(manifest, earlier) not in found[later.stage].inputs:
                raise _stale(root, later, earlier)
            found = {earlier.stage: manifest} | found
            later = earlier
        trail = Trail(name, root, tuple(found))
        if layout is ASSEMBLE and _is_there(root, IMAGES):
            found[IMAGES.stage] = stages.read_manifest(root, IMAGES)
    run = Run(trail, layout, found)
    _check_numbers(run)
    return run


def _stale(root: str, later: Layout, earlier: Layout) -> InputError:
    instead = f", or compare with --stage {earlier.stage}" if earlier is not EXTRACT else ""
    return InputError(
        f"{io.join(root, later.home)}: was not made from the {earlier.home}/ beside it; "
        f"run 'obelics {later.stage}' again{instead}"
    )


def _check_numbers(run: Run) -> None:
    parts = [path.rpartition("/")[2] for path in run.parts]
    for stage in run.trail.stages:
        folder = f"decisions/{stage}"
        if stage != EXTRACT.stage and parts != [p.rpartition("/")[2] for p in run.paths(stage, folder)]:
            raise InputError(
                f"{io.join(run.trail.root, folder)}: not one file for each of {run.layout.home}/; "
                "the run is of another version: run it again"
            )
