"""The edits of deduplication: what is merged, dropped and pruned, told and counted."""

from __future__ import annotations

import pytest
from dedup_pages import page
from hypothesis import given
from hypothesis import strategies as st

from filters.dedup.edits import WHOLE, Edit, Edits, decision, drop, merged, prune
from filters.lexicon import lexicon
from filters.profile import TextOptions
from filters.rules import DocumentRules
from obelics_pipeline.accounting import Level, Tally
from obelics_pipeline.document import Cluster, TextNode

LEXICON = lexicon(TextOptions())


NODES = ("one two three", "a footer", "four five")
DOCUMENT = page("a", *NODES, images=("p", "q"))
"""Paragraphs at 0 to 2, images at 3 and 4."""

edits = st.builds(
    Edit,
    st.integers(0, 3),
    st.integers(WHOLE, 4),
    st.sampled_from(["url", "near_text", "repeated_paragraph"]),
    st.sampled_from([None, "x", "y"]),
)
clusters = st.dictionaries(
    st.integers(0, 3), st.builds(Cluster, st.sampled_from("xy"), st.integers(2, 9), st.just("near_text"))
)
passes = st.lists(st.builds(Edits, st.lists(edits, max_size=6), st.just({}), clusters), max_size=4)


@given(passes)
def test_of_several_edits_on_one_place_the_first_counts(found: list[Edits]) -> None:
    applied = merged(found)
    everything = [edit for edits in found for edit in edits.edits]
    first = {(edit.row, edit.node): edit for edit in reversed(everything)}
    assert applied.dropped == {row: edit for (row, node), edit in first.items() if node == WHOLE}
    told = {(row, node): edit for row, nodes in applied.nodes.items() for node, edit in nodes.items()}
    assert told == {place: edit for place, edit in first.items() if place[1] != WHOLE}
    for row, cluster in applied.clusters.items():
        assert cluster == next(edits.clusters[row] for edits in found if row in edits.clusters)
    assert applied.clusters.keys() == {row for edits in found for row in edits.clusters}
    assert {row for edits in found for row in edits.gone} == applied.dropped.keys()


def counted(tally: Tally) -> dict[str, tuple[int, int, dict[str, int]]]:
    return {name: (level.entered, level.kept, level.rejected) for name, level in tally.levels.items()}


def test_a_document_that_is_dropped_takes_all_with_it() -> None:
    tally = Tally()
    row = drop(DOCUMENT, Edit(0, WHOLE, "near_text", "x", 0.9, 0.8, ">="), tally)
    assert counted(tally) == {
        "documents": (1, 0, {"near_text": 1}),
        "paragraphs": (3, 0, {"document_rejected": 3}),
        "images": (2, 0, {"document_rejected": 2}),
    }
    assert (row.id, row.level, row.index, row.rule, row.kept) == ("a", "document", None, "near_text", False)
    assert (row.value, row.threshold, row.op, row.excerpt) == (0.9, 0.8, ">=", "duplicate of x")
    tally = Tally()
    drop(page("empty"), Edit(0, WHOLE, "url", "x"), tally)
    assert counted(tally) == {"documents": (1, 0, {"url": 1})}


@pytest.mark.parametrize(
    ("of", "excerpt"),
    [
        pytest.param("x", "duplicate of x", id="one stays"),
        pytest.param("", "duplicate of ", id="its id is empty"),
        pytest.param(None, "no copy stays", id="none stays"),
    ],
)
def test_a_row_names_the_document_that_stays(of: str | None, excerpt: str) -> None:
    assert decision("a", "u", "d", Edit(0, 2, "rule", of)).excerpt == excerpt


RULES = DocumentRules.from_data({"word_count": {"min": 4}, "image_count": {"min": 1}}, "test", "document")


@given(st.sets(st.integers(0, 4)))
def test_all_that_is_in_a_document_is_kept_or_rejected(lost: set[int]) -> None:
    tally = Tally()
    found = {node: Edit(0, node, f"rule {node}", None) for node in lost}
    outcome = prune(DOCUMENT, found, RULES, LEXICON, tally)
    tally.check("test")
    left = [node for place, node in enumerate(DOCUMENT.nodes) if place not in lost]
    assert list(outcome.document.nodes) == left
    words = sum(len(node.text.split()) for node in left if isinstance(node, TextNode))
    images = sum(place not in lost for place in (3, 4))
    refusal = "word_count" if words < 4 else "image_count" if not images else None
    assert (outcome.refusal.rule if outcome.refusal else None) == (refusal if lost else None)
    told = [(row.level, row.index, row.rule) for row in outcome.decisions]
    rows = [("paragraph" if node < 3 else "image", node, f"rule {node}") for node in sorted(lost)]
    assert told == rows + ([("document", None, refusal)] if refusal and lost else [])
    assert tally.level("documents").kept == outcome.kept
    kept = (len(left) - images, images) if outcome.kept else (0, 0)
    assert (tally.level("paragraphs").kept, tally.level("images").kept) == kept
    assert tally.level("paragraphs").entered == 3
    assert tally.level("images").entered == 2


def test_what_loses_nothing_is_not_asked_again() -> None:
    never = DocumentRules.from_data({"word_count": {"min": 1000}}, "test", "document")
    tally = Tally()
    outcome = prune(DOCUMENT, {}, never, LEXICON, tally)
    assert outcome.document is DOCUMENT
    assert (outcome.kept, outcome.decisions) == (True, ())
    assert tally.levels == {"documents": Level(1, 1), "paragraphs": Level(3, 3), "images": Level(2, 2)}


def test_rows_of_a_pruned_document_quote_what_goes() -> None:
    lost = {
        1: Edit(0, 1, "repeated_paragraph", "b", 5, 3, ">="),
        3: Edit(0, 3, "image_frequency", None, 11, 10, ">"),
    }
    rows = prune(DOCUMENT, lost, RULES, LEXICON, Tally()).decisions
    assert [row.excerpt for row in rows] == [
        "duplicate of b: a footer",
        "no copy stays: http://img.example/p",
    ]
    assert [(row.value, row.threshold, row.op) for row in rows] == [(5, 3, ">="), (11, 10, ">")]
