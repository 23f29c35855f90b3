"""The Beam side that all stages share: doing parts, and bringing light rows to the part they concern."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterable, Iterator, Sequence
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


class GiveToParts(beam.PTransform):  # type: ignore[misc]
    """Group light rows ``(number of a part, row)`` and add each part's path: ``(number, path, rows)``.

    Parts without rows come too. The rows of a part are in no order. ``first`` is the number of the first part.
    """

    def __init__(self, paths: Sequence[str], first: int = 0) -> None:
        super().__init__()
        self._paths = list(enumerate(paths, first))

    def expand(self, rows: beam.PCollection) -> beam.PCollection:
        """Join rows and paths by the number of the part."""
        paths = rows.pipeline | "Parts" >> beam.Create(self._paths)
        return (rows, paths) | beam.CoGroupByKey() | beam.FlatMap(_with_rows)


def _with_rows(
    element: tuple[int, tuple[Iterable[Any], Iterable[str]]],
) -> Iterator[tuple[int, str, list[Any]]]:
    number, (rows, paths) = element
    for path in paths:
        yield number, path, list(rows)
