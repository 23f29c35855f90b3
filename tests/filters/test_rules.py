from __future__ import annotations

import pickle
from math import nan
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filters.base import Breach, Chain, refusal_of
from filters.image import AspectRatio, Format, ImageCount, Nsfw, RenderedSize, Size
from filters.language import Language
from filters.lexicon import lexicon
from filters.profile import TextOptions
from filters.rules import DOCUMENT_MEASURES, DocumentRules, ImageRules, ParagraphRules, PictureRules
from filters.subjects import Block, Content, Picture, blocks_of, content_of
from filters.text import WordCount
from obelics_pipeline.dataset import QUALITY
from obelics_pipeline.document import ImageNode, TextNode
from obelics_pipeline.errors import ConfigError

ANY = lexicon(TextOptions())


def block(text: str, kind: str = "paragraph") -> Block:
    return blocks_of([TextNode(kind, text)], ANY)[0]


def content(*texts: str, images: int = 0) -> Content:
    return content_of(blocks_of([TextNode("paragraph", text) for text in texts], ANY), ANY, images)


def refused(rule: Any, subject: Any) -> tuple[float | None, float | None, str] | None:
    breach = rule.judge(rule.measure(subject))
    return (breach.value, breach.threshold, breach.op) if breach else None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("", (0, 4, "<"), id="empty"),
        pytest.param("one two three", (3, 4, "<"), id="one word short"),
        pytest.param("one two three four", None, id="at the minimum"),
        pytest.param("one two three four five six", None, id="at the maximum"),
        pytest.param("one two three four five six seven", (7, 6, ">"), id="one word too many"),
    ],
)
def test_word_count(text: str, expected: tuple[float, float, str] | None) -> None:
    rule = WordCount(min=4, max=6)
    assert refused(rule, block(text)) == expected
    assert refused(rule, content(*text.split())) == expected


@pytest.mark.parametrize(
    ("count", "expected"),
    [
        pytest.param(0, (0, 1, "<"), id="none"),
        pytest.param(1, None, id="at the minimum"),
        pytest.param(30, None, id="at the maximum"),
        pytest.param(31, (31, 30, ">"), id="one too many"),
    ],
)
def test_image_count(count: int, expected: tuple[float, float, str] | None) -> None:
    assert refused(ImageCount(min=1, max=30), content(images=count)) == expected


@pytest.mark.parametrize(
    ("width", "height", "expected"),
    [
        pytest.param(150, 150, None, id="both at the minimum"),
        pytest.param(149, 600, (149, 150, "<"), id="too narrow"),
        pytest.param(600, 149, (149, 150, "<"), id="too low"),
        pytest.param(20_000, 20_000, None, id="both at the maximum"),
        pytest.param(20_001, 600, (20_001, 20_000, ">"), id="too wide"),
        pytest.param(600, 20_001, (20_001, 20_000, ">"), id="too tall"),
        pytest.param(0, 0, (0, 150, "<"), id="nothing"),
    ],
)
def test_size(width: int, height: int, expected: tuple[float, float, str] | None) -> None:
    limits = {"min": 150, "max": 20_000}
    assert refused(Size(**limits), Picture("png", width, height)) == expected
    rendered = ImageNode("http://a.example/i.png", rendered_width=width, rendered_height=height)
    assert refused(RenderedSize(**limits), rendered) == expected


@pytest.mark.parametrize(
    ("width", "height", "expected"),
    [
        pytest.param(None, None, None, id="unknown passes"),
        pytest.param(31, None, (31, 32, "<"), id="only the width is known"),
        pytest.param(None, 31, (31, 32, "<"), id="only the height is known"),
        pytest.param(32, None, None, id="the known side is at the minimum"),
    ],
)
def test_rendered_size_judges_what_is_known(width: int | None, height: int | None, expected: Any) -> None:
    image = ImageNode("http://a.example/i.png", rendered_width=width, rendered_height=height)
    assert refused(RenderedSize(min=32), image) == expected


@pytest.mark.parametrize(
    ("width", "height", "expected"),
    [
        pytest.param(100, 200, None, id="at the minimum"),
        pytest.param(99, 200, (0.495, 0.5, "<"), id="too tall"),
        pytest.param(200, 100, None, id="at the maximum"),
        pytest.param(202, 100, (2.02, 2.0, ">"), id="too wide"),
        pytest.param(200, 0, (float("inf"), 2.0, ">"), id="no height"),
    ],
)
def test_aspect_ratio(width: int, height: int, expected: Any) -> None:
    assert refused(AspectRatio(min=0.5, max=2.0), Picture("png", width, height)) == expected


@pytest.mark.parametrize(
    ("format", "expected"),
    [
        pytest.param("jpeg", None, id="accepted"),
        pytest.param("gif", (None, None, "not in"), id="another"),
        pytest.param("", (None, None, "not in"), id="none"),
    ],
)
def test_format(format: str, expected: Any) -> None:
    assert refused(Format(("jpeg", "png")), Picture(format, 10, 10)) == expected


@pytest.mark.parametrize(
    ("build", "message"),
    [
        pytest.param(lambda: WordCount(), "no limit", id="no limit"),
        pytest.param(lambda: WordCount(min=2, max=1), "min is 2 and max is 1", id="min above max"),
        pytest.param(lambda: Size(min=2, max=1), "min is 2 and max is 1", id="min above max of sides"),
        pytest.param(lambda: ImageCount(max=float("nan")), "finite", id="not a number"),
        pytest.param(lambda: Format(()), "accept is empty", id="no format"),
        pytest.param(lambda: Format(("jpg",)), "did you mean 'jpeg'", id="misspelt format"),
    ],
)
def test_unusable_limits_are_refused(build: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build()


def test_the_first_refusal_is_the_reason() -> None:
    three = content("three words here")
    images_first = DocumentRules({"image_count": ImageCount(min=1), "word_count": WordCount(min=4)})
    words_first = DocumentRules({"word_count": WordCount(min=4), "image_count": ImageCount(min=1)})
    reasons = [refusal_of(chain.trials(three)) for chain in (images_first, words_first)]
    assert [reason.rule for reason in reasons if reason] == ["image_count", "word_count"]
    assert [trial.rule for trial in words_first.trials(three)] == ["word_count"]


def test_rules_that_passed_are_told_with_their_values() -> None:
    chain = DocumentRules({"word_count": WordCount(min=1), "image_count": ImageCount(min=1)})
    trials = chain.trials(content("three words here"))
    assert [(trial.rule, trial.value) for trial in trials] == [("word_count", 3), ("image_count", 0)]
    assert [trial.breach for trial in trials] == [None, Breach(0, 1, "<")]


def test_spared_kinds_are_not_asked() -> None:
    chain = ParagraphRules({"word_count": WordCount(min=4)}, spare={"word_count": ("heading",)})
    assert chain.trials(block("Short", "heading")) == []
    assert refusal_of(chain.trials(block("Short", "paragraph"))) is not None


def test_every_rule_is_tried_where_all_are_wanted() -> None:
    chain = DocumentRules({"image_count": ImageCount(min=1), "word_count": WordCount(min=4)})
    trials = chain.trials(content("three words here"), every=True)
    assert [(trial.rule, trial.breach is not None) for trial in trials] == [
        ("image_count", True),
        ("word_count", True),
    ]
    assert refusal_of(trials) == chain.refusals([content("three words here")])[0] == refusal_of(trials[:1])


SCORES = st.none() | st.floats(0, 1) | st.just(nan)


@given(porn=SCORES, hentai=SCORES, limit=st.floats(0, 1))
def test_only_what_is_known_to_be_within_all_limits_is_safe(
    porn: float | None, hentai: float | None, limit: float
) -> None:
    scores = None if porn is None or hentai is None else {"porn": porn, "hentai": hentai, "sexy": 1.0}
    rule = Nsfw({"porn": limit, "hentai": 0.9})
    breach = rule.judge(rule.measure(Picture("png", 9, 9, scores=scores)))
    assert (breach is None) == (scores is not None and scores["porn"] <= limit and scores["hentai"] <= 0.9)
    assert (breach is not None and breach.op == "unscored") == (scores is None)


def test_scores_are_not_judged_without_limits() -> None:
    with pytest.raises(ConfigError, match="limits are not known"):
        Nsfw().judge({"porn": 0.0})
    assert PictureRules({"nsfw": Nsfw()}).with_limits({"porn": 0.5}).nsfw == Nsfw({"porn": 0.5})
    assert PictureRules({"nsfw": Nsfw({"a": 0.1})}).with_limits({"porn": 0.5}).nsfw == Nsfw({"a": 0.1})


def test_every_document_rule_has_a_measure_of_its_own() -> None:
    assert len(DOCUMENT_MEASURES) == len(DocumentRules.table)
    assert list(DOCUMENT_MEASURES) == sorted(DOCUMENT_MEASURES)


def test_the_dataset_carries_measures_that_there_are() -> None:
    assert set(QUALITY) <= set(DOCUMENT_MEASURES)


@pytest.mark.parametrize("chain", [ParagraphRules, ImageRules, PictureRules, DocumentRules])
def test_rules_of_a_table_are_frozen(chain: type[Chain[Any]]) -> None:
    assert all(rule.__struct_config__.frozen for rule in chain.table.values())


def test_chains_travel_to_workers() -> None:
    chain = DocumentRules({"language": Language(("en",), 0.5), "word_count": WordCount(min=1)})
    assert pickle.loads(pickle.dumps(chain)) == chain
    assert chain != DocumentRules({"word_count": WordCount(min=1), "language": Language(("en",), 0.5)})
