"""Clusters on this machine: started, told and ended; and a stage whose processes are killed."""

from __future__ import annotations

import hashlib
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from runner_matrix import NotSetUp, Started, cluster, cluster_script, obelics

ROOT = Path(__file__).parents[2]
WORKER, EXECUTOR = "beam_jobs.boot", "CoarseGrainedExecutorBackend"
"""What the command of a Python worker and of Spark's executor has in it."""
pytestmark = pytest.mark.timeout(1500)


@pytest.fixture(scope="module")
def spark(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, Started]]:
    folder = tmp_path_factory.mktemp("spark") / "cluster"
    try:
        with cluster("spark", folder=folder) as started:
            yield folder, started
    except NotSetUp as missing:
        pytest.skip(str(missing))
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


class Killer(threading.Thread):
    """While a stage works, kills a Python worker, and then, when there is another, a whole executor."""

    def __init__(self, cluster: Path, work: Path) -> None:
        super().__init__(daemon=True)
        self.killed: list[str] = []
        self.over = threading.Event()
        self._cluster, self._work, self._seen = cluster, work, set[int]()

    def run(self) -> None:
        for victim in (WORKER, EXECUTOR):
            while not self.over.is_set() and not self._kill(victim):
                time.sleep(0.02)

    def _kill(self, victim: str) -> bool:
        started = processes(self._cluster, WORKER) - self._seen
        victims = processes(self._cluster, victim)
        if not started or not victims or not any(self._work.glob("*")):
            return False
        self._seen |= started
        with suppress(ProcessLookupError):  # it has ended by itself: the next one then
            os.kill(random.choice(sorted(victims)), signal.SIGKILL)
            self.killed.append(victim)
            return True
        return False


def tree(folder: Path) -> dict[str, str]:
    """The SHA-256 of every file below ``folder``."""
    files = sorted(path for path in folder.rglob("*") if path.is_file() and not path.name.startswith("_"))
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_spark_whose_processes_are_killed_writes_the_same_documents(
    spark: tuple[Path, Started], archive: Path, config_file: Path, tmp_path: Path
) -> None:
    extract = ["extract", "--config", str(config_file), "--input", str(archive), "--output"]
    obelics([*extract, str(tmp_path / "local")], Started(()), timeout=300)
    killer = Killer(spark[0], tmp_path / "spark/_work")
    killer.start()
    obelics([*extract, str(tmp_path / "spark")], spark[1], timeout=1000)
    killer.over.set()
    killer.join()
    assert killer.killed == [WORKER, EXECUTOR]
    assert tree(tmp_path / "spark/documents") == tree(tmp_path / "local/documents")
    assert len(tree(tmp_path / "spark/documents")) > 2


def test_what_fails_on_a_cluster_is_told_in_one_line(spark: tuple[Path, Started], tmp_path: Path) -> None:
    archive = tmp_path / "old.warc"
    archive.write_bytes(b"filedesc://old.arc 0.0.0.0 20240301000000 text/plain 76\n1 0 Somebody\n")
    command = [
        sys.executable,
        "-m",
        "beam_jobs.cli",
        "extract",
        "--input",
        archive,
        "--output",
        tmp_path / "out",
    ]
    run = subprocess.run([*command, *spark[1].options], capture_output=True, text=True, timeout=600)
    assert run.returncode == 2, run.stderr
    assert run.stderr.splitlines()[-1:] == [
        f"obelics: {archive}: is an ARC file; please convert it to WARC, with warcio recompress say"
    ]


def test_a_cluster_is_told_and_not_started_twice(spark: tuple[Path, Started]) -> None:
    told = cluster_script("spark", "status", spark[0])
    assert told.returncode == 0
    assert ("--", *told.stdout.split()) == spark[1].options
    names = [line.partition(":")[0] for line in told.stderr.splitlines()]
    assert names == ["job-server", "worker-2", "worker-1", "master"]
    again = cluster_script("spark", "start", spark[0])
    assert again.returncode == 1
    assert "still runs" in again.stderr
    assert cluster_script("spark", "status", spark[0]).returncode == 0


def test_stopping_ends_no_process_that_it_did_not_start(tmp_path: Path) -> None:
    with subprocess.Popen(["sleep", "60"]) as other:
        tmp_path.joinpath("processes").write_text(f"master\t{other.pid}\tSat Mar  2 00:00:00 2024\n")
        assert cluster_script("spark", "stop", tmp_path).returncode == 0
        assert other.poll() is None
        other.kill()
    assert cluster_script("spark", "status", tmp_path).returncode == 3


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
