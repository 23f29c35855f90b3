"""The verdict: the most restrictive signal wins, and what is not known is not allowed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from enum import StrEnum
from typing import Protocol

import msgspec

from filters.consent.captured import Store, robots_evidence
from filters.consent.evidence import IMAGE, PAGE, UNKNOWN, Evidence, evidence_of
from filters.consent.policy import Action, Policy
from obelics_pipeline.document import Document
from obelics_pipeline.registry import Hit

OPT_OUT = "opt_out"
"""The rule that refuses documents and images of pages that opt out."""


class Verdict(StrEnum):
    """What may be done with a page or an image."""

    RELEASED = "released"
    UNKNOWN = "unknown"
    """A source did not answer: treated as ``opted_out``, and told apart, because asking again may help."""
    OPTED_OUT = "opted_out"


class Judgement(msgspec.Struct, frozen=True):
    """A verdict, the action that follows, and the ``evidence`` that decided; ``None`` if nothing speaks against."""

    verdict: Verdict = Verdict.RELEASED
    action: Action = Action.KEEP
    evidence: Evidence | None = None

    @property
    def value(self) -> str:
        """The words that decided; empty if nothing speaks against."""
        return self.evidence.value if self.evidence else ""


RELEASED = Judgement()


def judge(evidence: Iterable[Evidence], policy: Policy) -> Judgement:
    """The judgement on all that is known of one page or image; of equals the first decides."""
    worst = RELEASED
    for item in evidence:
        found = _judged(item, policy)
        if (found.action.severity, _ORDER[found.verdict]) > (worst.action.severity, _ORDER[worst.verdict]):
            worst = found
    return worst


_ORDER = {verdict: place for place, verdict in enumerate(Verdict)}


def _judged(item: Evidence, policy: Policy) -> Judgement:
    action = policy.action(item.what)
    if action is Action.KEEP:
        return RELEASED
    verdict = Verdict.UNKNOWN if action is None else Verdict.OPTED_OUT
    return Judgement(
        verdict, Action.DROP_IMAGE if item.level == IMAGE else action or Action.DROP_DOCUMENT, item
    )


class Registry(Protocol):
    """What a list of opt-outs is asked (``obelics_pipeline/registry.py``)."""

    def page(self, url: str, /) -> Hit | None:
        """The entry that concerns a page, if any."""

    def image(self, url: str, /) -> Hit | None:
        """The entry that concerns an image, if any."""

    def content(self, *, md5: str = "", sha1: str = "", sha256: str = "") -> Hit | None:
        """The entry that concerns the bytes of an image, by their hashes, if any."""


class Consent:
    """A policy with its registries and stores opened: knows what pages say, and what others say of pages and images."""

    def __init__(
        self,
        policy: Policy,
        registries: Sequence[Registry] = (),
        told: Mapping[str, Evidence] | None = None,
        robots: Sequence[Store] = (),
    ) -> None:
        """``told`` is what a service holds against pages or images, by their addresses."""
        self.policy, self._told = policy, told or {}
        self._registries, self._robots = tuple(registries), tuple(robots)

    def of_page(self, document: Document) -> tuple[Judgement, tuple[EvidenceRow, ...]]:
        """The judgement on the page of ``document``, and rows to keep: of the page and of images that fall with it."""
        found = self.page_evidence(document)
        if not found:
            return RELEASED, ()
        judgement = judge(found, self.policy)
        if judgement.evidence is not None:
            found += _fallen(document, judgement.evidence)
        return judgement, tuple(row_of(item, self.policy) for item in found)

    def page_evidence(self, document: Document) -> list[Evidence]:
        """All that is known of the page of ``document``."""
        found: list[Evidence] = []
        if document.consent:
            at = document.source.timestamp
            found += evidence_of(document.consent, self.policy, PAGE, document.url, at)
        return found + self.address_evidence(document.url)

    def address_evidence(self, url: str) -> list[Evidence]:
        """What others say of the page at ``url``, which itself is not at hand."""
        return self._of(PAGE, url, (entry.page(url) for entry in self._registries))

    def image_evidence(self, url: str) -> list[Evidence]:
        """All that is known of the image at ``url`` before it is fetched."""
        return self._of(IMAGE, url, (entry.image(url) for entry in self._registries))

    def content_evidence(self, url: str, md5: str, sha1: str, sha256: str) -> list[Evidence]:
        """What is known of the bytes of the image at ``url``, by their hashes in hexadecimal digits."""
        hits = (entry.content(md5=md5, sha1=sha1, sha256=sha256) for entry in self._registries)
        return _listed(IMAGE, url, hits)

    def _of(self, level: str, url: str, hits: Iterable[Hit | None]) -> list[Evidence]:
        told = self._told.get(url)
        said = robots_evidence(self._robots, self.policy, level, url)
        return _listed(level, url, hits) + said + ([told] if told else [])


def _fallen(document: Document, why: Evidence) -> Iterator[Evidence]:
    """Evidence that the images of a page are not to be used, under any of their addresses."""
    urls = {url for image in document.images for url in (image.url, *image.candidates)}
    said = f"{why.value} {document.url}"
    return (Evidence(IMAGE, url, why.source, why.what, said, why.at) for url in sorted(urls))


def _listed(level: str, url: str, hits: Iterable[Hit | None]) -> list[Evidence]:
    return [
        Evidence(level, url, f"registry:{hit.registry}", "registry", f"{hit.kind}:{hit.value}")
        for hit in hits
        if hit is not None
    ]


class EvidenceRow(msgspec.Struct, frozen=True):
    """A row of ``consent/``: evidence with the verdict on it alone, and the action of the policy as ``rule``."""

    level: str
    url: str
    source: str
    what: str
    value: str
    checked_at: int | None
    verdict: str
    rule: str


def row_of(item: Evidence, policy: Policy) -> EvidenceRow:
    """The row that is kept of ``item``."""
    alone = _judged(item, policy)
    rule = UNKNOWN if alone.verdict is Verdict.UNKNOWN else alone.action
    return EvidenceRow(
        item.level, item.url, item.source, item.what, item.value, item.at, alone.verdict.value, rule
    )
