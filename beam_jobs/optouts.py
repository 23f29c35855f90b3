"""Consent where images are fetched: which are not asked for, which are not kept, and the evidence of both."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any

from msgspec.structs import replace

from beam_jobs import io
from beam_jobs.lists import joined_lists
from beam_jobs.rows import row_groups
from filters.consent.evidence import IMAGE, UNKNOWN, Evidence, evidence_of
from filters.consent.policy import Action, Policy
from filters.consent.verdict import Consent, EvidenceRow, Judgement, Verdict, judge, row_of
from obelics_pipeline.document import Document
from obelics_pipeline.embedded import embedded
from obelics_pipeline.errors import InputError
from obelics_pipeline.fetch_types import FetchResult, FetchStatus
from obelics_pipeline.manifest import Manifest
from obelics_pipeline.registry import JoinedRegistry, Registry
from obelics_pipeline.robots_store import RobotsStore
from obelics_pipeline.spawning import Answer, Spawning, SpawningOptions, require_verdicts
from obelics_pipeline.url import canonical


def consent_of(
    policy: Policy,
    told: Mapping[str, Evidence] | None = None,
    lists: Sequence[JoinedRegistry] | None = None,
) -> Consent:
    """The policy with its registries and stores of robots.txt, which are opened once in a process.

    ``lists`` are those of ``policy.joined`` for a part (``told_lists``); without them each address is looked up on its
    own. ``InputError`` if one cannot be relied on.
    """
    joined = joined_lists(policy) if lists is None else lists
    assert len(joined) == len(policy.joined)
    return Consent(policy, (*_registries(policy), *joined), told, _stores(policy))


@lru_cache(maxsize=8)
def _registries(policy: Policy) -> tuple[Registry, ...]:
    return tuple(Registry.open(path) for path in policy.registries)


@lru_cache(maxsize=8)
def _stores(policy: Policy) -> tuple[RobotsStore, ...]:
    return tuple(RobotsStore.open(path) for path in policy.robots)


def told(policy: Policy, level: str, urls: Iterable[str], *, again: bool = False) -> dict[str, Evidence]:
    """What Spawning's registry holds against ``urls``, or has no word on, if the policy asks it.

    ``RunFailed`` if it has no word on any of them; not if it had some before, and these few are asked about ``again``.
    """
    if policy.spawning is None:
        return {}
    answers = _service(policy.spawning).query(urls)
    if not again:
        require_verdicts(answers)
    return {
        url: _answered(level, url, answer) for url, answer in answers.items() if answer.verdict != "allowed"
    }


@lru_cache(maxsize=8)
def _service(options: SpawningOptions) -> Spawning:
    return Spawning(options)


def _answered(level: str, url: str, answer: Answer) -> Evidence:
    what = "spawning" if answer.verdict == "opted_out" else UNKNOWN
    return Evidence(level, url, "spawning", what, f"spawning:{answer.reason or answer.verdict}", answer.at)


def evidence_files(root: str, filtered: Manifest) -> list[str]:
    """The parts of ``consent/filter``; ``InputError`` if the stage ``filter`` has written none, which is no consent."""
    found = filtered.under("consent/filter")
    if len(found) != len(filtered.under("filtered")):
        raise InputError(f"{io.join(root, 'consent/filter')}: not there; run 'obelics filter' again")
    return [io.join(root, entry.path) for entry in found]


def reserved_images(path: str) -> Iterator[tuple[str, str]]:
    """The images that pages reserve, from a part of ``consent/filter``: the key of the address, and what was said."""
    for table in row_groups(path, ("level", "url", "value", "verdict")):
        for row in table.to_pylist():
            if row["level"] == IMAGE and row["verdict"] != Verdict.RELEASED:
                yield canonical(row["url"]), row["value"]


class PageConsent:
    """Judges pages once more before they are released, and says so in the dataset."""

    def __init__(
        self, policy: Policy, timestamps: bool, lists: Sequence[JoinedRegistry] | None = None
    ) -> None:
        self._consent, self._timestamps = consent_of(policy, lists=lists), timestamps
        asked = [registry.name for registry in _registries(policy)]
        asked += [registry.name for registry in joined_lists(policy)]
        asked += [f"robots.txt:{store.name}" for store in _stores(policy)] + ["spawning"] * bool(
            policy.spawning
        )
        self._source = ", ".join(["page", *asked])

    def opts_out(self, document: Document) -> bool:
        """Whether the page of ``document`` opts out as a whole, or may do so for all that is known."""
        return self._consent.of_page(document)[0].action is Action.DROP_DOCUMENT

    def column(self) -> dict[str, Any]:
        """The value of ``optout`` for a page that does not: what was asked, and, if it may be told, when."""
        checked = time.time_ns() // 1_000_000 if self._timestamps else None
        return {"checked_at": checked, "source": self._source, "result": Verdict.RELEASED.value}


class ImageConsent:
    """Judges the images of a part, before and after they are fetched; ``rows`` is the evidence it met.

    ``reserved`` is what pages said of images, by the key of the address: evidence that ``consent/filter`` holds.
    ``lists`` are those of ``policy.joined`` for the part.
    """

    def __init__(self, policy: Policy, reserved: Mapping[str, str], lists: Sequence[JoinedRegistry]) -> None:
        self._policy, self._reserved, self._lists = policy, reserved, lists
        self._told: dict[str, Evidence] = {}
        self.rows: list[EvidenceRow] = []
        self._asked = False
        self.ask_about(())

    def ask_about(self, urls: Iterable[str]) -> None:
        """Have the services that the policy names asked about ``urls``, too."""
        open_urls = [url for url in urls if canonical(url) not in self._reserved]
        self._told |= told(self._policy, IMAGE, open_urls, again=self._asked)
        self._asked = self._asked or bool(open_urls)
        self._consent = consent_of(self._policy, self._told, self._lists)

    def objections(self) -> frozenset[str]:
        """The addresses that the evidence met so far speaks against."""
        return frozenset(row.url for row in self.rows if row.verdict != Verdict.RELEASED)

    def refusal(self, url: str) -> FetchResult | None:
        """The result for an image that is not to be asked for; ``None`` if it may be."""
        listed = self._judged(self._consent.image_evidence(url))
        why = self._reserved.get(canonical(url)) or listed.value
        return FetchResult(url, FetchStatus.OPTOUT, detail=why) if why else None

    @property
    def agents(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Our names, and those of others that train; for ``fetch_images``."""
        return self._policy.agents, self._policy.ai_agents

    def of_headers(self, signals: tuple[str, ...]) -> str | None:
        """The signal that forbids to ask for an image, or to read the body of an answer; for ``fetch_images``."""
        return judge(evidence_of(signals, self._policy, IMAGE, ""), self._policy).value or None

    def of_result(self, result: FetchResult) -> FetchResult:
        """The result, without its body if its headers, its metadata, or a list of hashes forbid to keep it."""
        said = result.signals + (embedded(result.body) if result.body else ())
        evidence = list(evidence_of(said, self._policy, IMAGE, result.url, result.fetched_at))
        for place in dict.fromkeys((*result.via, result.final_url or result.url)):
            if place != result.url:
                evidence += self._consent.image_evidence(place)
        if result.md5 and result.sha1 and result.sha256:
            hashes = result.md5, result.sha1, result.sha256
            evidence += self._consent.content_evidence(result.url, *hashes)
        found = self._judged(evidence)
        if found.verdict is Verdict.RELEASED or result.status is not FetchStatus.OK:
            return result
        return replace(result, status=FetchStatus.OPTOUT, body=None, detail=found.value)

    def _judged(self, evidence: list[Evidence]) -> Judgement:
        self.rows += [row_of(item, self._policy) for item in evidence]
        return judge(evidence, self._policy)
