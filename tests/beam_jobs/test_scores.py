"""Scores of a classifier on the whole way: made where images are fetched, judged where documents are assembled."""

from __future__ import annotations

import hashlib
import json
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from archives import page, write_warc
from classifiers import classifier, means
from faultserver import picture, png_of
from msgspec.structs import replace

from beam_jobs import images, stages
from beam_jobs import scores as module
from beam_jobs.build import PLANS
from beam_jobs.cli import main
from beam_jobs.config import Config, ImagesSection, load
from beam_jobs.parts import Workspace, run_part
from beam_jobs.retune import predict, retune
from beam_jobs.scores import score_pictures
from beam_jobs.spool import Spool
from beam_jobs.stages import ASSEMBLE, EXPORT, IMAGES, Session
from filters.consent.policy import Policy
from obelics_pipeline.accounting import Level
from obelics_pipeline.decoder import Decoder
from obelics_pipeline.errors import ConfigError
from obelics_pipeline.fetch_types import FetchResult, FetchStatus

PAGES = {
    "http://a.example/safe": ["200x200-10.png", "200x200-60.png"],
    "http://a.example/mixed": ["200x200-10.png", "200x200-204.png", "gone.png"],
    "http://b.example/unsafe": ["300x200-250.png"],
    "http://b.example/small": ["20x20-250.png", "200x200-102.png"],
}
"""The shade of red of an image is what the classifier tells of it: ``red`` of 255."""
LIMIT = 0.5


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("scored")
    pages = [(url, f"2026-01-01T00:00:0{n}Z", page(n, shown)) for n, (url, shown) in enumerate(PAGES.items())]
    write_warc(folder / "pages.warc.gz", pages)
    classifier(folder, means(), limits={"red": LIMIT})
    return folder


@pytest.fixture(scope="module")
def write(folder: Path, image_server: str) -> Any:
    """Writes a configuration with a rule on scores; its path."""

    def write(name: str, rule: str | None, scorer: str = "tiny.json") -> Path:
        path = folder / f"{name}.yaml"
        given = f"scorer: {folder / scorer}, " if scorer else ""
        rules = "size: {min: 100}" + (f", nsfw: {rule}" if rule is not None else "")
        path.write_text(
            f"""
extract: {{main_content: false}}
dedup: {{url: {{}}}}
images: {{{given}shard_images: 2, allow_private: true, hosts: {{img.example: "{image_server}"}}}}
assemble: {{image: {{{rules}}}}}
"""
        )
        return path

    return write


def run(folder: Path, config: Path, name: str, workers: int = 1) -> Path:
    output = folder / name
    arguments = ["--input", str(folder / "pages.warc.gz"), "--output", str(output), "--workers", str(workers)]
    assert main(["build", "--config", str(config), *arguments]) == 0
    return output


@pytest.fixture(scope="module")
def built(folder: Path, write: Any) -> Path:
    """A build that drops unsafe images, by the limits of the classifier."""
    return run(folder, write("images", "{}"), "images")


def rows(output: Path, table: str) -> list[dict[str, Any]]:
    return [
        row
        for path in sorted((output / table).glob("*.parquet"))
        for row in pq.read_table(path).to_pylist(maps_as_pydicts="strict")
    ]


def tally(output: Path, layout: stages.Layout) -> dict[str, Level]:
    return stages.read_manifest(str(output), layout).tally.levels


def shown(output: Path) -> dict[str, list[tuple[str, bool, float | None]]]:
    """Of each document: status, whether there are bytes, and the score of each of its images."""
    return {
        row["url"]: [
            (info["status"], image is not None, info["nsfw"])
            for image, info in zip(row["images"], row["image_info"], strict=True)
            if info is not None
        ]
        for row in rows(output, "dataset/data")
    }


def score(shade: int) -> Any:
    return pytest.approx(shade / 255, abs=1e-6)


def test_scores_are_stored(built: Path) -> None:
    found = {row["url"].rpartition("/")[2]: row["scores"] for row in rows(built, "image_results")}
    assert found.pop("gone.png") is None
    assert {name: scores["red"] for name, scores in found.items()} == {
        "200x200-10.png": score(10),
        "200x200-60.png": score(60),
        "200x200-102.png": score(102),
        "200x200-204.png": score(204),
        "300x200-250.png": score(250),
        "20x20-250.png": score(250),
    }
    assert all(list(scores) == ["red", "green", "blue"] and scores["blue"] == 0 for scores in found.values())


def test_unsafe_images_are_dropped_and_every_one_is_counted(built: Path) -> None:
    assert shown(built) == {
        "http://a.example/safe": [("ok", True, score(10)), ("ok", True, score(60))],
        "http://a.example/mixed": [
            ("ok", True, score(10)),
            ("nsfw", False, score(204)),
            ("http_4xx", False, None),
        ],
        "http://b.example/unsafe": [("nsfw", False, score(250))],
        "http://b.example/small": [("size", False, score(250)), ("ok", True, score(102))],
    }
    assert tally(built, ASSEMBLE)["images"] == Level(
        8, kept=4, rejected={"nsfw": 2, "size": 1}, unavailable={"http_4xx": 1}
    )
    assert tally(built, ASSEMBLE)["documents"] == Level(4, kept=4)
    assert tally(built, EXPORT)["images"] == Level(4, kept=4)
    assert tally(built, IMAGES)["image_urls"] == Level(7, kept=6, unavailable={"http_4xx": 1})
    decisions = [
        row for row in rows(built, "decisions/assemble") if row["rule"] == "nsfw" and row["kept"] is False
    ]
    assert [(row["level"], row["op"], row["threshold"]) for row in decisions] == [("image", ">", LIMIT)] * 2
    assert {row["excerpt"]: row["value"] for row in decisions} == {
        "http://img.example/200x200-204.png": score(204),
        "http://img.example/300x200-250.png": score(250),
    }


def test_one_unsafe_image_takes_its_document_along(
    built: Path, folder: Path, write: Any, tmp_path: Path
) -> None:
    config = load(str(write("documents", "{drop: document}")))
    session = Session(config, str(tmp_path), str(built), say=lambda line: None)
    stages.run(PLANS["assemble"](session), session)
    assert {row["url"] for row in rows(tmp_path, "assembled")} == {
        "http://a.example/safe",
        "http://b.example/small",  # the small one fell for its size before
    }
    assert tally(tmp_path, ASSEMBLE)["documents"] == Level(4, kept=2, rejected={"nsfw": 2})
    assert tally(tmp_path, ASSEMBLE)["images"] == Level(
        8, kept=3, rejected={"document_rejected": 1, "nsfw": 2, "size": 1}, unavailable={"http_4xx": 1}
    )
    decisions = [row for row in rows(tmp_path, "decisions/assemble") if row["level"] == "document"]
    assert {row["url"]: (row["rule"], row["value"], row["op"], row["threshold"]) for row in decisions} == {
        "http://a.example/mixed": ("nsfw", score(204), ">", LIMIT),
        "http://b.example/unsafe": ("nsfw", score(250), ">", LIMIT),
    }


@pytest.mark.parametrize(
    ("rule", "kept"),
    [
        pytest.param("{limits: {red: 0.3}, drop: document}", {"safe"}, id="a lower limit"),
        pytest.param("{limits: {red: 0.9}, drop: document}", {"safe", "mixed", "small"}, id="a higher limit"),
        pytest.param(
            "{limits: {blue: 0.1}, drop: document}", {"safe", "mixed", "unsafe", "small"}, id="another label"
        ),
    ],
)
def test_other_limits_are_tried_on_stored_scores(
    built: Path, write: Any, tmp_path: Path, rule: str, kept: set[str]
) -> None:
    config = load(str(write("other", rule)))
    assert {p.id for p in predict(str(built), config, "assemble", 1) if p.kept} == {
        row["id"] for row in rows(built, "assembled") if row["url"].rpartition("/")[2] in kept
    }
    found = retune(str(built), config, "assemble", 1)
    assert found.made_otherwise == ()
    assert found.levels["documents"].rejected.get("nsfw", 0) == 4 - len(kept)
    session = Session(config, str(tmp_path), str(built), say=lambda line: None)
    stages.run(PLANS["assemble"](session), session)
    assert tally(tmp_path, ASSEMBLE)["documents"].kept == len(kept)


def test_the_dataset_is_the_same_whatever_the_number_of_workers(
    built: Path, folder: Path, write: Any
) -> None:
    again = run(folder, write("images", "{}"), "workers", workers=3)
    for table in ("dataset/data", "image_results"):
        ours, theirs = (sorted((output / table).glob("*.parquet")) for output in (built, again))
        assert [path.read_bytes() for path in ours] == [path.read_bytes() for path in theirs]


def test_scores_without_a_rule_are_told_and_asked_for_once(built: Path, folder: Path, write: Any) -> None:
    shutil.copytree(built, folder / "told")
    again = run(folder, write("told", None), "told")
    assert shown(again)["http://b.example/unsafe"] == [("ok", True, score(250))]
    stages_done = json.loads((again / "report.json").read_bytes())["stages"]
    assert {stage["stage"] for stage in stages_done if stage["seconds"] is not None} == {"assemble", "export"}


def test_nothing_runs_if_the_rule_has_no_scores(
    folder: Path, write: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = write("unscored", "{limits: {red: 0.5}}", scorer="")
    arguments = ["--input", str(folder / "pages.warc.gz"), "--output", str(tmp_path / "out")]
    assert main(["build", "--config", str(config), *arguments]) == 2
    assert "assemble.image.nsfw: nothing scores the images" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_images_that_were_fetched_without_a_classifier_are_not_taken_for_safe(
    folder: Path, write: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plain = run(folder, write("plain", None, scorer=""), "plain")
    assert {row["scores"] for row in rows(plain, "image_results")} == {None}
    assert {nsfw for images in shown(plain).values() for _, _, nsfw in images} == {None}
    config = write("later", "{}")
    message = "has no scores of 'red'; known: none; set images.scorer and run 'obelics images' again"
    told = ["--config", str(config), "--input", str(plain), "--output", str(tmp_path)]
    assert main(["assemble", *told]) == 2
    assert message in capsys.readouterr().err
    with pytest.raises(ConfigError, match="has no scores of 'red'"):
        retune(str(plain), load(str(config)), "assemble", 1)


def test_without_the_package_nothing_runs(
    folder: Path,
    write: Any,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    other = tmp_path / "other"
    other.mkdir()
    path = write("package", "{}", scorer=classifier(other, means(), limits={"red": LIMIT}))
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    arguments = ["--input", str(folder / "pages.warc.gz"), "--output", str(tmp_path / "out")]
    assert main(["build", "--config", str(path), *arguments]) == 2
    assert (
        "images.scorer: models that look at images need the package onnxruntime: pip install"
        in capsys.readouterr().err
    )
    assert not (tmp_path / "out" / "documents").exists()


@pytest.mark.parametrize(
    ("rule", "scorer", "message"),
    [
        pytest.param("{}", "none.json", "images.scorer: .*none.json: no such file", id="no description"),
        pytest.param(
            "{limits: {rde: 0.5}}", "tiny.json", "has no label 'rde'; did you mean 'red'", id="no label"
        ),
        pytest.param("{limits: {red: 2}}", "tiny.json", "nsfw.limits", id="no score"),
        pytest.param("{limits: {}}", "tiny.json", "limits is empty", id="no limits"),
        pytest.param("{drop: page}", "tiny.json", "write image or document", id="no action"),
    ],
)
def test_mistakes(write: Any, rule: str, scorer: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load(str(write("mistake", rule, scorer)))


def test_what_scores_depend_on_and_what_not(tmp_path: Path) -> None:
    def results(**about: Any) -> list[Any]:
        config = Config(
            images=ImagesSection(scorer=classifier(tmp_path, about.pop("model_bytes", means()), **about))
        )
        return [config.result_of("images"), config.result_of("assemble"), config.result_of("export")]

    plain, first, limits = results(), results(), results(limits={"green": 0.5})
    assert plain == first
    assert [a == b for a, b in zip(first, limits, strict=True)] == [True, True, False]
    assert results(scale=100)[0] != first[0]
    assert results(model_bytes=means(matrix=[[1, 0, 0], [0, 1, 0], [0, 0, 0.5]]))[0] != first[0]
    assert "scorer" not in ImagesSection().result


def spooled(spool: Spool, bodies: dict[str, bytes]) -> list[tuple[FetchResult, int]]:
    fetched = []
    for url, body in bodies.items():
        digest = hashlib.sha256(body).hexdigest()
        result = FetchResult(url, FetchStatus.OK, body=body, sha256=digest, num_bytes=len(body))
        fetched.append((result, spool.add(result, [])))
    gone = FetchResult("http://a.example/optout", FetchStatus.OPTOUT, sha256="f" * 64, num_bytes=3)
    return [*fetched, (gone, 0)]


def test_a_bomb_is_unscored_and_the_others_are_scored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The child has memory for small pictures only, and dies of the large one."""

    @contextmanager
    def small() -> Iterator[Decoder]:
        child = Decoder(memory=300_000_000)
        yield child
        child.close()

    monkeypatch.setattr(module, "decoder", small)
    section = ImagesSection(scorer=classifier(tmp_path, means()))
    bodies = {
        "1": picture("PNG"),
        "2": png_of(7000, 7000, bits=8, colour=6),
        "3": picture("JPEG"),
        "4": picture("PNG"),
    }
    with Spool.at(str(tmp_path / "spool")) as spool:
        found = list(score_pictures(spooled(spool, bodies), spool, section).values())
    assert len(found) == 3  # the same bytes once
    assert [scores is None for scores in found] == [False, True, False]


def test_a_part_that_breaks_off_is_scored_from_what_it_has_fetched(
    tmp_path: Path, image_server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def breaks_off(*given: Any) -> Any:
        raise KeyboardInterrupt

    section = ImagesSection(
        scorer=classifier(tmp_path, means()), allow_private=True, hosts={"img.example": image_server}
    )
    urls = [(f"http://img.example/200x200-{shade}.png", 1, ()) for shade in (10, 204)]
    space = Workspace(str(tmp_path), "images", "f" * 32)

    def run_with(options: ImagesSection) -> None:
        run_part(space, 0, lambda part: images.fetch_part(part, "", urls, options, Policy()))

    with monkeypatch.context() as patched:
        patched.setattr(images, "score_pictures", breaks_off)
        with pytest.raises(KeyboardInterrupt):
            run_with(section)
    run_with(replace(section, hosts={"img.example": "127.0.0.1:1"}))  # where nobody answers
    found = [row["scores"]["red"] for row in rows(tmp_path, "image_results")]
    assert found == [score(10), score(204)]


def test_nothing_is_scored_without_a_classifier(tmp_path: Path) -> None:
    with Spool.at(str(tmp_path / "spool")) as spool:
        assert score_pictures(spooled(spool, {"1": b"x"}), spool, ImagesSection()) == {}
