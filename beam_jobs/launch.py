"""A run whose driver works on a cluster, too: a job of one step, which runs a command of ``obelics`` and waits for it.

A Flex Template of Dataflow submits one job, and a run is a job for each stage and for each pass of some; so the one
that it submits is the driver's, and the driver submits the others. A driver that dies is started again by the runner,
and goes on where it was. Options are as Flex Templates pass them, ``--name=value``: those of ``obelics`` and Beam's,
mixed.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from functools import partial
from typing import Final

import apache_beam as beam

from beam_jobs import runner
from beam_jobs.options import STAGES, Parser
from beam_jobs.runner import BeamOptions
from obelics_pipeline.errors import RunFailed

OF_THE_DRIVER: Final = (
    "--template_location",
    "--job_name",
    "--num_workers",
    "--max_num_workers",
    "--machine_type",
)
"""Options that are the driver's job's alone: it is one job of a small worker, and the only one of a template."""
OF_THE_STAGES: Final = "--stage_"
"""What the name of an option begins with that is for the jobs of the stages alone."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Submit the driver; ``Misconfigured`` for options that are none, ``RunFailed`` if it fails."""
    command, options = drivers(list(sys.argv[1:] if arguments is None else arguments))
    runner.check_options(options)
    runner.run(partial(_build, command), options)


def drivers(arguments: Sequence[str]) -> tuple[list[str], BeamOptions]:
    """The command line of ``obelics`` that the driver runs, and the options of the driver's own job."""
    parser = Parser(prog="obelics-launch")
    parser.add_argument("--command", choices=list(STAGES), default="build")
    parser.add_argument("--config", default="default")
    parser.add_argument("--input")
    parser.add_argument("--output", required=True)
    ours, beam_options = parser.parse_known_args(arguments)
    command = [ours.command, "--config", ours.config, "--output", ours.output]
    if ours.input:
        command += ["--input", ours.input]
    shared = [option for option in beam_options if not option.startswith((OF_THE_STAGES, *OF_THE_DRIVER))]
    stages = ["--" + o.removeprefix(OF_THE_STAGES) for o in beam_options if o.startswith(OF_THE_STAGES)]
    drivers = [option for option in beam_options if option.startswith(OF_THE_DRIVER)]
    return [*command, "--", *shared, *stages], BeamOptions((*shared, *drivers))


def _build(command: list[str], pipeline: beam.Pipeline) -> None:
    _ = pipeline | "Command" >> beam.Create([command], reshuffle=False) | "Drive" >> beam.Map(drive)


def drive(command: list[str]) -> None:
    """Run a command of ``obelics`` in a process of its own; ``RunFailed`` with its last words if it fails."""
    done = subprocess.run(
        [sys.executable, "-m", "beam_jobs.cli", *command], stderr=subprocess.PIPE, text=True, check=False
    )
    if done.returncode:
        raise RunFailed(f"obelics {command[0]} ended with {done.returncode}: {done.stderr.strip()[-2000:]}")
