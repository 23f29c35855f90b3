"""What the driver of a stage trusts, clears and refuses."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from beam_jobs import stages
from beam_jobs.config import Config
from beam_jobs.parts import Part, Workspace, counting, run_part
from beam_jobs.rows import DOCUMENTS
from beam_jobs.stages import FILTER, Plan, Session
from obelics_pipeline.accounting import Tally
from obelics_pipeline.errors import InputError, RunFailed
from obelics_pipeline.manifest import InputEntry


def write_nothing(part: Part) -> Tally:
    part.table("filtered", DOCUMENTS)
    return counting("documents")


def session(tmp_path: Path) -> Session:
    return Session(Config(), str(tmp_path), str(tmp_path), say=lambda line: None)


def plan(tmp_path: Path, size: int = 1) -> Plan:
    made = stages.plan(session(tmp_path), FILTER, Config().filter, [InputEntry("documents", size, "d")], 2)

    def build(pipeline: object) -> None:  # a "job" that needs no runner: parts are done while it is wired
        for number in range(2):
            run_part(made.space, number, write_nothing)

    return msgspec.structs.replace(made, build=build)


@pytest.fixture(autouse=True)
def _no_runner(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("beam_jobs.runner.run", lambda build, options, parts: build(None))


def test_a_stage_is_run_once(tmp_path: Path) -> None:
    first = stages.run(plan(tmp_path), session(tmp_path))
    again = stages.run(plan(tmp_path), session(tmp_path))
    assert first.seconds is not None
    assert again.seconds is None
    assert again.manifest == first.manifest
    assert [entry.path for entry in first.manifest.files] == [
        f"filtered/part-0000{n}.parquet" for n in range(2)
    ]
    assert not (tmp_path / "_work" / plan(tmp_path).space.folder).exists()


def test_another_input_clears_the_old_files_but_no_foreign_ones(tmp_path: Path) -> None:
    stages.run(plan(tmp_path), session(tmp_path))
    (tmp_path / "filtered/part-00002.parquet").write_text("of a run with more parts")
    (tmp_path / "filtered/mine.txt").write_text("mine")
    old = Workspace(str(tmp_path), "filter", "0" * 32)
    run_part(old, 7, write_nothing)
    killed_before_any_part = tmp_path / "_work" / f"filter-{'1' * 16}" / "passes/told/part-00000.msgpack"
    killed_before_any_part.parent.mkdir(parents=True)
    killed_before_any_part.write_bytes(b"")
    done = stages.run(plan(tmp_path, size=2), session(tmp_path))
    assert done.seconds is not None
    left = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()}
    assert left == {
        "filtered/_MANIFEST.json",
        "filtered/mine.txt",
        "filtered/part-00000.parquet",
        "filtered/part-00001.parquet",
    }


def test_a_killed_stage_keeps_the_parts_it_has_done(tmp_path: Path) -> None:
    work = plan(tmp_path)
    run_part(work.space, 1, write_nothing)
    done = (tmp_path / "filtered/part-00001.parquet").stat().st_mtime_ns
    stale = Path(work.space.folder, "temporary", "x.parquet")
    stale.parent.mkdir(exist_ok=True)
    stale.write_text("half")
    stages.run(work, session(tmp_path))
    assert (tmp_path / "filtered/part-00001.parquet").stat().st_mtime_ns == done
    assert not stale.exists()


@pytest.mark.parametrize("damage", ["gone", "cut"])
def test_a_finished_stage_with_a_damaged_file_is_done_again(tmp_path: Path, damage: str) -> None:
    first = stages.run(plan(tmp_path), session(tmp_path))
    file = tmp_path / "filtered/part-00000.parquet"
    file.unlink() if damage == "gone" else file.write_bytes(b"cut")
    with pytest.raises(InputError, match=r"part-00000\.parquet: missing or cut; run 'obelics filter' again"):
        stages.read_manifest(str(tmp_path), FILTER)
    again = stages.run(plan(tmp_path), session(tmp_path))
    assert again.seconds is not None
    assert again.manifest == first.manifest
    assert stages.read_manifest(str(tmp_path), FILTER) == first.manifest


def test_an_unfinished_stage_is_no_input(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="run 'obelics filter' first"):
        stages.read_manifest(str(tmp_path), FILTER)


def test_a_manifest_of_another_version_is_no_finished_stage(tmp_path: Path) -> None:
    (tmp_path / "filtered").mkdir()
    (tmp_path / "filtered/_MANIFEST.json").write_text("{}")
    assert stages.run(plan(tmp_path), session(tmp_path)).seconds is not None


def test_a_refused_tally_leaves_no_manifest(tmp_path: Path) -> None:
    def refuse(tally: Tally) -> list[None]:
        raise RunFailed("too many")

    with pytest.raises(RunFailed, match="too many"):
        stages.run(msgspec.structs.replace(plan(tmp_path), seal=refuse), session(tmp_path))
    assert not (tmp_path / "filtered/_MANIFEST.json").exists()
