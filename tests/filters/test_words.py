from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filters.words import words


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("", [], id="empty"),
        pytest.param(" \n\t ", [], id="whitespace only"),
        pytest.param("one  two\nthree\tfour", ["one", "two", "three", "four"], id="any whitespace separates"),
        pytest.param("Hello, world!", ["Hello,", "world!"], id="punctuation stays on its word"),
        pytest.param("in 2024 – about 3.5 % …", ["in", "about"], id="numbers and symbols are no words"),
        pytest.param("the 3rd covid-19 wave", ["the", "3rd", "covid-19", "wave"], id="a letter makes a word"),
        pytest.param("½ ² ① 🙂", [], id="numbers of any kind are no words"),
        pytest.param("Größe naïve Ελλάδα", ["Größe", "naïve", "Ελλάδα"], id="letters of any script"),
        pytest.param("今天很好。", ["今", "天", "很", "好"], id="every Han character"),
        pytest.param("カタカナ と kana", [*"カタカナと", "kana"], id="Japanese beside Latin"),
        pytest.param("GPU가 빠르다", ["GPU가", "빠르다"], id="Korean is written with spaces"),
        pytest.param("นี้ดี", ["น", "ด"], id="Thai letters, not marks"),
    ],
)
def test_words(text: str, expected: list[str]) -> None:
    assert words(text) == expected


@given(st.text(), st.text())
def test_texts_apart_have_the_words_of_both(first: str, second: str) -> None:
    assert words(f"{first}\n\n{second}") == words(first) + words(second)


def test_counts_are_those_of_obelics_on_latin_text(test_data: Path) -> None:
    with gzip.open(test_data / "data" / "filter_parity" / "cases.jsonl.gz", "rt", encoding="utf-8") as lines:
        cases = [json.loads(line) for line in lines]
    latin = [
        case for case in cases if max(case["text"], default="") < "\u2500"
    ]  # before box drawing, flags …
    wrong = [case for case in latin if len(words(case["text"])) != case["measures"]["words"]]
    assert len(latin) > 2500
    assert len(wrong) <= len(latin) // 500
