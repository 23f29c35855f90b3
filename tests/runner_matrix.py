"""The runners that jobs are tried on: how each is asked for, and what has to be set up before.

A runner is a line of ``RUNNERS``: a context manager that starts what the runner needs and gives what stands on the
command line, or raises ``NotSetUp``. Everything listens on 127.0.0.1 and ends with the context.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import msgspec
import pyarrow.parquet as pq

ROOT: Final = Path(__file__).parents[1]


class NotSetUp(Exception):
    """A runner that is not there, and the script that adds it."""


class Started(msgspec.Struct, frozen=True):
    """A runner that is ready: the options of ``obelics`` that choose it, and the processes that serve it."""

    options: tuple[str, ...]
    servers: tuple[int, ...] = ()


class Took(msgspec.Struct, frozen=True):
    """What a command took, with all processes that it started: seconds of the clock and of the processor."""

    wall: float
    processor: float


@contextlib.contextmanager
def in_process(*options: str) -> Iterator[Started]:
    """Beam's local runner."""
    yield Started(options)


@contextlib.contextmanager
def job_service() -> Iterator[Started]:
    """Beam's own job service, in a process of its own: the portable way with nothing but Beam."""
    with TemporaryDirectory() as folder:
        port = Path(folder, "port")
        command = [sys.executable, "-m", "apache_beam.runners.portability.local_job_service_main"]
        with process([*command, f"--port_file={port}", f"--staging_dir={folder}"]) as server:
            wait_for(port.is_file, server)
            endpoint = f"--job_endpoint=127.0.0.1:{port.read_text()}"
            yield Started(
                ("--", "--runner=PortableRunner", endpoint, "--environment_type=LOOPBACK"), (server.pid,)
            )


@contextlib.contextmanager
def prism() -> Iterator[Started]:
    """Beam's runner in Go, which the driver starts; the functions run in threads of the driver."""
    program = Path(os.environ.get("OBELICS_PRISM", ROOT / ".venv/prism/prism"))
    if not program.is_file():
        raise NotSetUp(f"no Prism at {program}: run scripts/setup-prism or set OBELICS_PRISM")
    yield Started(("--", "--runner=PrismRunner", f"--prism_location={program}"))


@contextlib.contextmanager
def cluster(kind: str, workers: int = 2, folder: Path | None = None) -> Iterator[Started]:
    """A cluster of Spark or Flink on this machine, with so many workers of one core, which start Python themselves."""
    with contextlib.ExitStack() as stack:
        folder = folder or Path(stack.enter_context(TemporaryDirectory()), "cluster")
        started = cluster_script(kind, "start", folder, "--workers", str(workers))
        if "run scripts/setup-cluster" in started.stderr:
            raise NotSetUp(started.stderr.strip())
        assert started.returncode == 0, started.stderr
        listed = (folder / "processes").read_text().splitlines()
        try:
            yield Started(("--", *started.stdout.split()), tuple(int(line.split("\t")[1]) for line in listed))
        finally:
            stopped = cluster_script(kind, "stop", folder)
            assert stopped.returncode == 0, stopped.stderr


def cluster_script(kind: str, action: str, folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """What ``scripts/cluster`` did with the cluster in ``folder``."""
    installed = os.environ.get("OBELICS_CLUSTER", str(ROOT / ".venv/cluster"))
    environment = {**os.environ, "OBELICS_CLUSTER": installed, "OBELICS_PYTHON": sys.executable}
    environment["PYTHONPATH"] = str(ROOT)  # of the workers
    command = [ROOT / "scripts/cluster", kind, action, "--folder", folder, *options]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=700)


@contextlib.contextmanager
def loopback(kind: str) -> Iterator[Started]:
    """The same, but functions run in the driver: Python takes seconds to start, for each of many small jobs."""
    with cluster(kind) as started:
        own = ("--environment_type", "--environment_options")
        kept = [option for option in started.options if not option.startswith(own)]
        yield Started((*kept, "--environment_type=LOOPBACK"), started.servers)


Runner = Callable[[], AbstractContextManager[Started]]
LOCAL: Final = "FnApiRunner"
RUNNERS: Final[dict[str, Runner]] = {
    LOCAL: in_process,
    "FnApiRunner, 2 processes": lambda: in_process("--workers", "2"),
    "PortableRunner, Beam's job service": job_service,
    "PrismRunner": prism,
    "SparkRunner, 2 executors": lambda: loopback("spark"),
    "FlinkRunner": lambda: loopback("flink"),
}
IN_PROCESSES: Final[dict[str, Runner]] = {
    "SparkRunner, 2 executors, Python in processes": lambda: cluster("spark"),
    "FlinkRunner, Python in processes": lambda: cluster("flink"),
}
"""As a cluster has it; each of many small jobs takes seconds to start, so the tests have it for one stage alone."""

TIMES: Final = {"fetch_log": "fetched_at", "consent/images": "checked_at"}
"""Tables that say when something was asked for, and in which column."""

TIMED: Final = {"report.json", "documents/_MANIFEST.json", "images/_MANIFEST.json", "sample.warc.gz"}
"""Files that hold seconds, the age of the archive, or the checksums of the tables above."""


def told(folder: Path) -> dict[str, str]:
    """Of every file below a folder what must be the same on every runner."""
    files = {str(path.relative_to(folder)): path for path in folder.rglob("*") if path.is_file()}
    return {name: _digest(name, path) for name, path in files.items() if name not in TIMED}


def _digest(name: str, path: Path) -> str:
    if column := TIMES.get(name.rpartition("/")[0]):
        return repr(pq.read_table(path).drop_columns([column]).to_pylist())
    return hashlib.sha256(path.read_bytes()).hexdigest()


def obelics(arguments: Sequence[str], runner: Started, timeout: float) -> Took:
    """Run a command on a runner; ``AssertionError`` with what it said if it fails, or takes more seconds."""
    start = time.perf_counter()
    with TemporaryDirectory() as folder:
        log = Path(folder, "log")
        with process([sys.executable, "-m", "beam_jobs.cli", *arguments, *runner.options], log) as command:
            ended = waited(command.pid, start + timeout)
            wall = time.perf_counter() - start
        said = log.read_text()
    assert ended is not None, f"no end after {timeout} s: {said[-2000:]}"
    code, usage = ended
    assert code == 0, f"exit code {code}: {said[-2000:]}"
    return Took(wall, usage.ru_utime + usage.ru_stime)


def waited(pid: int, until: float) -> tuple[int, object] | None:
    """The exit code of a process and what it used, or None if it still runs when the clock says ``until``."""
    while time.perf_counter() < until:
        done, status, usage = os.wait4(pid, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status), usage
        time.sleep(0.05)
    return None


@contextlib.contextmanager
def process(command: Sequence[str], log: Path | None = None) -> Iterator[subprocess.Popen[bytes]]:
    """A process in a group of its own, which ends with the context, whatever it has started."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with open(log or os.devnull, "wb") as told:
        started = subprocess.Popen(
            command,
            stdout=told,
            stderr=told,
            stdin=subprocess.DEVNULL,
            env=environment,
            start_new_session=True,
        )
        try:
            yield started
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(started.pid, signal.SIGKILL)
            started.wait()


def wait_for(fact: Callable[[], bool], server: subprocess.Popen[bytes], seconds: float = 120) -> None:
    """Wait until a server is ready."""
    deadline = time.monotonic() + seconds
    while not fact():
        assert server.poll() is None, f"the server ended with {server.returncode}"
        assert time.monotonic() < deadline, f"the server is not ready after {seconds} s"
        time.sleep(0.1)
