"""Print what `spun_text` catches of each kind of spun text: `spun_curve.py MODEL [FOLDER]`.

The folder (default: tests/filters/spun) has `genuine.jsonl` (`text`) and `spun.jsonl` (`text`, `kind`). The limit of
each row of the table is such that the given share of the genuine texts lies above it.
"""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from pathlib import Path

from filters.spun import spun_score

TEST_SET = Path(__file__).parents[1] / "filters/spun"
FALSE_ALARMS = (0.01, 0.02, 0.05, 0.1, 0.2)


def scores(folder: Path, model: str) -> dict[str, list[float]]:
    """The scores of the texts of each kind, those of genuine ones first."""
    found: dict[str, list[float]] = defaultdict(list)
    for name in ("genuine", "spun"):
        for row in rows(folder, name):
            found[row["kind"] if name == "spun" else name].append(spun_score(row["text"], model))
    return found


def rows(folder: Path, name: str) -> list[dict[str, str]]:
    """The rows of one of the files."""
    return [json.loads(line) for line in (folder / f"{name}.jsonl").read_text("utf-8").splitlines()]


def limit_of(genuine: Sequence[float], share: float) -> float:
    """The limit above which at most this share of the genuine texts lies."""
    return sorted(genuine)[len(genuine) - 1 - int(share * len(genuine))]


def caught(values: Iterable[float], limit: float) -> float:
    """The share of the values above the limit."""
    above = [value > limit for value in values]
    return sum(above) / len(above)


def curve(found: Mapping[str, Sequence[float]]) -> str:
    """A table in Markdown."""
    kinds = sorted(found.keys() - {"genuine"})
    lines = [f"| false alarms | limit | {' | '.join(kinds)} | all |", "|---" * (len(kinds) + 3) + "|"]
    for share in FALSE_ALARMS:
        limit = limit_of(found["genuine"], share)
        parts = [found[kind] for kind in kinds]
        cells = [f"{caught(part, limit):.0%}" for part in (*parts, [*chain.from_iterable(parts)])]
        lines.append(f"| {share:.0%} | {limit:.3f} | {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model", help="path of SmolLM2-135M (.gguf)")
    parser.add_argument("folder", type=Path, nargs="?", default=TEST_SET)
    arguments = parser.parse_args()
    print(curve(scores(arguments.folder, arguments.model)))


if __name__ == "__main__":
    main()
