"""Worker processes: none outlives its driver, and none dies unnoticed."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from beam_jobs.runner import BeamOptions, arguments, check_options, failure
from obelics_pipeline.errors import InputError, Misconfigured, RunFailed


def workers(driver: int) -> list[int]:
    """The worker processes that ``driver`` started, also when it is gone."""
    listed = subprocess.run(["ps", "-eo", "pid,args"], capture_output=True, text=True, check=True).stdout
    lines = (line.split() for line in listed.splitlines())
    return [int(line[0]) for line in lines if line[-2:] == ["beam_jobs.worker", str(driver)]]


def wait(seconds: float, fact: Callable[[], object]) -> bool:
    deadline = time.monotonic() + seconds
    while not fact() and time.monotonic() < deadline:
        time.sleep(0.1)
    return bool(fact())


def start(archive: Path, config_file: Path, output: Path, *more: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "beam_jobs.cli", "extract", "--config", str(config_file)]
    command += ["--input", str(archive), "--output", str(output), "--workers", "2", *more]
    return subprocess.Popen(
        command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True, start_new_session=True
    )


def test_control_c_ends_it_all_with_one_line(archive: Path, config_file: Path, tmp_path: Path) -> None:
    process = start(archive, config_file, tmp_path / "out")
    assert wait(60, lambda: workers(process.pid))
    os.killpg(process.pid, signal.SIGINT)
    _, told = process.communicate(timeout=60)
    assert process.returncode == 130
    assert told == "obelics: stopped; the same command goes on where it was\n"
    assert wait(30, lambda: not workers(process.pid))


@pytest.mark.parametrize("victim", ["worker", "driver"])
def test_a_killed_process_takes_the_others_with_it(
    victim: str, archive: Path, config_file: Path, tmp_path: Path
) -> None:
    process = start(archive, config_file, tmp_path / "out", "--log-format", "json")
    assert wait(60, lambda: workers(process.pid))
    os.kill(workers(process.pid)[0] if victim == "worker" else process.pid, signal.SIGKILL)
    _, told = process.communicate(timeout=60)
    if victim == "worker":
        assert process.returncode == 1
        failed, ended = [json.loads(line) for line in told.splitlines()][-2:]
        assert (failed["event"], failed["error"]) == ("stage_failed", "WorkerDied")
        assert (ended["event"], ended["exit_code"], ended["error"]) == ("ended", 1, "WorkerDied")
        assert ended["message"].startswith("a worker process died, perhaps")
    assert wait(30, lambda: not workers(process.pid))


@pytest.mark.parametrize(
    ("given", "runner", "rest"),
    [
        pytest.param((), "FnApiRunner", ["--no_save_main_session"], id="nothing"),
        pytest.param(("--runner=DirectRunner",), "FnApiRunner", ["--no_save_main_session"], id="direct"),
        pytest.param(
            ("--runner", "SparkRunner", "--spark_version=3"),
            "SparkRunner",
            ["--spark_version=3", "--no_save_main_session"],
            id="another runner",
        ),
        pytest.param(
            ("--save_main_session",), "FnApiRunner", ["--save_main_session"], id="a session asked for"
        ),
    ],
)
def test_what_beam_is_told(given: tuple[str, ...], runner: str, rest: list[str]) -> None:
    assert arguments(BeamOptions(given)) == (runner, rest)


def test_options_that_only_a_job_server_knows_are_passed_on() -> None:
    check_options(BeamOptions(("--runner=SparkRunner", "--storage_level=MEMORY_AND_DISK")))
    with pytest.raises(Misconfigured, match="--storage_level: no such Beam option"):
        check_options(BeamOptions(("--storage_level=MEMORY_AND_DISK",)))


@pytest.mark.parametrize("runner", ["SparkRunner", "FlinkRunner", "PortableRunner", "DataflowRunner"])
@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("--enviroment_type=PROCESS", "--environment_type"),
        ("--flink_mster=host:1", "--flink_master"),
        ("--job_endpont=host:1", "--job_endpoint"),
        ("--maxParallelism=4", "--max_parallelism"),
    ],
)
def test_a_misspelt_option_is_told_on_every_runner(runner: str, given: str, meant: str) -> None:
    name = given.partition("=")[0]
    with pytest.raises(Misconfigured, match=f"{name}: no such Beam option; did you mean {meant}[?]"):
        check_options(BeamOptions((f"--runner={runner}", given)))


def test_a_job_server_that_is_not_there_is_told_by_its_address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("beam_jobs.runner.PATIENCE", 0.5)
    with socket.socket() as nobody:  # bound, but deaf
        nobody.bind(("127.0.0.1", 0))
        endpoint = f"127.0.0.1:{nobody.getsockname()[1]}"
        with pytest.raises(Misconfigured, match=f"--job_endpoint={endpoint}: no job server answered within"):
            check_options(BeamOptions(("--runner=SparkRunner", f"--job_endpoint={endpoint}")))
        check_options(BeamOptions(("--runner=PortableRunner", "--job_endpoint=embed")))


@pytest.mark.parametrize(
    ("name", "told"),
    [
        pytest.param("DaskRunner", "--runner=DaskRunner: Beam's Dask runner leaves out branches", id="Dask"),
        pytest.param("dask", "--runner=dask: Beam's Dask runner leaves out branches", id="its short name"),
        pytest.param(
            "apache_beam.runners.dask.dask_runner.DaskRunner",
            "Dask runner leaves out branches",
            id="its full name",
        ),
        pytest.param("RayRunner", "no longer maintained; use SparkRunner, FlinkRunner or", id="Ray"),
        pytest.param("SparkRuner", "no such runner; did you mean SparkRunner?", id="misspelt"),
        pytest.param("xyz", "no such runner; known: DataflowRunner, ", id="like no other"),
    ],
)
def test_runners_that_would_do_it_wrong_are_refused(name: str, told: str) -> None:
    with pytest.raises(Misconfigured, match=re.escape(told)):
        check_options(BeamOptions(("--runner", name)))


@pytest.mark.parametrize("name", ["spark", "DataflowRunner", "prismrunner", "direct", "my.own.Runner"])
def test_other_runners_are_not(name: str) -> None:
    check_options(BeamOptions(("--runner", name)))


@pytest.mark.parametrize(
    ("text", "kind", "message"),
    [
        pytest.param(
            "Traceback:\n  File x\nobelics_pipeline.errors.InputError: an ARC file [while running 'X']\n",
            InputError,
            "an ARC file",
            id="an error of ours keeps its kind",
        ),
        pytest.param(
            "Traceback:\n  File x\nKeyError: 'b'\n",
            RunFailed,
            "the job failed: KeyError: 'b'; --debug shows more",
            id="any other is told by its last line",
        ),
        pytest.param(
            "", RunFailed, "the job failed: ValueError; --debug shows more", id="one that says nothing"
        ),
    ],
)
def test_a_failed_job_is_told_in_one_line(text: str, kind: type[Exception], message: str) -> None:
    error = failure(ValueError(text))
    assert (type(error), str(error)) == (kind, message)
