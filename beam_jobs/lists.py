"""The lists of ``consent.joined``, wherever they are."""

from __future__ import annotations

from functools import lru_cache

from beam_jobs import io
from filters.consent.policy import Policy
from obelics_pipeline.registry import JoinedRegistry


@lru_cache(maxsize=8)
def joined_lists(policy: Policy) -> tuple[JoinedRegistry, ...]:
    """The lists of a policy, opened once in a process; ``InputError`` if one cannot be relied on."""
    return tuple(JoinedRegistry.open(path, io.read_bytes) for path in policy.joined)


def versions(policy: Policy) -> list[str]:
    """What the lists of a policy hold, after all their files were seen; ``InputError`` if one is missing or cut."""
    found = []
    for path in policy.joined:
        opened = JoinedRegistry.open(path, io.read_bytes)
        opened.check_lengths(
            {place.rpartition("/")[2]: n for place, n in io.sizes_below(path, "*.u64").items()}
        )
        found.append(opened.version)
    return found
