"""The program that starts workers on a cluster, against a real provision service."""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import pytest
from apache_beam.portability.api import beam_provision_api_pb2 as messages
from apache_beam.portability.api import beam_provision_api_pb2_grpc as services
from apache_beam.portability.api import endpoints_pb2
from google.protobuf import struct_pb2, text_format

from beam_jobs import boot


class Provision(services.ProvisionServiceServicer):
    """What an executor tells a worker that says its name."""

    def GetProvisionInfo(self, request: Any, context: Any) -> Any:
        name = dict(context.invocation_metadata())["worker_id"]
        options = struct_pb2.Struct()
        options.update({"beam:option:job_name:v1": f"for {name}"})
        info = messages.ProvisionInfo(
            pipeline_options=options,
            control_endpoint=endpoints_pb2.ApiServiceDescriptor(url="localhost:1"),
            logging_endpoint=endpoints_pb2.ApiServiceDescriptor(url="localhost:2"),
            runner_capabilities=["beam:protocol:a:v1", "beam:protocol:b:v1"],
        )
        return messages.GetProvisionInfoResponse(info=info)


@pytest.fixture
def endpoint() -> Iterator[str]:
    server = grpc.server(ThreadPoolExecutor(1))
    services.add_ProvisionServiceServicer_to_server(Provision(), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield f"127.0.0.1:{port}"
    server.stop(None)


def test_a_worker_learns_everything_from_its_executor(endpoint: str) -> None:
    found = boot.environment("1-7", boot.ask("1-7", endpoint))
    assert found["WORKER_ID"] == "1-7"
    assert json.loads(found["PIPELINE_OPTIONS"]) == {"beam:option:job_name:v1": "for 1-7"}
    assert found["RUNNER_CAPABILITIES"] == "beam:protocol:a:v1 beam:protocol:b:v1"
    places = [found[f"{name}_API_SERVICE_DESCRIPTOR"] for name in ("CONTROL", "LOGGING")]
    read = [text_format.Parse(place, endpoints_pb2.ApiServiceDescriptor()).url for place in places]
    assert read == ["localhost:1", "localhost:2"]


def test_a_worker_is_asked_for_by_name_and_place(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        boot.main(["--id=1-1"])
    assert "--provision_endpoint" in capsys.readouterr().err


class Intruder:
    """Makes a folder when it is unpickled."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> tuple[object, ...]:
        return os.mkdir, (str(self.folder),)


ALL_BUT_TO_WORK = """
import os
from apache_beam.runners.worker import sdk_worker_main
from beam_jobs import boot, worker

def begin(starter):
    del os.environ["LOGGING_API_SERVICE_DESCRIPTOR"]  # nobody listens there
    sdk_worker_main.create_harness(os.environ, dry_run=True)

worker.serve = begin
boot.main()
"""


def test_a_worker_runs_nothing_that_others_put_into_temporary_folders(endpoint: str, tmp_path: Path) -> None:
    session = tmp_path / "staged/pickled_main_session"
    session.parent.mkdir()
    session.write_bytes(pickle.dumps(Intruder(tmp_path / "ran")))
    command = [sys.executable, "-c", ALL_BUT_TO_WORK, "--id=1-1", "--provision_endpoint", endpoint]
    environment = {**os.environ, "TMPDIR": str(tmp_path), "SEMI_PERSISTENT_DIRECTORY": str(tmp_path)}
    run = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=100)
    assert run.returncode == 0, run.stderr
    assert not (tmp_path / "ran").exists()
