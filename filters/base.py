"""A rule is its limits plus one question; a chain tries rules in order, the first refusal is the reason."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from math import isfinite
from typing import Any, ClassVar, Generic, Protocol, Self, TypeVar

import msgspec

from obelics_pipeline.config import convert, file_digest, mapping, unknown

S = TypeVar("S")
S_contra = TypeVar("S_contra", contravariant=True)
V = TypeVar("V")


class Breach(msgspec.Struct, frozen=True):
    """A violated limit: ``value op threshold`` holds (3 < 4), or the value is ``not in`` a list of words."""

    value: float | None
    threshold: float | None
    op: str


class Refusal(msgspec.Struct, frozen=True):
    """The name of the rule that refused, and the limit it found violated, if it has limits."""

    rule: str
    value: float | None
    threshold: float | None
    op: str | None


class Rule(Protocol[S_contra, V]):
    """Limits for a value that is measured on a subject.

    ``measure`` depends on the subject and on what to measure, never on a limit; ``judge`` on value and limits
    alone, so that other limits can be tried on stored values. A class whose fields hold paths names those
    fields in ``files``.
    """

    def measure(self, subject: S_contra, /) -> V | None:
        """What the rule limits; ``None`` if it does not apply to the subject, which then passes."""

    def judge(self, value: V, /) -> Breach | None:
        """The limit that ``value`` violates, if any."""


class Trial(msgspec.Struct, frozen=True):
    """One rule, tried on one subject."""

    rule: str
    value: Any
    breach: Breach | None


class Bounds(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A number's limits; both are allowed values, and one of them may be left out."""

    min: float | None = None
    max: float | None = None

    def __post_init__(self) -> None:
        check_bounds(self.min, self.max)

    def judge(self, value: float, /) -> Breach | None:
        """The bound that ``value`` violates."""
        if (self.min is None or value >= self.min) and (self.max is None or value <= self.max):
            return None  # what most calls find
        return outside(value, self.min, self.max)


def check_bounds(min: float | None, max: float | None) -> None:
    """Raise ``ValueError`` for bounds that limit nothing, or leave nothing."""
    if min is None and max is None:
        raise ValueError("no limit given; write min, max or both")
    if not all(isfinite(bound) for bound in (min, max) if bound is not None):
        raise ValueError("a limit is a finite number; leave out the one you do not want")
    if min is not None and max is not None and min > max:
        raise ValueError(f"min is {min:g} and max is {max:g}; min may not be greater than max")


def outside(value: float, min: float | None, max: float | None) -> Breach | None:
    """How ``value`` is outside of ``min`` to ``max``, if it is."""
    if min is not None and value < min:
        return Breach(value, min, "<")
    if max is not None and value > max:
        return Breach(value, max, ">")
    return None


class Chain(Generic[S]):
    """Rules for one kind of subject, by name, in the order in which they are tried. Immutable."""

    table: ClassVar[Mapping[str, type[msgspec.Struct]]] = {}
    """Every rule there is for this kind of subject, by its name in YAML, counters, decisions and reports."""

    def __init__(self, rules: Mapping[str, Rule[S, Any]] | None = None) -> None:
        self.rules = dict(rules or {})

    @property
    def names(self) -> tuple[str, ...]:
        """The rules in the order in which they are tried."""
        return tuple(self.rules)

    def rules_for(self, subject: S) -> Iterable[tuple[str, Rule[S, Any]]]:
        """The rules that concern ``subject``, with their names."""
        return self.rules.items()

    def trials(self, subject: S, *, every: bool = False) -> list[Trial]:
        """The rules that were tried, with their values: up to the first that refuses, or ``every`` one."""
        tried = []
        for name, rule in self.rules_for(subject):
            value = rule.measure(subject)
            breach = None if value is None else rule.judge(value)
            tried.append(Trial(name, value, breach))
            if breach is not None and not every:
                break
        return tried

    def refusals(self, subjects: Sequence[S]) -> list[Refusal | None]:
        """Why each of ``subjects`` is refused, if it is: ``refusal_of(self.trials(subject))``, but faster."""
        found: list[Refusal | None] = [None] * len(subjects)
        left = list(range(len(subjects)))
        for name, rule in self.rules.items():
            judge = rule.judge
            for place, value in self.values(name, subjects, left):
                if value is not None and (breach := judge(value)) is not None:
                    found[place] = Refusal(name, breach.value, breach.threshold, breach.op)
            left = [place for place in left if found[place] is None]
        return found

    def values(self, name: str, subjects: Sequence[S], places: Iterable[int]) -> Iterable[tuple[int, Any]]:
        """What the rule ``name`` measures on the subjects at ``places`` that it concerns, with the place."""
        measure = self.rules[name].measure
        return ((place, measure(subjects[place])) for place in places)

    @classmethod
    def from_data(cls, data: object, source: str, path: str) -> Self:
        """The chain that a YAML mapping of names to limits describes; ``ConfigError`` if none."""
        return cls(cls._rules(mapping(data, source, path), source, path))

    @classmethod
    def _rules(cls, data: dict[str, Any], source: str, path: str) -> dict[str, Rule[S, Any]]:
        for name in data:
            if name not in cls.table:
                raise unknown("rule", name, cls.table, source, path)
        rules: Any = {
            name: convert(limits, cls.table[name], source, f"{path}.{name}") for name, limits in data.items()
        }
        return dict(rules)

    def as_data(self) -> object:
        """What makes this chain differ from another, for ``section_hash``: rules in order, and their files."""
        return [[name, rule, *map(file_digest, _files(rule))] for name, rule in self.rules.items()]

    def __bool__(self) -> bool:
        return bool(self.rules)

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and self.__dict__ == other.__dict__ and self.names == other.names

    def __hash__(self) -> int:
        return hash(self.names)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.rules!r})"


def _files(rule: object) -> list[str]:
    """The paths in those fields that the class names as its ``files``."""
    paths = (getattr(rule, name) for name in getattr(rule, "files", ()))
    return [path for path in paths if path is not None]


def refusal_of(trials: Iterable[Trial]) -> Refusal | None:
    """Why the subject of ``trials`` was refused, if it was: the first breach."""
    for trial in trials:
        if trial.breach is not None:
            return Refusal(trial.rule, trial.breach.value, trial.breach.threshold, trial.breach.op)
    return None
