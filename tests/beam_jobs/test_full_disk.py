"""No room to write: told in a line, nothing half-written is shown, and the same command goes on."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from beam_jobs.cli import main

ROOT = Path(__file__).parents[2]
LIMITED = "import resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]),) * 2); " + (
    "from beam_jobs.cli import main; sys.exit(main(sys.argv[2:]))"
)
"""Runs a command line in which no file may have more than so many bytes."""


def files(output: Path) -> dict[str, str]:
    found = [path for path in output.rglob("*") if path.is_file() and path.name != "report.json"]
    return {str(path.relative_to(output)): hashlib.sha256(path.read_bytes()).hexdigest() for path in found}


@pytest.mark.parametrize(
    "limit", [pytest.param(100, id="no table fits"), pytest.param(7_000, id="the small tables fit")]
)
def test_a_full_disk_is_told_and_the_same_command_goes_on(
    archive: Path, config_file: Path, tmp_path: Path, limit: int
) -> None:
    given = ["extract", "--config", str(config_file), "--input", str(archive), "--output"]
    output = tmp_path / "out"
    run = subprocess.run(
        [sys.executable, "-c", LIMITED, str(limit), *given, str(output)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert run.returncode == 1
    assert "obelics: no room to write ([Errno 27] File too large); make room and run" in run.stderr
    assert "Traceback" not in run.stderr
    assert not (output / "documents" / "_MANIFEST.json").exists()
    for path in output.glob("*/part-*.parquet"):
        pq.read_table(path)
    assert not list(output.glob("_work/*/temporary/*"))
    assert main([*given, str(output)]) == 0
    assert main([*given, str(tmp_path / "roomy")]) == 0
    assert files(output) == files(tmp_path / "roomy")
