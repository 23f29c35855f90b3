"""What a part has fetched outlives the process that fetched it."""

from __future__ import annotations

import contextlib
import hashlib
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from faultserver import CASES, FaultServer, picture, reply
from hypothesis import given
from hypothesis import strategies as st

from beam_jobs.parts import Workspace
from beam_jobs.spool import Spool
from filters.consent.verdict import EvidenceRow
from obelics_pipeline.fetch_types import FetchResult, FetchStatus

RESULTS = [
    FetchResult("http://a.example/1", FetchStatus.OK, body=b"one", num_bytes=3),
    FetchResult("http://a.example/2", FetchStatus.HTTP_4XX, http_status=404),
    FetchResult("http://a.example/3", FetchStatus.OK, body=b"three" * 1000, num_bytes=5000),
]


def fill(path: Path) -> None:
    with Spool.at(str(path)) as spool:
        for result in RESULTS:
            spool.add(result, [])


def read(path: Path) -> list[tuple[str, bytes]]:
    with Spool.at(str(path)) as spool:
        return [
            (entry.result.url, spool.body(position, entry.result.num_bytes or 0))
            for entry, position in list(spool.kept())
        ]


WHOLE = [(result.url, result.body or b"") for result in RESULTS]


def test_results_and_their_evidence_are_kept(tmp_path: Path) -> None:
    fill(tmp_path / "spool")
    assert read(tmp_path / "spool") == WHOLE


@given(cut=st.integers(0, 6000))
def test_what_is_half_written_is_cut_off_and_written_again(
    cut: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("cut") / "spool"
    fill(path)
    os.truncate(path, min(cut, path.stat().st_size))
    kept = read(path)
    assert kept == WHOLE[: len(kept)]
    with Spool.at(str(path)) as spool:
        assert len(list(spool.kept())) == len(kept)
        for result in RESULTS[len(kept) :]:
            spool.add(result, [])
    assert read(path) == WHOLE


def test_a_full_disk_is_an_error_and_not_a_shorter_body(tmp_path: Path) -> None:
    code = (
        "import resource, signal\n"
        "from beam_jobs.spool import Spool\n"
        "from obelics_pipeline.fetch_types import FetchResult, FetchStatus\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))\n"
        f"with Spool.at({str(tmp_path / 'spool')!r}) as spool:\n"
        "    spool.add(FetchResult('http://a.example/', FetchStatus.OK, body=bytes(60_000)), [])\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert "File too large" in done.stderr


def test_two_processes_do_not_share_one(tmp_path: Path) -> None:
    path = str(tmp_path / "spool")
    with Spool.at(path) as first, Spool.at(path) as second:
        first.add(RESULTS[0], [])
        second.add(RESULTS[1], [])
    assert read(tmp_path / "spool") == WHOLE[:1]


def test_evidence_is_read_as_it_was_written(tmp_path: Path) -> None:
    row = EvidenceRow("image", "http://a.example/1", "header", "noai", "x", 1, "released", "record")
    with Spool.at(str(tmp_path / "spool")) as spool:
        spool.add(RESULTS[0], [row])
        ((entry, _),) = spool.kept()
    assert entry.evidence == [row]


WORKER = """
import os, sys
from beam_jobs.config import ImagesSection
from beam_jobs.images import fetch_part
from beam_jobs.parts import Workspace, run_part
from filters.consent.policy import Policy

root, endpoint, count, at_once = sys.argv[1:]
urls = [(f"http://a.example/numbered/{n}", 1, ()) for n in range(int(count))]
options = ImagesSection(
    allow_private=True, hosts={"a.example": endpoint}, concurrency=int(at_once), per_host=int(at_once)
)
for _ in sys.stdin:
    child = os.fork()
    if not child:
        run_part(Workspace(root, "images", "f" * 32), 0, lambda part: fetch_part(part, "", urls, options, Policy()))
        os._exit(0)
    print(child, flush=True)
    print(os.waitpid(child, 0)[1], flush=True)
"""
"""Does the part once for every line that it reads, each time in a process of its own, whose number it tells first."""
COUNT, AT_ONCE, KILLS = 600, 8, 20


@pytest.mark.timeout(300)
def test_killed_at_random_nothing_is_lost_or_double_and_little_is_asked_twice(tmp_path: Path) -> None:
    """Twenty processes are killed, each after some requests; another one finishes."""
    bodies = {n: picture("PNG", (8 + n % 40, 8 + n // 40)) for n in range(COUNT)}
    chance = random.Random(int(os.environ.get("OBELICS_TEST_SEED", "7")))
    CASES["numbered"] = lambda request, writer: reply(200, bodies[int(request.path.rsplit("/", 1)[1])])(
        request, writer
    )
    endings: list[int] = []
    with FaultServer() as server:
        command = [sys.executable, "-c", WORKER, str(tmp_path), server.endpoint, str(COUNT), str(AT_ONCE)]
        worker = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
        )
        assert worker.stdin is not None
        assert worker.stdout is not None
        for _ in range(KILLS):
            worker.stdin.write("\n")
            child = int(worker.stdout.readline())
            wanted = len(server.requests) + chance.randint(1, 2 * COUNT // KILLS)
            with contextlib.suppress(ProcessLookupError):  # it was quicker
                while len(server.requests) < wanted:
                    os.kill(child, 0)
                    time.sleep(0.001)
                os.kill(child, signal.SIGKILL)
            endings.append(int(worker.stdout.readline()))
        output, _ = worker.communicate("\n", timeout=120)
        assert output.split()[-1] == "0"
        asked = [request.path for request in server.requests if request.case == "numbered"]
    del CASES["numbered"]
    results = pq.read_table(tmp_path / "image_results").to_pylist()
    assert [row["url"] for row in results] == sorted(f"http://a.example/numbered/{n}" for n in range(COUNT))
    stored = (tmp_path / "images/part-00000.parquet").read_bytes()
    for row in results:
        body = bodies[int(row["url"].rsplit("/", 1)[1])]
        assert (row["status"], row["sha256"]) == ("ok", hashlib.sha256(body).hexdigest())
        assert stored[row["offset"] : row["offset"] + row["num_bytes"]] == body
    assert endings.count(signal.SIGKILL) > KILLS / 2
    assert len(asked) - len(set(asked)) <= KILLS * (AT_ONCE + 1)  # the window, and the one that is being kept
    assert not (Path(Workspace(str(tmp_path), "images", "f" * 32).folder) / "scratch" / "part-00000").exists()
