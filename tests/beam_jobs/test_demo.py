"""The demo, end to end over loopback: the same dataset every time, wherever the sample web is served."""

from __future__ import annotations

import io
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent
from typing import Any

import pyarrow.parquet as pq
import pytest
from msgspec.structs import replace
from rich.console import Console
from view_readers import READERS, texts_and_bytes

from beam_jobs.cli import main
from beam_jobs.demo import BLOCKS, EXCERPT, PORT, choose, demo, demo_config, read_rows, show
from beam_jobs.runner import BeamOptions
from obelics_pipeline.errors import InputError
from obelics_pipeline.image import ImageFacts, inspect
from obelics_pipeline.report import Report, decode, render
from obelics_pipeline.sample.server import SampleServer


def run(folder: Path) -> None:
    demo(str(folder), BeamOptions(), Console(file=io.StringIO()))


@pytest.fixture(scope="module")
def built(demo_built: tuple[Path, str]) -> tuple[Path, str]:
    return demo_built


@pytest.fixture
def port_taken() -> Iterator[None]:
    try:
        server = SampleServer(PORT)
    except OSError:
        yield
        return
    with server:
        yield


def report_of(folder: Path) -> Report:
    report = decode((folder / "report.json").read_bytes())
    assert report is not None
    return report


def test_every_page_and_picture_of_the_sample_is_accounted_for(built: tuple[Path, str]) -> None:
    levels = {stage.stage: stage.tally.levels for stage in report_of(built[0]).stages}
    assert levels["extract"]["pages"].entered == levels["extract"]["pages"].kept == 77
    assert levels["filter"]["documents"].rejected["opt_out"] == 3
    assert levels["dedup"]["documents"].rejected == {"same_text": 2, "url": 9}
    assert levels["dedup"]["paragraphs"].rejected["repeated_paragraph"] == 22
    assert levels["dedup"]["images"].rejected["repeated_image"] == 8
    assert levels["filter"]["documents"].rejected["language"] == 6
    assert set(levels["images"]["image_urls"].unavailable) == {
        "blocked_address", "empty", "http_4xx", "http_5xx", "not_image", "optout", "redirect",
        "timeout", "too_large", "too_many_pixels", "truncated", "undecodable",
    }  # fmt: skip
    assert levels["images"]["image_urls"].unavailable["blocked_address"] == 1
    assert levels["export"]["documents"].kept > 50


def test_it_ends_with_the_funnel_and_three_documents(built: tuple[Path, str]) -> None:
    folder, printed = built
    assert " ".join(printed.split()).startswith("capture: 85 pages of the sample web to")
    stages = ["extract", "filter", "dedup", "images", "assemble", "export"]
    first_words = [line.split()[0] for line in printed.splitlines() if line[:1].strip()]
    assert [word for word in first_words if word in stages] == stages
    documents = choose(read_rows(str(folder)))
    assert len(documents) == len({row["host"] for row in documents}) == 3
    assert all(row["title"] in printed for row in documents)
    assert "[image " in printed


def test_the_readme_shows_this_funnel(built: tuple[Path, str]) -> None:
    report = report_of(built[0])
    stages = tuple(replace(stage, seconds=0.1) for stage in report.stages)
    console = Console(file=io.StringIO(), width=80)
    render(replace(report, stages=stages), console)
    assert isinstance(console.file, io.StringIO)
    readme = (Path(__file__).parents[2] / "README.md").read_text()
    shown = readme[readme.index("\nstage ") + 1 :].partition("\n```")[0]
    assert without_seconds(shown) == without_seconds(console.file.getvalue().rstrip())


def test_what_the_readme_asks_of_decisions_has_an_answer(
    built: tuple[Path, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The counts of rejected documents by rule are those of the funnel."""
    readme = (Path(__file__).parents[2] / "README.md").read_text()
    lines = dedent(
        readme[readme.index("  import pyarrow.dataset as ds") :].partition("\n  ```")[0]
    ).splitlines()
    (tmp_path / "out").symlink_to(built[0])
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    exec("\n".join(lines[:-1]), names)  # what stands in the README is what is run
    asked = next(stage for stage in report_of(built[0]).stages if stage.stage == "filter")
    assert eval(lines[-1], names).to_dict() == asked.tally.levels["documents"].rejected


def without_seconds(funnel: str) -> list[str]:
    return [re.sub(r"\s*\d+\.\d$", "", line.rstrip()) for line in funnel.splitlines()]


def test_every_picture_of_the_dataset_carries_the_hash_of_its_looks(built: tuple[Path, str]) -> None:
    table = pq.read_table(built[0] / "dataset" / "data", columns=["images", "image_info"])
    pictures = [
        (image["bytes"], info["phash"])
        for row in table.to_pylist()
        for image, info in zip(row["images"], row["image_info"], strict=True)
        if image is not None
    ]
    exported = next(stage for stage in report_of(built[0]).stages if stage.stage == "export")
    assert len(pictures) == exported.tally.levels["images"].kept
    for body, hashed in pictures:
        facts = inspect(body, 64_000_000)
        assert isinstance(facts, ImageFacts)
        assert facts.phash == hashed is not None


def test_a_second_run_finds_everything_done(
    built: tuple[Path, str], capsys: pytest.CaptureFixture[str]
) -> None:
    run(built[0])
    assert capsys.readouterr().out.count("done before") == 6
    assert all(stage.seconds is None for stage in report_of(built[0]).stages)


@pytest.mark.parametrize("name", READERS)
def test_its_documents_come_back_from_every_view(built: tuple[Path, str], tmp_path: Path, name: str) -> None:
    dataset = built[0] / "dataset"
    assert main(["view", str(dataset), "--as", name, "--output", str(tmp_path / "view")]) == 0
    wanted = texts_and_bytes(dataset)
    assert len(wanted) > 30
    assert READERS[name](tmp_path / "view") == wanted


@pytest.mark.usefixtures("port_taken")
def test_the_dataset_does_not_depend_on_the_port(built: tuple[Path, str], tmp_path: Path) -> None:
    run(tmp_path)
    first, second = (sorted((folder / "dataset" / "data").iterdir()) for folder in (built[0], tmp_path))
    assert [path.name for path in first] == [path.name for path in second]
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]


def test_only_the_hosts_of_the_sample_lead_to_loopback() -> None:
    config = demo_config("127.0.0.1:8801")
    assert config.images.hosts == {"*.example": "127.0.0.1:8801"}
    assert config.images.allow_private


def test_a_remote_folder_is_refused() -> None:
    with pytest.raises(InputError, match="local folder"):
        demo("gs://bucket/demo", BeamOptions())


def row(host: str, images: int, slots: int, name: str = "a") -> dict[str, Any]:
    return {"host": host, "num_images": images, "num_image_slots": slots, "id": name}


def test_the_documents_shown_are_of_different_hosts_and_rich_in_images() -> None:
    rows = [row("a", 5, 5), row("a", 9, 9), row("b", 2, 2), row("c", 2, 3), row("d", 1, 1)]
    assert [(r["host"], r["num_images"]) for r in choose(rows)] == [("a", 9), ("c", 2), ("b", 2)]
    assert choose([]) == []


def info(status: str, alt: str | None = "A boat") -> dict[str, Any]:
    return {"status": status, "alt": alt, "filename": "x.png", "width": 8, "height": 6, "format": "png"}


SHOWN = {
    "text": ("Hello", None, "Hello"),
    "long text": ("word " * 99, None, ("word " * (EXCERPT // 5))[:-1] + " …"),
    "image": (None, info("ok"), "[image 8x6 png: A boat]"),
    "image without alt": (None, info("ok", None), "[image 8x6 png: x.png]"),
    "image that is gone": (None, info("http_4xx"), "[no image (http_4xx): A boat]"),
}


@pytest.mark.parametrize(("text", "image", "line"), SHOWN.values(), ids=SHOWN)
def test_a_block_is_shown_as_a_line(text: str | None, image: dict[str, Any] | None, line: str) -> None:
    lines = show({"title": "T", "url": "http://a.example/", "texts": [text], "image_info": [image]})
    assert [str(each) for each in lines] == ["T", "http://a.example/", line]


def test_a_long_document_is_cut() -> None:
    blocks = BLOCKS + 2
    lines = show({"title": None, "url": "u", "texts": ["x"] * blocks, "image_info": [None] * blocks})
    assert [str(each) for each in lines][:1] == ["u"]
    assert str(lines[-1]) == "… and 2 more blocks"
    assert Counter(map(str, lines))["x"] == BLOCKS
