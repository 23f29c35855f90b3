"""A benchmark's figures: one row each, with what is required of it, as a table or as JSON."""

from __future__ import annotations

import argparse
import os
import platform
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import msgspec

from obelics_pipeline import compiled

# Processes that a benchmark spawns take its path over, and tests/, which it adds, has folders of the packages' names.
sys.path.append(str(Path(__file__).parents[2]))


class Figure(msgspec.Struct, frozen=True):
    """One measured value; ``at_most`` or ``at_least`` is what is required, if anything is."""

    name: str
    value: float
    unit: str
    at_most: float | None = None
    at_least: float | None = None
    how: str = ""

    @property
    def passed(self) -> bool | None:
        """Whether the requirement holds; None if there is none."""
        if self.at_most is not None:
            return self.value <= self.at_most
        if self.at_least is not None:
            return self.value >= self.at_least
        return None

    @property
    def required(self) -> str:
        if self.at_most is not None:
            return f"≤ {self.at_most:g}"
        return "" if self.at_least is None else f"≥ {self.at_least:g}"


def arguments(description: str) -> argparse.Namespace:
    """The options that every benchmark takes."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    parser.add_argument("--quick", action="store_true", help="few pages, one round: shows that it runs")
    return parser.parse_args()


def machine() -> dict[str, str | int | float]:
    """What the figures depend on besides the code; a load near the number of cores makes them worthless."""
    return {
        "python": platform.python_version(),
        "machine": platform.machine(),
        "cores": os.cpu_count() or 1,
        "load": round(os.getloadavg()[0], 2),
        "compiled": compiled.state(),
    }


def report(figures: Callable[[], Sequence[Figure]], *, as_json: bool) -> int:
    """Measure, print, and return the exit code: 0 if everything that is required holds, else 1."""
    before = machine()
    rows = figures()
    if as_json:
        print(msgspec.json.encode({"machine": before, "figures": [as_dict(row) for row in rows]}).decode())
    else:
        print(*table(before, rows), sep="\n")
    return 1 if any(row.passed is False for row in rows) else 0


def as_dict(figure: Figure) -> dict[str, object]:
    """The figure with what follows from it."""
    return {**msgspec.to_builtins(figure), "required": figure.required, "passed": figure.passed}


def table(machine: dict[str, str | int | float], figures: Iterable[Figure]) -> Iterable[str]:
    """Lines for a terminal."""
    yield "  ".join(f"{key}: {value}" for key, value in machine.items())
    for figure in figures:
        verdict = {True: "pass", False: "FAIL", None: ""}[figure.passed]
        value = f"{figure.value:>10.4g} {figure.unit:<9}"
        yield f"{figure.name:<34} {value} {figure.required:<7} {verdict:<4} {figure.how}".rstrip()


def say(text: str) -> None:
    """Progress, where it does not disturb the figures."""
    print(text, file=sys.stderr, flush=True)
