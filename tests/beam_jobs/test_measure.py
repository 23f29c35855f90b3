"""``measure`` tells of any texts what the rules measure, and which of them refuses each."""

from __future__ import annotations

import gzip
import io
import json
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from itertools import count, islice
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from beam_jobs.cli import main
from beam_jobs.config import load
from beam_jobs.measure import Row, measure_rows
from filters.apply import filter_document
from filters.lexicon import lexicon
from filters.rules import ParagraphRules
from obelics_pipeline.accounting import Tally
from obelics_pipeline.document import Document, ImageNode

CONFIG = """
text: {language: en}
filter:
  paragraph:
    word_count: {min: 4, spare: [heading]}
    stopwords: {min: 0.3, from_words: 3}
    punctuation: {max: 0.2}
  document:
    image_count: {min: 2}
    word_count: {min: 5}
    language: {accept: [en], min_score: 0.5}
assemble:
  paragraph: {spam_words: {max: 0.4}}
  document: {word_count: {max: 6}}
"""
PROSE = "It was a fine day and the boats came home to the old harbour."
NAMES = {"words": "word_count"}
"""Rules that have another name in the cases of parity."""


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("measure") / "measure.yaml"
    path.write_text(CONFIG)
    return path


def run(rows: list[Any], tmp_path: Path, capsys: pytest.CaptureFixture[str], *options: str) -> list[Any]:
    texts = tmp_path / "texts.jsonl"
    texts.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    assert main(["measure", str(texts), *options]) == 0
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


@pytest.fixture(scope="module")
def parity(test_data: Path) -> Path:
    path = test_data / "data" / "filter_parity" / "cases.jsonl.gz"
    if not path.exists():
        pytest.skip(f"no {path}")
    return path


def test_real_texts_have_the_measures_and_decisions_of_obelics(
    parity: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["measure", str(parity), "--config", "obelics"]) == 0
    found = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    with gzip.open(parity, "rt", encoding="utf-8") as lines:
        cases = [json.loads(line) for line in lines]
    assert len(found) == len(cases) >= 3000
    seen: Counter[tuple[str, str | None]] = Counter()
    for case, row in zip(cases, found, strict=True):
        assert row["level"] == case["level"]
        expected = {NAMES.get(name, name): value for name, value in case["measures"].items()}
        measures = {name: value for name, value in row["measures"].items() if name in expected}
        assert measures == pytest.approx(expected, abs=1e-6), case["text"][:200]
        # the cases know nothing of language: of the other rules the first that refuses is the reason
        refusing = [rule for rule in (row["rejected_by"], *row["also"]) if rule not in (None, "language")]
        decided = NAMES.get(case["rejected_by"], case["rejected_by"])
        assert next(iter(refusing), None) == decided, case["text"][:200]
        seen[case["level"], decided] += 1
    assert all(sum(level == name for name, _ in seen) >= 6 for level in ("paragraph", "document"))


def test_every_rule_measures_and_the_first_refusal_is_the_reason(
    config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [
        {"id": [1, "x"], "level": "paragraph", "text": "Up, up, up!"},
        {"id": 2, "level": "paragraph", "text": "Contents", "kind": "heading"},
        {"id": None, "level": "paragraph", "text": PROSE, "note": "left alone"},
        {"level": "document", "text": f"{PROSE}\n\n{PROSE}", "images": 1},
        {"level": "document", "text": PROSE},
        {"level": "document", "text": ""},
    ]
    found = run(rows, tmp_path, capsys, "--config", str(config))
    assert [row.get("id", "none") for row in found] == [[1, "x"], 2, None, "none", "none", "none"]
    assert found[0]["measures"] == {"word_count": 3, "stopwords": 1.0, "punctuation": 1 / 2}
    assert [found[0][key] for key in ("rejected_by", "value", "threshold", "op", "also")] == [
        *("word_count", 3, 4, "<"),
        ["punctuation"],
    ]
    assert found[1]["measures"] == {"word_count": None, "stopwords": None, "punctuation": 0.0}
    assert [found[2][key] for key in ("rejected_by", "value", "threshold", "op", "also")] == [
        *(None, None, None, None),
        [],
    ]
    assert [(row["rejected_by"], row["also"]) for row in found[3:]] == [
        ("image_count", []),
        (None, []),
        ("word_count", ["language"]),
    ]
    measures = found[3]["measures"]
    assert (measures["image_count"], measures["word_count"], measures["language"]) == (1, 28, "en")
    assert measures["language_score"] > 0.5
    assert found[4]["measures"]["image_count"] is None


def test_the_rules_of_assemble_are_asked_if_wanted(
    config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [{"level": "document", "text": PROSE}, {"level": "paragraph", "text": "Log in"}]
    found = run(rows, tmp_path, capsys, "--config", str(config), "--stage", "assemble")
    assert [(row["rejected_by"], list(row["measures"])) for row in found] == [
        ("word_count", ["word_count"]),
        ("spam_words", ["spam_words"]),
    ]


def test_standard_input_gzip_and_blank_lines(
    config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = f'\n{{"level": "paragraph", "text": "{PROSE}"}}\r\n\n{{"level": "document", "text": ""}}'.encode()
    packed = tmp_path / "texts.jsonl.gz"
    packed.write_bytes(gzip.compress(lines))
    assert main(["measure", str(packed), "--config", str(config)]) == 0
    printed = capsys.readouterr().out
    assert [json.loads(line)["level"] for line in printed.splitlines()] == ["paragraph", "document"]
    monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BytesIO(lines)))
    assert main(["measure", "-", "--config", str(config)]) == 0
    assert capsys.readouterr().out == printed


@pytest.mark.parametrize("after", ["", "\r\n", " "], ids=["a row", "an empty line", "a space"])
def test_a_byte_order_mark_may_come_first(
    after: str, config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    texts = tmp_path / "texts.jsonl"
    row = json.dumps({"level": "paragraph", "text": PROSE})
    texts.write_text(f"\ufeff{after}{row}\n", encoding="utf-8", newline="")
    assert main(["measure", str(texts), "--config", str(config)]) == 0
    (found,) = map(json.loads, capsys.readouterr().out.splitlines())
    assert found["measures"]["word_count"] == 14
    texts.write_text(f"{row}\n\ufeff{row}\n", encoding="utf-8")
    assert main(["measure", str(texts), "--config", str(config)]) == 2
    assert f"{texts}: line 2: not JSON" in capsys.readouterr().err


def test_a_byte_order_mark_alone_is_no_row(
    config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    texts = tmp_path / "texts.jsonl"
    texts.write_bytes(b"\xef\xbb\xbf")
    assert main(["measure", str(texts), "--config", str(config)]) == 0
    assert capsys.readouterr().out == ""


MISTAKES = {
    "no JSON": ('{"level": ', "line 2: not JSON"),
    "no object": ("[]", "line 2: Expected `object`"),
    "bytes that are no UTF-8": ('{"level": "paragraph", "text": "\udcff"}', "line 2: not JSON"),
    "unknown level": ('{"level": "paragraf", "text": ""}', "no level 'paragraf'; did you mean 'paragraph'?"),
    "missing text": ('{"level": "paragraph"}', "line 2: Object missing required field `text`"),
    "missing level": ('{"text": ""}', "line 2: Object missing required field `level`"),
    "text that is no text": ('{"level": "document", "text": 3}', "Expected `str`, got `int` - at `$.text`"),
    "unknown kind": ('{"level": "paragraph", "text": "", "kind": "headin"}', "did you mean 'heading'?"),
    "fewer images than none": ('{"level": "document", "text": "", "images": -1}', "Expected `int` >= 0"),
}


@pytest.mark.parametrize(("line", "says"), MISTAKES.values(), ids=MISTAKES)
def test_a_line_that_is_not_understood_is_named(
    line: str, says: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    texts = tmp_path / "texts.jsonl"
    texts.write_bytes(b'{"level": "document", "text": ""}\n' + line.encode(errors="surrogateescape"))
    assert main(["measure", str(texts)]) == 2
    told = capsys.readouterr().err
    assert told.startswith(f"obelics: {texts}: line 2: ")
    assert says in told
    assert told.endswith('write {"level": "paragraph", "text": "…"}\n')


def test_what_cannot_be_read_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cut = tmp_path / "cut.jsonl.gz"
    cut.write_bytes(gzip.compress(b'{"level": "document", "text": ""}\n' * 99)[:-20])
    for path, says in ((cut, "cannot be read to its end"), (tmp_path / "none.jsonl", "no such file")):
        assert main(["measure", str(path)]) == 2
        assert f"obelics: {path}: {says}" in capsys.readouterr().err


def test_a_reader_who_has_seen_enough_is_no_error(config: Path, tmp_path: Path) -> None:
    texts = tmp_path / "texts.jsonl"
    texts.write_text('{"level": "paragraph", "text": "word"}\n' * 5000)
    command = [sys.executable, "-m", "beam_jobs.cli", "measure", str(texts), "--config", str(config)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert json.loads(process.stdout.readline())["rejected_by"] == "word_count"
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(60) == 0


def test_rows_are_read_only_as_far_as_they_are_wanted(config: Path) -> None:
    taken = count()

    def endless() -> Iterator[Row]:
        while True:
            next(taken)
            yield Row("paragraph", PROSE)

    assert len(list(islice(measure_rows(endless(), load(str(config))), 10))) == 10
    assert next(taken) < 1000


PIECES = ["\n", "\n\n", " ", "The boats", "and", "Read more", "!", "日本", "home.", "\t", "word " * 40]
texts = st.lists(st.sampled_from(PIECES), max_size=12).map("".join)
rows = st.lists(st.builds(Row, st.sampled_from(["paragraph", "document"]), texts), max_size=6)


@given(texts)
def test_a_document_is_all_of_its_text(text: str) -> None:
    assert "\n\n".join(node.text for node in Row("document", text).nodes) == text


@given(rows)
def test_a_text_is_measured_the_same_in_whatever_company(rows: list[Row]) -> None:
    config = load("obelics")
    together = list(measure_rows(rows, config))
    assert together == [measured for row in rows for measured in measure_rows([row], config)]


@given(texts.filter(bool), st.integers(0, 2))
def test_a_document_is_judged_as_the_stage_does(text: str, images: int) -> None:
    config = load("obelics")
    row = Row("document", text, images=images)
    nodes = (*row.nodes, *[ImageNode("http://a.example/photo.jpg")] * images)
    document = Document("0" * 32, "http://a.example/", "a.example", "a.example", nodes)
    options = replace(config.filter, paragraph=ParagraphRules(), sample_share=1.0)
    outcome = filter_document(document, options, lexicon(config.text), Tally())
    (measured,) = measure_rows([row], config)
    assert measured.rejected_by == (outcome.refusal.rule if outcome.refusal else None)
    language = measured.measures.pop("language")
    assert (language, measured.measures) == (outcome.document.language, outcome.document.measures)
