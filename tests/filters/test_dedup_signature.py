"""Options, ranks, signatures and anchors: what deduplication knows of documents, and by what one comes first."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from dedup_pages import on, page
from hypothesis import given
from hypothesis import strategies as st

from beam_jobs.dedup.passages import anchors
from filters.dedup.options import DedupOptions
from filters.dedup.rank import OWN, id_of, order_of, place, rank
from filters.dedup.signature import Signature, Signer
from obelics_pipeline.config import convert
from obelics_pipeline.document import Document, TextNode
from obelics_pipeline.errors import ConfigError


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
ages = st.integers(0, OWN)
ranked = st.tuples(ages, orders, ids, places, places)


@given(ranked, ranked)
def test_ranks_compare_as_what_they_are_made_of(
    one: tuple[int, int, str, int, int], other: tuple[int, int, str, int, int]
) -> None:
    assert (rank(*one) < rank(*other)) == (one < other)
    assert (rank(*one) == rank(*other)) == (one == other)


@given(ages, orders, st.text(st.characters(exclude_categories=["Cs"])), places, places)
def test_a_rank_tells_place_and_id(age: int, order: int, id: str, part: int, row: int) -> None:
    made = rank(age, order, id, part, row)
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
    ranks = {rank(OWN, order_of(document, keep), document.id, 0, 0): document.id for document in documents}
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
