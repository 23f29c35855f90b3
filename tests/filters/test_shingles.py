"""Words, their hashes and those of their n-grams, against plain Python and against the values they have always had."""

from __future__ import annotations

import random
from functools import cache
from unicodedata import category

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from filters.dedup.shingles import KEY_BYTES, Words, shingles, text_key, windows
from filters.lexicon import UNSPACED

SELECTORS = {*"\u180b\u180c\u180d\u180e\u180f", *map(chr, [*range(0xFE00, 0xFE10), *range(0xE0000, 0xE1000)])}
CHARACTERS = "aB1é\u0301ßİΣ  \n\t.,'-_—\u00ad\u200b\u200d\ufe0f\ufeff中文かカไท한नि\U00020000\U0001f600\U0001d41a\ud800"
"""What words are made of and parted by, often together."""

texts = st.text(st.sampled_from(CHARACTERS) | st.characters(), max_size=60)


def plain_words(text: str) -> list[str]:
    """The words of a text, as the module's docstring has them; the characters of one that stands alone are marked."""
    words, run = [], ""
    for character in [*text.lower(), " "]:
        kind = category(character)
        if (kind == "Cf" and character != "\u200b") or character in SELECTORS:
            continue
        alone = UNSPACED.match(character) and (kind[0] in "LMN" or character > "\U0001ffff")
        if kind[0] in "LMN" and not alone:
            run += character
            continue
        words += [run] if run else []
        words += [character] if alone else []
        run = ""
    return words


@cache
def word_hash(word: str) -> int:
    """The hash of a word that stands in a text of its own."""
    [value] = Words([word]).hashes.tolist()
    return value


def distinct(text: str, n: int) -> int:
    return len(set(shingles(Words([text]).hashes, n).tolist()))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        pytest.param("", [], id="empty"),
        pytest.param(" \n\t\u3000", [], id="white space"),
        pytest.param("?! … — «» 。、 €+=", [], id="marks only"),
        pytest.param("one", ["one"], id="one word"),
        pytest.param("One TWO, (three)!\nfour", ["one", "two", "three", "four"], id="case and marks"),
        pytest.param(
            "don't re-use snake_case 3.14",
            ["don", "t", "re", "use", "snake", "case", "3", "14"],
            id="marks inside",
        ),
        pytest.param("ÉCOLE Straße ΟΔΟΣ ΟΔΟΣ.", ["école", "straße", "οδος", "οδος"], id="small letters"),
        pytest.param("İstanbul", ["i\u0307stanbul"], id="a small letter of two characters"),
        pytest.param("नमस्ते दुनिया", ["नमस्ते", "दुनिया"], id="vowel signs belong to their word"),
        pytest.param("e\u0301te\u0301", ["e\u0301te\u0301"], id="accents belong to their word"),
        pytest.param("한국어 위키", ["한국어", "위키"], id="Hangul has spaces"),
        pytest.param("我爱Python3和C。", ["我", "爱", "python3", "和", "c"], id="Han among Latin"),
        pytest.param("カタカナーと𠀀", [*"カタカナーと𠀀"], id="Kana, and Han of plane 2"),
        pytest.param("ไทยดี", [*"ไทยดี"], id="Thai"),
        pytest.param("١٢٣ ½ x²", ["١٢٣", "½", "x²"], id="digits and numbers"),
        pytest.param("ok😀ok 👍🏽 ❤️ 🏴\U000e0067\U000e007f", ["ok", "ok"], id="emoji part words"),
        pytest.param("𝐚𝐛 𐐨𐐩", ["𝐚𝐛", "𐐨𐐩"], id="letters of plane 1"),
        pytest.param("Donau\u00addampf می\u200cخواهم", ["donaudampf", "میخواهم"], id="unseen characters"),
        pytest.param("葛\U000e0100飾 \ufeffword", ["葛", "飾", "word"], id="selectors and a byte order mark"),
        pytest.param("super\u200bmarket", ["super", "market"], id="a zero-width space parts words"),
        pytest.param("a\x00b\ud800c\udc00", ["a", "b", "c"], id="zero and lone surrogates"),
    ],
)
def test_words(text: str, words: list[str]) -> None:
    assert plain_words(text) == words
    assert Words([text]).hashes.tolist() == [word_hash(word) for word in words]
    assert len(Words([text])) == len(words)


@given(texts)
def test_words_are_those_of_plain_python(text: str) -> None:
    assert Words([text]).hashes.tolist() == [word_hash(word) for word in plain_words(text)]


def test_no_two_words_share_a_hash() -> None:
    words = {f"{a}{b}{c}" for a in "abcxyz019" for b in ["", *"aeiou09éж"] for c in ["", *"stuv", "ий"]}
    assert len({word_hash(word) for word in words}) == len(words)


@given(st.lists(texts, max_size=6))
def test_nodes_are_one_sequence_of_words(nodes: list[str]) -> None:
    words = Words(nodes)
    assert words.hashes.tolist() == Words([" ".join(nodes)]).hashes.tolist()
    assert words.counts == [len(plain_words(node)) for node in nodes]


@pytest.mark.parametrize(
    ("nodes", "counts"),
    [
        pytest.param([], [], id="no nodes"),
        pytest.param(["", "", ""], [0, 0, 0], id="empty nodes"),
        pytest.param(["a b", "—", "c"], [2, 0, 1], id="a node without words"),
        pytest.param(["İİ a", "b"], [2, 1], id="lower case is longer"),
        pytest.param(
            ["\u00ad\u00ad", "a\u00ad", "\u00adb c"], [0, 1, 2], id="skipped characters at the edges"
        ),
    ],
)
def test_words_of_each_node(nodes: list[str], counts: list[int]) -> None:
    assert Words(nodes).counts == counts


def test_long_texts_are_hashed_in_pieces() -> None:
    chance = random.Random(3)
    words = ["x" * chance.randint(1, 300) + "é" * (number % 3) for number in range(900)]
    words[700] = "y" * 100_000
    found = Words([" ".join(words[:500]), " ".join(words[500:])])
    assert found.hashes.tolist() == [word_hash(word) for word in words]
    assert found.counts == [500, 400]


@pytest.mark.parametrize(
    ("text", "n"),
    [
        pytest.param("a" * 1_000_000, 1, id="one word"),
        pytest.param("中" * 1_000_000, 1_000_000, id="all words of their own"),
        pytest.param("?" * 1_000_000, 0, id="marks"),
        pytest.param("\u0301" * 1_000_000, 1, id="accents"),
        pytest.param("\u200d" * 1_000_000, 0, id="unseen characters"),
        pytest.param("a\ud800" * 500_000, 500_000, id="surrogates"),
    ],
)
def test_a_million_characters(text: str, n: int) -> None:
    words = Words([text])
    assert len(words.hashes) == n
    assert len(shingles(words.hashes)) == (0 if not n else max(n - 4, 1))
    assert len(text_key(words)) == KEY_BYTES


@pytest.mark.parametrize(
    ("text", "count"),
    [
        pytest.param("", 0, id="no words"),
        pytest.param("one", 1, id="one word"),
        pytest.param("one two three four", 1, id="one word short of an n-gram"),
        pytest.param("one two three four five", 1, id="one n-gram"),
        pytest.param("one two three four five six", 2, id="two n-grams"),
        pytest.param("go go go go go go go", 3, id="the same n-gram thrice"),
    ],
)
def test_number_of_shingles(text: str, count: int) -> None:
    found = shingles(Words([text]).hashes)
    assert found.dtype == np.uint32
    assert len(found) == count


def test_fewer_words_are_another_shingle() -> None:
    assert distinct("a b c d", 5) == 1
    assert set(shingles(Words(["a b c d"]).hashes)) & set(shingles(Words(["a b c d e"]).hashes)) == set()


@given(st.lists(st.sampled_from(["red", "blue", "Red", "中"]), max_size=40), st.integers(1, 7))
def test_equal_ngrams_share_a_shingle_and_no_others(words: list[str], n: int) -> None:
    text = " ".join(words)
    plain = plain_words(text)
    width = min(n, len(plain))
    ngrams = [tuple(plain[at : at + width]) for at in range(len(plain) - width + 1)] if plain else []
    found = shingles(Words([text]).hashes, n).tolist()
    assert len(found) == len(ngrams)
    assert len(set(zip(found, ngrams, strict=True))) == len(set(found)) == len(set(ngrams))


@given(texts, texts, st.integers(1, 6))
def test_shingles_of_a_beginning_are_shingles_of_the_whole(head: str, tail: str, n: int) -> None:
    start, whole = Words([head]), Words([head, tail])
    if len(start) >= n:
        found = shingles(start.hashes, n).tolist()
        assert shingles(whole.hashes, n).tolist()[: len(found)] == found


def test_shingles_are_spread_evenly() -> None:
    """χ² of 2^16 and more shingles over 256 values of their upper and lower bits: mean 255, deviation 22.6."""
    found = shingles(Words([" ".join(map(str, range(70_000)))]).hashes)
    for bits in (found >> 24, found & 255):
        expected = len(found) / 256
        assert float(((np.bincount(bits, minlength=256) - expected) ** 2 / expected).sum()) < 255 + 5 * 22.6


@pytest.mark.parametrize("dtype", [np.uint32, np.uint64])
@pytest.mark.parametrize("n", [1, 2, 8, 50])
def test_windows_begin_at_their_places(dtype: type[np.unsignedinteger], n: int) -> None:
    words = Words([" ".join(map(str, [*range(60), *range(60)]))]).hashes.astype(dtype)
    before = words.copy()
    found = windows(words, n)
    assert len(found) == 120 - n + 1
    assert found.dtype == np.uint64
    assert [np.flatnonzero(found == value).tolist() for value in found[:3]] == [[0, 60], [1, 61], [2, 62]]
    assert len(set(found.tolist())) == min(60, 121 - n)
    assert (words == before).all()


def test_windows_of_fewer_words() -> None:
    assert windows(Words(["a b"]).hashes, 3).tolist() == []


@given(texts, texts)
def test_a_key_for_each_sequence_of_words(one: str, other: str) -> None:
    assert (text_key(Words([one])) == text_key(Words([other]))) == (plain_words(one) == plain_words(other))


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        pytest.param(["Hello, world"], ["hello", "WORLD!"], True, id="nodes, case and marks"),
        pytest.param(["你 好a"], ["你好 A"], True, id="spaces around Han"),
        pytest.param(["ab c"], ["a bc"], False, id="other words of the same characters"),
        pytest.param(["a b"], ["b a"], False, id="another order"),
        pytest.param(["a a"], ["a"], False, id="a word more"),
        pytest.param([""], [], True, id="no words"),
        pytest.param(["中"], ["丮"], False, id="another character"),
    ],
)
def test_text_key(one: list[str], other: list[str], same: bool) -> None:
    assert (text_key(Words(one)) == text_key(Words(other))) is same


def test_no_two_words_are_made_to_share_a_key() -> None:
    """Thue–Morse words and their complements share every polynomial hash modulo 2^64; a key is not made of those."""
    word = "a"
    for _ in range(12):
        word += word.translate(str.maketrans("ab", "ba"))
    one, other = Words([word]), Words([word.translate(str.maketrans("ab", "ba"))])
    assert one.hashes.tolist() == other.hashes.tolist()
    assert text_key(one) != text_key(other)


def test_values_never_change() -> None:
    """Signatures of earlier runs are compared with new ones: another value here is another SIGNATURE_VERSION."""
    words = Words(["The quick brown fox", "jumps über 3 lazy dogs; 你好 мир"])
    assert [hex(value) for value in words.hashes[[0, 5, 6, 9, 11]].tolist()] == [
        "0x1a50d63af4233eb7",
        "0xcc5fb2157aff279a",
        "0xcb9ebfbdfe40f3f9",
        "0xb9423f2db4905169",
        "0x55c90154737cca29",
    ]
    assert [hex(value) for value in shingles(words.hashes)[:3].tolist()] == [
        "0xfa6dd98c",
        "0x588f1469",
        "0xc85f4f16",
    ]
    assert hex(int(windows(words.hashes, 12)[0])) == "0xf36ed18f85e8b62a"
    assert text_key(words).hex() == "205753a27125fc8722e48a2e0a7b62f2"
