"""Counting every item once: in = kept + rejected + unavailable + failed, exactly, at every level.

A ``Tally`` is plain data, so that it travels as an element of a pipeline and does not depend on what a
runner does with its metrics.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import msgspec

from obelics_pipeline.errors import RunFailed

OUTCOMES: Final = ("rejected", "unavailable", "failed")
"""How an item can end that is not kept: the fields of ``Level`` that count reasons."""


class Level(msgspec.Struct):
    """The counts of one kind of item (``pages``, ``documents``, ``images`` …) in one stage."""

    entered: int = msgspec.field(default=0, name="in")
    kept: int = 0
    rejected: dict[str, int] = {}
    unavailable: dict[str, int] = {}
    failed: dict[str, int] = {}

    def add(self, outcome: str, reason: str, n: int = 1) -> None:
        """Count ``n`` items that were ``rejected``, ``unavailable`` or ``failed`` for ``reason``."""
        counts: dict[str, int] = getattr(self, outcome)
        counts[reason] = counts.get(reason, 0) + n

    @property
    def left(self) -> int:
        """Items that no outcome accounts for; anything but 0 is a bug."""
        lost = sum(sum(counts.values()) for counts in (self.rejected, self.unavailable, self.failed))
        return self.entered - self.kept - lost


class Tally(msgspec.Struct):
    """The counts of a stage, or of a part of it.

    ``notes`` count what is worth knowing and is no outcome (pages cut at a cap, say).
    """

    levels: dict[str, Level] = {}
    notes: dict[str, int] = {}

    def level(self, name: str) -> Level:
        """The counts of ``name``, all 0 when first asked for."""
        return self.levels.setdefault(name, Level())

    def enter(self, level: str, n: int = 1) -> None:
        """Count items that a stage has to decide on."""
        self.level(level).entered += n

    def keep(self, level: str, n: int = 1) -> None:
        """Count items that go on to the next stage."""
        self.level(level).kept += n

    def reject(self, level: str, rule: str, n: int = 1) -> None:
        """Count items that ``rule`` refused."""
        self.level(level).add("rejected", rule, n)

    def miss(self, level: str, status: str, n: int = 1) -> None:
        """Count items that are expected to be unavailable (an image that is gone)."""
        self.level(level).add("unavailable", status, n)

    def fail(self, level: str, error: str, n: int = 1) -> None:
        """Count items that could not be processed; ``error`` is a word of a closed set."""
        self.level(level).add("failed", error, n)

    def note(self, name: str, n: int = 1) -> None:
        """Count what is worth knowing and is no outcome."""
        self.notes[name] = self.notes.get(name, 0) + n

    def check(self, stage: str) -> None:
        """Raise ``RunFailed`` if any item of any level is not accounted for."""
        for name, level in self.levels.items():
            if level.left:
                raise RunFailed(
                    f"{stage}: {level.left} of {level.entered} {name} are not accounted for "
                    "(in ≠ kept + rejected + unavailable + failed); this is a bug, please report it"
                )


def total(tallies: Iterable[Tally]) -> Tally:
    """The sum of tallies, with the names of every count in order, so that equal sums are equal bytes."""
    result = Tally()
    for tally in tallies:
        for name, level in tally.levels.items():
            into = result.level(name)
            into.entered += level.entered
            into.kept += level.kept
            for outcome in OUTCOMES:
                for reason, n in getattr(level, outcome).items():
                    into.add(outcome, reason, n)
        for name, n in tally.notes.items():
            result.note(name, n)
    for level in result.levels.values():
        for outcome in OUTCOMES:
            setattr(level, outcome, dict(sorted(getattr(level, outcome).items())))
    result.notes = dict(sorted(result.notes.items()))
    return result
