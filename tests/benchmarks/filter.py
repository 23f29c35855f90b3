"""The rules on text against their floor: splitting the same texts at whitespace and lower-casing the words.

Subject and floor are measured in turns in one process; each figure is the median over the rounds of the ratio
of their processor times within one round. The documents of shared/data/filter_parity are pruned paragraph by
paragraph and judged as a whole, by the text rules of a configuration (language apart, which is a model's
business, and what needs a model by path), with decisions written and every item counted as in the stage.
"""

from __future__ import annotations

import gc
import gzip
import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median

from _figures import Figure, arguments, report
from msgspec.structs import replace

from beam_jobs.config import Config, load
from filters.apply import FilterOptions, filter_documents
from filters.language import identify
from filters.lexicon import Lexicon, lexicon
from filters.rules import DocumentRules, ImageRules
from obelics_pipeline.accounting import Tally
from obelics_pipeline.document import Document, TextNode

ROOT = Path(__file__).parents[2]
DATA = Path(os.environ.get("OBELICS_TEST_DATA", ROOT.parent / "shared"))
CASES = DATA / "data/filter_parity/cases.jsonl.gz"
NOT_TEXT = {"image_count", "language", "perplexity", "quality", "spun_text"}


def documents(count: int | None) -> list[Document]:
    """The documents of the cases, paragraph by paragraph."""
    with gzip.open(CASES, "rt", encoding="utf-8") as lines:
        cases = [case for line in lines if (case := json.loads(line))["level"] == "document"][:count]
    made = []
    for number, case in enumerate(cases):
        nodes = tuple(TextNode("paragraph", text) for text in case["text"].split("\n\n") if text)
        made.append(Document(f"{number:032x}", "http://a.example/", "a.example", "a.example", nodes))
    return made


def text_rules(config: Config, sample_share: float) -> FilterOptions:
    """The rules of ``config`` that look at nothing but texts and lists."""
    rules = {name: rule for name, rule in config.filter.document.rules.items() if name not in NOT_TEXT}
    return replace(
        config.filter, image=ImageRules(), document=DocumentRules(rules), sample_share=sample_share
    )


def floor(texts: Sequence[str]) -> None:
    """What any look at the words costs."""
    for text in texts:
        _ = [word.lower() for word in text.split()]


def filtering(pages: Sequence[Document], options: FilterOptions, words: Lexicon) -> Callable[[], None]:
    """Filter all ``pages``."""

    def run() -> None:
        tally = Tally()
        for _ in filter_documents(pages, options, words, tally):
            pass
        tally.check("filter")

    return run


def forgetting(work: Callable[[], None], words: Lexicon) -> Callable[[], None]:
    """``work`` by a lexicon that has met no word before."""

    def run() -> None:
        words.words.clear()
        words.entries.clear()
        work()

    return run


def identifying(texts: Sequence[str]) -> Callable[[], None]:
    """Ask for the language of all ``texts``, of as much of each as the rule looks at."""

    def run() -> None:
        for text in texts:
            identify(text[:3000])

    return run


def seconds(work: Callable[[], None]) -> float:
    """Processor seconds of ``work``."""
    started = time.process_time()
    work()
    return time.process_time() - started


def figures(count: int | None, rounds: int) -> list[Figure]:
    """Measure everything in turns."""
    pages = documents(count)
    texts = ["\n\n".join(node.text for node in page.texts) for page in pages]
    obelics, default = load("obelics"), load("default")
    words = lexicon(obelics.text)
    subjects = {
        "obelics": filtering(pages, text_rules(obelics, 0), words),
        "cold": forgetting(filtering(pages, text_rules(obelics, 0), words), words),
        "all": filtering(pages, text_rules(obelics, 1), words),
        "default": filtering(pages, text_rules(default, 0), lexicon(default.text)),
        "language": identifying(texts),
    }
    for work in subjects.values():
        work()
    gc.collect()
    gc.freeze()  # a stage holds a few documents at a time, not all of them
    floors, ratios = [], {name: [] for name in subjects}
    for _ in range(rounds):
        for name, work in subjects.items():
            floors.append(seconds(lambda: floor(texts)))
            ratios[name].append(seconds(work) / floors[-1])
            if name == "cold":
                subjects["obelics"]()  # words are known again, as they are in the course of a crawl
    found = {name: median(values) for name, values in ratios.items()}
    characters = sum(map(len, texts))
    return [
        Figure("floor", median(floors) / characters * 1e9, "ns/char", how=f"{len(pages)} documents"),
        Figure("text rules of obelics", found["obelics"], "× floor", at_most=14, how="both levels"),
        Figure(
            "… of which no word is known", found["cold"], "× floor", how="the first documents of a process"
        ),
        Figure("… each measure of each text", found["all"], "× floor", how="a sampled document, all rows"),
        Figure("text rules of default", found["default"], "× floor", how="both levels"),
        Figure("language", found["language"], "× floor", how="for comparison"),
    ]


def main() -> int:
    """Measure as the command line says."""
    options = arguments("The rules on text against the cost of splitting the same texts into words.")
    if not CASES.is_file():
        print(f"filter: no {CASES}; set OBELICS_TEST_DATA", file=sys.stderr)
        return 2
    count, rounds = (40, 1) if options.quick else (None, 15)
    return report(lambda: figures(count, rounds), as_json=options.json)


if __name__ == "__main__":
    sys.exit(main())
