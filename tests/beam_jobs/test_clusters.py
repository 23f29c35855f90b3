"""Clusters on this machine: what is started, told and ended."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def cluster(kind: str, action: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """What ``scripts/cluster`` did with the cluster in ``folder``."""
    installed = os.environ.get("OBELICS_CLUSTER", str(ROOT / ".venv/cluster"))
    environment = {**os.environ, "OBELICS_CLUSTER": installed, "OBELICS_PYTHON": sys.executable}
    environment["PYTHONPATH"] = str(ROOT)  # of the workers
    command = [ROOT / "scripts/cluster", kind, action, "--folder", folder]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=400)


@contextmanager
def running(kind: str, folder: Path) -> Iterator[list[str]]:
    """The options for a cluster that runs meanwhile; skips where none is installed."""
    started = cluster(kind, "start", folder)
    if "run scripts/setup-cluster" in started.stderr:
        pytest.skip(started.stderr.strip())
    assert started.returncode == 0, started.stderr
    try:
        yield started.stdout.split()
    finally:
        assert cluster(kind, "stop", folder).returncode == 0


@pytest.fixture(scope="module")
def spark(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, list[str]]]:
    folder = tmp_path_factory.mktemp("spark") / "cluster"
    with running("spark", folder) as options:
        yield folder, options
    assert wait(30, lambda: not processes(folder, "")), processes(folder, "")


def wait(seconds: float, fact: object) -> bool:
    assert callable(fact)
    deadline = time.monotonic() + seconds
    while not fact() and time.monotonic() < deadline:
        time.sleep(0.05)
    return bool(fact())


def processes(folder: Path, command: str) -> set[int]:
    """The processes that work below ``folder`` and whose command line has ``command`` in it."""
    found = set()
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it may end at any moment
            below = process.joinpath("cwd").resolve().is_relative_to(folder)
            if below and command.encode() in process.joinpath("cmdline").read_bytes():
                found.add(int(process.name))
    return found


def test_a_cluster_is_told_and_not_started_twice(spark: tuple[Path, list[str]]) -> None:
    told = cluster("spark", "status", spark[0])
    assert told.returncode == 0
    assert told.stdout.split() == spark[1]
    names = [line.partition(":")[0] for line in told.stderr.splitlines()]
    assert names == ["job-server", "worker-2", "worker-1", "master"]
    again = cluster("spark", "start", spark[0])
    assert again.returncode == 1
    assert "still runs" in again.stderr
    assert cluster("spark", "status", spark[0]).returncode == 0


def test_stopping_ends_no_process_that_it_did_not_start(tmp_path: Path) -> None:
    with subprocess.Popen(["sleep", "60"]) as other:
        tmp_path.joinpath("processes").write_text(f"master\t{other.pid}\tSat Mar  2 00:00:00 2024\n")
        assert cluster("spark", "stop", tmp_path).returncode == 0
        assert other.poll() is None
        other.kill()
    assert cluster("spark", "status", tmp_path).returncode == 3


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        pytest.param(["dask", "start"], "no cluster 'dask'", id="a runner that has none"),
        pytest.param(["spark", "begin"], "no action 'begin'", id="an action that is none"),
        pytest.param(["spark", "start", "--worker", "3"], "no option '--worker'", id="a misspelt option"),
        pytest.param(["spark", "start", "--port"], "--port without a value", id="an option without a value"),
        pytest.param([], "no cluster ''", id="nothing"),
    ],
)
def test_a_wrong_command_is_refused(arguments: list[str], told: str) -> None:
    run = subprocess.run([ROOT / "scripts/cluster", *arguments], capture_output=True, text=True, timeout=30)
    assert (run.returncode, told in run.stderr) == (2, True), run.stderr
