"""Gopher's rules: each at its boundary, on nothing, on anything, and on hostile texts in linear time."""

from __future__ import annotations

import time
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from filters.gopher import (
    AlphabeticWords,
    BulletLines,
    EllipsisLines,
    MeanWordLength,
    RepeatedLines,
    RepeatedSentences,
    SymbolWords,
    TopNgram,
)
from filters.lexicon import lexicon
from filters.lines import lines_of, sentences_of
from filters.profile import TextOptions
from filters.rules import DocumentRules, ParagraphRules
from filters.subjects import blocks_of, content_of
from filters.texts import Texts
from obelics_pipeline.document import TextNode

ENGLISH, CHINESE, NO_LANGUAGE = TextOptions("en"), TextOptions("zh"), TextOptions()
SHARES = (TopNgram, RepeatedLines, RepeatedSentences, AlphabeticWords, BulletLines, EllipsisLines)
RULES = (*SHARES, MeanWordLength, SymbolWords)


def measured(rule: Any, text: str, options: TextOptions = ENGLISH) -> float | None:
    (block,) = blocks_of([TextNode("paragraph", text)], lexicon(options))
    value: float | None = rule.measure(block)
    return value


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        pytest.param("", [], id="nothing"),
        pytest.param(" \t ", [], id="blank"),
        pytest.param(" one ", ["one"], id="one"),
        pytest.param("one\n\n  two \n \nthree\n", ["one", "two", "three"], id="blank ones between"),
    ],
)
def test_lines(text: str, lines: list[str]) -> None:
    assert lines_of(text) == lines


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        pytest.param("", [], id="nothing"),
        pytest.param("No end", ["No end"], id="no mark"),
        pytest.param("One. Two! Three? Four…", ["One", "Two", "Three", "Four"], id="marks before space"),
        pytest.param("At 3.5 km, see a.example", ["At 3.5 km, see a.example"], id="marks inside of words"),
        pytest.param("“Go.” (So.) On", ["“Go", "(So", "On"], id="quotes and brackets after the mark"),
        pytest.param("Heading\nText\n\nMore", ["Heading", "Text", "More"], id="lines"),
        pytest.param("今天。很好！吗？", ["今天", "很好", "吗"], id="no space in Chinese"),
        pytest.param("Oh no!!! Why?!", ["Oh no!!", "Why?!"], id="several marks"),
    ],
)
def test_sentences(text: str, sentences: list[str]) -> None:
    assert [part.rstrip(".!?…。！？") for part in sentences_of(text)] == [
        part.rstrip(".!?…。！？") for part in sentences
    ]


@pytest.mark.parametrize(
    ("rule", "text", "expected"),
    [
        pytest.param(TopNgram(max=1), "", 0, id="top n-gram: nothing"),
        pytest.param(TopNgram(max=1), "one two three", 0, id="top n-gram: each comes once"),
        pytest.param(TopNgram(max=1), "a cat and a cat or one", 4 / 7, id="top n-gram: a pair twice"),
        pytest.param(TopNgram(max=1), "la la la la", 1, id="top n-gram: overlapping, at most all"),
        pytest.param(TopNgram(max=1, ngram=3), "a cat and a cat or one", 0, id="top n-gram: no three"),
        pytest.param(TopNgram(max=1, ngram=1), "big big cat", 2 / 3, id="top n-gram: single words"),
        pytest.param(RepeatedLines(max=1), "", 0, id="lines: nothing"),
        pytest.param(RepeatedLines(max=1), "Reply\nReply\nSo it is\nReply", 2 / 4, id="lines: two of four"),
        pytest.param(RepeatedLines(max=1), "a\n---\nb\n---\n---", 0, id="lines: rules do not count"),
        pytest.param(RepeatedLines(max=1), "---\n---", 0, id="lines: nothing else"),
        pytest.param(RepeatedLines(max=1), "a\na\n---\n---", 1 / 2, id="lines: among those with words"),
        pytest.param(RepeatedSentences(max=1), "", 0, id="sentences: nothing"),
        pytest.param(RepeatedSentences(max=1), "Go on. Go on. Go off", 5 / 16, id="sentences: by characters"),
        pytest.param(RepeatedSentences(max=1), "Go. Stop.", 0, id="sentences: all different"),
        pytest.param(RepeatedSentences(max=1), "Buy it\nBuy it\nBuy it", 2 / 3, id="sentences: lines, too"),
        pytest.param(AlphabeticWords(min=0), "", 0, id="alphabetic: nothing"),
        pytest.param(
            AlphabeticWords(min=0), "in 2024 – about 3rd", 3 / 5, id="alphabetic: no numbers, no marks"
        ),
        pytest.param(MeanWordLength(max=9), "", None, id="word length: nothing"),
        pytest.param(MeanWordLength(max=9), " \n ", None, id="word length: whitespace"),
        pytest.param(MeanWordLength(max=9), "one, fourteen\n12", 14 / 3, id="word length: with marks"),
        pytest.param(SymbolWords(max=1), "", None, id="symbols: nothing"),
        pytest.param(SymbolWords(max=1), "#cat #dog and so on...", 3 / 5, id="symbols: hashes and dots"),
        pytest.param(SymbolWords(max=1), "…#", 2, id="symbols: more than words"),
        pytest.param(BulletLines(max=1), "", 0, id="bullets: nothing"),
        pytest.param(BulletLines(max=1), "Buy\n- milk\n• eggs\n1. go", 2 / 4, id="bullets: numbers are none"),
        pytest.param(BulletLines(max=1), "-5 degrees", 0, id="bullets: a minus is none"),
        pytest.param(EllipsisLines(max=1), "", 0, id="ellipsis: nothing"),
        pytest.param(
            EllipsisLines(max=1), "So…\nand so...\non [...]\nend.", 3 / 4, id="ellipsis: every kind"
        ),
    ],
)
def test_measures(rule: Any, text: str, expected: float | None) -> None:
    assert measured(rule, text) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("rule", "text", "refused"),
    [
        pytest.param(RepeatedLines(max=0.5), "a\na", False, id="at the maximum"),
        pytest.param(RepeatedLines(max=0.49), "a\na", True, id="above"),
        pytest.param(AlphabeticWords(min=0.5), "a 1", False, id="at the minimum"),
        pytest.param(AlphabeticWords(min=0.51), "a 1", True, id="below"),
        pytest.param(MeanWordLength(min=3, max=10), "aa bb", True, id="words too short"),
        pytest.param(MeanWordLength(min=3, max=10), "aaa bbb", False, id="just long enough"),
        pytest.param(MeanWordLength(min=3, max=10), "b" * 11, True, id="words too long"),
    ],
)
def test_limits(rule: Any, text: str, refused: bool) -> None:
    assert (rule.judge(measured(rule, text)) is not None) == refused


def test_chinese_sentences_and_characters() -> None:
    assert measured(RepeatedSentences(max=1), "今天很好。今天很好。再见。", CHINESE) == 4 / 10
    assert measured(MeanWordLength(max=3), "今天很好", CHINESE) == 1
    assert measured(TopNgram(max=1), "很好很好坏", CHINESE) == 4 / 5


def test_repetition_between_blocks_shows_in_the_document() -> None:
    words = lexicon(ENGLISH)
    blocks = blocks_of(
        [TextNode("paragraph", text) for text in ("Go on now.", "Go on now.", "So be it.")], words
    )
    rule = RepeatedLines(max=1)
    assert [rule.measure(block) for block in blocks] == [0, 0, 0]
    assert rule.measure(content_of(blocks, words, 0)) == pytest.approx(1 / 3)
    assert rule.measure(content_of(blocks[1:], words, 0)) == 0
    assert rule.measure(content_of([], words, 0)) == 0


BLOCKS = st.lists(st.text(alphabet=st.sampled_from("ab. \n!今。#…-{}é"), max_size=40), min_size=1, max_size=6)


@given(BLOCKS, st.data(), st.sampled_from([ENGLISH, CHINESE, NO_LANGUAGE]))
def test_a_document_has_the_measures_of_its_text(texts: list[str], data: Any, options: TextOptions) -> None:
    """What is known of blocks is passed on to their document: the same as if it were counted anew."""
    words = lexicon(options)
    blocks = blocks_of([TextNode("paragraph", text) for text in texts], words)
    kept = [block for block in blocks if data.draw(st.booleans())]
    rules = [rule(max=1) for rule in RULES]
    for rule in rules:
        for block in blocks:
            rule.measure(block)
    whole = content_of(kept, words, 0)
    (anew,) = blocks_of([TextNode("paragraph", whole.text)], words)
    assert [rule.measure(whole) for rule in rules] == [rule.measure(anew) for rule in rules]


@given(st.text(st.characters()), st.sampled_from([ENGLISH, CHINESE, NO_LANGUAGE]))
def test_any_text_has_measures_in_range(text: str, options: TextOptions) -> None:
    texts = Texts([text, "", text], lexicon(options))
    for rule in SHARES:
        assert all(0 <= value <= 1 for value in rule(max=1).measure_all(texts) if value is not None)
    for other in (MeanWordLength(max=1), SymbolWords(max=1)):
        assert all(value >= 0 for value in other.measure_all(texts) if value is not None)


@pytest.mark.parametrize(
    "unit",
    ["x", "a\n", "…", ". ", '."', "\x00", "la ", "- \n", "。"],
    ids=[
        "one word",
        "short lines",
        "ellipses",
        "sentences",
        "quotes",
        "NULs",
        "repeats",
        "bullets",
        "Chinese marks",
    ],
)
def test_hostile_text_takes_linear_time(unit: str) -> None:
    started = time.process_time()
    texts = Texts([unit * (1_000_000 // len(unit))], lexicon(ENGLISH))
    for rule in RULES:
        rule(max=1).measure_all(texts)
    assert time.process_time() - started < 8


def test_the_rules_are_in_the_tables_under_the_names_of_their_measures() -> None:
    for rule in RULES:
        assert ParagraphRules.table[rule.measures] is rule
        assert DocumentRules.table[rule.measures] is rule
        assert issubclass(rule, msgspec.Struct)
