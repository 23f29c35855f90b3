"""``retune`` predicts from the tables of a run what a real run with another configuration makes of them."""

from __future__ import annotations

import io
import json
import shutil
from collections import Counter
from collections.abc import Callable, Iterable
from importlib import resources
from itertools import groupby
from pathlib import Path
from random import Random
from typing import Any

import pyarrow.parquet as pq
import pytest
import yaml
from msgspec.structs import replace
from rich.console import Console

from beam_jobs import retune as module
from beam_jobs import stages
from beam_jobs.build import PLANS
from beam_jobs.cli import main
from beam_jobs.config import Config, load
from beam_jobs.retune import predict, retune
from beam_jobs.retuned import Change, render
from beam_jobs.stages import Session
from filters.consent.verdict import OPT_OUT
from filters.decisions import sampled
from filters.rules import DocumentRules, ParagraphRules
from filters.text import Share
from obelics_pipeline.accounting import Tally
from obelics_pipeline.document import TEXT_KINDS

LEVELS = ("documents", "paragraphs", "images")
TABLES = {"filter": ("documents", "filtered"), "assemble": ("deduplicated", "assembled")}


@pytest.fixture(scope="module")
def run(demo_built: tuple[Path, str]) -> Path:
    """A build of the sample web with the recommended configuration."""
    return demo_built[0]


# Random configurations.


def bounds(chance: Random, low: tuple[float, float], high: tuple[float, float]) -> dict[str, float]:
    """A lower bound out of ``low``, an upper one out of ``high``, or both."""
    ends = {"min": round(chance.uniform(*low), 3), "max": round(chance.uniform(*high), 3)}
    return {name: ends[name] for name in chance.choice([("min",), ("max",), ("min", "max")])}


def share(chance: Random) -> dict[str, float]:
    """Limits of a share: most texts have a small one of what rules are for."""
    if chance.random() < 0.1:
        return {"min": round(chance.uniform(0, 0.05), 3)}
    return {"max": round(chance.uniform(0, 0.3), 3), "from_words": chance.choice([0, 5, 20])}


OTHERS: dict[str, Callable[[Random], dict[str, Any]]] = {
    "word_count": lambda chance: bounds(chance, (1, 40), (40, 600)),
    "mean_word_length": lambda chance: bounds(chance, (3, 4.5), (4.5, 8)),
    "flagged_words": lambda chance: {"max": chance.uniform(0, 0.01), "allowed": chance.randint(0, 2)},
    "character_repetition": lambda chance: {"max": chance.uniform(0, 0.1), "ngram": chance.randint(3, 12)},
    "stopwords": lambda chance: bounds(chance, (0.05, 0.4), (0.4, 0.8)),
    "common_words": lambda chance: bounds(chance, (0.3, 0.9), (0.9, 1)),
    "alphabetic_words": lambda chance: {"min": chance.uniform(0.3, 0.9)},
    "special_characters": lambda chance: {"max": chance.uniform(0.1, 0.4), "spaces": chance.random() < 0.5},
    "punctuation": lambda chance: (
        bounds(chance, (0, 0.1), (0.1, 0.5)) | {"from_tokens": chance.randint(0, 12)}
    ),
    "image_count": lambda chance: bounds(chance, (0, 2), (2, 20)),
    "language": lambda chance: {
        "accept": chance.choice([["en"], ["de", "en"], ["fr"]]),
        "min_score": round(chance.random(), 2),
    },
    "rendered_size": lambda chance: bounds(chance, (16, 200), (200, 1000)),
    "format": lambda chance: {"accept": chance.choice([["jpeg"], ["png", "jpeg"], ["webp", "gif", "png"]])},
    "size": lambda chance: bounds(chance, (50, 400), (400, 1000)),
    "aspect_ratio": lambda chance: bounds(chance, (0.3, 1), (1, 3)),
}


def chain(chance: Random, names: Iterable[str], most: int) -> dict[str, Any]:
    """Some of the rules, in any order."""
    known = sorted(names)
    chosen = chance.sample(known, chance.randint(0, min(most, len(known))))
    return {name: OTHERS.get(name, share)(chance) for name in chosen}


def of_text(rules: type[ParagraphRules] | type[DocumentRules]) -> list[str]:
    """The rules of a level that need no model."""
    return [name for name, rule in rules.table.items() if name in OTHERS or issubclass(rule, Share)]


def random_config(seed: int, stage: str, folder: Path) -> Path:
    """A configuration with any rules of ``stage``, in any order, with any limits and word lists."""
    chance = Random(seed)
    own = folder / "spam.txt"
    own.write_text("boat\nharbour\nwheel\nsoil\n")
    paragraph = chain(chance, of_text(ParagraphRules), 4)
    for limits in paragraph.values():
        if chance.random() < 0.7:  # else few paragraphs are left for the rules on documents
            limits["spare"] = chance.sample(TEXT_KINDS, chance.randint(1, 6))
    images = ["rendered_size"] if stage == "filter" else ["format", "size", "aspect_ratio"]
    section = {
        "paragraph": paragraph,
        "image": chain(chance, images, 3),
        "document": chain(chance, of_text(DocumentRules), 5),
        "sample_share": chance.choice([0, 0.3, 1]),
    }
    text = {"language": "en", "common_words": chance.choice([500, 5000, 50_000])}
    text |= chance.choice([{}, {"spam_words": str(own)}])
    path = folder / f"{seed}.yaml"
    path.write_text(yaml.safe_dump({"text": text, stage: section}, sort_keys=False))
    return path


# Predictions and real runs.


def really(run: Path, config: Config, stage: str, output: Path) -> Tally:
    session = Session(config, str(output), str(run), say=lambda line: None)
    return stages.run(PLANS[stage](session), session).manifest.tally


def rows(folder: Path, table: str, *columns: str) -> list[dict[str, Any]]:
    files = sorted((folder / table).glob("part-*.parquet"))
    return [row for file in files for row in pq.read_table(file, columns=list(columns) or None).to_pylist()]


def fates(run: Path, output: Path, stage: str) -> list[tuple[str, bool, str | None]]:
    """Each document that a stage read, in order, whether it kept it, and the rule that refused it."""
    read, written = TABLES[stage]
    kept = {row["id"] for row in rows(output, written, "id")}
    reasons = {
        row["id"]: row["rule"]
        for row in rows(output, f"decisions/{stage}")
        if row["level"] == "document" and row["kept"] is False
    }
    assert kept.isdisjoint(reasons)
    return [(row["id"], row["id"] in kept, reasons.get(row["id"])) for row in rows(run, read, "id")]


def counted(tally: Tally) -> dict[str, Any]:
    return {
        name: (level.entered, level.kept, level.rejected, level.unavailable)
        for name, level in tally.levels.items()
    }


def refusals(output: Path, stage: str) -> tuple[Counter[Any], Counter[Any]]:
    """How often each rule refused alone, and at all, in the rows of a run whose sample is everything."""
    alone: Counter[Any] = Counter()
    every: Counter[Any] = Counter()
    for (_, level, _), item in groupby(
        rows(output, f"decisions/{stage}"), key=lambda row: (row["id"], row["level"], row["index"])
    ):
        refusing = [(f"{level}s", row["rule"]) for row in item if row["op"] is not None]
        every.update(refusing)
        alone.update(refusing if len(refusing) == 1 else [])
    return alone, every


def assert_predicted(run: Path, path: Path, stage: str, output: Path) -> Counter[str]:
    """That ``retune`` says what a real run does; the reasons, counted."""
    config = load(str(path))
    found = retune(str(run), config, stage, share=1.0)
    predicted = [(p.id, p.kept, p.rule) for p in predict(str(run), config, stage, share=1.0)]
    tally = really(run, config, stage, output)
    assert predicted == fates(run, output, stage)
    told = {
        name: (counts.entered, counts.kept, +Counter(counts.rejected), counts.unavailable)
        for name, counts in found.levels.items()
    }
    assert told == counted(tally)
    if getattr(config, stage).sample_share == 1:
        alone, every = (
            Counter(
                {(name, rule): n for name, counts in found.levels.items() for rule, n in of(counts).items()}
            )
            for of in (lambda counts: counts.only_this_rule, lambda counts: counts.all_that_reject)
        )
        assert (+alone, +every) == refusals(output, stage)
    assert found.change == change_between(run, output, stage)
    return Counter(rule or "kept" for _, _, rule in predicted)


def change_between(run: Path, output: Path, stage: str) -> Change:
    before, after = fates(run, run, stage), fates(run, output, stage)
    pairs = list(zip(before, after, strict=True))
    comes = Counter(old for (_, was, old), (_, kept, _) in pairs if kept and not was)
    goes = Counter(new for (_, was, _), (_, kept, new) in pairs if was and not kept)
    return Change(sum(was for _, was, _ in before), dict(comes), dict(goes))


@pytest.mark.timeout(300)
@pytest.mark.parametrize(("stage", "seeds"), [("filter", range(20)), ("assemble", range(20, 32))])
def test_random_configurations_keep_what_a_real_run_keeps(
    run: Path, tmp_path: Path, stage: str, seeds: Iterable[int]
) -> None:
    reasons: Counter[str] = Counter()
    for seed in seeds:
        output = tmp_path / str(seed)
        path = random_config(seed, stage, tmp_path)
        reasons += assert_predicted(run, path, stage, output)
        shutil.rmtree(output)
    assert len(reasons) >= 6, "the configurations should differ in what they refuse"
    assert reasons["kept"] > 0.1 * reasons.total()


@pytest.mark.parametrize("seed", [1, 5, 11])
def test_the_command_says_what_the_command_filter_does(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], seed: int
) -> None:
    config = ["--config", str(random_config(seed, "filter", tmp_path))]
    assert main(["retune", str(run), *config, "--share", "1", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    output = tmp_path / "out"
    assert main(["filter", "--input", str(run), "--output", str(output), *config]) == 0
    (stage,) = json.loads((output / "report.json").read_text())["stages"]
    for name in LEVELS:
        done, predicted = stage["tally"]["levels"][name], told["levels"][name]
        assert (predicted["in"], predicted["kept"]) == (done["in"], done["kept"])
        assert {rule: n for rule, n in predicted["rejected"].items() if n} == done["rejected"]


STRICT = """
text: {language: en}
filter:
  paragraph: {word_count: {min: 8}, stopwords: {min: 0.3, from_words: 20}}
  document:
    image_count: {min: 2, max: 30}
    word_count: {min: 100}
    language: {accept: [en], min_score: 0.5}
"""


@pytest.fixture
def strict(tmp_path: Path) -> Path:
    path = tmp_path / "strict.yaml"
    path.write_text(STRICT)
    return path


def test_only_this_rule_rejects_what_is_kept_without_it(run: Path, strict: Path) -> None:
    config = load(str(strict))
    documents = retune(str(run), config, share=1.0).levels["documents"]
    rules = config.filter.document.rules
    assert min(documents.only_this_rule["image_count"], documents.all_that_reject["word_count"]) > 0
    for name in rules:
        others = DocumentRules({other: rule for other, rule in rules.items() if other != name})
        without = replace(config, filter=replace(config.filter, document=others))
        kept = sum(prediction.kept for prediction in predict(str(run), without, share=1.0))
        assert kept - documents.kept == documents.only_this_rule[name]
        single = replace(config, filter=replace(config.filter, document=DocumentRules({name: rules[name]})))
        refused = sum(not prediction.kept for prediction in predict(str(run), single, share=1.0))
        assert (
            refused == documents.all_that_reject[name] + documents.rejected[OPT_OUT]
        )  # these are not measured


def test_a_sample_is_predicted_like_the_whole_and_nothing_else_is_measured(
    run: Path, strict: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = load(str(strict))
    whole = list(predict(str(run), config, share=1.0))
    judged = []
    measured = module.filter_document

    def watched(document: Any, *others: Any) -> Any:
        judged.append(document.id)
        return measured(document, *others)

    monkeypatch.setattr(module, "filter_document", watched)
    sample = list(predict(str(run), config, share=0.3))
    assert sample == [prediction for prediction in whole if sampled(prediction.id, 0.3)]
    assert judged == [prediction.id for prediction in sample]
    assert 0 < len(sample) < len(whole)


def test_the_size_of_the_sample_is_that_of_the_new_configuration(run: Path, strict: Path) -> None:
    config = load(str(strict))
    config = replace(config, filter=replace(config.filter, sample_share=0.3))
    assert list(predict(str(run), config)) == list(predict(str(run), config, share=0.3))


def test_the_configuration_of_the_run_changes_nothing(run: Path) -> None:
    for stage, (_, written) in TABLES.items():
        found = retune(str(run), load("default"), stage, share=1.0)
        assert found.change == Change(len(rows(run, written, "id")), {}, {})


def copy_of(run: Path, folder: Path) -> Path:
    for name in ("documents", "filtered", "decisions", "consent", "failures"):
        shutil.copytree(run / name, folder / name)
    return folder


def test_nothing_is_written(run: Path, strict: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def state() -> dict[Path, int]:
        return {path: path.stat().st_mtime_ns for path in run.rglob("*")}

    before = state()
    for stage in TABLES:
        assert main(["retune", str(run), "--config", str(strict), "--stage", stage, "--share", "1"]) == 0
    assert state() == before
    assert capsys.readouterr().err == ""


def test_a_run_with_nothing_to_compare_is_predicted_all_the_same(
    run: Path, strict: Path, tmp_path: Path
) -> None:
    config = load(str(strict))
    expected = retune(str(run), config, share=1.0)
    copy = copy_of(run, tmp_path / "copy")
    assert retune(str(copy), config, share=1.0) == expected
    next((copy / "filtered").glob("part-*")).write_bytes(b"cut")
    assert retune(str(copy), config, share=1.0) == replace(expected, change=None)
    shutil.rmtree(copy / "filtered")
    assert retune(str(copy), config, share=1.0) == replace(expected, change=None)


def test_decisions_on_other_documents_are_not_compared(run: Path, strict: Path, tmp_path: Path) -> None:
    copy = copy_of(run, tmp_path / "copy")
    manifest = copy / "filtered" / "_MANIFEST.json"
    told = json.loads(manifest.read_text())
    told["inputs"][0]["digest"] = "0" * 32
    manifest.write_text(json.dumps(told))
    assert retune(str(copy), load(str(strict)), share=1.0).change is None


DEMO: dict[str, Any] = {
    "extract": {"range_bytes": 64_000},
    "filter": {"sample_share": 0.2},
    "assemble": {"sample_share": 0.2},
    "images": {
        "hosts": {"*.example": "127.0.0.1:1"},
        "allow_private": True,
        "connect_timeout": 1.0,
        "total_timeout": 4.0,
        "retry_wait": 1.0,
        "shard_images": 200,
    },
}
"""Where the configuration of the demonstration is not the recommended one."""

OTHERWISE: dict[str, tuple[str, dict[str, Any], tuple[str, ...], str]] = {
    "nothing new": ("assemble", {}, (), ""),
    "only the stage itself": ("filter", {"filter": {"document": {}}}, (), ""),
    "only what comes later": ("filter", {"dedup": {}, "images": {"shard_images": 7}}, (), ""),
    "only how fast, and what comes later": (
        "assemble",
        {"images": {"concurrency": 7}, "assemble": {}, "export": {"shard_bytes": 7}},
        (),
        "",
    ),
    "extract": ("filter", {"extract": {"max_nodes": 7}}, ("extract",), "extract"),
    "words of the rules": (
        "assemble",
        {"text": {"common_words": 7}},
        ("filter", "dedup"),
        "filter and dedup",
    ),
    "all": (
        "assemble",
        {"extract": {"max_nodes": 7}, "filter": {}, "dedup": {}, "images": {"shard_images": 7}},
        ("extract", "filter", "dedup", "images"),
        "extract, filter, dedup and images",
    ),
}


@pytest.mark.parametrize(("stage", "changes", "names", "told"), OTHERWISE.values(), ids=OTHERWISE)
def test_earlier_stages_with_another_configuration_are_told(
    stage: str, changes: dict[str, Any], names: tuple[str, ...], told: str, run: Path, tmp_path: Path
) -> None:
    data = yaml.safe_load(resources.files("configs").joinpath("default.yaml").read_text())
    for section, values in (DEMO | {"export": {}}).items():
        data[section] = data.get(section, {}) | values
    for section, values in changes.items():
        data[section] = data[section] | values if values else {}
    path = tmp_path / "new.yaml"
    path.write_text(yaml.safe_dump(data, sort_keys=False))
    found = retune(str(run), load(str(path)), stage, share=0.1)
    assert found.made_otherwise == names
    assert json.loads(found.encode())["made_otherwise"] == list(names)
    says = f"The run's documents were made with another configuration of {told}: only {stage} is predicted."
    console = Console(file=io.StringIO(), width=80)
    render(found, console)
    assert isinstance(console.file, io.StringIO)
    lines = console.file.getvalue().splitlines()
    assert [line for line in lines if "another configuration" in line] == [says] * bool(names)


def test_stages_that_left_no_manifest_are_not_told_of(run: Path, strict: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    tables = ("filtered", "deduplicated", "signatures", "decisions", "consent", "images", "image_results")
    for name in (*tables, "image_urls", "fetch_log", "quarantine"):
        shutil.copytree(run / name, copy / name)
    assert retune(str(copy), load(str(strict)), "assemble", share=0.1).made_otherwise == (
        "filter",
        "dedup",
        "images",
    )


def printed(run: Path, path: Path, share: float | None = None) -> list[str]:
    console = Console(file=io.StringIO(), width=80)
    render(retune(str(run), load(str(path)), share=share), console)
    assert isinstance(console.file, io.StringIO)
    return [" ".join(line.split()) for line in console.file.getvalue().splitlines()]


def test_the_table_tells_of_every_level_and_rule(run: Path, strict: Path) -> None:
    found = retune(str(run), load(str(strict)), share=1.0)
    lines = printed(run, strict, 1.0)
    documents = found.levels["documents"]
    assert lines[0] == "filter, predicted from 77 of 77 documents (share 1)"
    assert lines[1] == "items share only this rule all that reject"
    assert lines[2:4] == ["documents in 77", f"kept {documents.kept} {documents.kept / 77:.1%}"]
    for rule in ("image_count", "word_count", "language"):
        n = documents.rejected[rule]
        ends = f"{documents.only_this_rule[rule]} {documents.all_that_reject[rule]}"
        assert f"{rule} {n} {n / 77:.1%} {ends}" in lines
    assert [line.split()[0] for line in lines if line.split()[1:2] == ["in"]] == list(LEVELS)
    assert found.change is not None
    assert lines[-1] == (
        f"Of these documents the run keeps 66: 0 would come, {found.change.goes['image_count']} "
        f"(image_count {found.change.goes['image_count']}) would go."
    )


def test_a_small_sample_is_told_to_be_one(run: Path, strict: Path) -> None:
    n = sum(1 for _ in predict(str(run), load(str(strict)), share=0.3))
    assert printed(run, strict, 0.3)[-1] == f"{n} documents say little; --share 1 takes more of them."
    assert printed(run, strict, 1e-9) == [
        "filter, predicted from 0 of 77 documents (share 1e-09)",
        "0 documents say little; --share 1 takes more of them.",
    ]


MISTAKES = {
    "no run": (["{tmp}/none"], "run 'obelics extract' first, to its end"),
    "a stage that is not there": (["{copy}", "--stage", "assemble"], "run 'obelics dedup' first"),
    "a stage that cannot be predicted": (
        ["{copy}", "--stage", "dedup"],
        "no stage 'dedup'; known: filter, assemble",
    ),
    "a share above all": (["{copy}", "--share", "1.5"], "'1.5' is no share"),
    "a share of nothing": (["{copy}", "--share", "0"], "'0' is no share"),
    "a sample of nothing": (["{copy}", "--config", "{empty}"], "filter.sample_share is 0"),
    "a misspelt rule": (["{copy}", "--config", "{bad}"], "did you mean 'word_count'?"),
    "a damaged run": (["{cut}"], "missing or cut; run 'obelics extract' again"),
}


@pytest.mark.parametrize(("arguments", "says"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_told(
    arguments: list[str], says: str, run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copy, cut = copy_of(run, tmp_path / "copy"), copy_of(run, tmp_path / "cut")
    next((cut / "documents").glob("part-*")).write_bytes(b"cut")
    (tmp_path / "empty.yaml").write_text("filter: {sample_share: 0}\n")
    (tmp_path / "bad.yaml").write_text("filter: {document: {word_cuont: {min: 1}}}\n")
    places = {"tmp": tmp_path, "copy": copy, "cut": cut}
    places |= {name: tmp_path / f"{name}.yaml" for name in ("empty", "bad")}
    assert main(["retune", *(argument.format(**places) for argument in arguments)]) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert says in told.err
