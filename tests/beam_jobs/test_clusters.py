"""The demo on a real cluster: the dataset of one machine, also when processes are killed in every stage."""

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
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from beam_jobs.stages import LAYOUTS

ROOT = Path(__file__).parents[2]
WORKER, EXECUTOR = "beam_jobs.boot", "CoarseGrainedExecutorBackend"
"""What the command of a Python worker and of Spark's executor has in it."""


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


class Killer(threading.Thread):
    """In every stage kills a Python worker, and then, when there is another, a whole executor."""

    def __init__(self, cluster: Path, output: Path) -> None:
        super().__init__(daemon=True)
        self.killed: list[tuple[str, str]] = []
        self.over = threading.Event()
        self._cluster, self._output, self._seen = cluster, output, set[int]()

    def run(self) -> None:
        for stage in [layout.stage for layout in LAYOUTS]:
            for victim in (WORKER, EXECUTOR):
                self._wait_and_kill(stage, victim)

    def _wait_and_kill(self, stage: str, victim: str) -> None:
        while not self.over.is_set() and not self._done(stage):
            fresh = processes(self._cluster, WORKER) - self._seen
            if self._works(stage) and fresh:
                self._seen |= fresh
                number = random.choice(sorted(processes(self._cluster, victim)) or [0])
                with suppress(ProcessLookupError):
                    if number:
                        os.kill(number, signal.SIGKILL)
                        self.killed.append((stage, victim))
                        return
            time.sleep(0.02)

    def _works(self, stage: str) -> bool:
        return any(self._output.glob(f"_work/{stage}-*"))

    def _done(self, stage: str) -> bool:
        home = next(layout.home for layout in LAYOUTS if layout.stage == stage)
        return self._output.joinpath(home, "_MANIFEST.json").exists()


def obelics(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "beam_jobs.cli", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=1200)


def tree(folder: Path) -> dict[str, str]:
    """The SHA-256 of every file below ``folder``."""
    files = sorted(path for path in folder.rglob("*") if path.is_file() and not path.name.startswith("_"))
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@pytest.mark.timeout(1500)
def test_spark_whose_processes_are_killed_makes_the_same_dataset(
    spark: tuple[Path, list[str]], demo_built: tuple[Path, str], tmp_path: Path
) -> None:
    killer = Killer(spark[0], tmp_path / "demo")
    killer.start()
    built = obelics("demo", "--output", tmp_path / "demo", "--", *spark[1])
    killer.over.set()
    killer.join()
    assert built.returncode == 0, built.stderr
    assert tree(tmp_path / "demo/dataset") == tree(demo_built[0] / "dataset")
    assert {stage for stage, _ in killer.killed} == {layout.stage for layout in LAYOUTS}
    assert {victim for _, victim in killer.killed} == {WORKER, EXECUTOR}


@pytest.mark.timeout(1500)
def test_flink_makes_the_same_dataset(demo_built: tuple[Path, str], tmp_path: Path) -> None:
    with running("flink", tmp_path / "cluster") as options:
        built = obelics("demo", "--output", tmp_path / "demo", "--", *options)
        assert built.returncode == 0, built.stderr
    assert tree(tmp_path / "demo/dataset") == tree(demo_built[0] / "dataset")


@pytest.mark.timeout(600)
def test_what_fails_on_a_cluster_is_told_in_one_line(spark: tuple[Path, list[str]], tmp_path: Path) -> None:
    archive = tmp_path / "old.warc"
    archive.write_bytes(b"filedesc://old.arc 0.0.0.0 20240301000000 text/plain 76\n1 0 Somebody\n")
    told = obelics("extract", "--input", archive, "--output", tmp_path / "out", "--", *spark[1])
    assert told.returncode == 2, told.stderr
    assert told.stderr.splitlines()[-1:] == [
        "obelics: old.warc: is an ARC file; please convert it to WARC, with warcio recompress say"
    ]


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
