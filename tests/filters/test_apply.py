from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any, Literal

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from filters.apply import (
    AssembleOptions,
    FilterOptions,
    Outcome,
    assemble_document,
    filter_document,
    filter_documents,
)
from filters.base import Chain, Refusal
from filters.boilerplate import Boilerplate, CookieNotice, ErrorPage
from filters.decisions import DOCUMENT_REJECTED, EXCERPT, Decision, sampled
from filters.gopher import (
    AlphabeticWords,
    BulletLines,
    EllipsisLines,
    MeanWordLength,
    RepeatedLines,
    RepeatedSentences,
    SymbolWords,
    TopNgram,
)
from filters.image import AspectRatio, Format, ImageCount, Nsfw, RenderedSize, RepeatedPicture, Size
from filters.language import Language
from filters.lexicon import lexicon
from filters.listings import KeywordList, KeywordStuffing, LinkList
from filters.profile import TextOptions
from filters.rules import DocumentRules, ImageRules, ParagraphRules, PictureRules
from filters.subjects import Picture
from filters.text import (
    CharacterRepetition,
    CommonWords,
    FlaggedWords,
    Punctuation,
    SpamWords,
    SpecialCharacters,
    Stopwords,
    WordCount,
    WordRepetition,
)
from obelics_pipeline.accounting import Level, Tally
from obelics_pipeline.document import TEXT_KINDS, Document, ImageNode, Node, TextNode

LONG = TextNode("paragraph", "A paragraph that has more than enough words in it.")
SHORT = TextNode("paragraph", "Read more")
IMAGE = ImageNode("http://a.example/photo.jpg", rendered_width=640, rendered_height=480)
ICON = ImageNode("http://a.example/icon.png", rendered_width=16, rendered_height=16)
PHOTO = Picture("jpeg", 800, 600)
ENGLISH = lexicon(TextOptions(language="en", common_words=2000))

OPTIONS = FilterOptions(
    paragraph=ParagraphRules({"word_count": WordCount(min=4)}),
    image=ImageRules({"rendered_size": RenderedSize(min=32)}),
    document=DocumentRules(
        {"word_count": WordCount(min=5), "language": Language(("en",), 0.5), "image_count": ImageCount(min=1)}
    ),
    sample_share=0,
)
ASSEMBLE = AssembleOptions(
    image=PictureRules(
        {"format": Format(("jpeg",)), "size": Size(min=100), "aspect_ratio": AspectRatio(max=2)}
    ),
    document=DocumentRules({"image_count": ImageCount(min=1)}),
    sample_share=0,
)


def page(*nodes: Node) -> Document:
    return Document("0" * 32, "http://a.example/", "a.example", "a.example", nodes)


def run(document: Document, options: FilterOptions = OPTIONS) -> tuple[Outcome, dict[str, Level]]:
    tally = Tally()
    outcome = filter_document(document, options, ENGLISH, tally)
    tally.check("filter")
    return outcome, tally.levels


def test_what_its_rules_refuse_is_pruned_and_the_rest_kept() -> None:
    outcome, levels = run(page(SHORT, LONG, ICON, IMAGE, SHORT))
    assert outcome.kept
    assert outcome.document.nodes == (LONG, IMAGE)
    assert levels == {
        "paragraphs": Level(3, kept=1, rejected={"word_count": 2}),
        "images": Level(2, kept=1, rejected={"rendered_size": 1}),
        "documents": Level(1, kept=1),
    }
    assert [
        (row.level, row.index, row.rule, row.value, row.threshold, row.op) for row in outcome.decisions
    ] == [
        ("paragraph", 0, "word_count", 2, 4, "<"),
        ("image", 2, "rendered_size", 16, 32, "<"),
        ("paragraph", 4, "word_count", 2, 4, "<"),
    ]


def test_what_falls_with_its_document_is_counted_so() -> None:
    outcome, levels = run(page(SHORT, LONG, LONG, ICON))
    assert outcome.refusal == Refusal("image_count", 0, 1, "<")
    assert levels == {
        "paragraphs": Level(3, rejected={"word_count": 1, DOCUMENT_REJECTED: 2}),
        "images": Level(1, rejected={"rendered_size": 1}),
        "documents": Level(1, rejected={"image_count": 1}),
    }
    assert outcome.decisions[-1] == Decision(
        *("0" * 32, "http://a.example/", "a.example", "document", None),
        *("image_count", 0, 1, "<", False),
        excerpt=f"{SHORT.text} {LONG.text} {LONG.text}",
    )


def test_an_empty_document_is_judged_too() -> None:
    outcome, levels = run(page())
    assert outcome.refusal == Refusal("word_count", 0, 5, "<")
    assert levels == {"documents": Level(1, rejected={"word_count": 1})}


def test_without_rules_everything_stays() -> None:
    document = page(SHORT, ICON)
    outcome, levels = run(document, FilterOptions())
    assert outcome.document == document
    assert levels["documents"] == Level(1, kept=1)


def test_a_kept_document_has_every_measure_and_its_language() -> None:
    document = run(page(LONG, IMAGE))[0].document
    assert document.measures.keys() == {"word_count", "language_score", "image_count"}
    assert (document.measures["word_count"], document.measures["image_count"]) == (10, 1)
    assert (document.language, document.language_score) == ("en", document.measures["language_score"])


def test_a_rejected_document_has_the_measures_up_to_the_refusal() -> None:
    assert run(page(SHORT, IMAGE))[0].document.measures == {"word_count": 0}


def test_documents_of_the_sample_have_rows_for_what_is_kept() -> None:
    outcome, _ = run(page(SHORT, LONG, IMAGE), replace(OPTIONS, sample_share=1))
    rows = [(row.level, row.index, row.rule, row.value, row.kept) for row in outcome.decisions]
    assert rows == [
        ("paragraph", 0, "word_count", 2, False),
        ("paragraph", 1, "word_count", 10, True),
        ("image", 2, "rendered_size", None, True),
        ("document", None, "word_count", 10, True),
        ("document", None, "language", outcome.document.language_score, True),
        ("document", None, "image_count", 1, True),
    ]


def test_an_excerpt_is_one_short_line() -> None:
    outcome, _ = run(page(TextNode("paragraph", "1 \n" * 10_000)))
    assert max(len(row.excerpt) for row in outcome.decisions) == EXCERPT
    assert not any("\n" in row.excerpt for row in outcome.decisions)


def test_the_sample_is_a_stable_share() -> None:
    ids = [f"{n:032x}" for n in range(10_000)]
    small, large = ({id for id in ids if sampled(id, share)} for share in (0.01, 0.1))
    assert 60 < len(small) < 140
    assert small < large
    assert all(sampled(id, 1) for id in ids)
    assert not any(sampled(id, 0) for id in ids)


def test_assembling_keeps_slots_and_counts_images_that_are_there() -> None:
    tally = Tally()
    document = page(LONG, IMAGE, IMAGE, IMAGE, IMAGE)
    pictures = [PHOTO, "timeout", Picture("gif", 800, 600), Picture("jpeg", 800, 90)]
    outcome = assemble_document(document, pictures, ASSEMBLE, ENGLISH, tally)
    assert outcome.kept
    assert outcome.document.nodes == document.nodes
    assert outcome.statuses == ("ok", "timeout", "format", "size")
    assert outcome.document.measures == {"image_count": 1}
    assert tally.levels == {
        "paragraphs": Level(1, kept=1),
        "images": Level(4, kept=1, rejected={"format": 1, "size": 1}, unavailable={"timeout": 1}),
        "documents": Level(1, kept=1),
    }
    assert [(row.index, row.rule, row.excerpt) for row in outcome.decisions] == [
        (3, "format", IMAGE.url),
        (4, "size", IMAGE.url),
    ]


SAFE, UNSAFE = (Picture("jpeg", 800, 600, scores={"porn": value}) for value in (0.2, 0.9))


def nsfw(drop: Literal["image", "document"], sample_share: float = 0) -> AssembleOptions:
    rules = {**ASSEMBLE.image.rules, "nsfw": Nsfw({"porn": 0.5}, drop)}
    return replace(ASSEMBLE, image=PictureRules(rules), sample_share=sample_share)


@pytest.mark.parametrize(
    ("picture", "value", "threshold", "op"),
    [(UNSAFE, 0.9, 0.5, ">"), (PHOTO, None, None, "unscored")],
    ids=["unsafe", "unscored"],
)
@pytest.mark.parametrize("sample_share", [0, 1])
def test_an_image_that_is_not_safe_falls_or_its_document(
    picture: Picture, value: float | None, threshold: float | None, op: str, sample_share: float
) -> None:
    pictures = [SAFE, picture, "timeout"]
    refusal = Refusal("nsfw", value, threshold, op)

    tally = Tally()
    document = page(LONG, IMAGE, IMAGE, IMAGE)
    kept = assemble_document(document, pictures, nsfw("image", sample_share), ENGLISH, tally)
    assert kept.kept
    assert kept.statuses == ("ok", "nsfw", "timeout")
    assert tally.level("images") == Level(3, kept=1, rejected={"nsfw": 1}, unavailable={"timeout": 1})

    tally = Tally()
    fallen = assemble_document(document, pictures, nsfw("document", sample_share), ENGLISH, tally)
    assert fallen.refusal == refusal
    assert tally.levels == {
        "paragraphs": Level(1, rejected={DOCUMENT_REJECTED: 1}),
        "images": Level(3, rejected={DOCUMENT_REJECTED: 1, "nsfw": 1}, unavailable={"timeout": 1}),
        "documents": Level(1, rejected={"nsfw": 1}),
    }
    for level in ("image", "document"):
        (row,) = (row for row in fallen.decisions if row.level == level and row.kept is False)
        assert (row.rule, row.value, row.threshold, row.op) == ("nsfw", value, threshold, op)


def test_an_image_that_falls_for_something_else_condemns_nothing() -> None:
    small = Picture("jpeg", 8, 8, scores={"porn": 0.9})
    outcome = assemble_document(page(LONG, IMAGE, IMAGE), [SAFE, small], nsfw("document"), ENGLISH, Tally())
    assert outcome.statuses == ("ok", "size")
    assert outcome.kept


def test_a_document_without_an_image_left_falls_with_its_text() -> None:
    tally = Tally()
    outcome = assemble_document(page(LONG, IMAGE), ["http_4xx"], ASSEMBLE, ENGLISH, tally)
    assert outcome.refusal == Refusal("image_count", 0, 1, "<")
    assert tally.levels == {
        "paragraphs": Level(1, rejected={DOCUMENT_REJECTED: 1}),
        "images": Level(1, unavailable={"http_4xx": 1}),
        "documents": Level(1, rejected={"image_count": 1}),
    }


def test_assembling_keeps_measures_of_earlier_stages() -> None:
    document = replace(page(LONG, IMAGE), measures={"image_count": 7.0, "word_count": 10.0})
    outcome = assemble_document(document, [PHOTO], ASSEMBLE, ENGLISH, Tally())
    assert outcome.document.measures == {"image_count": 1, "word_count": 10}


def test_assembling_prunes_paragraphs_and_keeps_every_slot() -> None:
    spam = TextNode("paragraph", "Log sign access terms")
    options = replace(ASSEMBLE, paragraph=ParagraphRules({"spam_words": SpamWords(max=0.5)}))
    tally = Tally()
    outcome = assemble_document(page(spam, IMAGE, LONG), [PHOTO], options, ENGLISH, tally)
    assert outcome.document.nodes == (IMAGE, LONG)
    assert outcome.statuses == ("ok",)
    assert tally.levels["paragraphs"] == Level(2, kept=1, rejected={"spam_words": 1})


@pytest.mark.parametrize("pictures", [[], [PHOTO, PHOTO]], ids=["one missing", "one too many"])
def test_pictures_and_images_must_match(pictures: list[Picture]) -> None:
    with pytest.raises(ValueError, match=f"{len(pictures)} pictures for 1 images"):
        assemble_document(page(IMAGE), pictures, ASSEMBLE, ENGLISH, Tally())


# Any chains, any documents.

limits = st.tuples(st.integers(0, 6), st.integers(0, 6)).map(sorted)
word_counts = limits.map(lambda ends: WordCount(min=ends[0], max=ends[1]))
image_counts = limits.map(lambda ends: ImageCount(min=ends[0], max=ends[1]))
languages = st.builds(Language, st.sampled_from([("en",), ("de", "en")]), st.floats(0, 1))


def shares(rule: type[msgspec.Struct], **others: st.SearchStrategy[Any]) -> st.SearchStrategy[msgspec.Struct]:
    """Any limits of a rule on a share."""
    ends = st.tuples(st.floats(0, 1), st.floats(0, 1)).map(sorted)
    fields = st.fixed_dictionaries({"from_words": st.integers(0, 4), **others})
    return st.builds(lambda ends, more: rule(min=ends[0], max=ends[1], **more), ends, fields)


TEXT_RULES = {
    "word_count": word_counts,
    "character_repetition": shares(CharacterRepetition, ngram=st.integers(1, 4)),
    "word_repetition": shares(WordRepetition, ngram=st.integers(1, 3)),
    "special_characters": shares(SpecialCharacters, spaces=st.booleans()),
    "stopwords": shares(Stopwords),
    "flagged_words": shares(FlaggedWords, allowed=st.integers(0, 2)),
    "punctuation": shares(Punctuation, from_tokens=st.integers(0, 5)),
    "common_words": shares(CommonWords),
    "spam_words": shares(SpamWords),
    "keyword_stuffing": shares(KeywordStuffing, keywords=st.integers(1, 3)),
    "keyword_list": shares(KeywordList),
    "link_list": shares(LinkList),
    "boilerplate": shares(Boilerplate),
    "cookie_notice": shares(CookieNotice),
    "error_page": shares(ErrorPage),
    "repeated_lines": shares(RepeatedLines),
    "repeated_sentences": shares(RepeatedSentences),
    "top_ngram": shares(TopNgram, ngram=st.integers(1, 3)),
    "mean_word_length": limits.map(lambda ends: MeanWordLength(min=ends[0], max=ends[1])),
    "alphabetic_words": shares(AlphabeticWords),
    "symbol_words": limits.map(lambda ends: SymbolWords(max=ends[1])),
    "bullet_lines": shares(BulletLines),
    "ellipsis_lines": shares(EllipsisLines),
}
WORDS = ["word", "and", "Wort", "今天", "7", "—", "anal", "Log", "in.", "and,", "!?"]
WORDS += ["\n", "- #", "a,b,c,d,e", "…", "We use cookies.", "Page not found\n", "lorem ipsum"]
texts = st.lists(st.sampled_from(WORDS), min_size=1, max_size=8).map(" ".join)
sides = st.none() | st.integers(1, 64)
images = st.builds(ImageNode, st.just(IMAGE.url), rendered_width=sides, rendered_height=sides)
nodes = st.builds(TextNode, st.sampled_from(TEXT_KINDS), texts) | images
documents = st.lists(nodes, max_size=8).map(lambda nodes: page(*nodes))


def shuffled(**rules: st.SearchStrategy[msgspec.Struct]) -> st.SearchStrategy[dict[str, msgspec.Struct]]:
    """Any of the rules, in any order."""
    names = st.lists(st.sampled_from(sorted(rules)), unique=True)
    return names.flatmap(lambda names: st.fixed_dictionaries({name: rules[name] for name in names}))


options = st.builds(
    FilterOptions,
    st.builds(
        ParagraphRules,
        shuffled(**TEXT_RULES),
        st.fixed_dictionaries({"word_count": st.lists(st.sampled_from(TEXT_KINDS)).map(tuple)}),
    ),
    shuffled(rendered_size=limits.map(lambda ends: RenderedSize(min=ends[0] * 8))).map(ImageRules),
    shuffled(**TEXT_RULES, image_count=image_counts, language=languages).map(DocumentRules),
    st.sampled_from([0.0, 1.0]),
)
pictures = st.sampled_from(["timeout", "dns"]) | st.builds(
    Picture, st.sampled_from(["jpeg", "gif"]), st.integers(1, 300), st.integers(1, 300)
)


@given(st.lists(documents, max_size=4), options)
def test_every_item_is_counted_once_and_explained(pages: list[Document], options: FilterOptions) -> None:
    tally = Tally()
    outcomes = [filter_document(document, options, ENGLISH, tally) for document in pages]
    tally.check("filter")
    entered = {name: level.entered for name, level in tally.levels.items() if level.entered}
    assert entered == +Counter(
        documents=len(pages),
        paragraphs=sum(len(document.texts) for document in pages),
        images=sum(len(document.images) for document in pages),
    )
    counted = Counter(
        {
            (name, rule): n
            for name, level in tally.levels.items()
            for rule, n in level.rejected.items()
            if rule != DOCUMENT_REJECTED
        }
    )
    rows = [row for outcome in outcomes for row in outcome.decisions if row.kept is False]
    assert Counter((f"{row.level}s", row.rule) for row in rows) == counted


@given(st.lists(documents, max_size=4), options)
def test_documents_filtered_together_come_out_as_alone(pages: list[Document], options: FilterOptions) -> None:
    together, alone = Tally(), Tally()
    outcomes = list(filter_documents(pages, options, ENGLISH, together))
    assert outcomes == [filter_document(document, options, ENGLISH, alone) for document in pages]
    assert together == alone


def test_documents_without_text_do_not_gather_in_memory() -> None:
    read = 0

    def gallery() -> Iterator[Document]:
        nonlocal read
        for _ in range(10_000):
            read += 1
            yield page(*[IMAGE] * 10)

    assert next(filter_documents(gallery(), OPTIONS, ENGLISH, Tally())).refusal is not None
    assert read < 100


@given(documents, options)
def test_filtering_twice_changes_nothing(document: Document, options: FilterOptions) -> None:
    once, _ = run(document, options)
    twice, _ = run(once.document, options)
    assert (twice.document, twice.refusal) == (once.document, once.refusal)


@given(documents, options)
def test_rules_are_tried_in_the_order_of_the_yaml(document: Document, options: FilterOptions) -> None:
    outcome, _ = run(document, replace(options, sample_share=1.0))
    rows = [row for row in outcome.decisions if row.level == "document"]
    chain: Chain = options.document
    assert tuple(row.rule for row in rows) == chain.names
    if outcome.refusal is None:
        assert all(row.kept for row in rows)
    else:
        first = chain.names.index(outcome.refusal.rule)
        assert [row.kept for row in rows] == [True] * first + [False] + [None] * (len(rows) - first - 1)
        passing = {name: chain.rules[name] for name in chain.names[:first]}
        assert run(document, replace(options, document=DocumentRules(passing)))[0].kept


@given(documents, options)
def test_the_sample_is_measured_and_decided_on_like_the_rest(
    document: Document, options: FilterOptions
) -> None:
    plain, sample = (run(document, replace(options, sample_share=share))[0] for share in (0.0, 1.0))
    assert (plain.refusal, plain.document.nodes) == (sample.refusal, sample.document.nodes)
    assert [row for row in sample.decisions if row.kept is False] == list(plain.decisions)
    for row in sample.decisions:
        assert row.kept is None or (row.op is None) is row.kept


@settings(max_examples=50)
@given(documents, st.data())
def test_assembling_counts_every_slot_once(document: Document, data: st.DataObject) -> None:
    count = len(document.images)
    fates = data.draw(st.lists(pictures, min_size=count, max_size=count))
    tally = Tally()
    outcome = assemble_document(document, fates, ASSEMBLE, ENGLISH, tally)
    tally.check("assemble")
    assert len(outcome.statuses) == count
    assert [status for status in outcome.statuses if status in ("timeout", "dns")] == [
        fate for fate in fates if isinstance(fate, str)
    ]
    assert outcome.kept is ("ok" in outcome.statuses)


def test_a_copy_that_another_rule_refuses_is_none_that_was_shown() -> None:
    sizes = [(80, 60), (800, 600), (640, 480), (800, 600)]
    pictures: list[Picture | str] = [Picture("jpeg", *size, same=b"same") for size in sizes]
    pictures.append(Picture("jpeg", 800, 600, same=b"other"))
    rules = AssembleOptions(
        image=PictureRules({"size": Size(min=100), "repeated_picture": RepeatedPicture()})
    )
    outcome = assemble_document(page(LONG, *[IMAGE] * 5), pictures, rules, ENGLISH, Tally())
    assert outcome.statuses == ("size", "ok", "repeated_picture", "repeated_picture", "ok")
