"""What a feed is asked for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, Literal, TypeAlias

import msgspec

from obelics_pipeline.errors import ConfigError

OnMissing: TypeAlias = Literal["drop_slot", "drop_document", "keep_slot"]
"""What becomes of a slot whose image is not in the dataset: it goes, its document goes, or it stays without bytes."""

Condition: TypeAlias = tuple[str, str, Any]
"""A column (or a field: ``quality.perplexity``), an operator, a value: what documents have to fulfil."""

OPERATORS: Final = ("<", "<=", ">", ">=", "==", "!=", "in", "not in")
_ON_MISSING: Final = ("drop_slot", "drop_document", "keep_slot")

Weight: TypeAlias = Callable[[int], float]
"""How often a document is shown that stands for so many copies (``dedup.size``; 1 if it has none)."""


class FeedOptions(msgspec.Struct, frozen=True):
    """How a dataset is read. ``ConfigError`` says which value is unusable and what would be usable.

    All readers of a run have the same options but ``rank`` and ``worker``: reader ``rank × workers + worker`` of
    ``world × workers``. ``lanes`` is how many independent parts the order has, which bounds the readers; 0: one for
    sixteen row groups, between 1 and 1,024. ``filters`` must all hold; a missing value fulfils none. ``tombstones`` is
    a table of ``obelics recheck``: what it names is not shown. ``weight`` turns the size of clusters of
    copies into how often a document is shown in an epoch. ``endless``: one epoch follows the other.
    """

    seed: int = 0
    rank: int = 0
    world: int = 1
    worker: int = 0
    workers: int = 1
    lanes: int = 0
    endless: bool = False
    columns: tuple[str, ...] = ()
    filters: tuple[Condition, ...] = ()
    on_missing: OnMissing = "drop_slot"
    tombstones: str | None = None
    weight: Weight | None = None
    images: bool = True

    def __post_init__(self) -> None:
        for name, place, count in (("rank", self.rank, self.world), ("worker", self.worker, self.workers)):
            if not 0 <= place < count:
                raise ConfigError(f"{name} is {place} of {count}; it has to be from 0 to {count - 1}")
        if self.on_missing not in _ON_MISSING:
            raise ConfigError(f"on_missing is {self.on_missing!r}; write one of {', '.join(_ON_MISSING)}")
        if self.lanes < 0:
            raise ConfigError(f"lanes is {self.lanes}; it has to be 0 (as many as fit) or more")
        for condition in self.filters:
            if len(condition) != 3 or condition[1] not in OPERATORS:
                raise ConfigError(
                    f"filters: {condition!r}; write (column, operator, value) with one of {OPERATORS}"
                )
            if condition[1] in ("in", "not in") and isinstance(condition[2], str):
                raise ConfigError(f"filters: {condition!r}; write a list of values behind {condition[1]!r}")

    @property
    def reader(self) -> int:
        """Which of ``readers`` this is."""
        return self.rank * self.workers + self.worker

    @property
    def readers(self) -> int:
        """How many share the dataset."""
        return self.world * self.workers
