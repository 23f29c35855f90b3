"""Builds from object storage to object storage: the same bytes, whatever the store is like."""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from apache_beam.io.filesystems import FileSystems
from botocore.retries import standard
from msgspec import json

from beam_jobs import io, ranged, s3
from beam_jobs.cli import main
from beam_jobs.inputs import find_archives
from beam_jobs.parts import PartReport, Workspace, read_reports
from beam_jobs.runner import BeamOptions, check_options
from beam_jobs.s3_answers import refusal
from obelics_pipeline.accounting import Tally
from obelics_pipeline.errors import InputError, NoSuchFile, RunFailed
from obelics_pipeline.manifest import FileEntry
from tests.s3server import misbehave

pytestmark = pytest.mark.timeout(900)  # whole builds, also where others are at work
ROOT = Path(__file__).parents[2]
OUT = "s3://bucket/out"


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ranged, "FIRST_WAIT", 0.001)
    monkeypatch.setattr(standard.ExponentialBackoff, "delay_amount", lambda self, context: 0.001)


def build(archive: str, output: str, config: Path, *more: str) -> int:
    return main(["build", "--config", str(config), "--input", archive, "--output", output, *more])


def digests(output: str) -> dict[str, str]:
    """The files of a dataset, by their names."""
    found = [*io.sizes(f"{output}/dataset/*"), *io.sizes(f"{output}/dataset/*/*")]
    return {path.removeprefix(output): hashlib.sha256(io.read_bytes(path)).hexdigest() for path in found}


@pytest.fixture(scope="module")
def few_parts(config_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Parts of documents are small, so that there are three, but the dataset has few files."""
    path = tmp_path_factory.mktemp("config") / "few.yaml"
    path.write_text(
        config_file.read_text().replace("export: {shard_bytes: 15000}", "export: {shard_bytes: 150000}")
    )
    return path


@pytest.fixture(scope="module")
def expected(archive: Path, few_parts: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """A build from disk to disk."""
    output = str(tmp_path_factory.mktemp("local"))
    assert build(str(archive), output, few_parts) == 0
    return digests(output)


def upload(archive: Path) -> str:
    """An archive in the bucket has its whole path for a name: so at its root it has that of a file."""
    path = f"s3://bucket/{archive.name}"
    io.write_atomically(path, archive.read_bytes())
    return path


@pytest.fixture
def requests(bucket: str) -> Iterator[list[str]]:
    """The names of the requests that this process makes."""
    made: list[str] = []

    def note(model: Any, **more: Any) -> None:
        made.append(model.name)

    events = s3._client().meta.events
    events.register("before-call.s3", note, unique_id="test")
    yield made
    events.unregister("before-call.s3", unique_id="test")


def test_what_the_driver_asks_of_each_part_is_one_request(requests: list[str]) -> None:
    space = Workspace(OUT, "test", "f" * 32)
    parts = 20
    for number in range(parts):
        entries = tuple(FileEntry(f"{folder}/part-{number:05d}.parquet", 1, 4, "") for folder in ("a", "b"))
        for entry in entries:
            io.write_atomically(f"{OUT}/{entry.path}", b"rows")
        io.write_atomically(space.report_path(number), json.encode(PartReport(entries, Tally())))
    requests.clear()
    assert len(read_reports(space, parts)) == parts
    assert Counter(requests) == {"GetObject": parts, "ListObjectsV2": 3}
    requests.clear()
    io.remove(io.sizes(f"{OUT}/a/*"))
    assert requests == ["ListObjectsV2", "DeleteObjects"]


def test_a_build_in_a_bucket_is_that_on_a_disk(
    bucket: str,
    archive: Path,
    few_parts: Path,
    expected: dict[str, str],
    capsys: pytest.CaptureFixture[str],
) -> None:
    path = upload(archive)
    assert build("s3://bucket/*.warc.gz", OUT, few_parts) == 0
    assert digests(OUT) == expected != {}
    assert io.sizes(f"{OUT}/_work/**") == {}
    assert build(path, OUT, few_parts) == 0
    assert capsys.readouterr().out.count(": done before") == 6
    assert main(["verify", f"{OUT}/dataset"]) == 0


def test_a_store_on_a_bad_day_gives_the_same_bytes(
    bucket: str, archive: Path, few_parts: Path, expected: dict[str, str]
) -> None:
    path = upload(archive)
    misbehave(bucket, busy=0.2, cut=0.1)
    assert build(path, OUT, few_parts) == 0
    misbehave(bucket)
    assert digests(OUT) == expected


def test_each_fault_alone_costs_nothing(bucket: str, archive: Path, few_parts: Path) -> None:
    command = ["extract", "--config", str(few_parts), "--input", upload(archive)]
    written = []
    for number, fault in enumerate(({}, {"busy": 0.2}, {"cut": 0.2})):
        output = f"{OUT}/{number}"
        misbehave(bucket, **fault)
        assert main([*command, "--output", output]) == 0
        misbehave(bucket)
        written.append([io.read_bytes(path) for path in io.sizes(f"{output}/documents/part-*.parquet")])
    assert written[0] == written[1] == written[2]
    assert len(written[0]) == 3


def test_a_killed_build_goes_on_where_it_was(
    bucket: str,
    archive: Path,
    few_parts: Path,
    expected: dict[str, str],
    capsys: pytest.CaptureFixture[str],
) -> None:
    path = upload(archive)
    command = [sys.executable, "-m", "beam_jobs.cli", "build", "--config", str(few_parts), "--input", path]
    with subprocess.Popen([*command, "--output", OUT], cwd=ROOT, stdout=subprocess.DEVNULL) as killed:
        while len(done := io.sizes(f"{OUT}/_work/filter-*/reports/*")) < 2 and killed.poll() is None:
            time.sleep(0.05)
        killed.kill()
    assert done
    before = {part: written(f"{OUT}/filtered/{part}") for part in map(part_of, done)}
    assert build(path, OUT, few_parts) == 0
    assert capsys.readouterr().out.count(": done before") == 1
    assert {part: written(f"{OUT}/filtered/{part}") for part in before} == before
    assert digests(OUT) == expected


def part_of(report: str) -> str:
    return report.rpartition("/")[2].replace(".json", ".parquet")


def written(path: str) -> object:
    """When an object was written."""
    return s3._client().head_object(**s3._split(path))["LastModified"]


def test_what_is_not_finished_is_not_there(bucket: str) -> None:
    with pytest.raises(TypeError), io.open_write("s3://bucket/a") as stream:
        stream.writelines([b"half", None])  # type: ignore[list-item]
    stream = io.open_write("s3://bucket/b")
    stream.write(b"half")
    io.discard(stream, "s3://bucket/b")
    del stream
    assert io.sizes("s3://bucket/*") == {}


@pytest.mark.parametrize("length", [0, 1, 9 << 20], ids=["empty", "small", "in several requests"])
def test_an_object_of_any_length_is_read_and_moved(bucket: str, length: int) -> None:
    data = bytes(length)
    with io.open_write("s3://bucket/a") as stream:
        stream.write(data)
    io.write_atomically("s3://bucket/b", b"before")
    io.move("s3://bucket/a", "s3://bucket/b")
    assert (io.sizes("s3://bucket/*"), io.read_bytes("s3://bucket/b")) == ({"s3://bucket/b": length}, data)
    assert io.read_range("s3://bucket/b", max(length - 1, 0), length + 9) == data[-1:]


def test_a_reader_never_sees_the_target_of_a_move_missing(bucket: str) -> None:
    io.write_atomically("s3://bucket/b", b"1")
    for number in range(5):
        io.write_atomically("s3://bucket/a", b"2")
        asked: list[str] = []
        s3._client().meta.events.register_last(
            "after-call.s3",
            lambda model, asked=asked, **_: asked.append(model.name),
            unique_id=f"seen-{number}",
        )
        io.move("s3://bucket/a", "s3://bucket/b")
        assert asked.index("CopyObject") < asked.index("DeleteObjects")
        assert io.read_bytes("s3://bucket/b") == b"2"


@pytest.mark.parametrize(
    ("ask", "kind", "says"),
    [
        pytest.param(lambda: io.read_bytes("s3://bucket/none"), NoSuchFile, "no such object or bucket", id="object"),
        pytest.param(lambda: io.sizes("s3://none/*"), NoSuchFile, "no such object or bucket", id="bucket"),
        pytest.param(lambda: io.read_bytes("s3://bucket"), InputError, "names no object; write s3:", id="no key"),
        pytest.param(lambda: io.sizes("s3://*/a"), InputError, "names no bucket; write s3:", id="no bucket"),
    ],
)  # fmt: skip
def test_mistakes_are_told(bucket: str, ask: Callable[[], Any], kind: type[Exception], says: str) -> None:
    with pytest.raises(kind, match=says):
        ask()


@pytest.mark.parametrize(
    ("status", "code", "kind", "says"),
    [
        pytest.param(400, "ExpiredToken", InputError, "the credentials .* renew", id="expired"),
        pytest.param(301, "PermanentRedirect", InputError, "in another region; set AWS", id="another region"),
        pytest.param(301, "301", InputError, "in another region; set AWS", id="another region, by HEAD"),
        pytest.param(403, "InvalidObjectState", InputError, "in an archive; restore it", id="in an archive"),
        pytest.param(
            403, "AccountProblem", InputError, "AccountProblem.*check credentials and", id="account"
        ),
        pytest.param(400, "InvalidBucketName", InputError, "is the address right", id="what needs no words"),
        pytest.param(
            501, "NotImplemented", InputError, "is the address right", id="what will be so tomorrow"
        ),
        pytest.param(0, "AccessDenied", InputError, "check credentials", id="of an object among many"),
        pytest.param(404, "NoSuchBucket", NoSuchFile, "no such object or bucket", id="what is not there"),
        pytest.param(
            412, "PreconditionFailed", RunFailed, "changed while it was read", id="what has changed"
        ),
        pytest.param(503, "SlowDown", ranged.Broken, "SlowDown: why", id="no time"),
        pytest.param(529, "Odd", ranged.Broken, "Odd: why", id="a status of a store's own"),
        pytest.param(429, "Odd", ranged.Broken, "Odd: why", id="too many requests"),
        pytest.param(400, "RequestTimeout", ranged.Broken, "RequestTimeout: why", id="a code that may pass"),
        pytest.param(0, "SlowDown", ranged.Broken, "SlowDown: why", id="no time for an object among many"),
    ],
)
def test_what_an_answer_means(status: int, code: str, kind: type[Exception], says: str) -> None:
    error = refusal("s3://bucket/a", {"Code": code, "Message": "why"}, status)
    assert type(error) is kind
    assert re.search(says, str(error))


@pytest.mark.parametrize(
    ("answer", "kind", "says"),
    [
        ("400-ExpiredToken", InputError, "refused .ExpiredToken: It is so.*renew them"),
        ("529-Odd", RunFailed, "given up after 3 attempts"),
    ],
)
def test_a_refusal_is_told_at_once_and_what_may_pass_is_waited_for(
    bucket: str, answer: str, kind: type[Exception], says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ranged, "ATTEMPTS", 3)
    misbehave(bucket, refusal=answer)
    for ask in (lambda: io.read_range("s3://bucket/a", 0, 9), lambda: io.remove(["s3://bucket/a"])):
        with pytest.raises(kind, match=says):
            ask()


def test_another_object_of_the_same_length_is_another_input(bucket: str) -> None:
    found = []
    for data in (b"1", b"2"):
        io.write_atomically("s3://bucket/a.warc", data)
        found += find_archives(["s3://bucket/*.warc"])
    assert [entry.bytes for entry in found] == [1, 1]
    assert found[0] != found[1]


def test_a_password_has_no_place_in_an_address() -> None:
    for ask in (io.size, io.sizes, io.check_writable):
        with pytest.raises(InputError, match="s3://bucket/a: leave user name and password out"):
            ask("s3://key:secret@bucket/a")


def test_an_answer_that_drips_is_given_up(bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    io.write_atomically("s3://bucket/a", bytes(100))
    monkeypatch.setattr(ranged, "SLOWEST", 0.2)
    monkeypatch.setattr(ranged, "ATTEMPTS", 3)
    misbehave(bucket, drip=0.03)
    with pytest.raises(RunFailed, match=r"given up after 3 attempts .fewer than"):
        io.read_range("s3://bucket/a", 0, 100)


def test_an_object_that_was_not_removed_is_asked_for_again(bucket: str) -> None:
    for name in "abc":
        io.write_atomically(f"s3://bucket/{name}", b"1")
    asked: list[list[str]] = []
    s3._client().meta.events.register_last(
        "provide-client-params.s3.DeleteObjects",
        lambda params, **_: asked.append([each["Key"] for each in params["Delete"]["Objects"]]),
        unique_id="removals",
    )
    misbehave(bucket, kept="b")
    s3.remove(f"s3://bucket/{name}" for name in "abc")
    assert asked == [["a", "b", "c"], ["b"]]


@pytest.mark.parametrize(
    ("option", "says"),
    [
        ("--s3_verify=False", "--s3_verify .*False: no such file; name that of the authorities"),
        ("--s3_disable_ssl", "--s3_disable_ssl: has no effect here; leave it out: begin --s3_endpoint_url"),
        ("--s3_api_version=2006-03-01", "--s3_api_version: has no effect"),
    ],
)
def test_options_that_could_not_be_heeded_are_refused(bucket: str, option: str, says: str) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(FileSystems, "_pipeline_options", None)
        s3._client.cache_clear()
        check_options(BeamOptions((option,)))
        with pytest.raises(InputError, match=says):
            io.size("s3://bucket/a")


def test_without_credentials_nothing_is_asked(bucket: str) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("AWS_ACCESS_KEY_ID")
        patch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        s3._client.cache_clear()
        with pytest.raises(InputError, match="AWS_ACCESS_KEY_ID"):
            io.read_bytes("s3://bucket/a")
    s3._client.cache_clear()


def test_an_object_that_changes_while_it_is_read_is_told(bucket: str) -> None:
    io.write_atomically("s3://bucket/a", bytes(3 << 20))
    with io.open_read("s3://bucket/a") as stream:
        stream.read(10)
        io.write_atomically("s3://bucket/a", bytes(range(256)) * (3 << 12))
        stream.seek(2 << 20)
        with pytest.raises(RunFailed, match="changed while it was read"):
            stream.read()


def test_what_needs_a_local_disk_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["view", "s3://bucket/dataset", "--as", "obelics", "--output", str(tmp_path / "here")]
    assert main(command) == 2
    assert "has to be on a local disk" in capsys.readouterr().err


def test_where_the_store_is_may_stand_among_beams_options(
    bucket: str, archive: Path, few_parts: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = upload(archive)
    told = {"--s3_endpoint_url": bucket, "--s3_region_name": os.environ["AWS_DEFAULT_REGION"]}
    told |= {"--s3_access_key_id": "anybody", "--s3_secret_access_key": "anything"}
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    command = [sys.executable, "-m", "beam_jobs.cli", "extract", "--config", str(few_parts), "--input", path]
    beam = [f"{name}={value}" for name, value in told.items()]
    run = subprocess.run([*command, "--output", OUT, "--", *beam], cwd=ROOT, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    assert len(io.sizes(f"{OUT}/documents/part-*.parquet")) == 3


def test_a_store_that_nobody_reaches_is_told_at_once(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "beam_jobs.cli", "extract", "--output", str(tmp_path / "out")]
    there = {"AWS_ENDPOINT_URL": "http://127.0.0.1:9", "AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b"}
    run = subprocess.run(
        [*command, "--input", "s3://bucket/a.warc.gz"],
        cwd=ROOT,
        env={**os.environ, **there},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert run.returncode == 2
    assert run.stderr.startswith("obelics: s3://bucket/a.warc.gz: cannot be reached")
    assert run.stderr.count("\n") == 1
