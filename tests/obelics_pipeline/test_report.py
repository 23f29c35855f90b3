"""The funnel accounts for every item, inside stages and between them."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from obelics_pipeline.accounting import Level, Tally
from obelics_pipeline.errors import RunFailed
from obelics_pipeline.report import Report, StageReport, decode, ending, render


def stage(name: str, seconds: float | None = 1.0, **levels: tuple[int, int, dict[str, int]]) -> StageReport:
    made = {key: Level(entered, kept, dict(lost)) for key, (entered, kept, lost) in levels.items()}
    return StageReport(name, seconds, Tally(made))


EXTRACT = stage("extract", pages=(9, 7, {"no_nodes": 2}), images=(20, 20, {}))
FILTER = stage("filter", None, documents=(7, 4, {"word_count": 3}), images=(20, 12, {"rendered_size": 8}))
DEDUP = stage("dedup", documents=(4, 4, {}), images=(12, 12, {}))
IMAGES = stage("images", image_urls=(11, 11, {}))
ASSEMBLE = stage("assemble", documents=(4, 4, {}), images=(12, 12, {}))
WHOLE = Report("0.1.0", (EXTRACT, FILTER, DEDUP, IMAGES, ASSEMBLE))


def test_a_sound_report_passes_and_survives_its_bytes() -> None:
    WHOLE.check()
    assert decode(WHOLE.encode()) == WHOLE
    assert b'"in": 9' in WHOLE.encode()


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        pytest.param(
            (EXTRACT, stage("filter", documents=(7, 4, {"word_count": 2}))),
            "filter: 1 of 7 documents are not accounted for",
            id="lost inside a stage",
        ),
        pytest.param(
            (EXTRACT, stage("filter", documents=(6, 6, {}))),
            "extract kept 7 documents and filter took in 6",
            id="lost between extract and filter",
        ),
        pytest.param(
            (DEDUP, IMAGES, stage("assemble", documents=(5, 5, {}))),
            "dedup kept 4 documents and assemble took in 5",
            id="found between dedup and assemble, with images in between",
        ),
        pytest.param(
            (FILTER, stage("dedup", documents=(4, 4, {}), images=(11, 11, {}))),
            "filter kept 12 images and dedup took in 11",
            id="images lost between stages",
        ),
    ],
)
def test_what_is_lost_is_told(wrong: tuple[StageReport, ...], says: str) -> None:
    with pytest.raises(RunFailed, match=says):
        Report("0.1.0", wrong).check()


def test_the_funnel_shows_every_count() -> None:
    console = Console(file=io.StringIO(), width=120)
    lost = StageReport(
        "images", 2.0, Tally({"image_urls": Level(3, 1, {}, {"timeout": 1}, {"bug": 1})}, {"cut": 4})
    )
    render(Report("0.1.0", (FILTER, lost)), console)
    assert isinstance(console.file, io.StringIO)
    lines = [line.split() for line in console.file.getvalue().splitlines()]
    assert lines[1] == ["filter", "documents", "7", "4", "word_count", "3", "done", "before"]
    assert lines[3] == ["images", "image_urls", "3", "1", "~timeout", "1,", "!bug", "1", "2.0"]
    assert lines[4] == ["notes", "cut", "4"]


def test_a_report_of_another_version_is_none() -> None:
    assert decode(b"{}") is None


def asked(kept: int, **lost: int) -> StageReport:
    """The stage ``images`` after so many addresses."""
    return StageReport("images", 1.0, Tally({"image_urls": Level(kept + sum(lost.values()), kept, {}, lost)}))


CUT_OFF = (
    "No image could be had (dns 160, host_down 42). If that was for want of a network, remove images/_MANIFEST.json in "
    "the output folder and run the same command again."
)


@pytest.mark.parametrize(
    ("stages", "says"),
    [
        pytest.param((ASSEMBLE,), None, id="before the export"),
        pytest.param((asked(0, dns=160, host_down=42, http_4xx=9), ASSEMBLE), CUT_OFF, id="no network"),
        pytest.param((asked(1, dns=160),), None, id="an image came"),
        pytest.param((asked(0, dns=3, http_4xx=4),), None, id="servers answered"),
        pytest.param((asked(0),), None, id="no images"),
        pytest.param(
            (stage("export", documents=(1200, 1200, {}), images=(3, 3, {})),),
            "1,200 documents with 3 images are in out/dataset: datasets.load_dataset(folder) opens it.",
            id="a dataset",
        ),
        pytest.param(
            (stage("export", documents=(0, 0, {}), images=(0, 0, {})),),
            "No document is left, so out/dataset is empty: the table says where they went.",
            id="nothing is left",
        ),
    ],
)
def test_what_a_run_came_to_is_said(stages: tuple[StageReport, ...], says: str | None) -> None:
    assert ending(Report("0.1.0", stages), "out/dataset") == says
