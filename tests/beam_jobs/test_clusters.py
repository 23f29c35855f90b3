"""Clusters on this machine: started, told and ended; and a stage whose processes are killed."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from killer import EXECUTOR, WORKER, Killer, processes
from runner_matrix import NotSetUp, Started, cluster, cluster_script, obelics

from beam_jobs import io

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.timeout(1500)


@pytest.fixture(scope="module")
def spark(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, Started]]:
    folder = tmp_path_factory.mktemp("spark") / "cluster"
    try:
        with cluster("spark", folder=folder) as started:
            yield folder, started
    except NotSetUp as missing:
        pytest.skip(str(missing))
    assert wait(30, lambda: not processes(folder, "")), processes(folder, "")


def wait(seconds: float, fact: object) -> bool:
    assert callable(fact)
    deadline = time.monotonic() + seconds
    while not fact() and time.monotonic() < deadline:
        time.sleep(0.05)
    return bool(fact())


def tree(folder: Path) -> dict[str, str]:
    """The SHA-256 of every file below ``folder``."""
    files = sorted(path for path in folder.rglob("*") if path.is_file() and not path.name.startswith("_"))
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_spark_whose_processes_are_killed_writes_the_same_documents(
    spark: tuple[Path, Started], archive: Path, config_file: Path, tmp_path: Path
) -> None:
    extract = ["extract", "--config", str(config_file), "--input", str(archive), "--output"]
    obelics([*extract, str(tmp_path / "local")], Started(()), timeout=300)
    with Killer(spark[0], tmp_path / "spark/_work", [WORKER, EXECUTOR]) as killer:
        obelics([*extract, str(tmp_path / "spark")], spark[1], timeout=1000)
    assert killer.killed == {"extract": [WORKER, EXECUTOR]}
    assert tree(tmp_path / "spark/documents") == tree(tmp_path / "local/documents")
    assert len(tree(tmp_path / "spark/documents")) > 2


def test_spark_reads_and_writes_object_storage(
    spark: tuple[Path, Started], bucket: str, archive: Path, config_file: Path, tmp_path: Path
) -> None:
    stored = f"s3://bucket/{archive.name}"
    io.write_atomically(stored, archive.read_bytes())
    where = {
        "endpoint_url": bucket,
        "region_name": "us-east-1",
        "access_key_id": "a",
        "secret_access_key": "b",
    }
    in_bucket = Started((*spark[1].options, *(f"--s3_{name}={value}" for name, value in where.items())))
    places = [(str(archive), str(tmp_path), Started(())), (stored, "s3://bucket/out", in_bucket)]
    for source, output, runner in places:
        for command in (["extract", "--input", source], ["filter"]):
            obelics([*command, "--config", str(config_file), "--output", output], runner, timeout=500)
    wanted = {name: digest for name, digest in tree(tmp_path).items() if name != "report.json"}  # seconds
    found = {name: hashlib.sha256(io.read_bytes(f"s3://bucket/out/{name}")).hexdigest() for name in wanted}
    assert found == wanted
    assert any(name.startswith("filtered/") for name in wanted)


def test_what_fails_on_a_cluster_is_told_in_one_line(spark: tuple[Path, Started], tmp_path: Path) -> None:
    archive = tmp_path / "old.warc"
    archive.write_bytes(b"filedesc://old.arc 0.0.0.0 20240301000000 text/plain 76\n1 0 Somebody\n")
    command = [
        sys.executable,
        "-m",
        "beam_jobs.cli",
        "extract",
        "--input",
        archive,
        "--output",
        tmp_path / "out",
    ]
    run = subprocess.run([*command, *spark[1].options], capture_output=True, text=True, timeout=600)
    assert run.returncode == 2, run.stderr
    assert run.stderr.splitlines()[-1:] == [
        f"obelics: {archive}: is an ARC file; please convert it to WARC, with warcio recompress say"
    ]


def test_a_cluster_is_told_and_not_started_twice(spark: tuple[Path, Started]) -> None:
    told = cluster_script("spark", "status", spark[0])
    assert told.returncode == 0
    assert ("--", *told.stdout.split()) == spark[1].options
    names = [line.partition(":")[0] for line in told.stderr.splitlines()]
    assert names == ["job-server", "worker-2", "worker-1", "master"]
    again = cluster_script("spark", "start", spark[0])
    assert again.returncode == 1
    assert "still runs" in again.stderr
    assert cluster_script("spark", "status", spark[0]).returncode == 0


def test_stopping_ends_no_process_that_it_did_not_start(tmp_path: Path) -> None:
    with subprocess.Popen(["sleep", "60"]) as other:
        tmp_path.joinpath("processes").write_text(f"master\t{other.pid}\tSat Mar  2 00:00:00 2024\n")
        assert cluster_script("spark", "stop", tmp_path).returncode == 0
        assert other.poll() is None
        other.kill()
    assert cluster_script("spark", "status", tmp_path).returncode == 3


@pytest.mark.parametrize("kind", ["spark", "flink"])
def test_a_folder_of_others_is_left_alone(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    tmp_path.joinpath("mine").touch()
    refused = cluster_script(kind, "start", Path())
    if "run scripts/setup-cluster" in refused.stderr:
        pytest.skip(refused.stderr.strip())
    assert refused.returncode == 1
    assert f"{tmp_path} has files that are not of a cluster" in refused.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        pytest.param(["dask", "start"], "no cluster 'dask'", id="a runner that has none"),
        pytest.param(["spark", "begin"], "no action 'begin'", id="an action that is none"),
        pytest.param(["spark", "start", "--worker", "3"], "no option '--worker'", id="a misspelt option"),
        pytest.param(["spark", "start", "--port"], "--port without a value", id="an option without a value"),
        pytest.param([], "no cluster ''", id="nothing"),
    ],
)
def test_a_wrong_command_is_refused(arguments: list[str], told: str) -> None:
    run = subprocess.run([ROOT / "scripts/cluster", *arguments], capture_output=True, text=True, timeout=30)
    assert (run.returncode, told in run.stderr) == (2, True), run.stderr
