"""The generated corpus keeps its promises."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from dedup_corpus import ONE_HOST, Corpus, Planted, corpus, write_run
from dedup_planted import KINDS, LEVELS
from dedup_similar import jaccard, shingles, words_of
from dedup_truth import expected

from beam_jobs import stages
from beam_jobs.rows import documents as documents_in
from beam_jobs.stages import FILTER

SEED = 3
DOCUMENTS = 600
"""As few as hold every kind of duplicate once."""

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
