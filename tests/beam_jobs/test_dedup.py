"""The stage ``dedup`` removes what the truth says, tells each removal once, and counts all of them."""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from dedup_corpus import EVERYWHERE, ONE_HOST, corpus, write_run
from dedup_pages import on, page
from dedup_runs import Found, assert_true, config_of, deduplicate, run_on, truth_of
from dedup_similar import components, text_pairs
from dedup_truth import expected

from obelics_pipeline.document import Document, TextNode

ALL: dict[str, Any] = {
    "keep": "newest",
    "url": {},
    "same_text": {},
    "near_text": {"threshold": 0.8},
    "shared_passage": {"words": 50, "share": 0.5},
    "repeated_paragraph": {"scope": "host", "min_pages": 3, "keep": "none", "spare": ["code", "heading"]},
    "image_frequency": {"max_documents": 10},
    "repeated_image": {},
    "image_set": {"similarity": 0.5},
}
DOCUMENT = {"word_count": {"min": 50}, "image_count": {"min": 2}}

LIMITS = {
    "near_text": (0.8, ">="),
    "shared_passage": (0.5, ">="),
    "repeated_paragraph": (3, ">="),
    "image_frequency": (10, ">"),
    "image_set": (0.5, ">="),
    "word_count": (50, "<"),
    "image_count": (2, "<"),
}
"""The threshold and the comparison in the rows of a rule; the others have neither."""


# Twenty thousand documents


@pytest.fixture(scope="module")
def documents() -> list[Document]:
    return corpus(20_000, seed=3).documents


@pytest.fixture(scope="module")
def found(documents: list[Document], tmp_path_factory: pytest.TempPathFactory) -> Found:
    return run_on(documents, tmp_path_factory.mktemp("large"), config_of(ALL, DOCUMENT), parts=8)


def test_all_rules_remove_what_the_truth_says(documents: list[Document], found: Found) -> None:
    config = config_of(ALL, DOCUMENT)
    truth = truth_of(documents, ALL, config, clusters=found.clusters)
    assert_true(found, documents, config, truth)
    removed = Counter(why.rule for why in truth.removed.values())
    assert removed.keys() == ALL.keys() - {"keep"} | DOCUMENT.keys()
    assert min(removed.values()) > 5, "a rule that removes next to nothing is not tested"


def test_similar_texts_are_found(documents: list[Document], found: Found) -> None:
    before = {id for (_, id, _), why in found.removed.items() if why.rule in ("url", "same_text")}
    pairs = text_pairs([document for document in documents if document.id not in before], 0.8)
    cluster = {id: members[0] for members in found.clusters for id in members}
    met = [one for one, other in pairs if cluster.get(one, one) == cluster.get(other, other)]
    assert len(pairs) > 500
    assert len(met) >= 0.98 * len(pairs)

    alike = {id: number for number, members in enumerate(components(pairs)) for id in members}
    near = [(id, why.of) for (_, id, _), why in found.removed.items() if why.rule == "near_text"]
    right = [id for id, of in near if id in alike and alike[id] == alike.get(of)]
    assert len(right) >= 0.99 * len(near)

    most: dict[str, float] = {}
    for pair, value in pairs.items():
        most |= {id: max(value, most.get(id, 0)) for id in pair}
    values = {row["id"]: row["value"] for row in found.decisions if row["rule"] == "near_text"}
    assert all(0.8 <= value <= most[id] + 1e-9 for id, value in values.items() if id in most)
    assert sum(value == pytest.approx(most[id]) for id, value in values.items() if id in most) > 0.9 * len(
        near
    )


def test_a_row_says_what_it_is_about_and_why(documents: list[Document], found: Found) -> None:
    by_id = {document.id: document for document in documents}
    for row in found.decisions:
        document = by_id[row["id"]]
        assert (row["url"], row["domain"], row["kept"]) == (document.url, document.domain, False)
        assert (row["threshold"], row["op"]) == LIMITS.get(row["rule"], (None, None))
        assert (row["value"] is None) == (row["rule"] not in LIMITS)
        if row["level"] == "document":
            assert row["index"] is None
        else:
            node = document.nodes[row["index"]]
            assert row["level"] == ("paragraph" if isinstance(node, TextNode) else "image")
            text = node.text if isinstance(node, TextNode) else node.url
            told = row["excerpt"].partition(": ")[2]
            assert told
            assert " ".join(text.split()).startswith(told)


TURN = {rule: number for number, rule in enumerate(("url", "same_text", "near_text", "image_set", *DOCUMENT))}
"""When a document can fall: for the rules on documents in their order, at last for those that ask again."""


def test_what_something_duplicates_stays_or_falls_for_a_later_rule(found: Found) -> None:
    """So who follows the ids comes to a document that stays, or was judged again, within four steps.

    That of a passage has passed the rules on texts: it may only fall for its images, or when it is judged again.
    """
    fallen = {id: TURN[why.rule] for (_, id, index), why in found.removed.items() if index is None}
    followed: Counter[str] = Counter()
    for (level, id, _), (rule, of, _) in found.removed.items():
        if of is None:
            assert rule in ("repeated_paragraph", "image_frequency", *DOCUMENT)
        elif rule == "repeated_image":
            assert of == id
        else:
            assert of != id
            turn = TURN[rule] if level == "document" else TURN["near_text"]
            assert of in found.kept or fallen[of] > turn
            followed[rule] += of not in found.kept
    assert followed["url"] > 0
    assert followed["same_text"] > 0
    assert followed["near_text"] > 0


# Other choices


@pytest.fixture(scope="module")
def some() -> list[Document]:
    return corpus(1500, seed=4).documents


@pytest.fixture(scope="module")
def source(some: list[Document], tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("some")
    write_run(folder, some, parts=3)
    return folder


OPPOSITE: dict[str, Any] = {
    "keep": "oldest",
    "url": {},
    "same_text": {},
    "near_text": {"ngram": 4, "bands": 40, "rows": 4, "threshold": 0.7, "action": "mark"},
    "shared_passage": {"words": 20, "share": 0.3},
    "repeated_paragraph": {"scope": "domain", "min_pages": 2, "keep": "one"},
    "image_frequency": {"max_documents": 4},
    "image_set": {},
}
CHOICES = {
    "opposite choices": OPPOSITE,
    "the longest stays": {**ALL, "keep": "longest"},
    "one copy stays": {**ALL, "repeated_paragraph": {"min_pages": 2, "keep": "one", "scope": "domain"}},
    "images alone": {"repeated_image": {}, "image_set": {}},
    "the texts of image sets": {"image_frequency": {}, "image_set": {"similarity": 0.9}},
    **{
        f"{rule} alone": {rule: ALL[rule]}
        for rule in ALL
        if rule not in ("keep", "image_set", "repeated_image")
    },
}


@pytest.mark.parametrize("section", CHOICES.values(), ids=CHOICES)
def test_other_choices_are_true_too(
    section: dict[str, Any], some: list[Document], source: Path, tmp_path: Path
) -> None:
    config = config_of(section, DOCUMENT)
    found = deduplicate(source, tmp_path, config)
    clusters = found.clusters if section.get("near_text") == ALL["near_text"] else None
    assert_true(found, some, config, truth_of(some, section, config, clusters=clusters))
    assert found.removed


def test_marked_documents_know_their_cluster(some: list[Document], source: Path, tmp_path: Path) -> None:
    section = {"same_text": {}, "near_text": {"bands": 40, "rows": 5, "action": "mark"}}
    found = deduplicate(source, tmp_path, config_of(section))
    truth = expected(some, section)
    members = {id: group[0] for group in truth.clusters for id in group}
    copies = {id for id in truth.sizes if id not in members}
    assert len(members) > 20
    assert len(copies) > 20
    for id, document in found.kept.items():
        first = members.get(id, id)
        method = "near_text" if id in members else "same_text"
        told = document.cluster and (document.cluster.id, document.cluster.size, document.cluster.method)
        assert told == ((first, truth.sizes[first], method) if id in members or id in copies else None)


# What is left of a paragraph


FOOTER = "the footer of the site"


@pytest.mark.parametrize(
    ("others", "lost"),
    [
        pytest.param([], {}, id="of the site only copies of a text"),
        pytest.param(["b", "c"], {("paragraph", "c", 0): "b"}, id="two more pages"),
    ],
)
def test_a_paragraph_stays_on_the_first_page_that_stays(
    others: list[str], lost: dict[Any, str], tmp_path: Path
) -> None:
    section = {"same_text": {}, "repeated_paragraph": {"min_pages": 3, "keep": "one"}}
    documents = [page("0", FOOTER), *(on("x.example", id, FOOTER) for id in ("1", "2", "3"))]
    documents += [on("x.example", id, FOOTER, id) for id in others]
    found = run_on(documents, tmp_path, config_of(section))
    copies = {("document", id, None): "0" for id in ("1", "2", "3")}
    assert {item: why.of for item, why in found.removed.items()} == copies | lost
    assert_true(found, documents, config_of(section), expected(documents, section))


# What is asked again


SHRINKING = {"repeated_paragraph": {"min_pages": 2}, "image_frequency": {"max_documents": 1}}
BODY = "one two three four five six seven eight nine ten"


def test_what_shrinks_is_judged_again_and_what_loses_nothing_is_not(tmp_path: Path) -> None:
    documents = [
        on("x.example", "footer", BODY, FOOTER),
        on("x.example", "mostly", "only two", FOOTER),
        on("x.example", "short", "few"),
        page("photo", BODY, images=("shared",)),
        page("photos", BODY, images=("shared", "own")),
    ]
    config = config_of(SHRINKING, {"word_count": {"min": 6}, "image_count": {"min": 0, "max": 1}})
    found = run_on(documents, tmp_path, config)
    truth = truth_of(documents, SHRINKING, config)
    assert_true(found, documents, config, truth)
    (row,) = [row for row in found.decisions if row["level"] == "document"]
    assert (row["id"], row["rule"], row["value"], row["threshold"], row["op"]) == (
        "mostly",
        "word_count",
        2,
        6,
        "<",
    )
    assert row["excerpt"] == "only two the footer of the site"
    assert found.kept["footer"].measures["word_count"] == 10
    assert found.manifest.tally.level("documents").rejected == {"word_count": 1}
    assert found.manifest.tally.level("paragraphs").rejected == {
        "repeated_paragraph": 2,
        "document_rejected": 1,
    }

    strict = config_of(SHRINKING, {"image_count": {"min": 1}})
    found = deduplicate(tmp_path, tmp_path / "strict", strict)
    refused = {id: why.rule for (level, id, _), why in found.removed.items() if level == "document"}
    assert refused == dict.fromkeys(("footer", "mostly", "photo"), "image_count")


# Skew, chains, and what is odd


def test_one_host_with_half_of_all_documents(tmp_path: Path) -> None:
    documents = corpus(4000, seed=5, one_host=0.5).documents
    config = config_of(ALL, DOCUMENT)
    found = run_on(documents, tmp_path, config, parts=8)
    assert_true(found, documents, config, truth_of(documents, ALL, config, clusters=found.clusters))
    heavy = [document for document in documents if document.host == ONE_HOST and document.id in found.kept]
    assert len(heavy) > 1500
    assert not any(node.url == EVERYWHERE for d in heavy for node in found.kept[d.id].images)


def test_a_chain_of_three_thousand_is_one_cluster(tmp_path: Path) -> None:
    names = [f"w{number}" for number in range(10_000)]
    chance = random.Random(1)
    documents = [
        page(f"{chance.getrandbits(64):016x}", " ".join(names[3 * n : 3 * n + 80]), time=n)
        for n in range(3000)
    ]
    pairs = text_pairs([documents[0], documents[1], documents[-1]], 0.01)
    assert list(pairs.values()) == [73 / 79]  # neighbours; the ends have nothing in common
    config = config_of({"near_text": {}})
    found = run_on(documents, tmp_path, config, parts=4)
    assert list(found.kept) == [documents[-1].id]
    cluster = found.kept[documents[-1].id].cluster
    assert cluster is not None
    assert (cluster.id, cluster.size, cluster.method) == (documents[-1].id, 3000, "near_text")


ODD = {
    "no text": [page(id, images=("p",)) for id in "abc"],
    "no images": [page(id, BODY, id) for id in "abc"],
    "nothing at all": [page(id) for id in "abc"],
    "no time": [
        page("a", BODY, time=None),
        page("b", BODY, time=5),
        page("c", BODY, time=None),
        page("d", "x"),
    ],
    "odd ids": [
        page(id, BODY, images=("p",), url="https://x.example/")
        for id in ("b", "a: b", "ä\x00b", "", "日本", "\n", "x" * 300)
    ],
    "one document": [page("a", BODY, BODY, images=("p", "p"))],
    "one document in the last of the parts": [page(id, BODY, url="https://x.example/") for id in "ab"],
    "a hundred times the same": [
        page(f"{n:03}", BODY, images=("p", "p"), url=f"https://x.example/{n}") for n in range(100)
    ],
    "a hundred captures": [page(f"{n:03}", BODY, url="https://x.example/") for n in range(100)],
}


@pytest.mark.parametrize("documents", ODD.values(), ids=ODD)
def test_odd_documents(documents: list[Document], tmp_path: Path) -> None:
    config = config_of(ALL)
    found = run_on(documents, tmp_path, config, parts=3)
    assert_true(found, documents, config, truth_of(documents, ALL, config))


@pytest.mark.parametrize("parts", [0, 2])
def test_no_documents(parts: int, tmp_path: Path) -> None:
    found = run_on([], tmp_path, config_of(ALL), parts=parts)
    assert (found.kept, found.decisions) == ({}, [])
    assert len(found.manifest.under("signatures")) == parts
    assert not (tmp_path / "_work").exists()


def test_no_rules_change_nothing(some: list[Document], source: Path, tmp_path: Path) -> None:
    found = deduplicate(source, tmp_path, config_of({}))
    assert found.kept == {document.id: document for document in some}
    assert found.decisions == []
