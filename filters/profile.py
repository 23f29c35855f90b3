"""What the rules on text know of a language: its words, its marks, and where one word ends."""

from __future__ import annotations

import unicodedata
from functools import lru_cache
from typing import Any, Final

import msgspec

from filters import wordlists
from obelics_pipeline.config import file_digest, suggestion

LANGUAGES: Final = ("de", "en", "es", "fr", "it", "ja", "nl", "pl", "pt", "zh")
"""The languages that have a profile (ISO 639-1)."""

UNSPACED: Final = frozenset({"ja", "zh"})
"""Of these, the ones written without spaces between words."""

_WORDS: Final = ("stopwords", "flagged_words", "spam_words")
_PHRASES: Final = ("boilerplate_phrases", "cookie_phrases", "error_phrases")
_CHARACTERS: Final = ("special_characters", "punctuation")


class TextOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The language whose profile the rules on text use, and lists of one's own.

    ``language`` is one of ``LANGUAGES``; without it there are no lists of words, only marks of any script. The
    next eight fields name files that replace the list of the profile (see ``filters.wordlists`` for their
    formats). ``common_words`` is how many of the most frequent words of ``wordfreq`` are common, 50,000 unless
    said otherwise, or the path of a list. ``ValueError`` for an unknown language and for a list that cannot
    be read, or is empty.
    """

    language: str | None = None
    stopwords: str | None = None
    flagged_words: str | None = None
    spam_words: str | None = None
    boilerplate_phrases: str | None = None
    cookie_phrases: str | None = None
    error_phrases: str | None = None
    special_characters: str | None = None
    punctuation: str | None = None
    common_words: int | str = 50_000

    def __post_init__(self) -> None:
        if self.language is not None and self.language not in LANGUAGES:
            raise ValueError(f"language: no language {suggestion(self.language, LANGUAGES)}")
        if isinstance(self.common_words, int) and self.common_words < 1:
            raise ValueError(f"common_words: {self.common_words} is too few; write 1 or more, or a path")
        for key in self.paths():
            self.own(key)

    @property
    def spaced(self) -> bool:
        """Whether words stand between spaces; without a language, letters of Han, kana … are words too."""
        return self.language is not None and self.language not in UNSPACED

    def paths(self) -> dict[str, str]:
        """The files that replace lists, by key."""
        values = {key: getattr(self, key) for key in (*_WORDS, *_PHRASES, *_CHARACTERS, "common_words")}
        return {key: value for key, value in values.items() if isinstance(value, str)}

    def own(self, key: str) -> frozenset[str]:
        """The content of the file that replaces the list ``key``; ``ValueError`` naming both if that fails."""
        path = self.paths()[key]
        try:
            found = wordlists.characters_in(path) if key in _CHARACTERS else wordlists.words_in(path)
        except ValueError as error:
            raise ValueError(f"{key}: {error}") from error
        if key == "stopwords" and self.language in UNSPACED and not any(len(word) == 1 for word in found):
            raise ValueError(f"{key}: {path!r} has no single character; a word of {self.language!r} is one")
        return found

    def as_data(self) -> dict[str, Any]:
        """What makes these options differ from others: the fields, a path with the digest of its content."""
        data = msgspec.structs.asdict(self)
        return data | {key: [path, file_digest(path)] for key, path in self.paths().items()}


class Profile(msgspec.Struct, frozen=True):
    """The lists of a language. Words are in lower case; a list that is ``None`` does not exist.

    ``spaced`` says whether words stand between spaces. If not, every letter of Han, kana … is a word by itself,
    and what is longer in the lists of flagged and spam words are phrases, the longest first, to be found
    anywhere in a text. Before an apostrophe, the ``elisions`` are words of their own (l'eau: l, eau). The
    phrases of templates, cookie notices and error pages are for ``filters.phrases``.
    """

    spaced: bool
    stopwords: frozenset[str] | None
    flagged_words: frozenset[str] | None
    spam_words: frozenset[str] | None
    common_words: frozenset[str] | None
    special_characters: frozenset[str]
    punctuation: frozenset[str]
    boilerplate_phrases: frozenset[str] | None = None
    cookie_phrases: frozenset[str] | None = None
    error_phrases: frozenset[str] | None = None
    flagged_phrases: tuple[str, ...] = ()
    spam_phrases: tuple[str, ...] = ()
    elisions: frozenset[str] = frozenset()


@lru_cache(maxsize=16)
def profile(options: TextOptions) -> Profile:
    """The profile that ``options`` describe; made once per process, files are not read again."""
    spaced = Profile(
        spaced=options.spaced,
        stopwords=_words(options, "stopwords"),
        flagged_words=_words(options, "flagged_words"),
        spam_words=_words(options, "spam_words"),
        common_words=_common(options),
        special_characters=_characters(options, "special_characters"),
        punctuation=_characters(options, "punctuation"),
        elisions=_elisions(options.language),
        boilerplate_phrases=_all_phrases(options, "boilerplate_phrases"),
        cookie_phrases=_all_phrases(options, "cookie_phrases"),
        error_phrases=_all_phrases(options, "error_phrases"),
    )
    return _without_spaces(spaced) if options.language in UNSPACED else spaced


def _without_spaces(lists: Profile) -> Profile:
    """The same lists for texts whose words are single letters: what is longer becomes phrases."""
    return msgspec.structs.replace(
        lists,
        stopwords=_single(lists.stopwords),
        flagged_words=_single(lists.flagged_words),
        spam_words=_single(lists.spam_words),
        common_words=_single(lists.common_words) | _letters(lists.common_words),
        flagged_phrases=_phrases(lists.flagged_words),
        spam_phrases=_phrases(lists.spam_words),
    )


def _words(options: TextOptions, key: str) -> frozenset[str] | None:
    return options.own(key) if key in options.paths() else _shipped_words(options.language, key)


def _shipped_words(language: str | None, key: str) -> frozenset[str] | None:
    path = wordlists.DATA / str(language) / f"{key}.txt"
    return wordlists.words_in(path) if path.exists() else None


def _all_phrases(options: TextOptions, key: str) -> frozenset[str] | None:
    """The phrases of the language and those of English, which servers and templates speak everywhere."""
    own = _words(options, key)
    shared = key not in options.paths() and options.language not in (None, "en")
    return own | (_shipped_words("en", key) or own) if own and shared else own


def _elisions(language: str | None) -> frozenset[str]:
    return _shipped_words(language, "elisions") or frozenset()


def _common(options: TextOptions) -> frozenset[str] | None:
    if isinstance(options.common_words, str):
        return options.own("common_words")
    if options.language is None:
        return None
    words = wordlists.frequent_words(options.language, options.common_words)
    return words | _elisions(options.language)


def _single(entries: frozenset[str] | None) -> frozenset[str]:
    """What a text without spaces can have as a word: one letter, or a word in Latin letters."""
    return frozenset(entry for entry in entries or () if len(entry) == 1 or entry.isascii())


def _letters(entries: frozenset[str] | None) -> frozenset[str]:
    return frozenset(filter(str.isalpha, "".join(entries or ())))


def _phrases(entries: frozenset[str] | None) -> tuple[str, ...]:
    """The other entries, the longest first."""
    return tuple(sorted((entries or frozenset()) - _single(entries), key=lambda entry: (-len(entry), entry)))


def _characters(options: TextOptions, key: str) -> frozenset[str]:
    """The marks of English, those of scripts without spaces where words have none, and the language's own."""
    if key in options.paths():
        return options.own(key)
    folders = ["en", str(options.language), *([] if options.spaced else ["cjk"])]
    paths = [wordlists.DATA / folder / f"{key}.txt" for folder in folders]
    found = frozenset[str]().union(*(wordlists.characters_in(path) for path in paths if path.exists()))
    return found if options.language == "en" else frozenset(mark for mark in found if not _is_letter(mark))


def _is_letter(character: str) -> bool:
    """Whether it is a letter or a vowel sign: OBELICS' list has some (士, ツ, π, ø), which other languages need."""
    return character.isalpha() or unicodedata.category(character) in ("Mc", "Mn")
