"""Stages from ``gs://`` to ``gs://``, by Google's client, on a server that speaks as the store does."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
import requests

from beam_jobs.cli import main
from tests.s3server import serving

ROOT = Path(__file__).parents[2]
SERVER = """
import sys
from gcp_storage_emulator.server import create_server

server = create_server("127.0.0.1", 0, in_memory=True, default_bucket="bucket")
server.start()
print(server._api._httpd.server_port, flush=True)
sys.stdin.read()  # ends with who started it
server.stop()
"""

STAGES = """
import sys
from beam_jobs.cli import main

both = ["--config", sys.argv[1], "--output", "gs://bucket/out"]
sys.exit(main(["extract", "--input", "gs://bucket/*.warc.gz", *both]) or main(["filter", *both]))
"""
"""In one process, for in each Beam looks for credentials for some 20 seconds before it goes on without."""


@pytest.fixture
def store(gcp_python: str) -> Iterator[str]:
    """The address of a server of Google Cloud Storage that has ``gs://bucket``."""
    with serving("-c", SERVER) as url:
        yield url


def stored(store: str, name: str) -> bytes:
    """The bytes of ``gs://bucket/NAME``."""
    answer = requests.get(
        f"{store}/download/storage/v1/b/bucket/o/{quote(name, safe='')}?alt=media", timeout=60
    )
    answer.raise_for_status()
    return answer.content


@pytest.mark.timeout(600)
def test_stages_in_a_bucket_are_those_on_a_disk(
    store: str, gcp_python: str, archive: Path, config_file: Path, tmp_path: Path
) -> None:
    place = f"{store}/upload/storage/v1/b/bucket/o?uploadType=media&name={archive.name}"
    requests.post(place, archive.read_bytes(), timeout=60).raise_for_status()
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "STORAGE_EMULATOR_HOST": store}
    command = [gcp_python, "-c", STAGES, str(config_file)]
    run = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=500)
    assert run.returncode == 0, run.stderr
    both = ["--config", str(config_file), "--output"]
    assert main(["extract", "--input", str(archive), *both, str(tmp_path)]) == 0
    assert main(["filter", *both, str(tmp_path)]) == 0
    wanted = {str(path.relative_to(tmp_path)): path.read_bytes() for path in tmp_path.rglob("*.parquet")}
    assert {name: stored(store, f"out/{name}") for name in wanted} == wanted
    assert any(name.startswith("filtered/") for name in wanted)
