"""Fit the weights of ``filters.spun`` on paragraphs of real pages and on what spinners make of them.

Every host is learned from or held back. On paragraphs of those held back, and on what spinners make of them, the
curve is printed, and how many of more of their paragraphs lie above each limit. Random choices are the same each time.
"""

from __future__ import annotations

import argparse
import json
import zlib
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from random import Random

import numpy as np
from sklearn.linear_model import LogisticRegression
from spinners import Spinners, changed, row_of
from spun_corpus import Paragraph, paragraphs
from spun_curve import caught, curve
from spun_lexicon import Lexicon
from spun_noise import noisy

from filters import spun

SHIPPED = Path(__file__).parents[2] / "filters/data/spun.json"
FITTED = 240  # paragraphs, of as many hosts
HELD_BACK = 120
ALARMS = 400  # more paragraphs of hosts held back
LONGEST = 150  # words of a paragraph that is spun
NOISY = 0.3  # of the paragraphs, how many have faults before they are spun
CHANGED = {"synonym": 0.12, "salad": 0.12, "shuffled": 0.05}  # of the words, at least
LIMITS = (0.5, 0.8, 0.9, 0.95, 0.98, 0.99)

Labelled = tuple[str, str]


def versions(rows: Sequence[Paragraph], spinners: Spinners, random: Random) -> Iterator[Labelled]:
    """Each paragraph, in four of ten cases with faults, and spun in two ways: its kind and its text."""
    for row in rows:
        yield "genuine", noisy(row.text, random) if random.random() < 0.4 else row.text
        for kind in ("synonym", random.choice(("salad", "shuffled", "shuffled"))):
            text = noisy(row.text, random) if random.random() < NOISY else row.text
            made = spinners.spin(kind, row_of(text), random)
            if changed(made) >= CHANGED[kind]:
                yield kind, " ".join(word for word, _ in made)


def weights(labels: Sequence[str], measures: Sequence[spun.Measures]) -> dict[str, float]:
    """The weights of a logistic regression in which genuine and spun texts count alike."""
    fitted = LogisticRegression(C=10.0, class_weight="balanced", max_iter=1000)
    fitted.fit(np.array(measures), [label != "genuine" for label in labels])
    values = (fitted.intercept_[0], *fitted.coef_[0])
    return dict(
        zip(("bias", *spun.Measures._fields), (round(float(value), 3) for value in values), strict=True)
    )


def fit(folder: Path, model: str) -> None:
    """Fit, write the weights, print the figures."""
    rows = paragraphs(per_host=4)
    spinners = Spinners(Lexicon(folder), [row.text for row in rows])
    parts: dict[bool, list[Paragraph]] = defaultdict(list)
    for row in rows:
        parts[zlib.crc32(row.host.encode()) % 3 == 0].append(row)
    learned = list(versions(_one_each(parts[False])[:FITTED], spinners, Random(1)))
    measured = [spun.measures(text, model) for _, text in learned]
    found = weights([label for label, _ in learned], measured)
    SHIPPED.write_text(json.dumps(found, indent=1) + "\n")
    spun.weights.cache_clear()
    print(f"{len(learned)} texts: {found}", flush=True)
    scores: dict[str, list[float]] = defaultdict(list)
    for kind, text in versions(_one_each(parts[True])[:HELD_BACK], spinners, Random(2)):
        scores[kind].append(spun.spun_score(text, model))
    print(curve(scores), flush=True)
    real = [spun.spun_score(row.text, model) for row in parts[True][:ALARMS]]
    print(f"{len(real)} paragraphs: " + ", ".join(f"{caught(real, at):.2%} above {at}" for at in LIMITS))


def _one_each(rows: Sequence[Paragraph]) -> list[Paragraph]:
    """One paragraph of each host, of a length that is spun."""
    return list({row.host: row for row in reversed(rows) if row.size <= LONGEST}.values())


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("wordnet", type=Path, help="folder with the files of WordNet 3.0")
    parser.add_argument("model", help="path of SmolLM2-135M (.gguf)")
    arguments = parser.parse_args()
    fit(arguments.wordnet, arguments.model)


if __name__ == "__main__":
    main()
