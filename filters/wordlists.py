"""Lists of words and of characters: their files, those that are shipped, and the frequent words of a language.

Both kinds of files are UTF-8 with one entry a line; empty lines and lines that are ``#`` alone or begin with
``# `` are comments. A list of words has the words themselves. A list of characters has code points, such as
``U+00BF`` or ``U+0021..U+002F  # ! … /``: what follows the code points is a comment.
"""

from __future__ import annotations

import gzip
import re
from collections.abc import Iterable
from importlib.resources import files
from pathlib import Path
from typing import Final

import msgspec

DATA: Final = Path(__file__).parent / "data"
"""The shipped lists, in a folder for each language; each file says its source and licence."""

_POINTS: Final = re.compile(r"U\+([0-9A-F]{4,6})(?:\.\.U\+([0-9A-F]{4,6}))?(?:\s+#.*)?")


def words_in(path: str | Path) -> frozenset[str]:
    """The words of a file, in lower case; ``ValueError`` if it cannot be read or has none."""
    words = frozenset(line.lower() for line in _lines(path))
    if not words:
        raise ValueError(f"{str(path)!r} has no entry; write one word a line")
    return words


def characters_in(path: str | Path) -> frozenset[str]:
    """The characters of a file; ``ValueError`` if it cannot be read, has none, or has other lines."""
    characters: set[str] = set()
    for line in _lines(path):
        points = _POINTS.fullmatch(line)
        first, last = (int(point or points[1], 16) for point in points.groups()) if points else (1, 0)
        if not first <= last <= 0x10FFFF:
            raise ValueError(f"{str(path)!r}: {line!r} is no character; write U+0021 or U+0021..U+002F")
        characters.update(map(chr, range(first, last + 1)))
    if not characters:
        raise ValueError(f"{str(path)!r} has no entry; write one code point a line, such as U+0021")
    return frozenset(characters)


def frequent_words(language: str, count: int) -> frozenset[str]:
    """The ``count`` most frequent words of ``language``, as they are written, after ``wordfreq``.

    The package (Robyn Speer; Apache-2.0, its data CC-BY-SA-4.0) counts German words with ss for ß and Chinese
    ones in simplified characters, and writes ' for ’; both spellings are given here, but for English, whose list
    OBELICS used as it is. Fewer words come if it knows no more.
    """
    from wordfreq import top_n_list  # loaded when needed, since it takes 0.3 s

    words = frozenset(top_n_list(language, count))
    if language != "en":
        words |= {word.replace("'", "’") for word in words}
    if language == "de":
        words |= {word.replace("ss", "ß") for word in words}
    if language == "zh":
        words |= _traditional(words)
    return words


def _traditional(words: Iterable[str]) -> frozenset[str]:
    """The traditional characters of which a simplified one stands in ``words``."""
    simplified = frozenset("".join(words))
    packed = (files("wordfreq") / "data" / "_chinese_mapping.msgpack.gz").read_bytes()
    table = msgspec.msgpack.decode(gzip.decompress(packed), type=dict[int, str])
    return frozenset(chr(point) for point, simple in table.items() if simple in simplified)


def _lines(path: str | Path) -> list[str]:
    try:
        lines = [line.strip() for line in _content(path).decode("utf-8-sig").split("\n")]
    except UnicodeDecodeError as error:
        raise ValueError(f"{str(path)!r} is not UTF-8 (byte {error.start}); convert it") from error
    return [line for line in lines if line and line != "#" and not line.startswith("# ")]


def _content(path: str | Path) -> bytes:
    try:
        return Path(path).read_bytes()
    except FileNotFoundError as error:
        raise ValueError(f"no file {str(path)!r}; give the path of a list") from error
    except OSError as error:
        raise ValueError(
            f"{str(path)!r} cannot be read ({error.strerror}); give the path of a list"
        ) from error
