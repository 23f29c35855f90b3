"""The measures and decisions of OBELICS' own functions on real texts, and ours on the same."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from beam_jobs.config import load
from filters.apply import FilterOptions, filter_documents
from filters.base import Refusal, refusal_of
from filters.lexicon import lexicon
from filters.rules import DocumentRules, ParagraphRules
from filters.subjects import Content, Text, blocks_of, content_of
from obelics_pipeline.accounting import Tally
from obelics_pipeline.document import Document, TextNode

NAMES = {"words": "word_count"}
"""Rules that have another name in the cases."""
NOT_IN_CASES = {"image_count", "language"}


@pytest.fixture(scope="module")
def cases(test_data: Path) -> list[dict[str, Any]]:
    with gzip.open(test_data / "data" / "filter_parity" / "cases.jsonl.gz", "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def document(text: str) -> Content:
    words = lexicon(load("obelics").text)
    return content_of(blocks_of(nodes_of(text), words), words, 1)


def nodes_of(text: str) -> list[TextNode]:
    return [TextNode("paragraph", paragraph) for paragraph in text.split("\n\n")]


def paragraph(text: str) -> Text:
    return blocks_of([TextNode("paragraph", text)], lexicon(load("obelics").text))[0]


def without(chain: Any) -> Any:
    return type(chain)({name: rule for name, rule in chain.rules.items() if name not in NOT_IN_CASES})


@pytest.mark.parametrize("level", ["paragraph", "document"])
def test_measures_and_decisions_are_those_of_obelics(cases: list[dict[str, Any]], level: str) -> None:
    chain: ParagraphRules | DocumentRules = without(getattr(load("obelics").filter, level))
    subject = {"paragraph": paragraph, "document": document}[level]
    mine = [case for case in cases if case["level"] == level]
    assert len(mine) >= 400
    reasons: Counter[str] = Counter()
    for case in mine:
        trials = chain.trials(subject(case["text"]), every=True)
        measured = {trial.rule: trial.value for trial in trials}
        expected = {NAMES.get(name, name): value for name, value in case["measures"].items()}
        assert measured == pytest.approx(expected, abs=1e-6), case["text"][:200]
        refusal = refusal_of(trials)
        expected_rule = NAMES.get(case["rejected_by"], case["rejected_by"])
        assert (refusal.rule if refusal else None) == expected_rule, case["text"][:200]
        reasons[expected_rule] += 1
    assert len(reasons) >= 6, "the cases should show most of the rules at work"


def test_texts_measured_together_have_the_same_measures(cases: list[dict[str, Any]]) -> None:
    words = lexicon(load("obelics").text)
    chain = load("obelics").filter.paragraph
    texts = [case["text"] for case in cases if case["level"] == "paragraph"][:300]
    together = blocks_of([TextNode("paragraph", text) for text in texts], words)
    for text, block in zip(texts, together, strict=True):
        assert chain.trials(block, every=True) == chain.trials(paragraph(text), every=True)


def test_the_stage_refuses_the_paragraphs_that_trials_refuse(cases: list[dict[str, Any]]) -> None:
    config = load("obelics")
    words = lexicon(config.text)
    rules = config.filter.paragraph
    options = FilterOptions(paragraph=rules, document=without(config.filter.document), sample_share=0)
    documents = [
        Document(str(number), "", "", "", tuple(nodes_of(case["text"])))
        for number, case in enumerate(case for case in cases if case["level"] == "document")
    ]
    reasons: Counter[str] = Counter()
    for document, outcome in zip(
        documents, filter_documents(documents, options, words, Tally()), strict=True
    ):
        tried = map(rules.trials, blocks_of(document.texts, words))
        expected = {index: why for index, trials in enumerate(tried) if (why := refusal_of(trials))}
        rows = [row for row in outcome.decisions if row.level == "paragraph"]
        told = {row.index: Refusal(row.rule, row.value, row.threshold, str(row.op)) for row in rows}
        assert told == expected
        assert len(rows) == len(told)
        left = tuple(node for index, node in enumerate(document.nodes) if index not in expected)
        assert outcome.document.nodes == left
        reasons.update(row.rule for row in rows)
    assert len(documents) >= 400
    assert len(reasons) >= 6, "the documents should show most of the rules at work"
