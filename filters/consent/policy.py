"""The policy on consent: what follows from each signal, and whose names count as ours."""

from __future__ import annotations

import re
from datetime import date
from enum import StrEnum
from typing import Final, Literal, Self

import msgspec

from obelics_pipeline.config import unknown
from obelics_pipeline.spawning_options import SpawningOptions

# fmt: off
AI_AGENTS: Final = (
    "AI2Bot", "Amazonbot", "anthropic-ai", "Applebot-Extended", "Bytespider", "CCBot", "ClaudeBot", "cohere-ai",
    "cohere-training-data-crawler", "Diffbot", "FacebookBot", "Google-Extended", "GPTBot", "img2dataset",
    "meta-externalagent", "omgili", "omgilibot", "PanguBot", "Timpibot", "Webzio-Extended",
)
# fmt: on
"""Agents that collect for training, by the names that their makers publish: who refuses one refuses training."""

_TOKEN: Final = re.compile(r"[A-Za-z][A-Za-z0-9_.-]*")


class Action(StrEnum):
    """What follows from a signal. Each one includes those before it."""

    KEEP = "keep"
    """Nothing; the signal is noted."""
    DROP_IMAGE = "drop_image"
    """Of a page: all its images, and the same addresses on all other pages. Of an image: it."""
    DROP_DOCUMENT = "drop_document"
    """Of a page: the document, too. Of an image: no more than ``drop_image``."""

    @property
    def severity(self) -> int:
        """0 for the mildest."""
        return tuple(Action).index(self)

    @classmethod
    def from_data(cls, data: object, source: str, path: str) -> Self:
        """The action that YAML names; ``ConfigError`` with the nearest name if there is none."""
        if data not in tuple(cls):
            raise unknown("action", str(data), [str(action) for action in cls], source, path)
        return cls(str(data))


_KEEP, _IMAGE, _DOCUMENT = Action


class Signals(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The action for every signal there is, by the name that evidence gives it; docs/consent.md explains each."""

    noai: Action = _DOCUMENT
    noml: Action = _DOCUMENT
    noimageai: Action = _IMAGE
    noimageindex: Action = _IMAGE
    noindex: Action = _KEEP
    none: Action = _KEEP
    noarchive: Action = _KEEP
    nocache: Action = _KEEP
    nosnippet: Action = _KEEP
    unavailable_after: Action = _KEEP
    tdm_reservation: Action = _DOCUMENT
    tdm_policy: Action = _KEEP
    content_usage: Action = _DOCUMENT
    content_usage_other: Action = _KEEP
    content_signal: Action = _DOCUMENT
    content_signal_other: Action = _KEEP
    robots: Action = _DOCUMENT
    robots_ai_agents: Action = _DOCUMENT
    license: Action = _KEEP
    ai_txt: Action = _DOCUMENT
    registry: Action = _DOCUMENT
    spawning: Action = _DOCUMENT
    data_mining: Action = _IMAGE
    c2pa: Action = _IMAGE
    digital_source: Action = _KEEP


class Policy(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is asked of us, and what follows from it.

    ``agents`` are our own names: what is said to one of them, to an agent of ``ai_agents`` or to all counts; what is
    said to others does not. ``unavailable_after`` counts if its day is not after ``as_of``; without ``as_of`` always.
    ``registries`` are folders that ``obelics registry compile`` wrote, ``joined`` those that it wrote with
    ``--joined``, of which no worker needs the whole; with ``spawning`` that service is asked, too.
    ``deny`` are such folders of images that must not be kept whatever else is said (``obelics_pipeline/denylist.py``).
    ``robots`` are folders that ``obelics robots compile`` wrote; ``robots_missing`` says what becomes of pages of hosts
    whose robots.txt is in none of them: ``keep``, or ``unknown``, which releases nothing.
    """

    agents: tuple[str, ...] = ("obelics-builder",)
    ai_agents: tuple[str, ...] = AI_AGENTS
    as_of: date | None = None
    signals: Signals = Signals()
    registries: tuple[str, ...] = ()
    joined: tuple[str, ...] = ()
    deny: tuple[str, ...] = ()
    robots: tuple[str, ...] = ()
    robots_missing: Literal["keep", "unknown"] = "keep"
    spawning: SpawningOptions | None = None

    def __post_init__(self) -> None:
        if not self.agents:
            raise ValueError("agents is empty; name at least the one that images.user_agent begins with")
        for name in (*self.agents, *self.ai_agents):
            if not _TOKEN.fullmatch(name):
                raise ValueError(
                    f"{name!r} is no name of an agent; write letters, digits, '-', '_' or '.', no version"
                )

    def hears(self, agent: str) -> bool:
        """Whether what is said to ``agent`` (empty: to all) is said to us."""
        return not agent or agent.lower() in {name.lower() for name in (*self.agents, *self.ai_agents)}

    def action(self, what: str) -> Action | None:
        """What follows from the signal ``what``; ``None`` if it is unknown, from which nothing may follow but no."""
        found: Action | None = (
            getattr(self.signals, what, None) if what in Signals.__struct_fields__ else None
        )
        return found
