"""Any rules of deduplication on small sets of documents that have much in common: what the truth says, row by row."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest
from dedup_pages import page
from dedup_runs import assert_true, config_of, run_on, truth_of

from obelics_pipeline.document import Document, TextNode


def crowded(chance: random.Random) -> list[Document]:
    """Documents out of few addresses, texts and images, or copied: nearly all of them fall for something."""
    words = [f"w{number}" for number in range(400)]
    texts = [" ".join(words[at : at + size]) for at in range(0, 300, 15) for size in (4, 12, 40)]
    pages: list[Document] = []
    for number in range(150):
        nodes: list[str | TextNode] = [*chance.choices(texts, k=chance.randint(0, 3))]
        if pages and chance.random() < 0.3:
            nodes = [*chance.choice(pages).texts]
        if chance.random() < 0.3:
            nodes.append(TextNode("heading", chance.choice(texts[::5])))
        images = tuple(chance.choices(("p", "q", "r?fbclid=1", "r", "s"), k=chance.randint(0, 3)))
        url = f"https://{chance.choice(('', 'www.', 'b.'))}x{chance.randrange(2)}.example/{chance.randrange(60)}"
        time = chance.choice((None, *range(5)))
        id = f"{chance.getrandbits(64):x}-{number}"
        pages.append(page(id, *nodes, images=images, url=url, time=time))
    return pages


def some_rules(chance: random.Random) -> dict[str, Any]:
    """Most of the rules, with any limits."""
    rules: dict[str, Any] = {
        "url": {},
        "same_text": {},
        "near_text": {
            "ngram": chance.randint(1, 5),
            "threshold": chance.choice((0.3, 0.6)),
            "bands": 50,
            "rows": 2,
        },
        "shared_passage": {"words": chance.choice((8, 11, 20)), "share": chance.choice((0.2, 0.6, 1))},
        "repeated_paragraph": {
            "scope": chance.choice(("host", "domain")),
            "min_pages": chance.choice((2, 3, 9)),
            "keep": chance.choice(("none", "one")),
            "spare": chance.choice(((), ("heading",))),
        },
        "image_frequency": {"max_documents": chance.choice((20, 40, 60))},
        "repeated_image": {},
        "image_set": {"similarity": chance.choice((0.2, 0.5))},
    }
    chosen = {
        name: rule for name, rule in rules.items() if chance.random() < 0.75 or name == "image_frequency"
    }
    return {"keep": chance.choice(("newest", "oldest", "longest")), **chosen}


@pytest.mark.parametrize("seed", range(8))
def test_any_rules_on_documents_with_much_in_common(seed: int, tmp_path: Path) -> None:
    chance = random.Random(seed)
    documents, section = crowded(chance), some_rules(chance)
    config = config_of(section, {"word_count": {"min": chance.choice((0, 10))}})
    found = run_on(documents, tmp_path, config)
    assert_true(found, documents, config, truth_of(documents, section, config, clusters=found.clusters))
    assert found.removed
