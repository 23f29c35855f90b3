"""The policy on consent: every signal with what follows from it, and that nothing makes a verdict milder."""

from __future__ import annotations

from collections import Counter
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from filters.apply import FilterOptions, Outcome, filter_document
from filters.consent.evidence import IMAGE, PAGE, TRAINING, UNKNOWN, Evidence, evidence_of
from filters.consent.policy import Action, Policy, Signals
from filters.consent.verdict import OPT_OUT, Consent, Verdict, judge, row_of
from filters.image import ImageCount
from filters.lexicon import lexicon
from filters.profile import TextOptions
from filters.rules import DocumentRules
from obelics_pipeline.accounting import Tally
from obelics_pipeline.consent import signals
from obelics_pipeline.document import Document, ImageNode, Source, TextNode
from obelics_pipeline.registry import Hit

KEEP, DROP_IMAGE, DROP_DOCUMENT = Action
POLICY = Policy()
ENGLISH = lexicon(TextOptions(language="en", common_words=2000))
ROBOTS, TDM, USAGE = "x-robots-tag", "tdm-reservation", "content-usage"

MATRIX = [
    pytest.param(ROBOTS, "noai", DROP_DOCUMENT, id="noai"),
    pytest.param(ROBOTS, "NoAI", DROP_DOCUMENT, id="case"),
    pytest.param(ROBOTS, "noml", DROP_DOCUMENT, id="noml"),
    pytest.param(ROBOTS, "noimageai", DROP_IMAGE, id="noimageai"),
    pytest.param(ROBOTS, "noimageindex", DROP_IMAGE, id="noimageindex"),
    pytest.param(ROBOTS, "noai, noimageai", DROP_DOCUMENT, id="the most restrictive of two"),
    pytest.param(ROBOTS, "noindex", KEEP, id="noindex"),
    pytest.param(ROBOTS, "none", KEEP, id="none"),
    pytest.param(ROBOTS, "noarchive, nocache, nosnippet", KEEP, id="about search results"),
    pytest.param(ROBOTS, "index, follow, max-image-preview:large", KEEP, id="what allows"),
    pytest.param(ROBOTS, "obelics-builder: noai", DROP_DOCUMENT, id="to us by name"),
    pytest.param(ROBOTS, "GPTBot: noai", DROP_DOCUMENT, id="to an agent that trains"),
    pytest.param(ROBOTS, "*: noai", DROP_DOCUMENT, id="to all"),
    pytest.param(ROBOTS, "otherbot: noai", KEEP, id="to an agent we do not know"),
    pytest.param(ROBOTS, "otherbot: noai, *: noimageai", DROP_IMAGE, id="to another, then to all"),
    pytest.param(ROBOTS, "noai, unavailable_after: 25 Jun 2030 15:00:00 PST", DROP_DOCUMENT, id="and a date"),
    pytest.param(ROBOTS, "unavailable_after: 25 Jun 2010 15:00:00 PST", KEEP, id="a date alone"),
    pytest.param(TDM, "1", DROP_DOCUMENT, id="rights reserved"),
    pytest.param(TDM, "0", KEEP, id="rights not reserved"),
    pytest.param("tdm-policy", "https://a.example/licence", KEEP, id="a licence on offer"),
    pytest.param(USAGE, "train-ai=n", DROP_DOCUMENT, id="no training"),
    pytest.param(USAGE, "train-ai=y, train-ai=n", DROP_DOCUMENT, id="a key twice"),
    pytest.param(USAGE, "train-ai=y", KEEP, id="training"),
    pytest.param(USAGE, "search=n", KEEP, id="no search"),
    pytest.param(USAGE, "TRAIN-AI=n", KEEP, id="keys have a case"),
    pytest.param(USAGE, "=;=n,,train-ai", KEEP, id="no dictionary"),
]
"""A header, its value, and what follows from it for a page."""


def judged(said: tuple[str, ...], policy: Policy = POLICY, level: str = PAGE) -> Action:
    return judge(evidence_of(said, policy, level, "http://a.example/"), policy).action


@pytest.mark.parametrize(("header", "value", "action"), MATRIX)
def test_what_follows_from_a_header(header: str, value: str, action: Action) -> None:
    assert judged(signals([(header, value)], [])) is action
    of_image = judged(signals([("content-type", "image/png"), (header, value)], []), level=IMAGE)
    assert of_image is (KEEP if action is KEEP else DROP_IMAGE)


@pytest.mark.parametrize(("header", "value", "action"), [row for row in MATRIX if row.values[0] != USAGE])
def test_a_meta_tag_says_the_same(header: str, value: str, action: Action) -> None:
    assert judged(signals([], [("robots" if header == ROBOTS else header, value)])) is action


@pytest.mark.parametrize(
    ("name", "action"),
    [("obelics-builder", DROP_DOCUMENT), ("ccbot", DROP_DOCUMENT), ("googlebot", KEEP), ("author", KEEP)],
)
def test_a_meta_tag_that_names_an_agent(name: str, action: Action) -> None:
    assert judged(signals([], [(name, "noai")])) is action


@pytest.mark.parametrize(
    ("said", "action"),
    [
        ("robots:obelics-builder", DROP_DOCUMENT),
        ("robots:unreachable", DROP_DOCUMENT),
        ("robots-ai-agents:gptbot", DROP_DOCUMENT),
        ("content-signal:ai-train=no", DROP_DOCUMENT),
        ("content-signal:search=no", KEEP),
        ("data-mining:DMI-PROHIBITED", DROP_IMAGE),
        ("digital-source:trainedAlgorithmicMedia", KEEP),
        ("c2pa:ai_training=notAllowed", DROP_IMAGE),
        ("a signal of tomorrow", DROP_DOCUMENT),
    ],
)
def test_what_follows_from_other_places(said: str, action: Action) -> None:
    assert judged((said,)) is action
    assert judged((said,), level=IMAGE) is (KEEP if action is KEEP else DROP_IMAGE)


def test_a_second_header_line_counts() -> None:
    assert judged(signals([(ROBOTS, "index"), (ROBOTS, "noai")], [])) is DROP_DOCUMENT


@pytest.mark.parametrize(
    ("policy", "value", "action"),
    [
        pytest.param(Policy(signals=Signals(noai=KEEP)), "noai", KEEP, id="a signal made mild"),
        pytest.param(
            Policy(signals=Signals(noindex=DROP_DOCUMENT)), "noindex", DROP_DOCUMENT, id="and strict"
        ),
        pytest.param(Policy(agents=("mybot",)), "MyBot: noai", DROP_DOCUMENT, id="another name of ours"),
        pytest.param(Policy(agents=("mybot",)), "obelics-builder: noai", KEEP, id="no longer our name"),
        pytest.param(Policy(ai_agents=()), "gptbot: noai", KEEP, id="agents that train do not count"),
    ],
)
def test_the_policy_is_the_users(policy: Policy, value: str, action: Action) -> None:
    assert judged(signals([(ROBOTS, value)], []), policy) is action


@pytest.mark.parametrize(
    ("as_of", "value", "action"),
    [
        pytest.param(None, "25 Jun 2030 15:00:00 PST", DROP_DOCUMENT, id="without a day to compare with"),
        pytest.param(date(2030, 6, 24), "25 Jun 2030 15:00:00 PST", KEEP, id="the day before"),
        pytest.param(date(2030, 6, 25), "25 Jun 2030 15:00:00 PST", DROP_DOCUMENT, id="that day"),
        pytest.param(date(2030, 6, 25), "someday", DROP_DOCUMENT, id="a date nobody can read"),
    ],
)
def test_unavailable_after(as_of: date | None, value: str, action: Action) -> None:
    policy = Policy(as_of=as_of, signals=Signals(unavailable_after=DROP_DOCUMENT))
    for prefix in ("", "gptbot: "):
        assert judged(signals([(ROBOTS, f"{prefix}unavailable_after: {value}")], []), policy) is action


def test_every_category_of_training_counts() -> None:
    for name in TRAINING:
        assert judged(signals([(USAGE, f"{name}=n")], [])) is DROP_DOCUMENT


@pytest.mark.parametrize("fields", [{"agents": ()}, {"agents": ("bot/1.0",)}, {"ai_agents": ("",)}])
def test_names_of_agents_are_checked(fields: dict[str, tuple[str, ...]]) -> None:
    with pytest.raises(ValueError, match=r"agents is empty|is no name of an agent"):
        Policy(**fields)  # type: ignore[arg-type]


NAMES = st.sampled_from([*Signals.__struct_fields__, UNKNOWN, "", "what nobody knows", "__class__"])
EVIDENCE = st.builds(Evidence, st.sampled_from([PAGE, IMAGE]), st.just("u"), st.text(), NAMES, st.text())
POLICIES = st.builds(
    lambda actions: Policy(signals=Signals(**actions)),
    st.fixed_dictionaries({name: st.sampled_from(Action) for name in Signals.__struct_fields__}),
)


@given(st.lists(EVIDENCE), EVIDENCE, POLICIES)
def test_more_evidence_never_makes_a_verdict_milder(
    known: list[Evidence], more: Evidence, policy: Policy
) -> None:
    before, after = judge(known, policy), judge([*known, more], policy)
    assert after.action.severity >= before.action.severity
    assert (after.verdict is Verdict.RELEASED) <= (before.verdict is Verdict.RELEASED)
    assert judge([more, *known], policy).action is after.action
    assert (after.verdict is Verdict.RELEASED) == (after.evidence is None) == (after.action is KEEP)


@given(POLICIES, st.sampled_from([PAGE, IMAGE]))
def test_what_nobody_knows_is_not_allowed(policy: Policy, level: str) -> None:
    for name in (UNKNOWN, "", "of another version", "__doc__"):
        found = judge([Evidence(level, "u", "s", name, "")], policy)
        assert found.verdict is Verdict.UNKNOWN
        assert row_of(Evidence(level, "u", "s", name, ""), policy).rule == UNKNOWN


@given(st.lists(st.text() | st.sampled_from(["x-robots-tag:", "meta-robots:a:b:c", "content-usage:", ":"])))
def test_any_string_is_evidence_or_nothing(said: list[str]) -> None:
    judge(evidence_of(said, POLICY, PAGE, "u"), POLICY)


LISTED = Hit("domain", "listed.example", "mine")


class Listed:
    """A registry of one page and one image."""

    def page(self, url: str) -> Hit | None:
        return LISTED if url == "http://listed.example/" else None

    def image(self, url: str) -> Hit | None:
        return LISTED if url == "http://listed.example/a.png" else None

    def content(self, **hashes: str) -> Hit | None:
        return LISTED if hashes["sha256"] == "5" else None


def document(*consent: str, url: str = "http://a.example/") -> Document:
    image = ImageNode("http://a.example/a.png", candidates=("http://a.example/a-2x.png",))
    nodes = (TextNode("paragraph", "Secret words."), image, TextNode("paragraph", "More of them."), image)
    return Document("id", url, "a.example", "a.example", nodes, Source(timestamp=7), consent=consent)


def filtered(page: Document, consent: Consent, **options: object) -> tuple[Outcome, Tally]:
    tally = Tally()
    return filter_document(page, FilterOptions(**options), ENGLISH, tally, consent), tally  # type: ignore[arg-type]


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_a_page_that_opts_out_falls_whole_and_unread(share: float) -> None:
    rules = DocumentRules({"image_count": ImageCount(min=9, max=9)})
    outcome, tally = filtered(
        document("meta-robots:noai", "meta-robots:noindex"),
        Consent(POLICY),
        sample_share=share,
        document=rules,
    )
    assert not outcome.kept
    assert {name: level.rejected for name, level in tally.levels.items()} == {
        "documents": {OPT_OUT: 1},
        "paragraphs": {"document_rejected": 2},
        "images": {"document_rejected": 2},
    }
    [row] = outcome.decisions
    assert (row.level, row.rule, row.kept, row.excerpt) == ("document", OPT_OUT, False, "meta-robots:noai")
    assert outcome.document.measures == {}


def test_the_evidence_of_a_page_and_of_what_falls_with_it() -> None:
    outcome, _ = filtered(document("meta-robots:noimageai", "meta-robots:noindex"), Consent(POLICY))
    assert [(row.level, row.url, row.what, row.verdict, row.rule) for row in outcome.evidence] == [
        (PAGE, "http://a.example/", "noimageai", "opted_out", "drop_image"),
        (PAGE, "http://a.example/", "noindex", "released", "keep"),
        (IMAGE, "http://a.example/a-2x.png", "noimageai", "opted_out", "drop_image"),
        (IMAGE, "http://a.example/a.png", "noimageai", "opted_out", "drop_image"),
    ]
    assert {row.source for row in outcome.evidence} == {"meta-robots"}
    assert {row.checked_at for row in outcome.evidence} == {7}
    assert outcome.evidence[-1].value == "meta-robots:noimageai http://a.example/"


def test_images_of_a_page_that_refuses_them_are_dropped_and_its_text_stays() -> None:
    outcome, tally = filtered(document("x-robots-tag:noimageai"), Consent(POLICY))
    assert outcome.kept
    assert outcome.document.images == ()
    assert len(outcome.document.texts) == 2
    assert tally.levels["images"].rejected == {OPT_OUT: 2}
    assert Counter((row.level, row.rule) for row in outcome.decisions) == {(IMAGE, OPT_OUT): 2}


def test_a_page_on_a_list_falls_like_one_that_opts_out() -> None:
    outcome, _ = filtered(document(url="http://listed.example/"), Consent(POLICY, [Listed()]))
    assert not outcome.kept
    assert outcome.evidence[0] == row_of(
        Evidence(PAGE, "http://listed.example/", "registry:mine", "registry", "domain:listed.example"), POLICY
    )


def test_images_on_a_list() -> None:
    consent = Consent(POLICY, [Listed()])
    [found] = consent.image_evidence("http://listed.example/a.png")
    assert judge([found], POLICY).action is DROP_IMAGE
    assert consent.image_evidence("http://listed.example/b.png") == []
    assert consent.content_evidence("http://a.example/", "1", "2", "5") == [
        replace(found, url="http://a.example/")
    ]
    assert consent.content_evidence("http://a.example/", "1", "2", "3") == []


def test_a_page_without_signals_has_no_rows() -> None:
    outcome, _ = filtered(replace(document(), consent=()), Consent(POLICY, [Listed()]))
    assert outcome.evidence == ()
    assert outcome.kept
