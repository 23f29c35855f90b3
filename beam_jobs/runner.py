"""Running a Beam job: which runner, with what options, and its errors in words."""

from __future__ import annotations

import argparse
import difflib
import errno
import logging
import os
import queue
import re
import shlex
import sys
import threading
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final, NoReturn, cast

import msgspec

from beam_jobs import ranged
from beam_jobs.poison import MAX_DEATHS
from obelics_pipeline import errors
from obelics_pipeline.errors import Misconfigured, ObelicsError, RunFailed

if TYPE_CHECKING:
    import apache_beam as beam

logger = logging.getLogger(__name__)

LOCAL_RUNNER: Final = "FnApiRunner"
LOCAL: Final = frozenset({"direct", "directrunner", "local", "fnapirunner"})
PORTABLE: Final = frozenset({"portablerunner", "sparkrunner", "flinkrunner", "prismrunner"})
"""Runners whose job servers know options of their own, which nobody can check before the job is submitted."""

THREADS: Final = "--number_of_worker_harness_threads"
"""Dataflow starts a process for each core, and would have 12 threads in each: one interpreter, and a part for each."""

PATIENCE: Final = 10
"""Seconds in which a job server has to answer; Beam would wait for five minutes, and say nothing."""

BUSY: Final = 60.0
"""Seconds until a job is submitted again when Dataflow still runs one of its name."""

MISSPELT: Final = 0.8
"""From which likeness on (``difflib``) an unknown option is a known one misspelt. No option of the job servers of Spark
3.5 and Flink 1.19 is so like one of Beam's."""

REFUSED: Final = {
    "daskrunner": "Beam's Dask runner leaves out branches of a job and gives every output of a step the same elements, "
    "without a word",
    "rayrunner": "Beam has no Ray runner, and the one that others began is no longer maintained",
}
"""Runners that would write something wrong, and why. They come by any path of modules, or without "Runner"."""

_OURS = re.compile(
    r"^(?:RuntimeError: )?obelics_pipeline\.errors\.(\w+): (.*?)(?: \[while running .*)?$", re.MULTILINE
)


FULL: Final = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""What the system says when there is no room: on the disk, of a quota, for a file of that size."""

_NO_ROOM = re.compile(rf"\[Errno (?:{'|'.join(map(str, FULL))})\] [^\n\[]*[^\n\[ ]")


WORKER_DIED: Final = (
    "a worker process died, perhaps for want of memory or at a hostile page; run the same command again: it goes on "
    f"where it was, and passes over a page at which {MAX_DEATHS} attempts have died"
)


class WorkerDied(RunFailed):
    """A local worker process is gone; Beam's threads wait for it, so that only ``os._exit`` ends this one."""


class BeamOptions(msgspec.Struct, frozen=True):
    """How to run: ``arguments`` for Beam as on a command line, and the number of local worker processes.

    ``job`` is the name of the job on Dataflow, which runs no two of one name at once.
    """

    arguments: tuple[str, ...] = ()
    workers: int = 1
    job: str = ""


def run(build: Callable[[beam.Pipeline], None], options: BeamOptions, parts: int = 1) -> Any:
    """Run the pipeline that ``build`` wires and return Beam's result; ``RunFailed`` if it fails.

    No more worker processes are started than there are ``parts``.
    """
    quiet()
    import apache_beam as beam
    from apache_beam.options.pipeline_options import PipelineOptions

    from beam_jobs import graph

    name, rest = arguments(options)
    workers = min(options.workers, parts)
    runner: Any = name
    processes = name == LOCAL_RUNNER and workers > 1
    if processes:
        rest = [f"--direct_num_workers={workers}", *rest]
        runner = _processes()
    pipeline = beam.Pipeline(runner=runner, options=PipelineOptions(rest))
    build(pipeline)
    if name != LOCAL_RUNNER:
        graph.check(pipeline.to_runner_api(), f"--runner={name}", graph.max_bytes(name))
    ranged.FIRST_CHECKS.clear()  # from here on an address is right, or was
    try:
        return _run_while_workers_live(pipeline) if processes else _run(pipeline)
    except Exception as error:
        logger.debug("the job failed", exc_info=True)
        raise failure(error) from error


def _run(pipeline: beam.Pipeline) -> Any:
    result = _submitted(pipeline)
    result.wait_until_finish()
    return result


def _submitted(pipeline: beam.Pipeline) -> Any:
    """The running job; while another of the same name runs, the one that a driver which died has left, wait."""
    while True:
        try:
            return pipeline.run()
        except Exception as error:
            if type(error).__name__ != "DataflowJobAlreadyExistsError":  # importing it takes the extra gcp
                raise
            time.sleep(BUSY)


def _processes() -> Any:
    """Beam's in-process runner with workers in processes of our own (``beam_jobs.worker``)."""
    from apache_beam.runners.portability.fn_api_runner import FnApiRunner
    from apache_beam.transforms.environments import SubprocessSDKEnvironment

    # Ctrl-C goes to all processes of a terminal, and is for the driver alone.
    command = f"trap '' INT; exec {shlex.quote(sys.executable)} -m beam_jobs.worker {os.getpid()}"
    return FnApiRunner(default_environment=SubprocessSDKEnvironment.from_command_string(command))


def _run_while_workers_live(pipeline: beam.Pipeline) -> Any:
    """Beam's result; ``WorkerDied`` when a worker process has died, for which Beam would wait for ever."""
    ends: queue.SimpleQueue[tuple[Any, BaseException | None]] = queue.SimpleQueue()

    def run() -> None:
        try:
            ends.put((_run(pipeline), None))
        except BaseException as error:
            ends.put((None, error))

    def died(event: threading.ExceptHookArgs) -> None:
        if event.thread is not None and event.thread.name == "run_worker":
            ends.put((None, WorkerDied(WORKER_DIED)))
        else:
            threading.__excepthook__(event)

    threading.excepthook = died
    threading.Thread(target=run, name="job", daemon=True).start()
    result, error = ends.get()
    if error is not None:
        raise error
    return result


def arguments(options: BeamOptions) -> tuple[str, list[str]]:
    """The runner and Beam's command line: local runs in Beam's in-process runner, the rest as given."""
    known = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    known.add_argument("--runner", default=LOCAL_RUNNER)
    chosen, rest = known.parse_known_args(list(options.arguments))
    # Beam's DirectRunner may download another runner and then depend on it: keep local runs local.
    runner = LOCAL_RUNNER if chosen.runner.lower() in LOCAL else chosen.runner
    if not any(argument.startswith("--save_main_session") for argument in rest):
        rest.append("--no_save_main_session")
    defaults = {THREADS: "1", "--job_name": options.job} if "dataflow" in runner.lower() else {}
    for name, value in defaults.items():
        if value and not any(argument.startswith(name) for argument in rest):
            rest.append(f"{name}={value}")
    return runner, rest


class _BeamParser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise Misconfigured(f"Beam: {message}")


def check_options(options: BeamOptions) -> None:
    """Raise ``Misconfigured`` for an option that Beam does not know (it would drop it silently), or a runner that
    is none, or is refused, or a job server that does not answer. From here on storage is reached as the options say.
    """
    if not options.arguments:
        return
    quiet()
    from apache_beam.io.filesystems import FileSystems
    from apache_beam.options.pipeline_options import PipelineOptions

    parser = _BeamParser(add_help=False, allow_abbrev=False)
    for kind in PipelineOptions.__subclasses__():
        try:
            kind._add_argparse_args(parser)
        except argparse.ArgumentError:  # two of Beam's classes declare the same option
            continue
    runner, rest = arguments(options)
    _check_runner(runner)
    known, unknown = parser.parse_known_args(rest)
    _check_names(unknown, list(parser._option_string_actions), runner)
    if known.job_endpoint not in (None, "embed"):
        _check_answers(known.job_endpoint)
    FileSystems.set_options(PipelineOptions(rest))


def _check_answers(endpoint: str) -> None:
    import grpc

    with grpc.insecure_channel(endpoint) as channel:
        try:
            grpc.channel_ready_future(channel).result(PATIENCE)
        except grpc.FutureTimeoutError:
            raise Misconfigured(
                f"--job_endpoint={endpoint}: no job server answered within {PATIENCE} seconds; start it, or name the "
                "host and port that it listens on"
            ) from None


def _check_runner(name: str) -> None:
    from apache_beam.options.pipeline_options import StandardOptions

    last = name.rpartition(".")[2].lower()
    last += "" if last.endswith("runner") else "runner"
    if last in REFUSED:
        raise Misconfigured(
            f"--runner={name}: {REFUSED[last]}; use SparkRunner, FlinkRunner or DataflowRunner"
        )
    known = {known.lower(): known for known in StandardOptions.KNOWN_RUNNER_NAMES}
    if "." not in name and last not in known:
        near = difflib.get_close_matches(name.lower(), known, n=1)
        hint = f"did you mean {known[near[0]]}?" if near else f"known: {', '.join(known.values())}"
        raise Misconfigured(f"--runner={name}: no such runner; {hint}")


def _check_names(unknown: Sequence[str], known: Sequence[str], runner: str) -> None:
    """Raise ``Misconfigured`` for options that Beam does not know; only what is like a known one where a job server may
    know others.
    """
    likeness = MISSPELT if runner.lower() in PORTABLE else 0.6
    for name in (option.partition("=")[0] for option in unknown if option.startswith("-")):
        if near := difflib.get_close_matches(name, known, n=1, cutoff=likeness):
            raise Misconfigured(f"{name}: no such Beam option; did you mean {near[0]}?")
    if unknown and runner.lower() not in PORTABLE:
        name = unknown[0].partition("=")[0]
        raise Misconfigured(f"{name}: no such Beam option; after -- come options of Apache Beam only")


def failure(error: Exception) -> ObelicsError:
    """The error of ours that made a job fail, as it is or out of a traceback that travelled through Beam as text."""
    text = str(error)
    if isinstance(error, ObelicsError):
        return type(error)(text.partition(" [while running ")[0])
    if ours := _OURS.findall(text):
        kind, message = ours[-1]
        return cast(ObelicsError, getattr(errors, kind, RunFailed)(message))
    if full := _NO_ROOM.search(text):
        return RunFailed(no_room(full[0]))
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    last = next((line for line in reversed(lines) if not line.startswith("[while")), type(error).__name__)
    return RunFailed(f"the job failed: {last}; --debug shows more")


def no_room(error: object) -> str:
    """What to do about a disk that is full."""
    return f"no room to write ({error}); make room and run the same command again: it goes on where it was"


def quiet(*, debug: bool = False) -> None:
    """Keep Beam's chatter out of the terminal, from its import on; what matters is raised or counted."""
    if not logging.getLogger().handlers:
        logging.basicConfig(level=logging.ERROR, format="obelics: %(message)s")
        # Beam gives the log of Prism a lower level than the root's
        logging.getLogger().handlers[0].setLevel(logging.NOTSET if debug else logging.ERROR)
    if debug:
        logger.setLevel(logging.DEBUG)
    elif not logger.isEnabledFor(logging.DEBUG):  # the reason is raised; its tracebacks come with --debug
        logging.getLogger("apache_beam").setLevel(logging.CRITICAL)
        logging.getLogger().addFilter(_by_nobody)  # Beam says under no name what a job server tells it


def _by_nobody(record: logging.LogRecord) -> bool:
    return record.name != "root"
