"""Deny-lists as the stages use them: opened once in a process, and never without what they need."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from importlib.util import find_spec

from msgspec.structs import replace

from beam_jobs.candidates import Outcome
from beam_jobs.parts import Part
from beam_jobs.rows import flat_writer
from filters.consent.policy import Policy
from obelics_pipeline.denylist import QUARANTINE, DenyLists, holds_pdq, quarantined, withheld
from obelics_pipeline.errors import ConfigError
from obelics_pipeline.fetch_types import FetchResult, FetchStatus
from obelics_pipeline.registry import Registry


def write_quarantine(part: Part, outcomes: Iterable[Outcome]) -> dict[str, str]:
    """Write the part's file of ``quarantine/``; what stands for the address of each hit in all other tables.

    If an address leads to a hit, by one of its candidates, it is one, too.
    """
    hits = {
        url: replace(outcome.result, url=url)
        for outcome in outcomes
        if outcome.result.status is FetchStatus.DENYLIST
        for url in (outcome.url, outcome.result.url)
    }
    with flat_writer(part.table("quarantine", QUARANTINE), QUARANTINE) as rows:
        for row in sorted(map(quarantined, hits.values()), key=lambda row: row.url_sha256):
            rows.add(row)
    return {url: withheld(url) for url in hits}


def unnamed(outcome: Outcome) -> Outcome:
    """``outcome`` as it may be written: of a hit nothing but the hash of its address."""
    if outcome.result.status is not FetchStatus.DENYLIST:
        return outcome
    url = withheld(outcome.url)
    return Outcome(url, FetchResult(url, FetchStatus.DENYLIST), 0)


def deny_lists(policy: Policy, max_pixels: int) -> DenyLists:
    """The deny-lists of the policy.

    ``InputError`` if one cannot be relied on, ``ConfigError`` if one lists what is not asked of images, or what
    cannot be asked without a package that is not there.
    """
    return DenyLists(_opened(policy.deny), max_pixels)


@lru_cache(maxsize=8)
def _opened(paths: tuple[str, ...]) -> tuple[Registry, ...]:
    registries = tuple(Registry.open(path) for path in paths)
    for path, registry in zip(paths, registries, strict=True):
        if any(table.scope == "page" for table in registry.manifest.tables):
            raise ConfigError(
                f"consent.deny: {path}: has entries of scope page, and pages are not asked of deny-lists; "
                "put these into a list of consent.registries"
            )
        if holds_pdq(registry) and find_spec("pdqhash") is None:
            raise ConfigError(
                f"consent.deny: {path}: has PDQ hashes, and there is no package pdqhash to make them of images; "
                "install obelics-builder[pdq], or leave the list out"
            )
    return registries
