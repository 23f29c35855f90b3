"""The Beam side that all stages share: doing parts, and bringing light rows to the part they concern."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import groupby
from typing import Any, TypeAlias

import apache_beam as beam

from beam_jobs import metrics
from beam_jobs.parts import Workspace, run_part
from obelics_pipeline.accounting import Tally
from obelics_pipeline.errors import Misconfigured
from obelics_pipeline.manifest import code_version

Run: TypeAlias = Callable[[Callable[[beam.Pipeline], None]], None]
"""Runs the pipeline that a function wires, to its end."""


class DoPart(beam.DoFn):  # type: ignore[misc]
    """Do ``work(part, *task)`` for an element ``(number of the part, *task)``; yields nothing.

    What a part wrote is told by its report, not by an element: so it survives the job, on any runner.
    """

    def __init__(self, space: Workspace, work: Callable[..., Tally]) -> None:
        self._space = space
        self._work = work
        self._version = code_version()

    def setup(self) -> None:
        """Raise ``Misconfigured`` if this worker's code is not the driver's, by whose version the work is named."""
        if (here := code_version()) != self._version:
            versions = f"has version {here} of the builder, and the driver has {self._version}"
            raise Misconfigured(f"{socket.gethostname()}: {versions}; install the same on every node")

    def process(self, element: tuple[Any, ...]) -> None:
        """Write one part."""
        number, *task = element
        report = run_part(self._space, number, lambda part: self._work(part, *task))
        metrics.count(self._space.stage, report.tally)


class Parts(beam.PTransform):  # type: ignore[misc]
    """A pipeline's parts ``(number, path)``, spread over the workers; ``first`` is the number of the first one.

    The graph of a job, whose size is limited, has one row for all paths that differ by the number of their part alone.
    """

    def __init__(self, paths: Sequence[str], first: int = 0) -> None:
        super().__init__()
        grouped = groupby(enumerate(paths, first), key=_shape)
        runs = ((*shape, [number for number, _ in run]) for shape, run in grouped)
        self._runs = [(head, numbered, tail, run[0], run[-1] + 1) for head, numbered, tail, run in runs]

    def expand(self, pipeline: beam.Pipeline) -> beam.PCollection:
        """Write the names of the parts out."""
        return pipeline | beam.Create(self._runs, reshuffle=False) | beam.FlatMap(_named) | beam.Reshuffle()


class Paths(Parts):
    """The paths of ``Parts`` alone."""

    def expand(self, pipeline: beam.Pipeline) -> beam.PCollection:
        """Leave the numbers away."""
        return super().expand(pipeline) | beam.Values()


def _shape(part: tuple[int, str]) -> tuple[str, bool, str]:
    """What stands in a path before the number of its part, whether that is there, and what follows."""
    number, path = part
    head, numbered, tail = path.rpartition(f"{number:05d}")
    return head, bool(numbered), tail


def _named(run: tuple[str, bool, str, int, int]) -> Iterator[tuple[int, str]]:
    head, numbered, tail, start, stop = run
    for number in range(start, stop):
        yield number, f"{head}{number:05d}{tail}" if numbered else f"{head}{tail}"


class GiveToParts(beam.PTransform):  # type: ignore[misc]
    """Group light rows ``(number of a part, row)`` and add each part's path: ``(number, path, rows)``.

    Parts without rows come too. The rows of a part are in no order. ``first`` is the number of the first part.
    """

    def __init__(self, paths: Sequence[str], first: int = 0) -> None:
        super().__init__()
        self._parts = Parts(paths, first)

    def expand(self, rows: beam.PCollection) -> beam.PCollection:
        """Join rows and paths by the number of the part."""
        paths = rows.pipeline | "Parts" >> self._parts
        return (rows, paths) | beam.CoGroupByKey() | beam.FlatMap(_with_rows)


def _with_rows(
    element: tuple[int, tuple[Iterable[Any], Iterable[str]]],
) -> Iterator[tuple[int, str, list[Any]]]:
    number, (rows, paths) = element
    for path in paths:
        yield number, path, list(rows)
