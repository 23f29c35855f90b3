"""The program that starts a Python worker on a cluster of Spark or Flink without containers (environment PROCESS).

An executor starts ``obelics-boot --id=ID --provision_endpoint=HOST:PORT``; everything else is asked of it there. What a
job stages is not unpacked: the project has to be installed beside this program, in the same version, on every node.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from typing import Any, Final

from beam_jobs import worker

PATIENCE: Final = 60
"""Seconds to wait for the executor's answer: it is a process of the same machine that has just started this one."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Become the worker that the executor asked for, until it has no more work or is gone."""
    parser = argparse.ArgumentParser(prog="obelics-boot", description=__doc__, allow_abbrev=False)
    parser.add_argument("--id", required=True, help="how the executor calls the worker")
    parser.add_argument("--provision_endpoint", required=True, metavar="HOST:PORT")
    told, _ = parser.parse_known_args(arguments)  # executors give more than is needed, each version its own
    os.environ.update(environment(told.id, ask(told.id, told.provision_endpoint)))
    worker.serve(os.getppid())


def ask(name: str, endpoint: str) -> Any:
    """What the executor at ``endpoint`` has provided for the worker ``name`` (a ``ProvisionInfo``)."""
    import grpc
    from apache_beam.portability.api import beam_provision_api_pb2 as messages
    from apache_beam.portability.api import beam_provision_api_pb2_grpc as services

    with grpc.insecure_channel(endpoint) as channel:
        service = services.ProvisionServiceStub(channel)
        request = messages.GetProvisionInfoRequest()
        return service.GetProvisionInfo(request, metadata=[("worker_id", name)], timeout=PATIENCE).info


def environment(name: str, info: Any) -> dict[str, str]:
    """The variables by which Beam's worker knows who it is and where its services are."""
    from apache_beam.portability.api import endpoints_pb2
    from google.protobuf import json_format, text_format

    def place(service: Any) -> str:
        return str(text_format.MessageToString(endpoints_pb2.ApiServiceDescriptor(url=service.url)))

    return {
        "WORKER_ID": name,
        "PIPELINE_OPTIONS": json_format.MessageToJson(info.pipeline_options),
        "RUNNER_CAPABILITIES": " ".join(info.runner_capabilities),
        "CONTROL_API_SERVICE_DESCRIPTOR": place(info.control_endpoint),
        "LOGGING_API_SERVICE_DESCRIPTOR": place(info.logging_endpoint),
        "SEMI_PERSISTENT_DIRECTORY": "",  # what lies in a folder of that name would be run, whoever put it there
    }


if __name__ == "__main__":
    main()
