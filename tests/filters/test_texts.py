from __future__ import annotations

import re
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filters.lexicon import lexicon
from filters.profile import TextOptions
from filters.subjects import blocks_of, content_of
from filters.text import (
    CharacterRepetition,
    CommonWords,
    FlaggedWords,
    Punctuation,
    SpamWords,
    SpecialCharacters,
    Stopwords,
    WordRepetition,
)
from filters.texts import LONGEST, Texts
from obelics_pipeline.document import TextNode

NO_LANGUAGE = TextOptions()
ENGLISH, FRENCH, CHINESE, JAPANESE = (TextOptions(language=code) for code in ("en", "fr", "zh", "ja"))


def measured(rule: Any, text: str, options: TextOptions = ENGLISH) -> float | None:
    (block,) = blocks_of([TextNode("paragraph", text)], lexicon(options))
    value: float | None = rule.measure(block)
    return value


@pytest.mark.parametrize(
    ("text", "options", "expected"),
    [
        pytest.param("", ENGLISH, [], id="empty"),
        pytest.param(" \n\t ", ENGLISH, [], id="whitespace only"),
        pytest.param("one  TWO\nthree\tfour", ENGLISH, ["one", "two", "three", "four"], id="any whitespace"),
        pytest.param("“Hello,” (world)!", ENGLISH, ["hello", "world"], id="marks at the ends go"),
        pytest.param("in 2024 – about 3.5 % …", ENGLISH, ["in", "about"], id="numbers are no words"),
        pytest.param("don't, covid-19 3rd", ENGLISH, ["don't", "covid", "rd"], id="marks inside stay"),
        pytest.param("l'eau qu’il", FRENCH, ["l", "eau", "qu", "il"], id="elisions are words"),
        pytest.param("l'eau", ENGLISH, ["l'eau"], id="there are none in English"),
        pytest.param("今天很好。", CHINESE, ["今", "天", "很", "好"], id="every Han character"),
        pytest.param("今天很好。", NO_LANGUAGE, ["今", "天", "很", "好"], id="without a language, too"),
        pytest.param("今天很好", ENGLISH, ["今天很好"], id="one token in a spaced language"),
        pytest.param("カタカナ と kana", JAPANESE, [*"カタカナと", "kana"], id="Japanese beside Latin"),
        pytest.param("GPU가 빠르다", NO_LANGUAGE, ["gpu가", "빠르다"], id="Korean has spaces"),
    ],
)
def test_words(text: str, options: TextOptions, expected: list[str]) -> None:
    texts = Texts([text], lexicon(options))
    assert texts.words == [expected]
    assert texts.word_counts == [len(expected)]


SENTENCE = "The cat sat on the mat and the dog lay by the door of the old house."


@pytest.mark.parametrize(
    ("rule", "text", "expected"),
    [
        pytest.param(SpecialCharacters(max=1), "", 0, id="special: empty"),
        pytest.param(SpecialCharacters(max=1), "a b!", 0.5, id="special: a space is one"),
        pytest.param(SpecialCharacters(max=1, spaces=False), "a b!", 1 / 3, id="special: or does not count"),
        pytest.param(SpecialCharacters(max=1, spaces=False), "   ", 0, id="special: nothing but spaces"),
        pytest.param(Punctuation(max=1), "", 0, id="punctuation: empty"),
        pytest.param(Punctuation(max=1), "it's so, so good.", 2 / 6, id="punctuation: marks among tokens"),
        pytest.param(Punctuation(max=1, from_tokens=7), "it's so, so good.", 1, id="punctuation: one short"),
        pytest.param(Punctuation(max=1, from_tokens=6), "it's so, so good.", 2 / 6, id="punctuation: enough"),
        pytest.param(Punctuation(max=1, from_tokens=7), "—", 0, id="punctuation: no token at all"),
        pytest.param(Stopwords(min=0), "The cat and the hat", 3 / 5, id="stopwords"),
        pytest.param(Stopwords(min=0), "12 34", 0, id="stopwords: no words"),
        pytest.param(Stopwords(min=0, from_words=6), "The cat and the hat", None, id="stopwords: too short"),
        pytest.param(Stopwords(min=0, from_words=5), "The cat and the hat", 0.6, id="stopwords: long enough"),
        pytest.param(CommonWords(min=0), "The zxqwv house", 2 / 3, id="common words"),
        pytest.param(FlaggedWords(max=1), "anal and anal", 2 / 3, id="flagged words"),
        pytest.param(FlaggedWords(max=1, allowed=1), "anal and anal", 1 / 3, id="flagged: one allowed"),
        pytest.param(FlaggedWords(max=1, allowed=3), "anal and anal", 0, id="flagged: all allowed"),
        pytest.param(SpamWords(max=1), "Log in now", 1 / 3, id="spam words"),
        pytest.param(CharacterRepetition(max=1), "a" * 30, 1, id="characters: one thing again and again"),
        pytest.param(CharacterRepetition(max=1), SENTENCE, 0, id="characters: prose"),
        pytest.param(CharacterRepetition(max=1, ngram=1), "abcd", 0, id="characters: all different"),
        pytest.param(WordRepetition(max=1), "a b c d e a b c d e", 2 / 6, id="words: five of them twice"),
        pytest.param(WordRepetition(max=1), "a b c d", 0, id="words: fewer than an n-gram"),
        pytest.param(WordRepetition(max=1, from_words=5), "a b c d", None, id="words: too short"),
    ],
)
def test_measures(rule: Any, text: str, expected: float | None) -> None:
    assert measured(rule, text) == (None if expected is None else pytest.approx(expected))


def test_phrases_of_a_language_without_spaces_count_by_their_characters() -> None:
    phrase = lexicon(CHINESE).profile.flagged_phrases[0]
    text = f"今天{phrase}很好"
    assert measured(FlaggedWords(max=1), text, CHINESE) == pytest.approx(len(phrase) / len(text))


@pytest.mark.parametrize("phrase", lexicon(CHINESE).profile.flagged_phrases)
def test_phrases_are_no_more_than_the_whole_text(phrase: str) -> None:
    assert 0 < (measured(FlaggedWords(max=1), phrase, CHINESE) or 0) <= 1


anything = st.text(max_size=60) | st.sampled_from(
    ["", "…", "\x00", "\ud800", "Ünïcode", "anal", "ﬁ", "İ", "今天。"]
)


@given(st.lists(anything, min_size=1, max_size=5), st.sampled_from([ENGLISH, FRENCH, CHINESE, NO_LANGUAGE]))
def test_counts_are_those_of_a_plain_implementation(texts: list[str], options: TextOptions) -> None:
    words = lexicon(options)
    profile = words.profile
    special, marks = profile.special_characters, profile.punctuation
    found = Texts(texts, words)
    stripped = "".join(special)
    plain = [[w for t in words.tokens(text) if (w := t.strip(stripped))] for text in texts]
    assert found.words == plain
    assert found.word_counts == list(map(len, plain))
    assert found.special == [sum(c in special for c in text) for text in texts]
    assert found.spaces == [sum(map(str.isspace, text)) for text in texts]
    assert found.special_spaces == [sum(c in special and c.isspace() for c in text) for text in texts]
    assert found.punctuation == [sum(c in marks for c in text) for text in texts]
    assert found.runs == [len(re.findall(r"[\w']+", text)) for text in texts]


@given(st.lists(anything, min_size=1, max_size=6), st.data())
def test_a_document_of_some_blocks_is_measured_like_its_text(texts: list[str], data: st.DataObject) -> None:
    words = lexicon(ENGLISH)
    blocks = blocks_of([TextNode("paragraph", text) for text in texts], words)
    if data.draw(st.booleans()):
        _ = blocks[0].word_count  # what is known already must not change what is found
    kept = [block for block in blocks if data.draw(st.booleans())]
    content = content_of(kept, words, 0)
    (alone,) = blocks_of([TextNode("paragraph", "\n\n".join(texts[block.index] for block in kept))], words)
    assert (content.text, content.words) == (alone.text, alone.words)
    for rule in (Stopwords(min=0), CharacterRepetition(max=1, ngram=2), WordRepetition(max=1, ngram=1)):
        assert rule.measure(content) == rule.measure(alone)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("a" * 3 * LONGEST, id="one word"),
        pytest.param("a " * 2 * LONGEST, id="many words"),
        pytest.param("\x00" * LONGEST, id="NUL bytes"),
        pytest.param("今" * 2 * LONGEST, id="Han"),
    ],
)
def test_a_huge_text_is_measured_in_bounded_time(text: str) -> None:
    started = time.monotonic()
    (block,) = blocks_of([TextNode("paragraph", text)], lexicon(NO_LANGUAGE))
    assert (CharacterRepetition(max=1).measure(block) or 0) >= 0.5
    assert Punctuation(max=1).measure(block) == 0
    assert block.word_count <= LONGEST
    assert time.monotonic() - started < 20


def test_tokens_that_never_end_do_not_fill_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("filters.lexicon._KNOWN", 100)
    words = lexicon(TextOptions(language="en", common_words=500))
    texts = Texts([" ".join(f"word{chr(97 + n % 26)}{n}x" for n in range(1000))], words)
    assert texts.word_counts == [1000]
    assert len(words.entries) <= 100
    assert len(words.words) <= 100
