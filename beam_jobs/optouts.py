"""Consent where images are fetched: which are not asked for, which are not kept, and the evidence of both."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any

import pyarrow as pa
from msgspec.structs import replace

from beam_jobs import io
from beam_jobs.lists import joined_lists
from beam_jobs.rows import row_groups
from filters.consent.evidence import IMAGE, PAGE, UNKNOWN, Evidence, evidence_of
from filters.consent.policy import Action, Policy
from filters.consent.verdict import Consent, EvidenceRow, Judgement, Verdict, judge, row_of
from obelics_pipeline.assembled import Assembled, Slot
from obelics_pipeline.embedded import embedded
from obelics_pipeline.errors import InputError
from obelics_pipeline.fetch_types import FetchResult, FetchStatus
from obelics_pipeline.manifest import Manifest
from obelics_pipeline.registry import JoinedRegistry, Registry
from obelics_pipeline.robots_store import RobotsStore
from obelics_pipeline.spawning import Answer, Spawning, require_verdicts
from obelics_pipeline.spawning_options import SpawningOptions
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


def reserved_rows(path: str) -> Iterator[tuple[str, EvidenceRow]]:
    """The images that pages reserve, from a part of ``consent/filter``: the key of the address, and the evidence."""
    for table in row_groups(path, EvidenceRow.__struct_fields__):
        times = table.column("checked_at").cast(pa.int64()).to_pylist()
        for row, at in zip(table.to_pylist(), times, strict=True):
            if row["level"] == IMAGE and row["verdict"] != Verdict.RELEASED:
                yield canonical(row["url"]), EvidenceRow(**row | {"checked_at": at})


def reserved_images(path: str) -> Iterator[tuple[str, str]]:
    """The same, of the evidence what was said."""
    return ((key, row.value) for key, row in reserved_rows(path))


class ReleaseConsent:
    """Judges documents and their images once more before they are released, and says so in the dataset.

    Services are asked about all ``pages`` and ``images`` (their addresses) at once; ``RunFailed`` if one has no word on
    any. ``page_lists`` and ``image_lists`` are those of ``policy.joined`` for the part.
    """

    def __init__(
        self,
        policy: Policy,
        timestamps: bool,
        pages: Iterable[str],
        images: Iterable[str],
        page_lists: Sequence[JoinedRegistry],
        image_lists: Sequence[JoinedRegistry],
    ) -> None:
        self._policy, self._timestamps = policy, timestamps
        self._pages = consent_of(policy, told(policy, PAGE, pages), page_lists)
        self._images = consent_of(policy, told(policy, IMAGE, images), image_lists)
        asked = [registry.name for registry in _registries(policy)]
        asked += [registry.name for registry in joined_lists(policy)]
        asked += [f"robots.txt:{store.name}" for store in _stores(policy)] + ["spawning"] * bool(
            policy.spawning
        )
        self._source = ", ".join(["page", *asked])

    def released(self, assembled: Assembled) -> Assembled | None:
        """``assembled`` without the images that opt out, or may do so for all that is known; None if all of it does."""
        of_page = self._pages.of_page(assembled.document)[0]
        if of_page.action is Action.DROP_DOCUMENT:
            return None
        slots = list(assembled.slots)
        for place, node, slot in assembled.fetched:
            why = of_page if of_page.action is Action.DROP_IMAGE else self._of_image(node.url, slot)
            if why.verdict is not Verdict.RELEASED:
                slots[place] = slot.reserved(why.value)
        return replace(assembled, slots=tuple(slots))

    def _of_image(self, url: str, slot: Slot) -> Judgement:
        hashes = (slot.md5 or "", slot.sha1 or "", slot.sha256 or "")
        evidence = self._images.content_evidence(url, *hashes)
        for address in slot.addresses(url):
            evidence += self._images.image_evidence(address)
        return judge(evidence, self._policy)

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
