"""How well scores tell good from bad."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby
from operator import attrgetter
from typing import NamedTuple

MINIMA = (0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95)


class Score(NamedTuple):
    """What the model makes of a text that it has not seen."""

    value: float
    good: bool


def auc(found: Sequence[Score]) -> float:
    """The probability that a good text has a higher score than a bad one (ties count half)."""
    goods = sum(score.good for score in found)
    wins, below = 0.0, 0
    for _, tied in groupby(sorted(found), key=attrgetter("value")):
        marks = [score.good for score in tied]
        bad = len(marks) - sum(marks)
        wins += sum(marks) * (below + bad / 2)
        below += bad
    return wins / (goods * below)


class Cut(NamedTuple):
    """What a minimum does: share of good among the kept, of the good kept, of the bad rejected."""

    min: float
    precision: float
    recall: float
    rejected: float


def cuts(found: Sequence[Score]) -> list[Cut]:
    """What each of ``MINIMA`` does."""
    goods = sum(score.good for score in found)
    rows = []
    for limit in MINIMA:
        kept = [score.good for score in found if score.value >= limit]
        precision = sum(kept) / len(kept) if kept else 1.0
        bad = len(kept) - sum(kept)
        rows.append(Cut(limit, precision, sum(kept) / goods, 1 - bad / (len(found) - goods)))
    return rows


def print_cuts(rows: Iterable[Cut]) -> None:
    """Print a table."""
    print("| min | precision | good kept | bad rejected |\n|---:|---:|---:|---:|")
    for cut in rows:
        print(f"| {cut.min:.2f} | {cut.precision:.3f} | {cut.recall:.3f} | {cut.rejected:.3f} |")
