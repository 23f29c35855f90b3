"""``--dry-run`` tells what is left to do and what it takes, to the letter, and writes nothing."""

from __future__ import annotations

import gzip
import re
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from beam_jobs.build import PLANS
from beam_jobs.cli import main
from beam_jobs.config import load
from beam_jobs.dry_run import duration, ignored, size_of
from beam_jobs.parts import Part
from beam_jobs.stages import Session
from obelics_pipeline.accounting import Tally
from obelics_pipeline.errors import RunFailed
from obelics_pipeline.manifest import InputEntry
from obelics_pipeline.rates import RATES, Rate
from obelics_pipeline.selection import SCHEMA, write_selection

VALUES = {
    "extract_seconds": 1e9,
    "pages": 1e7,
    "extracted": 0.5,
    "filter_seconds": 36,
    "dedup_seconds": 72,
    "image_seconds": 100,
    "image_rate": 0.01,
}
"""Round figures, so large that a small archive takes hours; what is not named is 1."""


@pytest.fixture(autouse=True)
def round_rates(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in RATES:
        monkeypatch.setitem(RATES, name, Rate(VALUES.get(name, 1), "unit", "a command", "a day"))
    monkeypatch.setenv("COLUMNS", "120")


@pytest.fixture
def priced(config_file: Path, tmp_path: Path) -> Path:
    """The small configuration with prices."""
    path = tmp_path / "priced.yaml"
    path.write_text(
        config_file.read_text() + "cost: {core_hour: 2, gb_month: 1000, months: 2, gb_moved: 3}\n"
    )
    return path


def listing(folder: Path) -> dict[Path, tuple[int, int]]:
    return {path: (path.stat().st_mtime_ns, path.stat().st_size) for path in folder.rglob("*")}


END = """
Times are those of 2 workers (--workers) without their start.
Prices: 2 a core-hour, 1000 a GB-month (for 2), 3 a GB of archives and images; the section 'cost' sets them.
Rates and shares kept are those of: a command (a day). Other pages have others.
Not reckoned with: sections that differ from those of 'default' (text, filter, dedup, assemble).
Nothing was written.
"""


def test_a_build_of_nothing_yet(
    archive: Path, priced: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    padded = tmp_path / "padded.warc.gz"
    padded.write_bytes(archive.read_bytes().ljust(20_000, b"\0"))  # its own length depends on the compressor
    out = tmp_path / "out"
    given = ["--config", str(priced), "--input", str(padded), "--output", str(out), "--workers", "2"]
    before = listing(tmp_path)
    assert main(["build", *given, "--dry-run"]) == 0
    assert listing(tmp_path) == before
    assert [line.rstrip() for line in capsys.readouterr().out.splitlines()] == (START + END).splitlines()


START = """\
stage     state           parts    reads  core-hours   takes  writes   cost
extract   to run              5  20.0 kB        5.56   2.8 h   100 B  11.11
filter    after extract            100 B        1.00  30 min   200 B   2.00
dedup     after filter             400 B        2.00  60 min   200 B   4.00
images    after dedup              200 B        2.78  83 min   100 B   5.56
assemble  after images             100 B        0.03    50 s   100 B   0.06
export    after assemble           300 B        0.03    50 s   300 B   0.06
all                              21.1 kB       11.39   5.7 h  1.0 kB  22.78

1 input: 20.0 kB, about 200 pages."""


def states(out: str) -> list[tuple[str, ...]]:
    """The stages and how each stands, from the lines above the sum."""
    lines = out.partition("\nall ")[0].splitlines()[1:]
    return [tuple(re.split("  +", line.strip())[:2]) for line in lines]


def test_what_is_done_and_what_was_interrupted(
    archive: Path,
    priced: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from beam_jobs import filtering

    whole = filtering.filter_part

    def broken(part: Part, *task: Any, **options: Any) -> Tally:
        if part.number == 2:
            raise RunFailed("the disk is full")
        return whole(part, *task, **options)

    out, config = tmp_path / "out", ["--config", str(priced)]
    assert main(["extract", *config, "--input", str(archive), "--output", str(out)]) == 0
    with monkeypatch.context() as patch:
        patch.setattr(filtering, "filter_part", broken)
        assert main(["filter", *config, "--output", str(out)]) == 1
    before = listing(out)
    capsys.readouterr()
    assert main(["build", *config, "--input", str(archive), "--output", str(out), "--dry-run"]) == 0
    assert states(capsys.readouterr().out) == [
        ("extract", "done before"),
        ("filter", "resumed, has 2 of 3 parts"),
        ("dedup", "after filter"),
        ("images", "after dedup"),
        ("assemble", "after images"),
        ("export", "after assemble"),
    ]
    # 23 documents wait, a third of them in the part that is left: 23 x 36 s / 3
    assert main(["filter", *config, "--output", str(out), "--dry-run"]) == 0
    told = capsys.readouterr().out
    assert states(told) == [("filter", "resumed, has 2 of 3 parts")]
    assert "276 s" in told or "5 min" in told
    assert listing(out) == before

    assert main(["build", *config, "--input", str(archive), "--output", str(out)]) == 0
    capsys.readouterr()
    assert main(["build", *config, "--input", str(archive), "--output", str(out), "--dry-run"]) == 0
    told = capsys.readouterr().out
    assert states(told) == [(name, "done before") for name in PLANS]
    assert re.search(r"\nall +0 B +0 +0 s +0 B +0\n", told)


def test_a_selection_is_its_records(priced: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [
        ("https://a.example/", "a.warc.gz", offset, 1_500, "text/html", "eng", 200, 0)
        for offset in (0, 9_000)
    ]
    batch = pa.RecordBatch.from_pylist([dict(zip(SCHEMA.names, row, strict=True)) for row in rows], SCHEMA)
    path = tmp_path / "selection.parquet"
    with path.open("wb") as stream:
        write_selection(stream, [batch], f"{tmp_path}/", {})
    given = ["--config", str(priced), "--input", str(path), "--output", str(tmp_path / "out")]
    assert main(["extract", *given, "--dry-run"]) == 0
    told = capsys.readouterr().out
    assert re.search(r"\nextract +to run +1 +3.0 kB +0.83 +50 min +1 B +", told)
    assert "\n1 input: 3.0 kB, about 2 pages.\n" in told


def test_what_the_dataset_is_to_have_is_reckoned_with(
    archive: Path, priced: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    padded = tmp_path / "padded.warc.gz"
    padded.write_bytes(archive.read_bytes().ljust(20_000, b"\0"))
    written = {}
    for export in ("{}", "{pairs: 'off'}", "{images: none}"):
        config = tmp_path / "export.yaml"
        config.write_text(re.sub("(?m)^export:.*", f"export: {export}", priced.read_text()))
        given = ["--input", str(padded), "--output", str(tmp_path / "out")]
        assert main(["build", "--config", str(config), *given, "--dry-run"]) == 0
        last = capsys.readouterr().out.partition("\nexport ")[2].splitlines()[0]
        written[export] = int(last.split()[-3])
    documents = written["{images: none}"]  # and as many bytes of images in each copy
    assert written == {"{}": 3 * documents, "{pairs: 'off'}": 2 * documents, "{images: none}": documents}


def test_an_archive_that_is_not_compressed_has_fewer_pages(
    archive: Path,
    priced: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setitem(RATES, "unpacked", Rate(4, "unit", "a command", "a day"))
    plain = tmp_path / "plain.warc"
    plain.write_bytes(gzip.decompress(archive.read_bytes()).ljust(80_000, b"\0"))
    given = ["--config", str(priced), "--input", str(plain), "--output", str(tmp_path / "out")]
    assert main(["extract", *given, "--dry-run"]) == 0
    told = capsys.readouterr().out
    assert re.search(r"\nextract +to run +20 +80.0 kB +5.56 ", told)
    assert "\n1 input: 80.0 kB, about 200 pages.\n" in told


def test_what_is_not_reckoned_with_is_named(config_file: Path) -> None:
    usual, other = load("default"), load(str(config_file))
    dumped = (InputEntry("https://a.example/wiki.ndjson.gz?x", 1000),)
    assert list(ignored(Session(usual, "out", "out", (InputEntry("a.warc", 1),)), list(PLANS))) == []
    assert list(ignored(Session(usual, "out", "out", dumped), ["extract"])) == [
        "that dumps of Wikimedia's are no WARC files"
    ]
    session = Session(other.with_earlier(["before"]), "out", "out", against=("before",))
    assert list(ignored(session, ["filter"])) == [
        "sections that differ from those of 'default' (text, filter)"
    ]
    assert list(ignored(session, ["dedup", "images"])) == [
        "sections that differ from those of 'default' (text, dedup)",
        "--against",
        "--earlier",
    ]


def test_a_mistake_is_told_as_by_the_run(
    archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("OBELICS_CONTACT", raising=False)
    assert main(["build", "--input", str(archive), "--output", str(tmp_path / "out"), "--dry-run"]) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.startswith("obelics: images.contact: not set")


@pytest.mark.parametrize(
    ("number", "said"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (123_456, "123 kB"),
        (5.04e9, "5.0 GB"),
        (9e16, "90,000 TB"),
    ],
)
def test_bytes_are_said_in_the_unit_that_fits(number: float, said: str) -> None:
    assert size_of(number) == said


@pytest.mark.parametrize(
    ("seconds", "said"), [(0, "0 s"), (99.4, "99 s"), (180, "3 min"), (5999, "100 min"), (36e6, "10,000.0 h")]
)
def test_times_are_said_in_the_unit_that_fits(seconds: float, said: str) -> None:
    assert duration(seconds) == said
