"""What Dataflow would get of every job of the demo, as lines of JSON; nothing is submitted, and no network is used.

    dataflow_jobs.py OUTPUT BEAM_OPTION …

Needs the extra ``gcp``. The demo itself is built with Beam's local runner in the folder ``OUTPUT``: each job is first
handed to the runner of Dataflow, dry, by the same function as always.
"""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable
from typing import Any

import apache_beam as beam
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.runners.dataflow.internal import apiclient
from rich.console import Console

from beam_jobs import runner
from beam_jobs.demo import demo
from beam_jobs.runner import BeamOptions


def job_of(build: Callable[[beam.Pipeline], None], options: BeamOptions) -> dict[str, Any]:
    """The request that the runner would send, and the steps of the graph that it would stage beside it."""
    job = RUN(build, options).job
    _, arguments = runner.arguments(options)
    client = apiclient.DataflowApplicationClient(PipelineOptions(arguments), job.root_staging_location)
    client.stage_file_with_retry = lambda *given, **more: None
    client._stage_resources = lambda *given, **more: []
    client.create_job_description(job)
    graph = job.proto_pipeline.components
    return {
        "job": json.loads(job.json()),
        "steps": [step.unique_name for step in graph.transforms.values()],
        "staged": [staged.role_urn for each in graph.environments.values() for staged in each.dependencies],
    }


RUN = runner.run


def main() -> None:
    """Build the demo."""
    output, *beam_options = sys.argv[1:]
    dataflow = BeamOptions(tuple(beam_options))
    runner.check_options(dataflow)

    def show_and_run(build: Any, options: BeamOptions, parts: int = 1) -> Any:
        print(json.dumps(job_of(build, dataflow)), flush=True)
        return RUN(build, options, parts)

    runner.run = show_and_run
    demo(output, BeamOptions(), Console(file=io.StringIO()))


if __name__ == "__main__":
    main()
