"""Words in the address of an image that tell what it shows before it is fetched."""

from __future__ import annotations

from typing import Final, Literal

import msgspec

from filters.base import Breach, outside
from obelics_pipeline.document import ImageNode
from obelics_pipeline.url import words_of

PUBLISHED: Final = ("logo", "button", "icon", "plugin", "widget", "porn", "xxx", "sex")
"""The words of OBELICS (huggingface/OBELICS, ``URL_BAN_WORDS``)."""


class UrlWords(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Keep images in whose address none of ``words`` stands.

    As a ``word`` it stands between what is no letter, or in camelCase, in any case, percent-encoded or not. As a
    ``substring`` it stands anywhere, just as written: so seeks OBELICS. ``parts`` are those of the address to seek in.
    """

    words: tuple[str, ...] = PUBLISHED
    match: Literal["word", "substring"] = "word"
    parts: tuple[Literal["host", "path", "query"], ...] = ("path",)

    def __post_init__(self) -> None:
        for name in ("words", "parts"):
            if not getattr(self, name):
                raise ValueError(f"{name} is empty; name some, or leave out the rule")
        for word in self.words:
            if not word:
                raise ValueError("words holds '', which stands everywhere; leave it out")
            if self.match == "word" and not (word.isalpha() and word.islower()):
                raise ValueError(
                    f"words holds {word!r}; a word has lower-case letters alone, anything else is a 'substring'"
                )

    def measure(self, node: ImageNode, /) -> int:
        """How many of the words stand in the address of ``node``."""
        given = _parts(node.url)
        sought = [given[part] for part in self.parts]
        if self.match == "word":
            there = {word for part in sought for word in words_of(part)}
            return sum(word in there for word in self.words)
        return sum(any(word in part for part in sought) for word in self.words)

    def judge(self, value: int, /) -> Breach | None:
        """Whether any does."""
        return outside(value, None, 0)


def _parts(url: str) -> dict[str, str]:
    address, _, query = url.partition("?")
    host, _, path = address.partition("://")[2].partition("/")
    return {"host": host, "path": path, "query": query}
