"""Which texts describe an image, and which pairs a picture keeps."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from filters.lexicon import lexicon
from filters.pairs import LEVEL, Pair, PairsOptions, choose, refusal_of
from filters.profile import TextOptions
from filters.rules import ParagraphRules
from obelics_pipeline.accounting import Tally
from obelics_pipeline.assembled import Slot
from obelics_pipeline.config import convert
from obelics_pipeline.errors import ConfigError
from obelics_pipeline.pairs import Captioned, Said, uid_of

WORDS = lexicon(TextOptions(language="en"))
OPTIONS = PairsOptions()


def shown(
    *said: tuple[str, str],
    doc: str = "d",
    slot: int = 0,
    side: int = 10,
    picture: str = "0" * 16,
    times: int = 1,
) -> Captioned:
    """An image with what is said of it."""
    found = Slot("ok", width=side, height=side, sha256="a" * 64, picture=picture)
    texts = tuple(Said(source, text, times) for source, text in said)  # type: ignore[arg-type]
    sha256 = f"{doc}{slot}{side}".ljust(64, "0")
    return Captioned(
        doc, "https://a.example/", "en", None, slot, "", "old_quay-2.jpg", sha256, None, found, texts
    )


def chosen(*images: Captioned, options: PairsOptions = OPTIONS) -> tuple[list[Pair], dict[str, int]]:
    """The pairs, and what was rejected; everything is accounted for."""
    tally = Tally()
    pairs = choose(images, options, WORDS, tally)
    tally.check("pairs")
    assert tally.level(LEVEL).kept == len(pairs)
    return pairs, tally.level(LEVEL).rejected


@pytest.mark.parametrize(
    ("source", "text", "rule"),
    [
        ("alt", "Boats at the old quay", None),
        ("alt", "old_quay-2.jpg", "file_name"),
        ("alt", "Old quay 2", "file_name"),
        ("filename", "old quay", None),
        ("alt", "Image", "empty_words"),
        ("alt", "click to enlarge image 3", "empty_words"),
        ("alt", "12 / 34", "empty_words"),
        ("alt", "!!!", "empty_words"),
        ("filename", "header background", "empty_words"),
        ("title", "Bild 7", "empty_words"),
        ("alt", "Image of a boat", None),
        ("alt", "写真", "empty_words"),
        ("alt", "港の写真", None),
    ],
)
def test_texts_that_say_nothing(source: str, text: str, rule: str | None) -> None:
    image = shown((source, text))
    assert refusal_of(image, image.said[0], OPTIONS) == rule


@pytest.mark.parametrize(("times", "rule"), [(2, None), (3, "repeated_text")])
def test_texts_that_tell_images_not_apart(times: int, rule: str | None) -> None:
    image = shown(("alt", "Our little shop"), times=times)
    assert refusal_of(image, image.said[0], OPTIONS) == rule


def test_the_rules_on_paragraphs_judge_texts_of_images_too() -> None:
    _, rejected = chosen(shown(("alt", "Quay"), ("caption", "word " * 301), ("title", "Old quay, low water")))
    assert rejected == {"word_count": 2}
    rules = convert({"stopwords": {"min": 0.2, "spare": ["caption"]}}, ParagraphRules, "c.yaml", "text")
    _, rejected = chosen(shown(("alt", "Quay")), options=PairsOptions(text=rules))
    assert rejected == {}


def test_a_picture_keeps_its_best_texts() -> None:
    """The source decides, then the size of the image, then the id of the document; of equal texts one is left."""
    large = shown(("alt", "A boat at night"), ("filename", "boat night"), doc="x", side=20)
    small = shown(("alt", "a boat, at night!"), ("caption", "The ferry leaves."), doc="a")
    pairs, rejected = chosen(small, large)
    assert {(image.doc_id, said.source) for image, said in pairs} == {("a", "caption"), ("x", "alt")}
    assert rejected == {"same_text": 1, "per_picture": 1}
    assert [uid_of(*pair) for pair in pairs] == sorted(uid_of(*pair) for pair in pairs)


def test_other_pictures_keep_the_same_text() -> None:
    pairs, rejected = chosen(shown(("alt", "A boat")), shown(("alt", "A boat"), slot=1, picture="1" * 16))
    assert (len(pairs), rejected) == (2, {})


def test_sources_that_are_not_wanted_are_not_counted() -> None:
    options = PairsOptions(sources=("alt",), per_picture=1)
    pairs, rejected = chosen(shown(("alt", "A boat"), ("caption", "The ferry leaves.")), options=options)
    assert ([said.source for _, said in pairs], rejected) == (["alt"], {})


IMAGES = st.lists(
    st.builds(
        lambda said, doc, slot, side, picture: shown(
            *said, doc=doc, slot=slot, side=side, picture=picture * 16
        ),
        st.lists(
            st.tuples(
                st.sampled_from(OPTIONS.sources), st.sampled_from(["A boat", "a boat!", "Two boats", "x"])
            )
        ),
        st.sampled_from("ab"),
        st.integers(0, 3),
        st.integers(1, 2),
        st.sampled_from("01"),
    ),
    max_size=8,
    unique_by=lambda image: (image.doc_id, image.slot),
)


@given(IMAGES, st.integers(), st.integers(1, 4))
def test_what_is_kept_does_not_depend_on_the_order(images: Sequence[Captioned], seed: int, most: int) -> None:
    options = PairsOptions(per_picture=most)
    mixed = list(images)
    Random(seed).shuffle(mixed)
    pairs, rejected = chosen(*images, options=options)
    assert chosen(*mixed, options=options) == (pairs, rejected)
    for picture in {image.picture for image in images}:
        assert sum(image.picture == picture for image, _ in pairs) <= most
    assert len({uid_of(*pair) for pair in pairs}) == len(pairs)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"sources": []}, "name each that is wanted"),
        ({"sources": ["alt", "alt"]}, "name each that is wanted"),
        ({"sources": ["alts"]}, "invalid enum value"),
        ({"per_picture": 0}, "per_picture"),
        ({"per_pictur": 1}, "did you mean 'per_picture'"),
        ({"text": {"wordcount": {"min": 1}}}, "did you mean 'word_count'"),
    ],
)
def test_options_that_make_no_sense_are_refused(data: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        convert(data, PairsOptions, "c.yaml", "export.pairs")


def test_options_have_defaults() -> None:
    assert convert(None, PairsOptions, "c.yaml", "export.pairs") == PairsOptions()
    assert msgspec.structs.asdict(PairsOptions())["per_picture"] == 2
