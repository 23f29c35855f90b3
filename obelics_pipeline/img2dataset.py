"""img2dataset as another engine of downloads: it asks, in a process of its own; what it brings is checked as ours is.

Its addresses come from a table, its answers go to files. Headers, redirects and failures are read from the log of
``img2dataset_runner``, which stands between it and the network.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO, Any, Final, TypeAlias

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from obelics_pipeline.answer import Answer
from obelics_pipeline.consent import RESTRICTIVE
from obelics_pipeline.decoder import decoder
from obelics_pipeline.engine import Engine
from obelics_pipeline.errors import ConfigError, RunFailed
from obelics_pipeline.fetch import reserved, result_of, said_by_hosts
from obelics_pipeline.fetch_types import FetchOptions, FetchResult, FetchStatus, split_endpoint
from obelics_pipeline.hosts import Refuse
from obelics_pipeline.img2dataset_log import Got, Log, answer_of, having_heard
from obelics_pipeline.url import resolve

SHARD: Final = 500
"""URLs of one of its files: what is lost when the time is over before one is complete."""
STARTING: Final = 120.0
"""Seconds that its processes have to start, which on an idle machine takes ten."""
SLOWEST: Final = 0.1
"""Seconds that a URL may take beside waiting for its host: a twentieth of the speed measured."""
TICK: Final = 0.25
"""Seconds between two looks for files that are complete."""
TAIL: Final = 1500
"""Characters of its output that an error quotes."""

RUNNER: Final = Path(__file__).with_name("img2dataset_runner.py")
LOG, URLS, OUTPUT = "asked.jsonl", "urls.parquet", "out"
"""The runner's log, the addresses and the folder for what img2dataset writes, in the folder of a run."""

_PYTHONS: Final = ("3.11", "3.12")
"""1.47 cannot be imported by 3.13; before 3.11, ``urllib`` does not follow 308."""
_ALONE: Final = {"NO_ALBUMENTATIONS_UPDATE": "1", "WANDB_MODE": "disabled", "WANDB_ERROR_REPORTING": "false"}
"""What its dependencies would tell their makers."""
_COLUMNS: Final = ("url", "error_message", "sha256", "jpg")
"""``jpg`` holds the bytes, whatever they are: its name for what it would make of them if it were let."""


Hosts: TypeAlias = Callable[[Iterable[str]], dict[str, FetchResult]]
"""Which addresses may be asked for (``ok``), and what their hosts say of them."""


def require(engine: Engine, options: FetchOptions) -> None:
    """``ConfigError`` if img2dataset cannot run, or may reach what nobody guards."""
    if not (options.allow_private or engine.egress_is_guarded):
        raise ConfigError(
            "images.img2dataset.egress_is_guarded: not set, and img2dataset is not our code: let the network "
            "keep it from private addresses (docs/images.md) and write 'egress_is_guarded: true', or 'fetcher: builtin'"
        )
    remedy = "run scripts/setup-img2dataset and write the path that it prints in images.img2dataset.python"
    look = (
        "import sys, importlib.metadata as m; m.version('img2dataset'); print('%d.%d' % sys.version_info[:2])"
    )
    try:
        found = subprocess.run(
            [engine.interpreter, "-I", "-c", look], capture_output=True, text=True, timeout=STARTING
        )
    except OSError as error:
        raise ConfigError(
            f"images.img2dataset.python: {engine.interpreter}: {error.strerror}; {remedy}"
        ) from error
    if found.returncode:
        raise ConfigError(f"images.fetcher: {engine.interpreter} has no img2dataset; {remedy}")
    if found.stdout.strip() not in _PYTHONS:
        raise ConfigError(
            f"images.img2dataset.python: {engine.interpreter} is Python {found.stdout.strip()}; "
            f"img2dataset runs here with {' or '.join(_PYTHONS)}; {remedy}"
        )


def fetch_images(
    urls: Iterable[str],
    options: FetchOptions,
    refuse: Refuse | None = None,
    agents: tuple[str, ...] = (),
    ai_agents: tuple[str, ...] = (),
    *,
    engine: Engine,
) -> Iterator[FetchResult]:
    """``fetch.fetch_images`` by img2dataset: one result for each URL; all are read before the first is asked.

    Hosts are asked what they say of their URLs before, those to which redirects led when the image is there, which then
    is dropped. So are images that ``refuse`` refuses by headers. Images are asked for once, whatever happens.
    ``RunFailed``, with the end of what it printed, if img2dataset fails.
    """
    judge = refuse or reserved(options.user_agent)
    asked = list(urls)
    hosts = partial(said_by_hosts, options=options, refuse=judge, agents=agents, ai_agents=ai_agents)
    said = hosts(asked)
    yield from (said[url] for url in asked if said[url].status is not FetchStatus.OK)
    waiting = {str(n): url for n, url in enumerate(asked) if said[url].status is FetchStatus.OK}
    if not waiting:
        return
    with (
        decoder() as child,
        TemporaryDirectory(prefix="obelics-img2dataset-") as folder,
        _Run(Path(folder), options, judge, engine, waiting) as run,
    ):
        for number, answer, at in run.answers(hosts):
            url = waiting.pop(number)
            result = result_of(url, having_heard(answer, [said[url]]), options, child)
            yield msgspec.structs.replace(result, fetched_at=at or result.fetched_at)
        for url in waiting.values():
            yield result_of(url, run.missing, options, child)


def job_of(folder: Path, options: FetchOptions, refuse: Refuse, engine: Engine, count: int) -> dict[str, Any]:
    """What the runner is told: how to call img2dataset for ``count`` URLs in ``folder``, and what to let through."""
    words = sorted(word for word in RESTRICTIVE if refuse((f"x-robots-tag:{word}",)))
    download = {
        "url_list": str(folder / URLS),
        "input_format": "parquet",
        "output_folder": str(folder / OUTPUT),
        "output_format": "parquet",
        "processes_count": engine.processes,
        "thread_count": -(-options.concurrency // engine.processes),
        "number_sample_per_shard": min(SHARD, -(-count // engine.processes)),
        "disable_all_reencoding": True,
        "extract_exif": False,
        "compute_hash": "sha256",
        "timeout": options.total_timeout,
        "max_shard_retry": 0,  # it would ask again for all that a shard has
        "user_agent_token": options.user_agent.partition("/")[0],
        "disallowed_header_directives": words,
    }
    bounds = (
        "connect_timeout", "total_timeout", "max_bytes", "max_redirects",
        "per_host", "host_failures", "ports", "allow_private",
    )  # fmt: skip
    return {
        "download": download,
        "log": str(folder / LOG),
        "signature": options.signature,
        "hosts": {name: split_endpoint(endpoint) for name, endpoint in options.hosts.items()},
        **{name: getattr(options, name) for name in bounds},
    }


def seconds_of(options: FetchOptions, count: int) -> float:
    """How long a run for ``count`` URLs may take, if every one of them takes as long as it may."""
    waits = -(-count // min(options.concurrency, count))
    return STARTING + count * SLOWEST + waits * options.total_timeout


class _Run:
    """One run of img2dataset, in ``folder``, for ``urls`` by their numbers."""

    def __init__(
        self, folder: Path, options: FetchOptions, refuse: Refuse, engine: Engine, urls: dict[str, str]
    ) -> None:
        self._folder, self._refuse = folder, refuse
        self._log = Log(folder / LOG)
        self._seconds = seconds_of(options, len(urls))
        self.missing = Answer(FetchStatus.LOST, detail="img2dataset gave no result")
        # The number of a URL is its fragment, which is not sent.
        table = pa.table({"url": [f"{resolve(url)}#{number}" for number, url in urls.items()]})
        pq.write_table(table, folder / URLS)
        job = folder / "job.json"
        job.write_bytes(msgspec.json.encode(job_of(folder, options, refuse, engine, len(urls))))
        (folder / OUTPUT).mkdir()
        self._command = [engine.interpreter, "-I", str(RUNNER), str(job)]

    def __enter__(self) -> _Run:
        self._output: IO[bytes] = (self._folder / "output.txt").open("wb")
        self._process = subprocess.Popen(
            self._command,
            stdin=subprocess.PIPE,  # its end is the sign that nobody waits any more
            stdout=self._output,
            stderr=subprocess.STDOUT,
            env={**os.environ, **_ALONE},
            start_new_session=True,
        )
        self._until = time.monotonic() + self._seconds
        return self

    def __exit__(self, *error: object) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._output.close()

    def answers(self, hosts: Hosts) -> Iterator[tuple[str, Answer, int]]:
        """Number, answer and time (ms) of each URL that img2dataset answers, file by file as they are complete.

        ``hosts`` is asked about the addresses to which redirects led.
        """
        done: set[Path] = set()
        while True:
            ended = self._process.poll() is not None
            complete = sorted(set((self._folder / OUTPUT).glob("*_stats.json")) - done)
            for stats in complete:
                written = stats.with_name(stats.name.replace("_stats.json", ".parquet"))
                yield from self._answers_of(written, hosts)
            done.update(complete)
            if ended:
                break
            if not complete:
                if time.monotonic() > self._until:
                    self.missing = Answer(
                        FetchStatus.TIMEOUT, detail=f"img2dataset was ended after {self._seconds:.0f} s"
                    )
                    return
                time.sleep(TICK)
        self._log.hear()
        if self._process.returncode or not done or not self._log:
            raise RunFailed(self._failure())

    def _failure(self) -> str:
        output = (self._folder / "output.txt").read_text(errors="replace").strip()[-TAIL:]
        code = self._process.returncode
        what = (
            f"ended with exit code {code}"
            if code
            else "completed no file, or asked past the opener that guards it"
        )
        return f"images: img2dataset {what}; the end of what it printed:\n{output}"

    def _answers_of(self, path: Path, hosts: Hosts) -> Iterator[tuple[str, Answer, int]]:
        self._log.hear()
        said = hosts(self._log.led_to())
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches(batch_size=16, columns=list(_COLUMNS)):
                for row in batch.to_pylist():
                    number = row["url"].rpartition("#")[2]
                    hops = self._log.take(number)
                    got = Got(row["error_message"] or "", row["sha256"], row["jpg"])
                    answer = having_heard(
                        answer_of(hops, got, self._refuse), [said[hop.url] for hop in hops[1:]]
                    )
                    yield number, answer, hops[-1].at if hops else 0
        path.unlink()  # the bytes are where the results went
