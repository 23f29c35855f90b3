"""Progress is what the parts of a stage have left, wherever they ran."""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path

import pytest

from beam_jobs import events, progress
from beam_jobs.part_files import PartFiles
from beam_jobs.parts import REPORTS, Part, Workspace, counting, run_part
from beam_jobs.progress import Progress, Step, Watcher, watch
from obelics_pipeline.accounting import Level, Tally
from obelics_pipeline.errors import RunFailed
from tests.s3server import misbehave


def tally(entered: int, kept: int, **rejected: int) -> Tally:
    return Tally({"documents": Level(entered, kept, rejected), "images": Level(7, 7)})


LINES = [
    pytest.param(Progress("filter", 0, 4, Tally()), "filter: 0 of 4 parts", id="nothing yet"),
    pytest.param(
        Progress(
            "filter", 1, 4, tally(1500, 1400, word_count=60, language=40), new=1, taken=1500, seconds=10
        ),
        "filter: 1 of 4 parts; 1,500 documents, 1,400 kept (word_count 60, language 40); 150/s; about 0:30 min left",
        id="a part in ten seconds",
    ),
    pytest.param(
        Progress("filter", 4, 4, tally(12, 12), new=2, taken=6, seconds=10),
        "filter: 4 of 4 parts; 12 documents, 12 kept; 0.6/s",
        id="over, half of it done before",
    ),
    pytest.param(
        Progress("filter", 3, 4000, tally(12, 12), new=1, taken=6, seconds=60),
        "filter: 3 of 4,000 parts; 12 documents, 12 kept; 0.1/s; about 66 h 37 min left",
        id="days to go",
    ),
    pytest.param(
        Progress("filter", 2, 4, tally(10, 4, a=1, b=2, c=2, d=1)),
        "filter: 2 of 4 parts; 10 documents, 4 kept (b 2, c 2, a 1)",
        id="all done before, three reasons of four",
    ),
    pytest.param(
        Progress("dedup", 0, 4, Tally(), "step 2 of 6 before them, url: 1 of 4 parts"),
        "dedup: 0 of 4 parts; step 2 of 6 before them, url: 1 of 4 parts",
        id="in a pass",
    ),
]


@pytest.mark.parametrize(("now", "line"), LINES)
def test_a_line_tells_rate_rest_and_reasons(now: Progress, line: str) -> None:
    assert now.line == line


@pytest.fixture
def space(tmp_path: Path) -> Workspace:
    return Workspace(str(tmp_path), "filter", "0" * 32)


def work(part: Part) -> Tally:
    """What a part of three documents counts, one of them rejected."""
    counted = counting("documents")
    counted.enter("documents", 3)
    counted.keep("documents", 2)
    counted.reject("documents", "language")
    return counted


def fail(part: Part) -> Tally:
    raise RunFailed("no room is left")


def test_parts_of_an_earlier_run_are_done_but_have_no_rate(
    space: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [100.0]
    monkeypatch.setattr("beam_jobs.progress.time.monotonic", lambda: clock[0])
    run_part(space, 0, work)
    watcher = Watcher(space, 3)
    assert (watcher.look().rate, watcher.parts) == (None, 3)
    run_part(space, 2, work)
    clock[0] = 110.0
    now = watcher.look()
    assert (now.done, now.new, now.taken, now.rate, now.left) == (2, 1, 3, 0.3, 10.0)
    assert now.line == "filter: 2 of 3 parts; 6 documents, 4 kept (language 2); 0.3/s; about 0:10 min left"


def test_steps_before_the_parts_are_told_in_their_order(space: Workspace) -> None:
    files = PartFiles(space.folder, 2)
    watcher = Watcher(space, 2, (Step("sign", f"sign/{REPORTS}", 1), files.step("url")))
    assert watcher.look().step == "step 1 of 2 before them, sign: 0 of 1 parts"
    run_part(Workspace(space.root, "filter", "0" * 32, "sign"), 0, work)
    files.write("url", 0, [])
    assert watcher.look().step == "step 2 of 2 before them, url: 1 of 2 parts"
    files.write("url", 1, [])
    now = watcher.look()
    assert (now.step, now.done, now.tally) == ("", 0, Tally())


def test_an_attempt_that_failed_is_told_with_its_place_and_the_next_one_counts_it(
    space: Workspace, tmp_path: Path
) -> None:
    log = tmp_path / "events.jsonl"
    events.listen("text", str(log))
    with pytest.raises(RunFailed):
        run_part(space, 1, fail)
    watcher = Watcher(space, 2)
    watcher.look()  # what an earlier run left
    with pytest.raises(RunFailed):
        run_part(space, 1, fail)
    watcher.look()
    run_part(space, 1, work)
    watcher.look()
    watcher.look()
    events.listen("text", None)
    failed, finished = map(json.loads, log.read_text().splitlines())
    place = failed.pop("place")
    assert place.startswith(f"{__file__}:")
    assert {name: failed[name] for name in ("level", "event", "stage", "part", "error", "message")} == {
        "level": "warning",
        "event": "part_failed",
        "stage": "filter",
        "part": 1,
        "error": "RunFailed",
        "message": "no room is left",
    }
    assert (finished["event"], finished["part"], finished["attempts"]) == ("part_finished", 1, 2)
    assert finished["counts"] == {"documents": {"in": 3, "kept": 2, "rejected": {"language": 1}}}


def test_lines_are_told_where_there_is_no_terminal(space: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "INTERVAL", 0.01)
    monkeypatch.setattr(progress, "LINE_EVERY", 0.0)
    said: list[str] = []
    with watch(Watcher(space, 2), said.append):
        run_part(space, 0, work)
        run_part(space, 1, work)
    assert said[-1].startswith("filter: 2 of 2 parts; 6 documents, 4 kept (language 2)")
    assert len(said) >= 2


def test_all_that_an_earlier_run_left_is_old_and_all_else_is_new(
    space: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "AT_ONCE", 10)
    log = tmp_path / "events.jsonl"
    events.listen("text", str(log))
    for number in range(45):
        run_part(space, number, work)
    watcher = Watcher(space, 100)
    assert watcher.look().tally.level("documents").entered == 45 * 3
    for number in range(45, 70):
        run_part(space, number, work)
    now = watcher.look()
    events.listen("text", None)
    assert (now.done, now.new, now.taken, now.tally.level("documents").entered) == (70, 25, 75, 210)
    assert [json.loads(line)["part"] for line in log.read_text().splitlines()] == list(range(45, 70))


def test_a_report_that_cannot_be_read_now_is_read_by_the_next_look(space: Workspace) -> None:
    run_part(space, 0, work)
    run_part(space, 1, work)
    watcher, path = Watcher(space, 2), Path(space.report_path(1))
    report = path.read_bytes()
    path.write_bytes(report[:-1])
    with pytest.raises(ValueError, match="truncated"):
        watcher.look()
    path.write_bytes(report)
    assert watcher.look().tally.level("documents").entered == 6


@pytest.mark.filterwarnings("error::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_store_that_is_busy_is_looked_at_again(
    bucket: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(progress, "INTERVAL", 0.01)
    monkeypatch.setattr(progress, "LONGEST", 0.01)
    space = Workspace("s3://bucket/run", "filter", "0" * 32)
    said: list[str] = []
    with watch(Watcher(space, 1), said.append):
        run_part(space, 0, work)
        misbehave(bucket, busy=1)
        time.sleep(5)  # three attempts of boto3 and one of ours
        misbehave(bucket)
    assert said[-1].startswith("filter: 1 of 1 parts; 3 documents")
    assert capfd.readouterr().err == ""


def test_the_end_does_not_wait_for_a_look_that_hangs(
    space: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = threading.Event()

    class Hanging(Watcher):
        def look(self) -> Progress:
            answers.wait()
            return super().look()

    monkeypatch.setattr(progress, "LAST", 0.1)
    said: list[str] = []
    before = set(threading.enumerate())
    with watch(Hanging(space, 1), said.append):
        (thread,) = set(threading.enumerate()) - before
    answers.set()
    thread.join(10)
    assert not thread.is_alive()
    assert said == []


def test_looking_at_many_parts_costs_little(space: Workspace) -> None:
    """A look at reports that were read before lists names; the wait after it is fifty times as long."""
    for number in range(2_000):
        run_part(space, number, work)
    watcher = Watcher(space, 2_000)
    watcher.look()
    started = time.process_time()
    assert watcher.look().done == 2_000
    assert time.process_time() - started < 0.5
