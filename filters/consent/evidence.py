"""Evidence: what somebody asks of those who would use a page or an image, where, and when it was seen."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

import msgspec

from filters.consent.policy import Policy
from obelics_pipeline.consent import read_signal

PAGE: Final = "page"
IMAGE: Final = "image"
"""What evidence is about."""

UNKNOWN: Final = "unknown"
"""The signal of a source that could not be asked, or whose answer is not understood."""

TRAINING: Final = frozenset({"*", "ai-train", "bots", "train-ai", "train-genai", "tdm"})
"""Categories of Content-Usage and Content-Signal that mean training, in all versions of the drafts."""


class Evidence(msgspec.Struct, frozen=True):
    """A signal about the page or image ``url``.

    ``source`` is the place it was found, ``what`` its name in the policy, ``value`` the words found there, and ``at``
    when they were said, in milliseconds since 1970, UTC (a page's signals are as old as its capture).
    """

    level: str
    url: str
    source: str
    what: str
    value: str
    at: int | None = None


def evidence_of(
    signals: Iterable[str], policy: Policy, level: str, url: str, at: int | None = None
) -> Iterator[Evidence]:
    """The evidence in what ``obelics_pipeline.consent`` found: signals addressed to others are none."""
    for text in signals:
        signal = read_signal(text)
        what = _name_of(signal.source, signal.directive)
        day = signal.argument
        if not policy.hears(signal.agent) or (policy.as_of and day and day > policy.as_of.isoformat()):
            continue
        yield Evidence(level, url, signal.source, what, text, at)


def _name_of(source: str, directive: str) -> str:
    if source in ("x-robots-tag", "meta-robots"):
        return directive
    if source in ("content-usage", "content-signal"):
        name = source.replace("-", "_")
        return name if directive.partition("=")[0] in TRAINING else f"{name}_other"
    return source.replace("-", "_")
