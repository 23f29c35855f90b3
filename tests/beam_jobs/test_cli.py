"""Mistakes end with exit code 2, one line that helps, and nothing written."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from beam_jobs.cli import main
from obelics_pipeline.manifest import decode

ENOUGH = ["--input", "{archive}", "--output", "{out}"]

MISTAKES = [
    pytest.param(
        ["build", "--input", "{tmp}/none.warc.gz", "--output", "{out}"], "no such file", id="missing file"
    ),
    pytest.param(
        ["build", "--input", "{tmp}/*.warc.gz", "--output", "{out}"], "no file matches", id="empty glob"
    ),
    pytest.param(["biuld", *ENOUGH], "did you mean 'build'?", id="misspelt command"),
    pytest.param([], "see 'obelics --help'", id="no command"),
    pytest.param(["build", *ENOUGH, "--wrokers", "2"], "did you mean '--workers'?", id="misspelt option"),
    pytest.param(
        ["build", "--inptu", "{archive}", "--output", "{out}"],
        "did you mean '--input'?",
        id="misspelt option that is needed",
    ),
    pytest.param(["build", *ENOUGH, "--work", "2"], "no option '--work'", id="abbreviated option"),
    pytest.param(
        ["build", *ENOUGH, "--workers", "two"], "'two' is no number", id="workers that are no number"
    ),
    pytest.param(["build", "--output", "{out}"], "--input", id="no input"),
    pytest.param(["build", *ENOUGH, "--config", "obelisc"], "did you mean 'obelics'?", id="misspelt config"),
    pytest.param(["build", *ENOUGH, "--config", "{bad}"], "did you mean 'extract'?", id="misspelt section"),
    pytest.param(["build", "--input", "{archive}", "--output", "{bad}"], "is a file", id="output is a file"),
    pytest.param(
        ["build", "--input", "{archive}", "--output", "{bad}/x"], "is a file", id="output below a file"
    ),
    pytest.param(
        ["build", "--input", "{archive}", "--output", "/proc/x"], "cannot write", id="unwritable output"
    ),
    pytest.param(
        ["filter", "--output", "{out}"], "run 'obelics extract' first", id="a stage without its input"
    ),
    pytest.param(["explain", "{tmp}/none.html"], "no such file", id="explaining nothing"),
    pytest.param(
        ["explain", "{bad}", "--", "--runner=x"], "leave out what follows --", id="Beam without a job"
    ),
    pytest.param(
        ["build", *ENOUGH, "--", "--runer=FlinkRunner"], "did you mean --runner?", id="misspelt Beam option"
    ),
    pytest.param(
        ["build", *ENOUGH, "--", "--num_workers=two"],
        "--num_workers: invalid int value",
        id="value of a Beam option",
    ),
    pytest.param(
        ["extract", "--input", "http://127.0.0.1:9/x.warc.gz", "--output", "{out}"],
        "cannot be reached",
        id="server that does not answer",
    ),
    pytest.param(
        ["extract", "--input", "{archive}", "--output", "nowhere://bucket/out"],
        "--output nowhere://bucket/out: cannot be reached",
        id="storage that nobody knows",
    ),
]


@pytest.mark.parametrize(("arguments", "says"), MISTAKES)
def test_a_mistake_is_told_in_one_line(
    arguments: list[str], says: str, archive: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bad = tmp_path / "bad.yaml"
    bad.write_text("extrcat: {}\n")
    places = {"tmp": tmp_path, "out": tmp_path / "out", "archive": archive, "bad": bad}
    assert main([argument.format(**places) for argument in arguments]) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.startswith("obelics: ")
    assert told.err.count("\n") == 1
    assert says in told.err
    assert sorted(tmp_path.iterdir()) == [bad]


def test_a_mistake_is_told_at_once_by_the_command_itself(tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "beam_jobs.cli",
        "build",
        "--input",
        "none",
        "--output",
        str(tmp_path / "out"),
    ]
    seconds = []
    for _ in range(3):  # the fastest of a few: the machine may have other work
        started = time.monotonic()
        result = subprocess.run(command, capture_output=True, text=True, timeout=60)
        seconds.append(time.monotonic() - started)
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr == "obelics: --input none: no such file\n"
    assert list(tmp_path.iterdir()) == []
    assert min(seconds) < 2


def test_a_run_that_fails_exits_with_1(
    archive: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from obelics_pipeline.errors import PageFailed

    def hostile(page: object, options: object) -> None:
        raise PageFailed("too_deep", "a tower of elements")

    monkeypatch.setattr("beam_jobs.extract.extract_document", hostile)
    given = ["extract", "--input", str(archive), "--output", str(tmp_path / "out")]
    assert main(given) == 1
    told = capsys.readouterr().err
    assert told.startswith("obelics: extract: 24 of 24 pages failed (too_deep: 24), more than")
    manifest = tmp_path / "out/documents/_MANIFEST.json"
    assert not manifest.exists()

    # Whoever accepts that, and reads faster at once, finds the work done.
    def once_more(*arguments: object, **options: object) -> None:
        raise AssertionError("a part is done once more")

    monkeypatch.setattr("beam_jobs.extract.extract_part", once_more)
    config = tmp_path / "all.yaml"
    config.write_text("extract: {max_failed_share: 1, gap_bytes: 0, connections: 8}\n")
    assert main([*given, "--config", str(config)]) == 0
    assert decode(manifest.read_bytes(), str(manifest)).tally.level("pages").failed == {"too_deep": 24}


def test_an_error_nobody_thought_of_costs_a_page_and_not_the_run(
    archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import pyarrow.parquet as pq

    def broken(page: object, options: object) -> None:
        raise ZeroDivisionError("nothing to divide by")

    monkeypatch.setattr("beam_jobs.extract.extract_document", broken)
    config = tmp_path / "all.yaml"
    config.write_text("extract: {max_failed_share: 1}\n")
    output = tmp_path / "out"
    given = ["--config", str(config), "--input", str(archive), "--output", str(output)]
    assert main(["extract", *given]) == 0
    (file,) = output.glob("failures/extract/*.parquet")
    rows = pq.read_table(file).to_pylist()
    assert len(rows) == 24
    assert {(row["error"], row["message"]) for row in rows} == {
        ("internal_error", "ZeroDivisionError: nothing to divide by")
    }
