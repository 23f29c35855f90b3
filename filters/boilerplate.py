"""Rules on text that is not the page's own: templates, cookie notices, error pages."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from filters.lines import sentences_of
from filters.text import Share
from filters.texts import Texts


class _PhraseShare(Share, frozen=True):
    """Limit the share of a text that stands in sentences with a phrase of the rule's list.

    A share, so that an article about such pages stays, which quotes one now and then. The lists were written
    for this project; those of English count in every language.
    """

    needs: ClassVar[tuple[str, ...]]

    def shares(self, texts: Texts, /) -> Iterable[float]:
        """Characters of such sentences / characters of sentences."""
        marked = enumerate(texts.marked(self.needs[0]))
        return (part / sum(map(len, sentences_of(texts.texts[at]))) if part else 0.0 for at, part in marked)


class Boilerplate(_PhraseShare, frozen=True):
    """Limit the share of text that comes with a template: filler, unfilled fields, shops and sites without content."""

    measures: ClassVar[str] = "boilerplate"
    needs: ClassVar[tuple[str, ...]] = ("boilerplate_phrases",)


class CookieNotice(_PhraseShare, frozen=True):
    """Limit the share of text that asks for consent to cookies."""

    measures: ClassVar[str] = "cookie_notice"
    needs: ClassVar[tuple[str, ...]] = ("cookie_phrases",)


class ErrorPage(_PhraseShare, frozen=True):
    """Limit the share of text that says that there is no page, or none for this visitor."""

    measures: ClassVar[str] = "error_page"
    needs: ClassVar[tuple[str, ...]] = ("error_phrases",)
