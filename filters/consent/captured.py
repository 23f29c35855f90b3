"""What the robots.txt files of a crawl say of a page or an image."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from msgspec.structs import replace

from filters.consent.evidence import PAGE, UNKNOWN, Evidence, evidence_of
from filters.consent.policy import Policy
from obelics_pipeline.robots_store import Found


class Store(Protocol):
    """What answers for the hosts of a crawl (``obelics_pipeline/robots_store``)."""

    name: str

    def find(self, url: str, /) -> Found | None:
        """The robots.txt in force for an address, if it is known."""


def robots_evidence(stores: Iterable[Store], policy: Policy, level: str, url: str) -> list[Evidence]:
    """What the ``stores`` hold against ``url``; of a page that none of them knows, that it is not known.

    What follows from the latter, if anything, ``policy.robots_missing`` says; hosts of images are rarely in a crawl.
    """
    answers = [(store.name, answer) for store in stores if (answer := store.find(url)) is not None]
    if not answers and level == PAGE and policy.robots and policy.robots_missing == "unknown":
        return [Evidence(level, url, "robots.txt", UNKNOWN, "robots:missing")]
    return [
        replace(item, source=f"robots.txt:{name}")
        for name, answer in answers
        for item in evidence_of(
            answer.robots.signals(url, policy.agents, policy.ai_agents), policy, level, url, answer.at or None
        )
    ]
