"""Keyword stuffing, lists of keywords, lists of links: what they catch, and what they must let pass."""

from __future__ import annotations

import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filters.lexicon import lexicon
from filters.listings import KeywordList, KeywordStuffing, LinkList
from filters.profile import TextOptions
from filters.rules import DocumentRules, ParagraphRules, check_lists
from filters.subjects import Block, Content, blocks_of, content_of
from filters.texts import Texts
from obelics_pipeline.document import TextNode
from obelics_pipeline.errors import ConfigError

ENGLISH, CHINESE, NO_LANGUAGE = TextOptions("en"), TextOptions("zh"), TextOptions()
JAPANESE = TextOptions("ja")
RULES = (KeywordStuffing, KeywordList, LinkList)

PROSE = """The harbour had been quiet since the ferry stopped running, and most of the boats were
laid up along the wall. In spring the owners came back to scrape and paint, red, white or blue as their
fathers had done, and the smell of tar hung over the town until the first regatta of the year."""
STUFFED = """Cheap shoes, buy shoes online, shoes sale. Our cheap shoes shop has the best cheap shoes
for men, and cheap shoes for women. Buy cheap shoes today: shoes, running shoes, cheap sport shoes!"""
TAGS = "Tags: red dress, blue dress, long dress, summer fashion, party, wedding guest, sale, new in"
MENU = ["Home", "About us", "Our services", "Price list", "Contact", "Site map", "Jobs"]


def block(text: str, options: TextOptions = ENGLISH, kind: str = "paragraph") -> Block:
    return blocks_of([TextNode(kind, text)], lexicon(options))[0]


def content(*texts: str, kind: str = "paragraph") -> Content:
    words = lexicon(ENGLISH)
    return content_of(blocks_of([TextNode(kind, text) for text in texts], words), words, 1)


@pytest.mark.parametrize(
    ("rule", "text", "expected"),
    [
        pytest.param(KeywordStuffing(max=1), "", 0, id="stuffing: nothing"),
        pytest.param(KeywordStuffing(max=1), "the the the the", 0, id="stuffing: stopwords are none"),
        pytest.param(
            KeywordStuffing(max=1), "shoes and shoes", 1 / 3, id="stuffing: the first does not count"
        ),
        pytest.param(
            KeywordStuffing(max=1, keywords=1), "cat cat cat dog dog owl", 2 / 6, id="stuffing: one keyword"
        ),
        pytest.param(
            KeywordStuffing(max=1, keywords=2), "cat cat cat dog dog owl", 3 / 6, id="stuffing: two"
        ),
        pytest.param(KeywordStuffing(max=1, from_words=4), "cat cat cat", None, id="stuffing: too short"),
        pytest.param(KeywordList(max=1), "", 0, id="keywords: nothing"),
        pytest.param(KeywordList(max=1), "a, b, c, d", 0, id="keywords: four are none"),
        pytest.param(KeywordList(max=1), "aa, bb, cc, dd, ee", 14 / 18, id="keywords: five are"),
        pytest.param(KeywordList(max=1), "aa,bb,cc,dd,1", 0, id="keywords: numbers are none"),
        pytest.param(KeywordList(max=1), "aa,bb,,cc,dd,ee", 0, id="keywords: nor is nothing"),
        pytest.param(LinkList(max=1), "", 0, id="links: nothing"),
        pytest.param(LinkList(max=1), "a\nb\nc\nd", 0, id="links: four are none"),
        pytest.param(LinkList(max=1), "a\nb\nc\nd\ne", 5 / 9, id="links: five are"),
        pytest.param(LinkList(max=1), "a.\nb.\nc.\nd.\ne.", 0, id="links: sentences are none"),
        pytest.param(LinkList(max=1), "\n".join(["x" * 60] * 5), 300 / 304, id="links: long labels"),
        pytest.param(LinkList(max=1), "\n".join(["x" * 61] * 5), 0, id="links: too long ones"),
        pytest.param(
            LinkList(max=1),
            "\n".join([f"https://a.example/{'x' * 60}."] * 5),
            395 / 399,
            id="links: addresses",
        ),
    ],
)
def test_measures(rule: Any, text: str, expected: float | None) -> None:
    value = rule.measure(block(text))
    assert value == pytest.approx(expected) if expected is not None else value is None


@pytest.mark.parametrize(
    ("rule", "caught"),
    [
        pytest.param(KeywordStuffing(max=0.2), [STUFFED], id="stuffing"),
        pytest.param(KeywordList(max=0.25), [TAGS], id="a line of tags"),
        pytest.param(KeywordList(max=0.25), [" | ".join(MENU)], id="a menu on one line"),
        pytest.param(LinkList(max=0.8), ["\n".join(f"- {label}" for label in MENU)], id="a list of links"),
        pytest.param(LinkList(max=0.8), MENU, id="links as paragraphs"),
    ],
)
def test_what_is_caught_and_that_prose_passes(rule: Any, caught: list[str]) -> None:
    assert rule.judge(rule.measure(content(*caught))) is not None
    for passing in ([PROSE], [PROSE, *caught, PROSE, PROSE, PROSE]):
        assert rule.judge(rule.measure(content(*passing))) is None


@pytest.mark.parametrize("rule", [KeywordList(max=1), LinkList(max=1)], ids=["keywords", "links"])
@pytest.mark.parametrize("kind", ["code", "table", "math"])
def test_a_document_of_code_or_tables_has_no_lists(rule: Any, kind: str) -> None:
    text = "\n".join(["put a, b, c, d, e, f, g"] * 6)
    assert rule.measure(content(text)) > 0.5
    assert rule.measure(content(text, kind=kind)) == 0


def test_links_may_stand_in_as_many_blocks() -> None:
    rule = LinkList(max=1)
    assert all(rule.measure(block(label)) == 0 for label in MENU)
    assert rule.measure(content(*MENU)) > 0.7
    assert rule.measure(content(*MENU[:4], PROSE, *MENU[4:])) == 0


@pytest.mark.parametrize("kind", ["code", "table", "math"])
def test_what_is_no_prose_breaks_a_row_of_short_lines(kind: str) -> None:
    def share(*kinds: str) -> float | None:
        words = lexicon(ENGLISH)
        nodes = [TextNode(kind, f"Step {number}") for number, kind in enumerate(kinds)]
        return LinkList(max=1).measure(content_of(blocks_of(nodes, words), words, 1))

    text = "paragraph"
    whole = 7 * 6 + 6 * 2
    assert share(*[text] * 6, kind) == pytest.approx(6 * 6 / whole)
    assert share(*[text] * 5, kind, text) == pytest.approx(5 * 6 / whole)
    assert share(*[text] * 4, kind, text, text) == 0
    assert share(*[text, kind] * 10) == 0


@pytest.mark.parametrize("rule", [KeywordList(max=1), LinkList(max=1)], ids=["keywords", "links"])
def test_a_document_that_is_cut_has_no_more_than_it_says(rule: Any) -> None:
    text = "a, b, c, d, e\n" * 50_000
    assert rule.measure(content(*[text] * 3)) == pytest.approx(rule.measure(block(text)), abs=1e-5)


def test_short_documents_pass_unmeasured() -> None:
    for rule in RULES:
        assert rule(max=0, from_words=20).measure(content(*MENU)) is None
        assert rule(max=0, from_words=5).measure(content(*MENU)) is not None


def test_chinese_keywords_are_pairs_of_characters_and_labels_shorter() -> None:
    stuffed, prose = "皮鞋皮鞋皮鞋皮鞋皮鞋", "昨天下午我们一起去看了一场电影"
    assert KeywordStuffing(max=1).measure(block(stuffed, CHINESE)) > 0.6
    assert KeywordStuffing(max=1).measure(block(prose, CHINESE)) == 0
    lines = "\n".join(["一" * 26] * 5)
    assert LinkList(max=1).measure(block(lines, CHINESE)) == 0
    assert LinkList(max=1).measure(block(lines, ENGLISH)) > 0.9


CHINESE_PROSE = (
    "昨天下午天气很好，我们一家人去了海边，孩子们在沙滩上玩了很久，他妈妈坐在伞下看书，"
    "傍晚的时候下起了小雨，大家只好跑回车里，一路上唱着歌回家。"
)
JAPANESE_PROSE = (
    "昨日の午後は天気がよくて、家族みんなで海まで出かけ、子どもたちは砂浜で長いあいだ遊び、"
    "母は大きな傘の下で本を読み、夕方になると雨が降り出して、歌いながら車で家に帰りました。"
)
CLAUSES = "他来了，她走了。天就黑了，风停了。大家都很累，睡着了。第二天早上，又下雨了。"
CHINESE_LIST, JAPANESE_LIST = (
    "手机、电脑、相机、耳机、键盘、鼠标",
    "携帯電話、パソコン、カメラ、キーボード、マウス",
)


@pytest.mark.parametrize("language", [CHINESE, JAPANESE, NO_LANGUAGE], ids=["zh", "ja", "none"])
@pytest.mark.parametrize(
    ("text", "listed"),
    [
        pytest.param(CHINESE_PROSE, False, id="Chinese prose"),
        pytest.param(CHINESE_PROSE.replace("，", ","), False, id="Chinese prose, ASCII commas"),
        pytest.param(CHINESE_PROSE.replace("，", ", "), False, id="Chinese prose, ASCII commas and spaces"),
        pytest.param(JAPANESE_PROSE, False, id="Japanese prose"),
        pytest.param(JAPANESE_PROSE.replace("、", "，"), False, id="Japanese prose, full-width commas"),
        pytest.param(CLAUSES, False, id="short clauses of several sentences"),
        pytest.param("手机、电脑、相机、耳机", False, id="four are none"),
        pytest.param(CHINESE_LIST, True, id="Chinese list"),
        pytest.param(CHINESE_LIST + "。", True, id="Chinese list with an end"),
        pytest.param(CHINESE_LIST.replace("、", "，"), True, id="Chinese list, full-width commas"),
        pytest.param(CHINESE_LIST.replace("、", ", "), True, id="Chinese list, ASCII commas"),
        pytest.param(CHINESE_LIST.replace("、", "｜"), True, id="Chinese menu"),
        pytest.param(JAPANESE_LIST, True, id="Japanese list"),
        pytest.param("华为手机壳、iPhone 手机、USB 键盘、4K 相机、MP3", True, id="with Latin letters"),
        pytest.param(TAGS, True, id="English list"),
        pytest.param(PROSE, False, id="English prose"),
    ],
)
def test_lists_without_spaces_are_told_from_clauses(text: str, listed: bool, language: TextOptions) -> None:
    value = KeywordList(max=1).measure(block(text, language))
    assert value > 0.7 if listed else value == 0


def test_marks_of_other_scripts_are_none_between_english_words() -> None:
    assert KeywordList(max=1).measure(block("aa、bb、cc、dd、ee、ff")) == 0
    assert KeywordList(max=1).measure(block(CHINESE_PROSE.replace("，", ","))) > 0.7


@pytest.mark.parametrize("table", [ParagraphRules, DocumentRules], ids=["paragraph", "document"])
def test_stuffing_needs_stopwords(table: Any) -> None:
    chain = table.from_data({"keyword_stuffing": {"max": 0.2}}, "a.yaml", "filter")
    check_lists(chain, ENGLISH, "a.yaml: filter")
    with pytest.raises(ConfigError, match=r"filter\.keyword_stuffing: .*text\.language.*text\.stopwords"):
        check_lists(chain, NO_LANGUAGE, "a.yaml: filter")
    check_lists(
        table.from_data({"link_list": {"max": 0.8}}, "a.yaml", "filter"), NO_LANGUAGE, "a.yaml: filter"
    )


@given(st.text(st.characters()), st.sampled_from([ENGLISH, CHINESE, NO_LANGUAGE]))
def test_any_text_has_shares(text: str, options: TextOptions) -> None:
    texts = Texts([text, "", text], lexicon(options))
    for rule in RULES:
        assert all(0 <= value <= 1 for value in rule(max=1).measure_all(texts) if value is not None)


@given(st.lists(st.text(st.sampled_from("ab,| .\nwww:/")), max_size=8))
def test_any_document_has_shares(texts: list[str]) -> None:
    for rule in RULES:
        assert 0 <= rule(max=1).measure(content(*texts)) <= 1


@pytest.mark.parametrize(
    "unit",
    ["x", "a\n", ",", "a,", "a" * 41 + ",", "www.", "https://\n", "\x00", "| "],
    ids=[
        "one word",
        "short lines",
        "commas",
        "pieces",
        "long pieces",
        "addresses",
        "schemes",
        "NULs",
        "bars",
    ],
)
def test_hostile_text_takes_linear_time(unit: str) -> None:
    started = time.process_time()
    text = unit * (1_000_000 // len(unit))
    for rule in RULES:
        rule(max=1).measure(content(text))
    assert time.process_time() - started < 8
