"""A part is done once and whole, whatever happens on the way."""

from __future__ import annotations

import socket
from functools import partial
from pathlib import Path

import apache_beam as beam
import pyarrow.parquet as pq
import pytest
from apache_beam.testing.util import assert_that

from beam_jobs import runner
from beam_jobs.parts import Part, PartReport, Workspace, counting, read_reports, run_part
from beam_jobs.rows import Writer, flat_writer
from beam_jobs.runner import BeamOptions
from beam_jobs.transforms import DoPart, GiveToParts, Parts, _named
from obelics_pipeline.accounting import Tally
from obelics_pipeline.errors import Misconfigured, RunFailed
from obelics_pipeline.manifest import code_version
from obelics_pipeline.tables import FAILURES, Failure, table_of


def write_failures(part: Part, names: list[str], *, wrong: bool = False) -> Tally:
    tally = counting("pages")
    with flat_writer(part.table("failures/test", FAILURES), FAILURES) as writer:
        for name in names:
            writer.add(Failure(name, None, None, "nodes", ""))
            tally.enter("pages")
            tally.fail("pages", "nodes")
    if wrong:
        raise ValueError("wrong")
    return tally


@pytest.fixture
def space(tmp_path: Path) -> Workspace:
    return Workspace(str(tmp_path), "test", "f" * 32)


def files(space: Workspace) -> set[str]:
    root = Path(space.root)
    return {str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()}


def test_a_part_writes_its_files_and_then_its_report(space: Workspace) -> None:
    report = run_part(space, 3, partial(write_failures, names=["a", "b"]))
    (entry,) = report.files
    assert (entry.path, entry.rows) == ("failures/test/part-00003.parquet", 2)
    assert files(space) == {entry.path, f"_work/test-{'f' * 16}/reports/part-00003.json"}
    assert pq.read_table(Path(space.root, entry.path)).column("url").to_pylist() == ["a", "b"]
    assert space.report(3) == report


def test_a_part_that_is_done_is_not_done_again(space: Workspace) -> None:
    first = run_part(space, 0, partial(write_failures, names=["a"]))
    assert run_part(space, 0, partial(write_failures, names=["b"])) == first


def test_an_attempt_that_ends_after_another_changes_nothing(space: Workspace) -> None:
    first: list[PartReport] = []

    def late(part: Part) -> Tally:
        Path(part.scratch()).parent.mkdir(parents=True)
        Path(part.scratch()).write_text("what both attempts share")
        Path(f"{part.scratch()}-more").write_text("what one of them had for itself")
        first.append(run_part(space, 0, partial(write_failures, names=["a"])))
        return write_failures(part, ["b", "c"])

    assert run_part(space, 0, late) == first[0] == space.report(0)
    (entry,) = first[0].files
    assert pq.read_table(Path(space.root, entry.path)).column("url").to_pylist() == ["a"]
    assert files(space) == {entry.path, f"_work/test-{'f' * 16}/reports/part-00000.json"}


@pytest.mark.parametrize("damage", ["gone", "cut"])
def test_a_part_whose_file_is_not_whole_is_done_again(space: Workspace, damage: str) -> None:
    report = run_part(space, 0, partial(write_failures, names=["a"]))
    path = Path(space.root, report.files[0].path)
    path.unlink() if damage == "gone" else path.write_bytes(path.read_bytes()[:-1])
    again = run_part(space, 0, partial(write_failures, names=["a"]))
    assert (again.files, again.tally) == (report.files, report.tally)
    assert path.stat().st_size == report.files[0].bytes


def test_a_part_that_fails_leaves_nothing_but_why(space: Workspace) -> None:
    with pytest.raises(ValueError, match="wrong"):
        run_part(space, 0, partial(write_failures, names=["a"], wrong=True))
    (left,) = files(space)
    assert left.startswith(f"_work/test-{'f' * 16}/failed/part-00000-")


def test_a_part_that_loses_count_fails(space: Workspace) -> None:
    def lose(part: Part) -> Tally:
        tally = counting("pages")
        tally.enter("pages")
        return tally

    with pytest.raises(RunFailed, match="test, part 0: 1 of 1 pages are not accounted for"):
        run_part(space, 0, lose)


def test_all_parts_have_to_be_there(space: Workspace) -> None:
    run_part(space, 0, partial(write_failures, names=[]))
    with pytest.raises(RunFailed, match="part 1 of 2 was not written"):
        read_reports(space, 2)


def test_all_files_of_all_parts_have_to_be_there(space: Workspace) -> None:
    reports = [run_part(space, n, partial(write_failures, names=["a"] * n)) for n in range(3)]
    assert read_reports(space, 3) == reports
    Path(space.root, reports[1].files[0].path).write_bytes(b"cut")
    with pytest.raises(RunFailed, match="part 1 of 3 was not written"):
        read_reports(space, 3)


def test_a_job_does_every_part_and_counts_in_beam(space: Workspace) -> None:
    with beam.Pipeline(runner="FnApiRunner") as pipeline:
        tasks = pipeline | beam.Create([(0, ["a", "b"]), (1, ["c"])])
        _ = tasks | beam.ParDo(DoPart(space, write_failures))
    found = pipeline.result.metrics().query()["counters"]
    assert {(c.key.metric.namespace, c.key.metric.name): c.committed for c in found} == {
        ("test", "pages/in"): 3,
        ("test", "pages/kept"): 0,
        ("test", "pages/nodes"): 3,
    }
    assert [report.files[0].rows for report in read_reports(space, 2)] == [2, 1]


def test_a_worker_with_other_code_than_the_driver_does_nothing(
    space: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = code_version()
    monkeypatch.setattr("beam_jobs.transforms.code_version", lambda: "1.0+abc")  # of the driver
    part = beam.ParDo(DoPart(space, write_failures))
    monkeypatch.undo()
    with pytest.raises(Misconfigured) as told:
        runner.run(lambda pipeline: pipeline | beam.Create([(0, ["a"])]) | part, BeamOptions())
    version = f"has version {here} of the builder, and the driver has 1.0+abc; install the same on every node"
    assert str(told.value) == f"{socket.gethostname()}: {version}"
    assert files(space) == set()


def test_light_rows_come_to_their_part_and_parts_without_rows_come_too() -> None:
    with beam.Pipeline(runner="FnApiRunner") as pipeline:
        rows = pipeline | "Rows" >> beam.Create([(0, "a"), (2, "b"), (0, "c")])
        assert_that(rows | GiveToParts(["x", "y", "z"]), _three)


NAMED = {
    "as a stage names them": ([f"s3://b/documents/part-{n:05d}.parquet" for n in range(200_000)], 0),
    "all alike": ([""] * 200_000, 7),
    "of another run": (["x/part-00000.parquet", "x/part-00001.parquet", "y/part-00000.parquet"], 2),
    "with the number twice": (["00000/00000", "00001/00001"], 0),
    "with gaps": (["a/00000", "a/00001", "00002", "a/00003"], 0),
    "none": ([], 0),
}


@pytest.mark.parametrize(("paths", "first"), NAMED.values(), ids=NAMED)
def test_parts_are_told_by_few_rows(paths: list[str], first: int) -> None:
    runs = Parts(paths, first)._runs
    assert [part for run in runs for part in _named(run)] == list(enumerate(paths, first))
    assert len(runs) <= 3


def _three(elements: list[tuple[int, str, list[str]]]) -> None:
    assert sorted((number, path, sorted(rows)) for number, path, rows in elements) == [
        (0, "x", ["a", "c"]),
        (1, "y", []),
        (2, "z", ["b"]),
    ]


GROUPS = {
    "as many rows as there may be": ([0] * 7, [3, 3, 1]),
    "as heavy as they may be": ([4, 6, 5, 5, 1], [2, 2, 1]),
    "one that is too heavy stands alone": ([1, 11, 1], [1, 1, 1]),
    "none": ([], []),
}


@pytest.mark.parametrize(("weights", "groups"), GROUPS.values(), ids=GROUPS)
def test_row_groups_stay_within_their_limits(weights: list[int], groups: list[int], tmp_path: Path) -> None:
    def work(part: Part) -> Tally:
        file = part.table("failures/test", FAILURES)
        with Writer(file, lambda rows: table_of(rows, FAILURES), 3, 10) as writer:
            for weight in weights:
                writer.add(Failure("a", None, None, "nodes", ""), weight)
        return Tally()

    [entry] = run_part(Workspace(str(tmp_path), "test", "f" * 32), 0, work).files
    found = pq.read_metadata(tmp_path / entry.path)
    assert [found.row_group(number).num_rows for number in range(found.num_row_groups)] == groups


@pytest.mark.parametrize(("rows", "files"), [([], 0), (["a"], 1)])
def test_an_optional_table_is_there_if_it_has_rows(rows: list[str], files: int, tmp_path: Path) -> None:
    def work(part: Part) -> Tally:
        with flat_writer(part.table("failures/test", FAILURES, optional=True), FAILURES) as writer:
            for row in rows:
                writer.add(Failure(row, None, None, "nodes", ""))
        return Tally()

    space = Workspace(str(tmp_path), "test", "f" * 32)
    assert len(run_part(space, 0, work).files) == len(list(tmp_path.glob("failures/test/*"))) == files
    assert space.report(0) is not None
    assert list(tmp_path.glob("_work/*/temporary/*")) == []
