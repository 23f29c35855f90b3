"""What a word is, in any language."""

from __future__ import annotations

import re
from typing import Final

_UNSPACED: Final = re.compile(
    "(["
    "\u0e00-\u0eff"  # Thai, Lao
    "\u1000-\u109f\u1780-\u17ff"  # Myanmar, Khmer
    "\u2e80-\u2fdf\u3005-\u3007\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"  # Han
    "\u3040-\u312f\u31a0-\u31bf\u31f0-\u31ff\uff66-\uff9f"  # Hiragana, Katakana, Bopomofo
    "])"
)
"""Characters of scripts written without spaces between words (blocks of the Unicode standard)."""


def words(text: str) -> list[str]:
    """The words of ``text``: what whitespace separates and has a letter in it.

    In scripts without spaces every letter is a word, and marks are none: 今天 is two words, นี้ is one.
    Numbers and symbols are no words (``2024``, ``—``), ``3rd`` is one. On text in Latin script this is the
    count of OBELICS, which strips special characters from both ends and drops what is left empty; it differs
    only for symbols missing in that list of special characters (flags, box drawing): words there.
    """
    if not text.isascii() and _UNSPACED.search(text):
        text = _UNSPACED.sub(r" \1 ", text)
    return [word for word in text.split() if word.isalpha() or any(map(str.isalpha, word))]
