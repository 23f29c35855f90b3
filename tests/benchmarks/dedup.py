"""Signatures for near-duplicates beside other libraries, and the whole stage: documents per second of one core.

Each library runs in an environment and a process of its own (``dedup_peers.py``) on the same made-up documents of
1,250 words, in turns; each figure is that of its best round. A library is installed when it is first needed, under
.venv/peers; without it there is no figure to be held against it, and the rest is measured.
"""

from __future__ import annotations

import json
import math
import os
import random
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

from _figures import Figure, arguments, report
from _peers import PEERS, ROOT, environment
from dedup_peers import HASHES, SUBJECTS, WORDS, documents

from obelics_pipeline.document import Document, TextNode

sys.path.append(str(Path(__file__).parents[1]))
from dedup_corpus import write_run

WORKER = Path(__file__).with_name("dedup_peers.py")
STAGE_WORKER = Path(__file__).with_name("dedup_stage.py")
STAGE = 4_000
"""Documents of the run of the whole stage; a tenth of them comes again, edited."""

PINNED = {
    "rensa": ["rensa==0.5.0"],
    "datasketch": ["datasketch==2.0.0", "numpy==2.4.6", "scipy==1.17.1"],
    # the packages of its extra "processing" that the step needs, and what splits English into words
    "datatrove": [
        "datatrove==0.10.1",
        "numpy==2.4.6",
        "regex==2026.11.15",
        "spacy==3.8.18",
        "tokenizers==0.23.3",
        "xxhash==3.8.2",
    ],
}
DOCUMENTS = {"datasketch": 40, "datatrove": 20}
"""How many documents a round has, where it would take too long with ``MANY``."""
MANY = 400
ALONE = {"RAYON_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}


class Worker:
    """A process that measures one subject, round by round."""

    def __init__(self, subject: str, python: Path, count: int) -> None:
        self.subject, self.count = subject, count
        paths = {"PYTHONPATH": str(ROOT)} if subject == "ours" else {}
        self.process = subprocess.Popen(
            [python, WORKER, subject, str(count)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, **ALONE, **paths},
        )

    def rate(self) -> float:
        """Documents per second of one round."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        if not answer:
            raise RuntimeError(f"{self.subject} ended, see above; to install it anew, remove {PEERS}")
        return self.count / float(answer)

    def close(self) -> None:
        """End the process."""
        self.process.communicate(timeout=60)


def rates(rounds: int, *, quick: bool) -> dict[str, float]:
    """Documents per second by subject, of its best round; NaN for one that is missing."""
    pythons: dict[str, Path | None] = {"ours": Path(sys.executable)}
    pythons |= {library: environment(library, pinned, make=not quick) for library, pinned in PINNED.items()}
    found: dict[str, list[float]] = {subject: [] for subject in SUBJECTS}
    with ExitStack() as stack:
        workers = []
        for subject in SUBJECTS:
            if python := pythons[subject.split()[0]]:
                count = 4 if quick else DOCUMENTS.get(subject, MANY)
                workers.append(Worker(subject, python, count))
                stack.callback(workers[-1].close)
        for worker in workers:
            worker.rate()  # imports, tables and caches
        for _ in range(rounds):
            for worker in workers:
                found[worker.subject].append(worker.rate())
    return {subject: max(measured, default=math.nan) for subject, measured in found.items()}


def signatures(*, quick: bool) -> list[Figure]:
    """From text to signature."""
    found = rates(1 if quick else 15, quick=quick)
    unit = "docs/s"
    rows = [
        Figure(subject, rate, unit, how="missing: not installed" if math.isnan(rate) else "")
        for subject, rate in found.items()
    ]
    rensa = max(rate for subject, rate in found.items() if subject.startswith("rensa"))
    for name, peer, least in (("rensa, its best", rensa, 0.9), ("datatrove", found["datatrove"], 30)):
        if not math.isnan(peer):
            rows.append(Figure(f"ours / {name}", found["ours"] / peer, "×", at_least=least))
    return rows


def stage_rate(*, quick: bool) -> float:
    """Documents per processor second of the whole stage under Beam, from table to table, with ``near_text`` alone."""
    count = 40 if quick else STAGE
    chance = random.Random(1)
    texts = documents(count)
    texts += [_edited(text, chance) for text in texts[: count // 10]]
    made = [
        Document(
            f"{n:032x}",
            f"https://{n}.example/",
            f"{n}.example",
            f"{n}.example",
            (TextNode("paragraph", text),),
        )
        for n, text in enumerate(texts)
    ]
    with tempfile.TemporaryDirectory() as folder:
        write_run(folder, made, 4)
        config = Path(folder, "near.yaml")
        config.write_text("dedup: {near_text: {}}")
        command = [sys.executable, str(STAGE_WORKER), folder, str(config)]
        done = subprocess.run(
            command, check=True, capture_output=True, text=True, env={**os.environ, **ALONE}
        )
    return len(made) / float(json.loads(done.stdout)["cpu_seconds"])


def _edited(text: str, chance: random.Random) -> str:
    """A copy with three other words: about .98 of its shingles are those of the text."""
    words = text.split()
    for place in chance.sample(range(len(words)), 3):
        words[place] = "edited"
    return " ".join(words)


def figures(*, quick: bool) -> list[Figure]:
    """Signatures beside those of others, and the stage beside the signatures of one."""
    rows = signatures(quick=quick)
    rate = stage_rate(quick=quick)
    rows.append(Figure("the stage near_text, under Beam", rate, "docs/s"))
    datatrove = next(row.value for row in rows if row.name == "datatrove")
    if not math.isnan(datatrove):
        rows.append(Figure("the stage / datatrove's signatures", rate / datatrove, "×", at_least=10))
    return rows


def main() -> int:
    """Measure as the command line says."""
    options = arguments(
        f"Signatures of {HASHES} hashes for documents of {WORDS} words, beside other libraries."
    )
    return report(lambda: figures(quick=options.quick), as_json=options.json)


if __name__ == "__main__":
    sys.exit(main())
