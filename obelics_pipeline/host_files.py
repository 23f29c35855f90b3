"""The files in which a host says what may be done with all that it serves: robots.txt, tdmrep.json, ai.txt."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final, TypeAlias

import msgspec

from obelics_pipeline.robots import MAX_BYTES, Robots

Rules: TypeAlias = Callable[[str, Iterable[str], Iterable[str]], tuple[str, ...]]
"""What is said against the use of a URL, to us and to others: the arguments and the answer of ``Robots.signals``."""

MAX_RESERVATIONS: Final = 2_000
"""Rules of a tdmrep.json that are read; more than these are taken for a reservation of everything."""


def no_rules(url: str, agents: Iterable[str], ai_agents: Iterable[str]) -> tuple[str, ...]:
    """The rules of a host that has none."""
    return ()


def robots_txt(status: int | None, body: bytes) -> Rules:
    """The rules of robots.txt, as it was answered: the status (None: nobody knows) and what was sent of it."""
    robots = Robots.answered(status, body)
    return no_rules if robots.silent else robots.signals


def ai_txt(status: int | None, body: bytes) -> Rules:
    """The rules of Spawning's ai.txt: robots.txt about use instead of visits, as a rule by the ending (``*.jpg``).

    ``ai-txt:<agent>`` stands for what forbids, ``ai-txt:unreachable`` for a file that nobody knows.
    """
    robots = Robots.answered(status, body)

    def signals(url: str, agents: Iterable[str], ai_agents: Iterable[str]) -> tuple[str, ...]:
        said = robots.signals(url, agents, ai_agents)
        refused = (signal.partition(":")[2] for signal in said if signal.startswith("robots"))
        return tuple(sorted({f"ai-txt:{agent}" for agent in refused}))

    return no_rules if robots.silent else signals


class Reservation(msgspec.Struct, frozen=True):
    """A rule of tdmrep.json; 1 reserves the rights of text and data mining at ``location``, 0 does not."""

    location: str
    reserved: int = msgspec.field(name="tdm-reservation", default=0)


def tdmrep_json(status: int | None, body: bytes) -> Rules:
    """The rules of ``/.well-known/tdmrep.json`` (TDM Reservation Protocol), whose locations are paths as in robots.txt.

    The longest that fits decides; of two answers for one, it is reserved. ``tdm-reservation:1`` stands for a
    reservation, ``tdm-reservation:unreachable`` for a file that nobody knows. What is no list of rules says nothing.
    """
    known = Robots.answered(status, _as_robots(_reservations(body)))

    def signals(url: str, agents: Iterable[str], ai_agents: Iterable[str]) -> tuple[str, ...]:
        said = known.signals(url, ("*",))
        return tuple("tdm-reservation:" + ("1" if signal == "robots:*" else "unreachable") for signal in said)

    return no_rules if known.silent else signals


def _reservations(body: bytes) -> list[Reservation]:
    try:
        items = msgspec.json.decode(body.removeprefix(b"\xef\xbb\xbf"), type=list[msgspec.Raw])
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return []
    rules = []
    for item in items[: MAX_RESERVATIONS + 1]:
        try:
            rules.append(msgspec.json.decode(item, type=Reservation, strict=False))
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
            continue
    return rules if len(items) <= MAX_RESERVATIONS else [Reservation("/", 1)]


def _as_robots(rules: list[Reservation]) -> bytes:
    reserved = {rule.location for rule in rules if rule.reserved == 1}
    lines = ["User-agent: *"]
    for location in sorted({rule.location for rule in rules}):
        path = location.replace("#", "%23")
        if path.startswith(("/", "*")) and path.isprintable():
            lines.append(f"{'Disallow' if location in reserved else 'Allow'}: {path}")
    return "\n".join(lines).encode("utf-8", "replace")[:MAX_BYTES]
