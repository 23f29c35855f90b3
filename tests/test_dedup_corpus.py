"""The generated corpus keeps its promises, and the truth about it is true on examples made by hand."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from collections.abc import Mapping
from itertools import combinations, pairwise
from pathlib import Path
from typing import Any

import pytest
from dedup_corpus import ONE_HOST, Corpus, Planted, corpus, write_run
from dedup_planted import KINDS, LEVELS
from dedup_truth import components, expected, jaccard, recheck, shingles, similar_pairs, words, words_of
from hypothesis import given
from hypothesis import strategies as st

from beam_jobs import stages
from beam_jobs.rows import documents as documents_in
from beam_jobs.stages import FILTER
from filters.rules import DocumentRules
from obelics_pipeline.document import Document, ImageNode, Source, TextNode

SEED = 3
DOCUMENTS = 600
"""As few as hold every kind of duplicate once."""

A = "one two three four five six seven eight nine ten"
B = "red green blue black white grey pink brown gold teal"


# The corpus


@pytest.fixture(scope="module")
def made() -> Corpus:
    return corpus(DOCUMENTS, SEED)


def test_a_corpus_has_what_was_asked_for(made: Corpus) -> None:
    assert len(made.documents) == DOCUMENTS
    assert len({document.id for document in made.documents}) == DOCUMENTS
    assert {planted.kind for planted in made.planted} == set(KINDS)
    assert all(int(document.id, 16) >= 0 and len(document.id) == 32 for document in made.documents)
    hosts = Counter(document.domain for document in {d.host: d for d in made.documents}.values())
    assert max(hosts.values()) > 1
    assert len(hosts) > DOCUMENTS / 10


def test_documents_without_duplicates_are_short_texts_with_images(made: Corpus) -> None:
    planted = {id for group in made.planted for id in group.ids}
    plain = [document for document in made.documents if document.id not in planted]
    assert len(plain) >= 0.6 * DOCUMENTS
    assert all(60 <= len(words_of(document)) <= 265 for document in plain)  # with a heading and some code
    assert all(3 <= len(document.texts) <= 10 and 1 <= len(document.images) <= 4 for document in plain)
    assert {node.kind for document in plain for node in document.texts} == {"paragraph", "heading", "code"}


def test_equal_arguments_give_the_same_corpus_and_a_larger_one_begins_with_it(made: Corpus) -> None:
    assert corpus(DOCUMENTS, SEED) == made
    assert corpus(DOCUMENTS, SEED + 1).documents != made.documents
    assert corpus(1100, SEED).documents[:1000] == corpus(1000, SEED).documents


def test_similarities_are_what_is_claimed(made: Corpus) -> None:
    by_id = {document.id: document for document in made.documents}
    compared = [group for group in made.planted if group.jaccards]
    assert {group.kind for group in compared} >= {f"edited_{level}" for level in LEVELS}
    for group in compared:
        sets = [shingles(words_of(by_id[id]), 5) for id in group.ids]
        assert group.jaccards == tuple(jaccard(a, b) for a, b in pairwise(sets))
        if group.kind.startswith("edited_"):
            assert group.jaccards[0] == pytest.approx(float(group.kind.removeprefix("edited_")), abs=0.02)


PASSAGES = {"shared_passage": {"words": 50, "share": 0.5}}
HOST = {"repeated_paragraph": {"scope": "host", "spare": ["code", "heading"]}}
DOMAIN = {"repeated_paragraph": {"scope": "domain", "spare": ["code", "heading"]}}
PHOTOS = {"image_frequency": {"max_documents": 10}}
SETS = {"image_set": {"similarity": 0.5}}


def most_on_one(group: Planted) -> int:
    """Pages of a template on one host, if they are enough to count."""
    return len(group.ids) if len(group.ids) >= 3 else 0


@pytest.mark.parametrize(
    ("kind", "section", "removed"),
    [
        pytest.param("url_variants", {"url": {}}, lambda g: len(g.ids) - 1, id="spellings of an address"),
        pytest.param("captures", {"url": {}}, lambda g: 3, id="captures of a page"),
        pytest.param("canonical_links", {"url": {}}, lambda g: len(g.ids) - 1, id="pages that name another"),
        pytest.param("mirrors", {"same_text": {}}, lambda g: 4, id="mirrors"),
        pytest.param("mirrors", {"url": {}}, lambda g: 0, id="mirrors have addresses of their own"),
        pytest.param("edited_0.95", {"near_text": {}}, lambda g: 1, id="similar texts"),
        pytest.param("edited_0.75", {"near_text": {}}, lambda g: 0, id="texts that are not similar enough"),
        pytest.param("edited_0.5", {"near_text": {"threshold": 0.45}}, lambda g: 1, id="a lower threshold"),
        pytest.param("chain_of_edits", {"near_text": {}}, lambda g: len(g.ids) - 1, id="a chain"),
        pytest.param("template", HOST, most_on_one, id="templates"),
        pytest.param("template_of_domain", HOST, lambda g: 0, id="templates of a domain, by host"),
        pytest.param("template_of_domain", DOMAIN, most_on_one, id="templates of a domain"),
        pytest.param("template_in_one_page", HOST, lambda g: 0, id="three times on two pages"),
        pytest.param("template_of_code", HOST, lambda g: 0, id="code is spared"),
        pytest.param("template_of_heading", {"repeated_paragraph": {}}, most_on_one, id="headings"),
        pytest.param("template_captured_again", HOST, lambda g: 3, id="captures are pages"),
        pytest.param("template_captured_again", {"url": {}, **HOST}, lambda g: 1, id="of one page"),
        pytest.param("photo", PHOTOS, lambda g: len(g.ids) * (len(g.ids) > 10), id="photos"),
        pytest.param("photo_captured_again", PHOTOS, lambda g: 12, id="a photo on twelve captures"),
        pytest.param("photo_captured_again", {"url": {}, **PHOTOS}, lambda g: 2, id="of ten pages"),
        pytest.param("photo_in_image_set", {**PHOTOS, **SETS}, lambda g: 12, id="the rest of the images"),
        pytest.param("photo_in_image_set", SETS, lambda g: 0, id="another photo is another set"),
        pytest.param("repeated_image", {"repeated_image": {}}, lambda g: 1, id="an image again"),
        pytest.param("image_set_same", SETS, lambda g: 1, id="the same images and text"),
        pytest.param("image_set_similar", SETS, lambda g: 1, id="the same images, a similar text"),
        pytest.param("image_set_different", SETS, lambda g: 0, id="the same images, another text"),
        pytest.param("image_set_different", {"image_set": {}}, lambda g: 1, id="whatever the text"),
        pytest.param("mixture", {"near_text": {}}, lambda g: 4, id="near text of a mixture"),
    ],
)
def test_what_is_planted_is_removed(
    made: Corpus, kind: str, section: Mapping[str, Any], removed: Any
) -> None:
    """``removed``: how many documents of a group go or lose something."""
    truth = expected(made.documents, section)
    touched = {id for _, id, _ in truth.removed}
    for group in made.planted:
        if group.kind == kind:
            assert len(touched & set(group.ids)) == removed(group), group


def test_passages_are_removed_where_they_are_half_of_a_paragraph(made: Corpus) -> None:
    touched = {id for _, id, _ in expected(made.documents, PASSAGES).removed}
    for group in made.planted:
        if group.kind == "passages":
            _, _, third, short, *_ = group.ids
            assert not touched & {third, short}  # a third of a paragraph, a word too short
            assert len(touched & set(group.ids)) in {3, 4}  # all others, unless one of them is the first


def test_one_host_can_have_half_of_all_documents() -> None:
    made = corpus(DOCUMENTS, SEED, one_host=0.5)
    heavy = [document for document in made.documents if document.host == ONE_HOST]
    assert len(heavy) == DOCUMENTS / 2
    shared = set.intersection(*({node.text for node in document.texts} for document in heavy))
    pictures = set.intersection(*({node.url for node in document.images} for document in heavy))
    assert (len(shared), len(pictures)) == (1, 1)
    assert made.planted[-1].kind == "one_host"
    with pytest.raises(ValueError, match=r"one_host is 0\.7; must be 0 to 0\.6"):
        corpus(DOCUMENTS, SEED, one_host=0.7)


# The run


def files(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::DeprecationWarning:apache_beam")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_corpus_is_written_as_a_finished_stage(made: Corpus, tmp_path: Path) -> None:
    some = made.documents[:250]
    manifest = write_run(tmp_path / "a", some, parts=3)
    assert stages.read_manifest(str(tmp_path / "a"), FILTER) == manifest
    parts = [list(documents_in(str(tmp_path / "a" / e.path))) for e in manifest.under("filtered")]
    assert parts == [some[number::3] for number in range(3)]
    assert manifest.tally.level("documents").kept == len(some)
    assert manifest.tally.level("images").kept == sum(len(document.images) for document in some)

    write_run(tmp_path / "b", reversed(some), parts=2)  # then another corpus in the same folder
    write_run(tmp_path / "b", iter(some), parts=3)
    assert files(tmp_path / "b") == files(tmp_path / "a")

    shuffled = write_run(tmp_path / "c", some, parts=3, shuffle_seed=1)
    found = [d for e in shuffled.under("filtered") for d in documents_in(str(tmp_path / "c" / e.path))]
    assert sorted(found, key=lambda d: d.id) == sorted(some, key=lambda d: d.id)
    assert shuffled.digest != manifest.digest


def test_the_command_writes_a_run_and_what_is_planted(tmp_path: Path) -> None:
    script = Path(__file__).parent / "dedup_corpus.py"
    command = [sys.executable, str(script), str(tmp_path), "--documents", "50", "--parts", "2"]
    subprocess.run(command, check=True, capture_output=True, timeout=120, cwd=tmp_path)
    manifest = stages.read_manifest(str(tmp_path), FILTER)
    assert [entry.rows for entry in manifest.under("filtered")] == [25, 25]
    assert len((tmp_path / "planted.jsonl").read_bytes().splitlines()) == len(corpus(50, 1).planted)


# The truth


def page(
    id: str,
    *texts: str | TextNode,
    images: tuple[str, ...] = (),
    url: str = "",
    time: int | None = 0,
    canonical: str | None = None,
) -> Document:
    """A page of texts, then images; its host is that of ``url``, whose last two labels are its domain."""
    url = url or f"https://{id}.example/"
    host = url.split("/")[2]
    nodes = [TextNode("paragraph", text) if isinstance(text, str) else text for text in texts]
    pictures = [ImageNode(f"https://img.example/{image}") for image in images]
    domain = ".".join(host.split(".")[-2:])
    return Document(id, url, host, domain, (*nodes, *pictures), Source(timestamp=time), canonical=canonical)


def on(host: str, id: str, *texts: str | TextNode) -> Document:
    return page(id, *texts, url=f"https://{host}/{id}")


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
            [on("x.example", "a", A, A), on("y.x.example", "b", HEADING, A), on("z.example", "c", A)],
            {("paragraph", "b", 1, "repeated_paragraph")},
            id="the first page of a domain keeps its own; headings are spared",
        ),
        pytest.param(
            {"repeated_paragraph": {"min_pages": 2, "min_words": 11}},
            [on("x.example", id, A, f"{A} {B}") for id in "ab"],
            {("paragraph", id, 1, "repeated_paragraph") for id in "ab"},
            id="short paragraphs are spared",
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


def test_a_removal_names_the_document_that_stays() -> None:
    documents = [on("x.example", "a", A), on("x.example", "b", A, B), page("c", LONG), page("d", NEAR)]
    section = {"near_text": {}, "repeated_paragraph": {"min_pages": 2, "keep": "one"}}
    removed = expected(documents, section).removed
    assert {item: why.of for item, why in removed.items()} == {
        ("paragraph", "b", 0): "a",
        ("document", "d", None): "c",
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
    assert words(text) == found


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
