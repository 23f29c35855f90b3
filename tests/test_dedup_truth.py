"""The truth about duplicates is true on examples made by hand."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations
from typing import Any

import pytest
from dedup_pages import on, page
from dedup_similar import components, jaccard, similar_pairs, words
from dedup_truth import expected, recheck
from hypothesis import given
from hypothesis import strategies as st

from filters.rules import DocumentRules
from obelics_pipeline.document import Document, TextNode

A = "one two three four five six seven eight nine ten"
B = "red green blue black white grey pink brown gold teal"


def changed(text: str, *places: int) -> str:
    """``text`` with other words at ``places``."""
    return " ".join(f"new{place}" if place in places else w for place, w in enumerate(text.split()))


LONG = " ".join(f"w{number}" for number in range(40))
NEAR = changed(LONG, 39)
"""Of 36 runs of 5 words the last is another: 35 / 37."""
FAR = changed(LONG, 0, 39)
"""34 / 38 to ``LONG``, 35 / 37 to ``NEAR``."""
HEADING = TextNode("heading", A)


@pytest.mark.parametrize(
    ("section", "documents", "removals"),
    [
        pytest.param({}, [page("a", A), page("b", A)], set(), id="no rule, nothing removed"),
        pytest.param(
            {"url": None},
            [
                page("a", A, url="http://www.x.example:80/p?utm_id=1#f"),
                page("b", B, url="https://x.example/p", time=1),
            ],
            {("document", "a", None, "url")},
            id="the newest capture stays, however its address is written",
        ),
        pytest.param(
            {"url": {}},
            [page("a", A, url="https://x.example/a"), page("b", B, canonical="https://x.example/a")],
            {("document", "b", None, "url")},
            id="a page may name its address; of one time the smallest id stays",
        ),
        pytest.param(
            {"url": {}, "keep": "oldest"},
            [page(id, A, url="https://x.example/", time=time) for id, time in (("a", 2), ("b", 1), ("c", 3))],
            {("document", "a", None, "url"), ("document", "c", None, "url")},
            id="the oldest stays",
        ),
        pytest.param(
            {"same_text": {}, "keep": "longest"},
            [
                page("a", A),
                page("b", A.title().replace(" ", ",  ")),
                page("c", *A.split(" ", 3)),
                page("d", B),
            ],
            {("document", "a", None, "same_text"), ("document", "c", None, "same_text")},
            id="the same words are the same text, and the longest stays",
        ),
        pytest.param(
            {"same_text": {}}, [page("a", "…"), page("b", "!")], set(), id="no words are no same text"
        ),
        pytest.param(
            {"url": {}, "same_text": {}},
            [
                page("a", A, url="https://x.example/", time=2),
                page("b", B, url="https://x.example/", time=3),
                page("c", A, time=1),
            ],
            {("document", "a", None, "url")},
            id="what url drops is nobody's original",
        ),
        pytest.param(
            {"near_text": {"threshold": 35 / 37}},
            [page("a", LONG), page("b", FAR), page("c", NEAR)],
            {("document", "b", None, "near_text"), ("document", "c", None, "near_text")},
            id="of a chain one stays, though its ends are not similar",
        ),
        pytest.param(
            {"near_text": {"threshold": 0.95}},
            [page("a", LONG), page("b", NEAR)],
            set(),
            id="not similar enough",
        ),
        pytest.param(
            {"near_text": {"action": "mark"}}, [page("a", LONG), page("b", NEAR)], set(), id="only marked"
        ),
        pytest.param(
            {"url": {}, "same_text": {}, "near_text": {"threshold": 35 / 37}},
            [page("a", LONG), page("b", FAR), page("c", NEAR, url="https://b.example/", time=-1)],
            {("document", "c", None, "url")},
            id="what url drops links nothing",
        ),
        pytest.param(
            {"shared_passage": {"words": 10, "share": 0.5}},
            [
                page("a", f"before {A} after"),
                page("b", f"{B} {A}", f"{B} more {A}"),
                page("c", " ".join(A.split()[:5]), " ".join(A.split()[5:]), changed(A, 9)),
            ],
            {
                ("paragraph", "b", 0, "shared_passage"),
                ("paragraph", "c", 0, "shared_passage"),
                ("paragraph", "c", 1, "shared_passage"),
            },
            id="half of a paragraph, but not less; over paragraphs; not a word too short",
        ),
        pytest.param(
            {"shared_passage": {"words": 5, "share": 1}},
            [page("a", A, A), page("b", "one two three four five", f"{B} six seven eight")],
            {("paragraph", "b", 0, "shared_passage")},
            id="only what a document before has",
        ),
        pytest.param(
            {"repeated_paragraph": {"min_pages": 3}},
            [
                on("x.example", "a", A, B, A),
                on("x.example", "b", f" {A.replace(' ', '  ')}"),
                on("x.example", "c", A),
                on("y.x.example", "d", A),
                on("x.example", "e", B, HEADING),
            ],
            {
                ("paragraph", id, place, "repeated_paragraph")
                for id, place in (("a", 0), ("a", 2), ("b", 0), ("c", 0), ("e", 1))
            },
            id="all copies on one host go",
        ),
        pytest.param(
            {"repeated_paragraph": {"min_pages": 2, "keep": "one", "scope": "domain", "spare": ["heading"]}},
            [on("x.example", "a", A, B, A), on("y.x.example", "b", HEADING, A), on("z.example", "c", A)],
            {("paragraph", "a", 2, "repeated_paragraph"), ("paragraph", "b", 1, "repeated_paragraph")},
            id="the first page of a domain keeps the first of its copies; headings are spared",
        ),
        pytest.param(
            {"same_text": {}, "repeated_paragraph": {"min_pages": 3, "keep": "one"}},
            [page("0", A), *(on("x.example", id, A) for id in "ab"), on("x.example", "c", A, B)],
            {("document", id, None, "same_text") for id in "ab"},
            id="the first page of those that stay keeps its copy",
        ),
        pytest.param(
            {"same_text": {}, "repeated_paragraph": {"min_pages": 2, "keep": "one"}},
            [page("0", A), *(on("x.example", id, A) for id in "ab")],
            {("document", id, None, "same_text") for id in "ab"},
            id="if there is none of those, no copy stays",
        ),
        pytest.param(
            {"url": {}, "repeated_paragraph": {"min_pages": 2}},
            [page("a", A, url="https://x.example/"), page("b", A, url="http://x.example/")],
            {("document", "b", None, "url")},
            id="captures of a page are one page",
        ),
        pytest.param(
            {"shared_passage": {"words": 10}, "repeated_paragraph": {"min_pages": 2}},
            [on("x.example", "a", A), on("x.example", "b", A)],
            {("paragraph", "a", 0, "repeated_paragraph"), ("paragraph", "b", 0, "shared_passage")},
            id="a paragraph falls for the first rule",
        ),
        pytest.param(
            {"same_text": {}, "repeated_paragraph": {"min_pages": 3}},
            [on("x.example", "a", A), on("x.example", "b", A), on("x.example", "c", A, B)],
            {("document", "b", None, "same_text")}
            | {("paragraph", id, 0, "repeated_paragraph") for id in "ac"},
            id="dropped documents count as pages, but their paragraphs are not told of",
        ),
        pytest.param(
            {"image_frequency": {"max_documents": 2}, "repeated_image": {}},
            [
                page("a", A, images=("p", "p?fbclid=1", "q", "q#f")),
                page("b", A, images=("q", "p")),
                page("c", A, images=("p", "r", "r")),
            ],
            {
                ("image", id, place, "image_frequency")
                for id, place in (("a", 1), ("a", 2), ("b", 2), ("c", 1))
            }
            | {("image", "a", 4, "repeated_image"), ("image", "c", 3, "repeated_image")},
            id="images on three documents go, and the second of one in a document",
        ),
        pytest.param(
            {"image_set": {}},
            [
                page("a", A, images=("p", "q")),
                page("b", B, images=("q", "p", "q")),
                page("c", A, images=("p",)),
                page("d", A),
                page("e", A),
            ],
            {("document", "b", None, "image_set")},
            id="the same images, but not none",
        ),
        pytest.param(
            {"image_set": {"similarity": 0.9}},
            [
                page("a", LONG, images=("p",)),
                page("b", B, images=("p",)),
                page("c", NEAR, images=("p",)),
                page("d", B, images=("p",)),
            ],
            {("document", "c", None, "image_set"), ("document", "d", None, "image_set")},
            id="the same images and a text like that of one that stays",
        ),
        pytest.param(
            {"same_text": {}, "image_frequency": {"max_documents": 2}, "image_set": {}},
            [
                page("a", A, images=("p", "q"), time=1),
                page("b", A, images=("q",), time=2),
                page("c", B, images=("p", "q")),
                page("d", LONG, images=("p", "q"), time=-1),
            ],
            {("document", "a", None, "same_text")}
            | {("image", "b", 1, "image_frequency")}
            | {("image", id, place, "image_frequency") for id in "c" for place in (1, 2)}
            | {("image", id, place, "image_frequency") for id in "d" for place in (1, 2)},
            id="documents without images that are left have no set",
        ),
        pytest.param(
            {"same_text": {}, "image_set": {}},
            [page("a", A), page("b", A, images=("p",)), page("c", B, images=("p",))],
            {("document", "b", None, "same_text")},
            id="the images of a dropped document are nobody's originals",
        ),
        pytest.param(
            {"url": {}, "near_text": {"threshold": 0.9}, "shared_passage": {"words": 10}},
            [
                page("a", LONG, time=2),
                page("b", f"{NEAR} {A}", url="https://b.example/", time=1),
                page("c", B, url="http://b.example/", time=3),
                page("d", f"{LONG} new"),
                page("e", A, " ".join([*LONG.split()[-9:], "new"])),
            ],
            {("document", "b", None, "url"), ("document", "d", None, "near_text")},
            id="nor are their passages",
        ),
    ],
)
def test_truth(section: Mapping[str, Any], documents: list[Document], removals: set[Any]) -> None:
    truth = expected(documents, section)
    assert truth.removals == removals
    gone = {id for level, id, _, _ in removals if level == "document"}
    assert truth.kept == {document.id for document in documents} - gone


def test_a_removal_names_the_document_that_stays_and_what_was_measured() -> None:
    documents = [on("x.example", "a", A), on("x.example", "b", A, B), page("c", LONG), page("d", NEAR)]
    documents += [page("e", f"{B} {A}", images=("p",)), page("f", B, images=("p",))]
    section = {
        "near_text": {},
        "shared_passage": {"words": 8, "share": 0.5},
        "repeated_paragraph": {"min_pages": 2, "keep": "one"},
        "image_frequency": {"max_documents": 1},
    }
    assert expected(documents, section).removed == {
        ("paragraph", "b", 0): ("shared_passage", "a", 1),
        ("document", "d", None): ("near_text", "c", None),
        ("paragraph", "e", 0): ("shared_passage", "b", 1),
        ("image", "e", 1): ("image_frequency", None, 2),
        ("paragraph", "f", 0): ("shared_passage", "b", 1),
        ("image", "f", 1): ("image_frequency", None, 2),
    }
    documents = [on("x.example", id, A, id) for id in "ab"]
    assert expected(documents, {"repeated_paragraph": {"min_pages": 2, "keep": "one"}}).removed == {
        ("paragraph", "b", 0): ("repeated_paragraph", "a", 2)
    }
    documents = [page("a", LONG, images=("p",)), page("b", NEAR, images=("p",))]
    assert expected(documents, {"image_set": {"similarity": 0.5}}).removed == {
        ("document", "b", None): ("image_set", "a", 35 / 37)
    }


def test_clusters_are_components_of_similar_texts_and_can_be_given() -> None:
    documents = [page("a", FAR), page("b", LONG, time=1), page("c", NEAR), page("d", B), page("e", LONG)]
    documents += [page("f", A), page("g", A)]
    section = {"same_text": {}, "near_text": {"threshold": 35 / 37, "action": "mark"}}
    truth = expected(documents, section)
    assert truth.clusters == [["b", "a", "c"]]
    assert truth.sizes == {"b": 4, "f": 2}
    assert truth.kept == {"a", "b", "c", "d", "f"}
    given = expected(documents, {**section, "near_text": {}}, clusters=[{"a", "d"}])
    assert given.removals == {
        ("document", "d", None, "near_text"),
        ("document", "e", None, "same_text"),
        ("document", "g", None, "same_text"),
    }


def test_an_earlier_run_comes_first_and_stays_as_it_is() -> None:
    earlier = [page("y", A, time=1), page("z", A, images=("p",))]
    documents = [page("a", A, time=9), page("b", B, images=("p",))]
    section = {"same_text": {}, "image_frequency": {"max_documents": 1}}
    truth = expected(documents, section, against=earlier)
    assert truth.removals == {("document", "a", None, "same_text"), ("image", "b", 1, "image_frequency")}
    assert truth.removed["document", "a", None].of == "y"
    assert truth.kept == {"b"}


def test_documents_that_lose_something_are_judged_again() -> None:
    refused_by = recheck(DocumentRules.from_data({"word_count": {"min": 11}}, "test", "filter.document"))
    documents = [
        on("x.example", "a", A, B),
        on("x.example", "b", A, f"{B} more"),
        on("x.example", "c", "few"),
    ]
    truth = expected(documents, {"repeated_paragraph": {"min_pages": 2}}, refused_by)
    assert truth.removals == {
        ("paragraph", "a", 0, "repeated_paragraph"),
        ("paragraph", "b", 0, "repeated_paragraph"),
        ("document", "a", None, "word_count"),
    }
    assert truth.kept == {"b", "c"}


@pytest.mark.parametrize(
    ("text", "found"),
    [
        pytest.param("", [], id="empty"),
        pytest.param("Straße, ÉTÉ–2024\n(x1)", ["straße", "été", "2024", "x1"], id="lower case, no marks"),
        pytest.param("a_b don't", ["a", "b", "don", "t"], id="underscores and apostrophes separate"),
        pytest.param(
            "v2東京タワー ok", ["v2", "東", "京", "タ", "ワ", "ー", "ok"], id="scripts without spaces"
        ),
        pytest.param("한국어 слово", ["한국어", "слово"], id="scripts with spaces"),
    ],
)
def test_words(text: str, found: list[str]) -> None:
    assert words(text) == tuple(found)


@given(
    st.dictionaries(st.text("abcdef", min_size=1), st.frozensets(st.integers(0, 12)), max_size=12),
    st.sampled_from([0.01, 0.3, 0.5, 0.55, 0.7, 0.8, 1.0]),
)
def test_no_similar_pair_is_missed(sets: dict[str, frozenset[int]], threshold: float) -> None:
    values = {(a, b): jaccard(sets[a], sets[b]) for a, b in combinations(sets, 2)}
    assert similar_pairs(sets, threshold) == {p: v for p, v in values.items() if v >= threshold}


def test_components_hang_together() -> None:
    found = components([("a", "b"), ("c", "d"), ("e", "b"), ("d", "c")])
    assert sorted(map(sorted, found)) == [["a", "b", "e"], ["c", "d"]]
