"""robots.txt: what it forbids us and others, and what it says of training; RFC 9309 and three lines beyond it.

``Content-Usage`` (draft-ietf-aipref-attach: ``[/path] train-ai=n``) and ``Content-Signal`` (contentsignals.org:
``ai-train=no``) belong to groups and paths as Allow and Disallow do. So they are read as such, by the same parser.
``License`` (Really Simple Licensing 1.0) names the terms for the whole host, which are not read.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import cached_property
from typing import Final

from protego import Protego

MAX_BYTES: Final = 500 * 1024
"""What is read of a file: RFC 9309 §2.5 asks for no less than 500 kibibytes."""

MAX_CATEGORIES: Final = 50
"""Categories of use that are told apart in a file."""

MAX_LICENSES: Final = 5
"""Licences that are noted of a file; an honest one names one."""

UNREACHABLE: Final = "robots:unreachable"
"""The signal of a host whose robots.txt nobody knows."""

_MATTERS = re.compile(r"\s*(?:di[a-z]*|content-usage|content-signal|license)[\s:]+[^\s#]", re.IGNORECASE)
"""Lines from which a signal may come; the parser takes Disallow in several misspellings, which begin alike."""

_AGENT = re.compile(r"\s*user[- ]?agent[\s:]+([^#]*)", re.IGNORECASE)
_LICENSE = re.compile(r"\s*license\s*:\s*(https?://[!-~]{1,1000})(?:\s.*)?", re.IGNORECASE)
_LINE = re.compile(r"\s*(content-usage|content-signal|user-?agent)\s*:(.*)", re.IGNORECASE)
_SITE_WIDE = re.compile(r"(?:sitemaps?|site-map|host)\s*:", re.IGNORECASE | re.ASCII)
"""Lines that belong to no group, nor end one."""

_USE = re.compile(r"\s*([A-Za-z*][A-Za-z0-9_.*-]*)\s*=\s*(yes|no|y|n)\s*(?:;.*)?")


class Robots:
    """A host's robots.txt. ``reachable`` is false if nobody knows what it says, which forbids everything."""

    def __init__(self, body: bytes, *, reachable: bool = True) -> None:
        self._text = _text(body)
        self._reachable = reachable
        self.silent = reachable and not any(_MATTERS.match(line) for line in self._text.splitlines())
        """Whether it says nothing, of whatever URL and to whomever."""
        self._named: dict[str, bool] = {}

    @classmethod
    def answered(cls, status: int | None, body: bytes) -> Robots:
        """What an answer means (RFC 9309 §2.3.1): none, or an error of the server, forbids; 4xx allows everything."""
        if status is not None and 400 <= status < 500:
            return cls(b"")
        return cls(body, reachable=status is not None and 200 <= status < 300)

    def signals(self, url: str, agents: Iterable[str], ai_agents: Iterable[str] = ()) -> tuple[str, ...]:
        """What speaks against the use of ``url``, in the words of ``consent.signals``, sorted.

        ``robots:<agent>`` for each of our ``agents`` that may not fetch it, ``robots-ai-agents:<agent>`` for each
        of ``ai_agents`` that is refused where we are not, ``content-usage:`` and ``content-signal:`` as said to us,
        and ``license:`` with the address of each licence, which alone forbids nothing.
        """
        if not self._reachable:
            return (UNREACHABLE,)
        if self.silent:
            return ()
        ours = list(agents)
        found = {f"robots:{agent}" for agent in self._refused(url, ours)}
        if not found:
            found |= {f"robots-ai-agents:{agent.lower()}" for agent in self._refused(url, ai_agents)}
        found.update(self._licenses)
        for use, rules in self._uses.items():
            if not all(rules.can_fetch(url, agent) for agent in ours):
                found.add(use)
        return tuple(sorted(found))

    def _refused(self, url: str, agents: Iterable[str]) -> list[str]:
        """Those of ``agents`` that may not fetch ``url``. All that the file does not name share one answer."""
        allowed: dict[str, bool] = {}
        refused = []
        for agent in agents:
            key = agent if self._names(agent) else ""
            if key not in allowed:
                allowed[key] = self._rules.can_fetch(url, agent)
            if not allowed[key]:
                refused.append(agent)
        return refused

    def _names(self, agent: str) -> bool:
        """Whether a group may be meant for ``agent`` and not for all; the parser finds the name within it."""
        if agent not in self._named:
            self._named[agent] = any(name in agent.lower() for name in self._agents)
        return self._named[agent]

    @cached_property
    def _agents(self) -> frozenset[str]:
        """What User-agent lines say, in lower case, and without the asterisks that the parser passes over."""
        lines = (_AGENT.match(line) for line in self._text.splitlines())
        said = {match[1].strip().lower() for match in lines if match}
        return frozenset(said | {name.replace("*", "") for name in said}) - {"", "*"}

    @cached_property
    def _licenses(self) -> tuple[str, ...]:
        found = (_LICENSE.fullmatch(line.partition("#")[0]) for line in self._text.splitlines())
        return tuple(dict.fromkeys(f"license:{match[1]}" for match in found if match))[:MAX_LICENSES]

    @cached_property
    def _rules(self) -> Protego:
        return Protego.parse(self._text)

    @cached_property
    def _uses(self) -> dict[str, Protego]:
        """For every use that somebody is refused: the same groups, in which Disallow says where."""
        lines = list(_content_lines(self._text))
        refused = sorted({use for _, _, uses in lines for use, allowed in uses.items() if not allowed})
        return {use: Protego.parse(_as_rules(use, lines)) for use in refused[:MAX_CATEGORIES]}


def essence(body: bytes) -> bytes:
    """A file that says the same of every address, without what says nothing: most hosts' are then those of others.

    It has no comments, sitemaps and empty lines, and is empty if it is ``silent``, as are the pages that servers
    send in place of a robots.txt.
    """
    lines = (line.partition("#")[0].strip() for line in _text(body).splitlines())
    kept = [line for line in lines if line and not _SITE_WIDE.match(line)]
    if not any(map(_MATTERS.match, kept)):
        return b""
    text = "\n".join(kept)
    made = text.encode("utf-8-sig" if text.startswith("\ufeff") else "utf-8")
    return made if len(made) <= MAX_BYTES else body  # what is no UTF-8 has become longer


def _text(body: bytes) -> str:
    whole = body if len(body) <= MAX_BYTES else body[:MAX_BYTES].rpartition(b"\n")[0]
    return whole.decode("utf-8-sig", "replace")


_Line = tuple[str, str, dict[str, bool]]
"""The agent of a User-agent line, or a path with what may be done there; all empty for other lines."""


def _content_lines(text: str) -> Iterator[_Line]:
    for line in text.splitlines():
        content = line.partition("#")[0]
        match = _LINE.match(content)
        if match is None:
            if content.strip() and not _SITE_WIDE.match(content.strip()):
                yield "", "", {}
        elif match[1].lower() in ("user-agent", "useragent"):
            yield match[2].strip(), "", {}
        else:
            yield "", *_uses_of(match[1].lower(), match[2].strip())


def _uses_of(name: str, value: str) -> tuple[str, dict[str, bool]]:
    path = "/"
    if value.startswith(("/", "*")):
        path, _, value = value.partition(" ")
    uses: dict[str, bool] = {}
    for member in value.split(","):
        if match := _USE.fullmatch(member):
            key = match[1] if name == "content-usage" else match[1].lower()
            short = "n" if name == "content-usage" else "no"
            use = f"{name}:{key}={short}"
            uses[use] = uses.get(use, True) and match[2].startswith("y")
    return path, uses


def _as_rules(use: str, lines: Iterable[_Line]) -> str:
    """A robots.txt whose Disallow lines are those that refuse ``use``; of two answers for a path, no."""
    lines = list(lines)
    refused = {path for _, path, uses in lines if uses.get(use) is False}
    rules = ["User-agent: *"] if lines and not lines[0][0] else []  # lines before all groups are for all
    for agent, path, uses in lines:
        if agent:
            rules.append(f"User-agent: {agent}")
        elif uses.get(use) is None or (uses[use] and path in refused):
            rules.append("Other:")  # ends the list of agents, as every rule does
        else:
            rules.append(f"{'Allow' if uses[use] else 'Disallow'}: {path}")
    return "\n".join(rules)
