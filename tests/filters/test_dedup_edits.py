"""Options, ranks and signatures of documents, and the edits that deduplication makes: all that needs no pipeline."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from dedup_pages import on, page
from hypothesis import given
from hypothesis import strategies as st

from beam_jobs.dedup.passages import anchors
from filters.dedup.edits import WHOLE, Edit, Edits, decision, drop, merged, prune
from filters.dedup.options import DedupOptions
from filters.dedup.rank import id_of, order_of, place, rank
from filters.dedup.signature import Signature, Signer
from filters.lexicon import lexicon
from filters.profile import TextOptions
from filters.rules import DocumentRules
from obelics_pipeline.accounting import Level, Tally
from obelics_pipeline.config import convert
from obelics_pipeline.document import Cluster, Document, TextNode
from obelics_pipeline.errors import ConfigError

LEXICON = lexicon(TextOptions())


def options_of(section: dict[str, Any]) -> DedupOptions:
    return convert(section, DedupOptions, "test")


# Options


def test_no_rule_is_on_that_is_not_named() -> None:
    options = options_of({})
    assert not options.prunes
    assert options.near is None
    assert options.keep == "newest"
    assert {name for name, made in options.signed.items() if made is not None} == {"version", "keep"}
    assert {name for name in options.__struct_fields__ if getattr(options, name) is not None} == {"keep"}


@pytest.mark.parametrize(
    ("section", "says"),
    [
        pytest.param({"image_set": {"similarity": 0.5}}, "add 'image_frequency:'", id="a set without bound"),
        pytest.param(
            {"repeated_paragraph": {"spare": ["cod"]}}, "no kind of text 'cod'", id="no kind of text"
        ),
        pytest.param({"repeated_paragraph": {"min_pages": 1}}, "min_pages", id="one page is no repetition"),
        pytest.param({"repeated_paragraph": {"min_words": 3}}, "min_words", id="no such limit"),
        pytest.param({"near_text": {"threshold": 0}}, "threshold", id="everything is similar"),
        pytest.param({"near_text": {"threshold": 1.01}}, "threshold", id="more than equal"),
        pytest.param({"near_text": {"bands": 256}}, "bands", id="more bands than a byte numbers"),
        pytest.param({"near_text": {"action": "delete"}}, "action", id="no such action"),
        pytest.param({"shared_passage": {"words": 7}}, "words", id="passages that all texts share"),
        pytest.param({"image_frequency": {"max_documents": 0}}, "max_documents", id="no image at all"),
        pytest.param({"keep": "best"}, "keep", id="no such order"),
        pytest.param({"near_txt": {}}, "near_text", id="a misspelt rule"),
    ],
)
def test_options_that_make_no_sense(section: dict[str, Any], says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        options_of(section)


@pytest.mark.parametrize(
    ("section", "changed"),
    [
        pytest.param({"near_text": {"rows": 6}}, {"near_text"}, id="rows"),
        pytest.param({"near_text": {"sketch": 64}}, {"near_text"}, id="sketch"),
        pytest.param(
            {"near_text": {"threshold": 0.5, "action": "mark"}}, set(), id="limits are no signature"
        ),
        pytest.param({"keep": "longest"}, {"keep"}, id="what stays"),
        pytest.param({"repeated_paragraph": {"scope": "domain"}}, {"repeated_paragraph"}, id="scope"),
        pytest.param({"repeated_paragraph": {"min_pages": 9, "keep": "one"}}, set(), id="how many pages"),
        pytest.param(
            {"repeated_paragraph": {"spare": ["code", "heading"]}}, {"repeated_paragraph"}, id="spared"
        ),
        pytest.param({"shared_passage": {"words": 9}}, set(), id="how long passages are"),
    ],
)
def test_what_signatures_depend_on(section: dict[str, Any], changed: set[str]) -> None:
    base = {"near_text": {}, "shared_passage": {}, "repeated_paragraph": {}}
    before, after = options_of(base).signed, options_of(base | section).signed
    assert {name for name in before if before[name] != after[name]} == changed


def test_texts_are_compared_for_image_sets_too() -> None:
    images = {"image_frequency": {}, "image_set": {"similarity": 0.5}}
    assert options_of(images).near == options_of({"near_text": {}}).near_text
    assert options_of({**images, "near_text": {"ngram": 3}}).signed["near_text"] == [3, 16, 7, 1024]
    assert options_of({"image_set": {}}).near is None


# Ranks

ids = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=6)
orders = st.integers(-(2**63), 2**63 - 1) | st.integers(-3, 3)
places = st.integers(0, 2**32 - 1) | st.integers(0, 2)
ranked = st.tuples(st.booleans(), orders, ids, places, places)


@given(ranked, ranked)
def test_ranks_compare_as_what_they_are_made_of(
    one: tuple[bool, int, str, int, int], other: tuple[bool, int, str, int, int]
) -> None:
    def values(earlier: bool, *rest: Any) -> tuple[Any, ...]:
        return (not earlier, *rest)

    assert (rank(*one) < rank(*other)) == (values(*one) < values(*other))
    assert (rank(*one) == rank(*other)) == (one == other)


@given(st.booleans(), orders, st.text(st.characters(exclude_categories=["Cs"])), places, places)
def test_a_rank_tells_place_and_id(earlier: bool, order: int, id: str, part: int, row: int) -> None:
    made = rank(earlier, order, id, part, row)
    assert place(made) == (part, row)
    assert id_of(made) == id


@pytest.mark.parametrize(
    ("keep", "first"),
    [
        pytest.param("newest", ["b", "a", "c", "none"], id="newest first, without a time last"),
        pytest.param("oldest", ["none", "c", "a", "b"], id="oldest first"),
        pytest.param(
            "longest", ["c", "none", "a", "b"], id="most characters first, of equal ones the smallest id"
        ),
    ],
)
def test_what_stays_comes_first(keep: str, first: list[str]) -> None:
    documents = [
        page("a", "text", time=5),
        page("b", "tex", time=9, images=("a-long-name-that-is-no-text",)),
        page("c", "a longer", "text", time=0),
        page("none", "texts", time=None),
    ]
    ranks = {rank(False, order_of(document, keep), document.id, 0, 0): document.id for document in documents}
    assert [ranks[key] for key in sorted(ranks)] == first


# Signatures

EVERYTHING = options_of(
    {
        "url": {},
        "same_text": {},
        "near_text": {},
        "shared_passage": {},
        "repeated_paragraph": {"spare": ["heading"]},
        "image_frequency": {},
    }
)


def sign(document: Document, options: DedupOptions = EVERYTHING) -> Signature:
    return Signer(options).sign(document)


def test_a_signature_has_what_the_rules_ask_for() -> None:
    document = on("www.x.example", "a", "one two", TextNode("heading", "three"), "…", "four")
    found = sign(document)
    assert (found.id, found.url, found.domain, found.order) == ("a", document.url, "x.example", 0)
    assert (found.text_nodes, found.text_words) == ([0, 1, 2, 3], [2, 1, 0, 1])
    assert len(found.words) == sum(found.text_words)
    assert found.paragraph_nodes == [0, 2, 3]
    assert len(found.bands) == 16
    assert len(found.sketch) == 1

    bare = sign(document, options_of({}))
    assert (len(bare.bands), len(bare.sketch), len(bare.words), bare.text_nodes, bare.paragraph_nodes) == (
        0,
        0,
        0,
        [],
        [],
    )
    assert (bare.url_key, bare.text_key) == (found.url_key, found.text_key)


def test_a_document_without_words_has_no_text_to_share() -> None:
    for document in (page("a", images=("p",)), page("a", "…", "–"), page("a")):
        found = sign(document)
        assert found.text_key is None
        assert (len(found.bands), len(found.sketch), len(found.words)) == (0, 0, 0)


@pytest.mark.parametrize(
    ("one", "other", "key", "shared"),
    [
        pytest.param(
            page("a", url="http://www.x.example:80/p?utm_id=1#f"),
            page("b", url="https://x.example/p"),
            "url_key",
            True,
            id="spellings of an address",
        ),
        pytest.param(
            page("a", url="https://x.example/p?amp=1", canonical="https://x.example/p"),
            page("b", url="https://x.example/p"),
            "url_key",
            True,
            id="the address that a page names",
        ),
        pytest.param(page("a"), page("b"), "url_key", False, id="other addresses"),
        pytest.param(page("a", "One, two"), page("b", "one", "TWO!"), "text_key", True, id="the same words"),
        pytest.param(page("a", "one two"), page("b", "two one"), "text_key", False, id="in another order"),
        pytest.param(page("a", "one two"), page("b", "onetwo"), "text_key", False, id="the same letters"),
        pytest.param(
            on("x.example", "a", "one  two "),
            on("x.example", "b", "one\ntwo"),
            "paragraph_keys",
            True,
            id="white space",
        ),
        pytest.param(
            on("x.example", "a", "one"),
            on("x.example", "b", "One"),
            "paragraph_keys",
            False,
            id="case of paragraphs",
        ),
        pytest.param(
            on("x.example", "a", "one"),
            on("y.x.example", "b", "one"),
            "paragraph_keys",
            False,
            id="another host",
        ),
        pytest.param(
            page("a", images=("p?fbclid=1",)), page("b", images=("p#x",)), "image_keys", True, id="images"
        ),
        pytest.param(
            page("a", images=("p?w=1",)), page("b", images=("p?w=2",)), "image_keys", False, id="sizes"
        ),
    ],
)
def test_keys_that_are_shared(one: Document, other: Document, key: str, shared: bool) -> None:
    assert (getattr(sign(one), key) == getattr(sign(other), key)) is shared


def test_hosts_of_a_domain_share_paragraphs_by_domain() -> None:
    options = options_of({"repeated_paragraph": {"scope": "domain"}})
    one, other = on("x.example", "a", "one"), on("y.x.example", "b", "one")
    assert sign(one, options).paragraph_keys == sign(other, options).paragraph_keys


# Passages


@given(
    st.integers(8, 20),
    st.lists(st.integers(0, 3), max_size=30),
    st.lists(st.integers(0, 3), max_size=30),
    st.data(),
)
def test_texts_with_a_passage_in_common_share_an_anchor(
    length: int, before: list[int], after: list[int], data: st.DataObject
) -> None:
    passage = data.draw(st.lists(st.integers(0, 9), min_size=length, max_size=length + 5))
    one = np.array([*before, *passage], np.uint32)
    other = np.array([*passage, *after], np.uint32)
    assert np.intersect1d(anchors(one, length), anchors(other, length)).size


def test_anchors_are_few_and_a_text_that_is_too_short_has_none() -> None:
    words = np.random.default_rng(1).integers(0, 2**32, 10_000, np.uint32)
    assert len(anchors(words, 50)) < len(words) / 10
    assert len(anchors(words[:50], 50)) == 1
    assert len(anchors(words[:49], 50)) == 0
    assert len(anchors(words[:0], 50)) == 0


# Edits

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
    st.integers(0, 3), st.builds(Cluster, ids, st.integers(2, 9), st.just("near_text"))
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
        "no copy stays: https://img.example/p",
    ]
    assert [(row.value, row.threshold, row.op) for row in rows] == [(5, 3, ">="), (11, 10, ">")]
