"""What Dataflow gets: an image, a template, and jobs that say the same of it. Nothing is submitted."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any, ClassVar

import apache_beam as beam
import pytest
from apache_beam.options.pipeline_options import GoogleCloudOptions
from apache_beam.runners.portability.fn_api_runner import FnApiRunner
from apache_beam.runners.runner import PipelineRunner

from beam_jobs import runner
from beam_jobs.launch import drivers, main
from beam_jobs.options import STAGES
from beam_jobs.parts import Workspace
from beam_jobs.runner import THREADS, BeamOptions, arguments
from beam_jobs.stages import FILTER, read_manifest
from obelics_pipeline.errors import Misconfigured, RunFailed

ROOT = Path(__file__).parents[2]
IMAGE = "region-docker.pkg.dev/example-project/images/obelics:1"
OPTIONS = [
    "--runner=DataflowRunner", "--project=example-project", "--region=us-central1",
    "--temp_location=gs://example-bucket/temporary", "--staging_location=gs://example-bucket/staging",
    "--dry_run=True", "--no_auth", f"--sdk_container_image={IMAGE}", "--sdk_location=container",
    "--machine_type=n2-standard-2", "--max_num_workers=500", "--disk_size_gb=50",
]  # fmt: skip


@pytest.fixture(scope="module")
def jobs(gcp_python: str, tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """The jobs of the demo, as Dataflow would get them."""
    folder = tmp_path_factory.mktemp("dataflow")
    command = [gcp_python, str(ROOT / "tests/dataflow_jobs.py"), str(folder), *OPTIONS]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, capture_output=True, text=True, timeout=800, env=environment, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]


@pytest.mark.timeout(900)
def test_every_job_of_a_build_is_one_that_dataflow_takes(jobs: list[dict[str, Any]]) -> None:
    assert len(jobs) >= 15
    steps = {step for job in jobs for step in job["steps"]}
    assert steps >= {
        "ExtractDocuments", "FilterDocuments", "SignDocuments", "ApplyEdits", "FetchImages", "AssembleDocuments",
        "WriteShards", "WritePairs",
    }  # fmt: skip
    for job in jobs:
        sent = job["job"]
        assert sent["type"] == "JOB_TYPE_BATCH"
        (pool,) = sent["environment"]["workerPools"]
        assert pool["machineType"] == "n2-standard-2"
        assert pool["diskSizeGb"] == 50
        assert pool["autoscalingSettings"] == {"maxNumWorkers": 500}
        assert pool["numThreadsPerWorker"] == 1
        (image,) = pool["sdkHarnessContainerImages"]  # one: nothing is split off by a hint
        assert (image["containerImage"], image["useSingleCorePerContainer"]) == (IMAGE, True)
        assert job["staged"] == []  # the image holds everything: no main session, no packages
        assert not sent["environment"]["sdkPipelineOptions"]["options"]["save_main_session"]


def test_the_image_has_what_jobs_are_submitted_with() -> None:
    dockerfile = (ROOT / "containers/dataflow/Dockerfile").read_text()
    stated = dict(re.findall(r"^ARG (\w+)=(\S+)$", dockerfile, re.MULTILINE))
    lock = (ROOT / "requirements-gcp.lock").read_text()
    assert "\napache-beam==" in lock
    assert f"\napache-beam=={stated['BEAM']} " in lock or f"\napache-beam[gcp]=={stated['BEAM']} " in lock
    setup = (ROOT / "setup.cfg").read_text()
    assert f"apache-beam=={stated['BEAM']}\n" in setup
    assert f"Python :: {stated['PYTHON']}\n" in setup
    assert f"python{stated['PYTHON'].replace('.', '')}-template-launcher-base" in dockerfile
    copied = re.findall(r"^COPY ((?!--from)\S+) ", dockerfile, re.MULTILINE)
    assert all((ROOT / name).exists() for name in copied)


def test_what_the_image_and_the_tests_have_is_the_same() -> None:
    tested = dict(
        re.findall(r"^([\w.-]+)(?:\[\w+\])?==(\S+)", (ROOT / "requirements.lock").read_text(), re.M)
    )
    shipped = dict(
        re.findall(r"^([\w.-]+)(?:\[\w+\])?==(\S+)", (ROOT / "requirements-gcp.lock").read_text(), re.M)
    )
    both = tested.keys() & shipped.keys()
    assert len(both) > 60
    assert {name: tested[name] for name in both} == {name: shipped[name] for name in both}


def test_the_template_offers_what_the_launcher_takes() -> None:
    template = json.loads((ROOT / "containers/dataflow/metadata.json").read_text())
    offered = {each["name"]: each for each in template["parameters"]}
    values = {
        "command": "extract", "config": "obelics", "input": "gs://b/*.warc.gz", "output": "gs://bucket/out",
        "sdk_container_image": IMAGE, "stage_max_num_workers": "500", "stage_machine_type": "n2-standard-2",
        "stage_disk_size_gb": "50",
    }  # fmt: skip
    assert values.keys() == offered.keys()
    assert all(
        re.fullmatch(rule, values[name]) for name in offered for rule in offered[name].get("regexes", ())
    )
    assert set(offered["command"]["regexes"][0].split("|")) == set(STAGES)
    command, options = drivers([f"--{name}={value}" for name, value in values.items()])
    assert command == [
        "extract", "--config", "obelics", "--output", "gs://bucket/out", "--input", "gs://b/*.warc.gz",
        "--", f"--sdk_container_image={IMAGE}", "--max_num_workers=500", "--machine_type=n2-standard-2",
        "--disk_size_gb=50",
    ]  # fmt: skip
    assert options == BeamOptions((f"--sdk_container_image={IMAGE}",))


def test_the_job_of_the_driver_is_alone_in_the_template() -> None:
    given = [
        "--runner=DataflowRunner",
        "--template_location=gs://b/t",
        "--job_name=x",
        "--machine_type=e2-small",
    ]
    command, options = drivers(["--output=gs://b/out", *given])
    assert command == [
        "build",
        "--config",
        "default",
        "--output",
        "gs://b/out",
        "--",
        "--runner=DataflowRunner",
    ]
    assert options == BeamOptions(tuple(given))


@pytest.mark.parametrize(
    ("given", "threads"),
    [
        pytest.param(["--runner=DataflowRunner"], ["1"], id="one, for a process is a core's"),
        pytest.param(["--runner=DataflowRunner", f"--stage_{THREADS[2:]}=4"], ["4"], id="told"),
        pytest.param(["--runner=FlinkRunner"], [], id="of other runners"),
    ],
)
def test_jobs_of_stages_have_as_many_threads_as_interpreters(given: list[str], threads: list[str]) -> None:
    command, _ = drivers(["--output=gs://b/out", *given])
    _, options = arguments(BeamOptions(tuple(command[command.index("--") + 1 :])))
    assert [o.partition("=")[2] for o in options if o.startswith(THREADS)] == threads


class DataflowJobAlreadyExistsError(Exception):
    """Dataflow's client has one of this name."""


class BusyDataflowRunner(PipelineRunner):  # type: ignore[misc]
    """Still runs a job of the same name when it is first asked."""

    names: ClassVar[list[str]] = []

    def run_pipeline(self, pipeline: Any, options: Any) -> Any:
        self.names.append(options.view_as(GoogleCloudOptions).job_name)
        if len(self.names) < 3:
            raise DataflowJobAlreadyExistsError
        return FnApiRunner().run_pipeline(pipeline, options)


def test_a_driver_waits_for_the_job_that_one_before_it_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runner, "BUSY", 0.01)
    here, there = (Workspace(str(tmp_path / name), "extract", "f" * 32).job for name in ("here", "there"))
    assert here != there
    assert re.fullmatch("[a-z][-a-z0-9]{0,61}[a-z0-9]", here)
    on_it = (f"--runner={__name__}.BusyDataflowRunner",)
    runner.run(lambda pipeline: pipeline | beam.Create([1]), BeamOptions(on_it, job=here))
    assert BusyDataflowRunner.names == [here] * 3
    _, given = runner.arguments(BeamOptions((*on_it, "--job_name=mine"), job=here))
    assert [one for one in given if one.startswith("--job_name")] == ["--job_name=mine"]


def test_the_driver_runs_as_a_job(archive: Path, config_file: Path, tmp_path: Path) -> None:
    both = [f"--config={config_file}", f"--output={tmp_path}", "--runner=FnApiRunner"]
    main(["--command=extract", f"--input={archive}", *both])
    main(["--command=filter", *both])
    assert read_manifest(str(tmp_path), FILTER).tally.level("documents").entered == 23


def test_a_driver_that_fails_says_why(tmp_path: Path) -> None:
    with pytest.raises(
        RunFailed, match=r"obelics filter ended with 2: obelics: .*run 'obelics extract' first"
    ):
        main(["--command=filter", f"--output={tmp_path}", "--runner=FnApiRunner"])
    with pytest.raises(Misconfigured, match="--nothing: no such Beam option"):
        main(["--command=filter", f"--output={tmp_path}", "--nothing=1"])
