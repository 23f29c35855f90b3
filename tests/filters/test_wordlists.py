"""Files of lists: their formats, what they say of their origin, and the frequent words of a language."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filters.profile import LANGUAGES, UNSPACED
from filters.wordlists import DATA, characters_in, frequent_words, words_in
from obelics_pipeline.config import file_digest

FILES = sorted(DATA.rglob("*.txt"))
CHARACTER_FILES = ("special_characters", "punctuation")
WORD_FILES = [path for path in FILES if path.stem.endswith("words") or path.stem == "elisions"]
MISTAKES = {
    "missing": (None, r"no file '.*list\.txt'; give the path"),
    "folder": ("folder", r"'.*list\.txt' cannot be read \(Is a directory\); give the path"),
    "empty": (b"", r"'.*list\.txt' has no entry; write one"),
    "comments": (b"# nothing\n#\n\n", r"'.*list\.txt' has no entry; write one"),
    "latin-1": ("über\n".encode("latin-1"), r"'.*list\.txt' is not UTF-8 \(byte 0\); convert it"),
}
NO_CHARACTERS = {
    "word": "abc",
    "character": "!",
    "small letters": "u+0021",
    "backwards": "U+0030..U+0021",
    "beyond unicode": "U+110000",
    "two": "U+0021 U+0022",
}


def named(path: Path) -> str:
    return str(path.relative_to(DATA))


def entries(path: Path) -> list[str]:
    return [line for line in path.read_text().splitlines() if not line.startswith("# ")]


@pytest.mark.parametrize("path", FILES, ids=named)
def test_each_file_says_what_it_is_whence_and_under_which_licence(path: Path) -> None:
    head = path.read_text()[: path.read_text().index(entries(path)[0] + "\n")]
    assert re.match(r"# \S.*[:.]\S* ?.*\n", head)
    assert re.search(
        r"^# Source: (OBELICS|LDNOOBW|stopwords-iso|List of Dirty|written for this project)", head, re.M
    )
    assert re.search(r"^# Licence: (Apache-2\.0|MIT|CC-BY-4\.0)", head, re.M)
    assert re.search(r"^# Changes: \S", head, re.M)


@pytest.mark.parametrize("path", FILES, ids=named)
def test_each_file_is_sorted_and_says_nothing_twice(path: Path) -> None:
    lines = entries(path)
    points = [
        int(line[2:6], 16) if len(line.split()[0]) in (6, 14) else int(line[2:7], 16)
        for line in lines
        if path.stem in CHARACTER_FILES
    ]
    found = points or lines
    assert found == sorted(set(found))


@pytest.mark.parametrize("path", WORD_FILES, ids=named)
def test_each_list_of_words_can_be_found_in_texts(path: Path) -> None:
    words = words_in(path)
    assert len(words) == len(entries(path))
    assert all(word == word.lower() and word.split() == [word] for word in words)
    marks = "".join(characters_in(DATA / "en" / "special_characters.txt"))
    marks = "".join(mark for mark in marks if not mark.isalpha())
    dead = {word for word in words if word.strip(marks) != word}
    assert dead == ({"any1", "vs.", "w/"} if named(path) == "en/stopwords.txt" else set())


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_language_has_every_list_of_words(language: str) -> None:
    sizes = {
        name: len(words_in(DATA / language / f"{name}.txt"))
        for name in ("stopwords", "spam_words", "flagged_words")
    }
    assert sizes["stopwords"] >= (40 if language in UNSPACED else 300)
    assert 30 <= sizes["spam_words"] <= 50
    assert sizes["flagged_words"] >= 60


def test_the_folders_are_the_languages_and_one_for_their_common_script() -> None:
    assert {path.parent.name for path in FILES} == {*LANGUAGES, "cjk"}


@pytest.mark.parametrize(
    ("name", "count"),
    [("stopwords", 301), ("flagged_words", 67), ("spam_words", 40)],
    ids=lambda value: str(value),
)
def test_english_words_are_those_of_the_original(name: str, count: int, test_data: Path) -> None:
    original = set((test_data / "data" / "filter_parity" / f"{name}.txt").read_text().split("\n")) - {""}
    assert words_in(DATA / "en" / f"{name}.txt") == original
    assert len(original) == count


@pytest.mark.parametrize(
    ("name", "count"), [("special_characters", 1598), ("punctuation", 6)], ids=lambda value: str(value)
)
def test_english_characters_are_the_single_ones_of_the_original(
    name: str, count: int, test_data: Path
) -> None:
    original = json.loads((test_data / "data" / "filter_parity" / f"{name}.json").read_text())
    assert characters_in(DATA / "en" / f"{name}.txt") == {entry for entry in original if len(entry) == 1}
    assert len(characters_in(DATA / "en" / f"{name}.txt")) == count


def test_the_frequent_english_words_are_those_of_the_reference(test_data: Path) -> None:
    listed = (test_data / "data" / "filter_parity" / "common_words.txt").read_text().split("\n")
    assert frequent_words("en", 50_000) == set(listed) - {""}


def test_words_come_in_lower_case_without_comments(tmp_path: Path) -> None:
    path = tmp_path / "list.txt"
    path.write_bytes("\ufeff# title\r\nÄpfel\r\n\r\n  #hashtag \n#\nc'est\nneu\x85wort\n".encode())
    assert words_in(path) == {"äpfel", "#hashtag", "c'est", "neu\x85wort"}


def test_characters_come_alone_and_in_ranges(tmp_path: Path) -> None:
    path = tmp_path / "list.txt"
    path.write_text("# title\nU+0021..U+0023  # ! … #\nU+1F600\nU+00BF # ¿\n")
    assert characters_in(str(path)) == {"!", '"', "#", "😀", "¿"}


@pytest.mark.parametrize("read", [words_in, characters_in], ids=["words", "characters"])
@pytest.mark.parametrize(("content", "message"), MISTAKES.values(), ids=MISTAKES)
def test_a_list_that_cannot_be_read_is_named(read, content, message, tmp_path: Path) -> None:
    path = tmp_path / "list.txt"
    if content == "folder":
        path.mkdir()
    elif content is not None:
        path.write_bytes(content)
    with pytest.raises(ValueError, match=message):
        read(path)


@pytest.mark.parametrize("line", NO_CHARACTERS.values(), ids=NO_CHARACTERS)
def test_a_line_that_is_no_character_is_shown(line: str, tmp_path: Path) -> None:
    path = tmp_path / "list.txt"
    path.write_text(f"U+0020\n{line}\n")
    with pytest.raises(
        ValueError, match=re.escape(f"{line!r} is no character; write U+0021 or U+0021..U+002F")
    ):
        characters_in(path)


@given(st.sets(st.text(st.characters(categories=("L", "N")), min_size=1), min_size=1))
def test_what_is_written_is_read(tmp_path_factory: pytest.TempPathFactory, words: set[str]) -> None:
    path = tmp_path_factory.mktemp("lists") / "list.txt"
    path.write_text("\n".join(words), newline="")
    assert words_in(path) == {word.lower() for word in words}


def test_the_digest_is_of_the_content(tmp_path: Path) -> None:
    one, same, other = (tmp_path / name for name in ("one", "same", "other"))
    one.write_text("a\n")
    same.write_text("a\n")
    other.write_text("a\nb\n")
    assert file_digest(str(one)) == file_digest(str(same)) != file_digest(str(other))
    assert re.fullmatch("[0-9a-f]{32}", file_digest(str(one)))


@pytest.mark.parametrize(
    ("language", "words"),
    [
        ("de", {"straße", "strasse", "dass", "geht's", "geht’s"}),
        ("fr", {"aujourd'hui", "aujourd’hui", "cœur"}),
        ("nl", {"foto's", "foto’s"}),
        ("zh", {"我们", "們", "說", "时"}),
        ("ja", {"ない", "日本"}),
    ],
)
def test_frequent_words_are_as_they_are_written(language: str, words: set[str]) -> None:
    assert words <= frequent_words(language, 50_000)


def test_as_many_frequent_words_come_as_are_asked_for() -> None:
    assert len(frequent_words("pl", 100)) == 100
    assert frequent_words("pl", 10) < frequent_words("pl", 100)


def test_wordfreq_is_loaded_when_needed_and_then_without_tokenisers() -> None:
    program = (
        "import sys; from filters.profile import TextOptions, profile; TextOptions(language='zh')\n"
        "assert 'wordfreq' not in sys.modules\n"
        "profile(TextOptions(language='zh')); profile(TextOptions(language='ja'))\n"
        "assert 'wordfreq' in sys.modules and not {'jieba', 'MeCab', 'mecab'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-W", "error", "-c", program], check=True, timeout=60)
