"""Events: each line of stderr or of the file is an object, and what operators wait for is there."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from beam_jobs.cli import main


def lines(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def extract(archive: Path, config_file: Path, folder: Path) -> list[str]:
    places = ["--input", str(archive), "--output", str(folder / "out")]
    return ["extract", "--config", str(config_file), *places]


def test_a_run_is_told_from_start_to_end_and_once_more_as_done(
    archive: Path, config_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log = tmp_path / "events.jsonl"
    command = extract(archive, config_file, tmp_path)
    assert main([*command, "--log-format", "json", "--log-file", str(log)]) == 0
    told = capsys.readouterr()
    found = lines(told.err)
    assert lines(log.read_text()) == found
    assert [one["event"] for one in found] == [
        "started",
        "stage_started",
        *["part_finished"] * 3,
        "progress",
        "stage_finished",
        "ended",
    ]
    assert all(one["time"].endswith("Z") and one["level"] == "info" for one in found)
    assert sorted(one["part"] for one in found if one["event"] == "part_finished") == [0, 1, 2]
    parts = [one["counts"]["pages"]["in"] for one in found if one["event"] == "part_finished"]
    last = found[-2]
    assert last["counts"]["pages"] == {"in": 24, "kept": 23, "rejected": {"no_nodes": 1}}
    assert (sum(parts), last["seconds"] > 0, found[-1]["exit_code"]) == (24, True, 0)
    assert told.out.startswith("stage"), "the funnel, and no other line"

    assert main([*command, "--log-file", str(log)]) == 0
    assert capsys.readouterr().err == ""
    again = lines(log.read_text())[len(found) :]
    assert [one["event"] for one in again] == ["started", "stage_skipped", "ended"]
    assert again[1]["counts"]["pages"]["kept"] == 23


def test_a_failure_is_told_with_its_place(
    archive: Path,
    config_file: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def full(*arguments: object, **options: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("beam_jobs.extract.extract_part", full)
    command = extract(archive, config_file, tmp_path)
    assert main([*command, "--log-format", "json"]) == 1
    found = lines(capsys.readouterr().err)
    failed = next(one for one in found if one["event"] == "part_failed")
    assert (failed["error"], failed["message"]) == ("OSError", "[Errno 28] No space left on device")
    assert failed["place"].startswith(f"{__file__}:")
    stage, ended = found[-2:]
    assert (stage["event"], stage["stage"], stage["level"]) == ("stage_failed", "extract", "error")
    assert (ended["event"], ended["exit_code"], ended["error"]) == ("ended", 1, "RunFailed")
    assert "No space left on device" in ended["message"]


def test_an_error_of_the_system_in_the_driver_is_told(
    archive: Path, config_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    in_the_way = tmp_path / "out/documents/_MANIFEST.json"
    in_the_way.mkdir(parents=True)
    command = extract(archive, config_file, tmp_path)
    assert main([*command, "--log-format", "json"]) == 1
    stage, ended = lines(capsys.readouterr().err)[-2:]
    assert (stage["event"], stage["error"]) == ("stage_failed", "IsADirectoryError")
    assert (ended["event"], ended["exit_code"], ended["error"]) == ("ended", 1, "IsADirectoryError")
    assert str(in_the_way) in ended["message"]
    assert main(command) == 1
    told = capsys.readouterr().err
    assert told.startswith("obelics: IsADirectoryError: ")
    assert told.count("\n") == 1


def test_an_error_that_nobody_thought_of_is_told_and_shown(
    archive: Path,
    config_file: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def broken(plan: object) -> None:
        raise KeyError("nothing")

    monkeypatch.setattr("beam_jobs.stages.prepare", broken)
    command = extract(archive, config_file, tmp_path)
    assert main([*command, "--log-format", "json"]) == 1
    assert lines(capsys.readouterr().err)[-1]["message"].startswith(f"KeyError: 'nothing' ({__file__}:")
    assert main(command) == 1
    told = capsys.readouterr().err.splitlines()
    assert (told[0], told[-1][:28]) == ("Traceback (most recent call last):", "obelics: KeyError: 'nothing'")


def test_a_log_that_cannot_be_written_is_a_mistake(
    archive: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["extract", "--input", str(archive), "--output", str(tmp_path / "out")]
    assert main([*command, "--log-file", str(tmp_path / "none/log")]) == 2
    assert capsys.readouterr().err.startswith(f"obelics: --log-file {tmp_path}/none/log: cannot be written: ")
    assert not (tmp_path / "out").exists()


def test_a_mistake_is_an_event_where_stderr_has_events(
    archive: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["extract", "--input", str(tmp_path / "none"), "--output", str(tmp_path / "out")]
    assert main([*command, "--log-format", "json"]) == 2
    (told,) = lines(capsys.readouterr().err)
    assert (told["event"], told["exit_code"], told["error"]) == ("ended", 2, "InputError")
    assert told["message"] == f"--input {tmp_path}/none: no such file"
