from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filters.base import Breach
from filters.rules import ImageRules
from filters.url_words import PUBLISHED, UrlWords
from obelics_pipeline.config import convert
from obelics_pipeline.document import ImageNode
from obelics_pipeline.errors import ConfigError

AS_PUBLISHED = UrlWords(match="substring", parts=("host", "path", "query"))


def found(rule: UrlWords, url: str) -> int:
    return rule.measure(ImageNode(url))


@pytest.mark.parametrize(
    ("url", "words", "substrings"),
    [
        pytest.param("https://a.example/photo.jpg", 0, 0, id="none"),
        pytest.param("", 0, 0, id="nothing"),
        pytest.param("https://a.example/", 0, 0, id="no path"),
        pytest.param("https://essexlive.news/a.jpg", 0, 1, id="a county in the host"),
        pytest.param("https://www.sussex.ac.uk/campus.jpg", 0, 1, id="a university"),
        pytest.param("https://a.example/silicon-valley.jpg", 0, 1, id="a valley"),
        pytest.param("https://a.example/wp-content/plugins/gallery/a.jpg", 0, 1, id="a folder of WordPress"),
        pytest.param("https://a.example/lexicon/essex.png", 0, 2, id="two words inside of others"),
        pytest.param("https://a.example/logo.png", 1, 1, id="a file name"),
        pytest.param("https://a.example/img/logo/", 1, 1, id="a folder"),
        pytest.param("https://a.example/LOGO.png", 1, 0, id="capitals"),
        pytest.param("https://a.example/site_logo2x.png", 1, 1, id="between a line and a digit"),
        pytest.param("https://a.example/siteLogo.png", 1, 0, id="camelCase"),
        pytest.param("https://a.example/HTMLIcon.png", 1, 0, id="camelCase after capitals"),
        pytest.param("https://a.example/logotype.png", 0, 1, id="the beginning of a word"),
        pytest.param("https://a.example/logos/a.png", 0, 1, id="a plural"),
        pytest.param("https://a.example/logo/icon/logo.png", 2, 2, id="each word counts once"),
        pytest.param("https://a.example/%6Cogo%20a.png", 1, 0, id="percent-encoded"),
        pytest.param("https://a.example/caf%C3%A9icon.png", 0, 1, id="after a letter beyond ASCII"),
        pytest.param("https://a.example/caf%E9-icon.png", 1, 1, id="after what is no UTF-8"),
        pytest.param("https://logo.example/a.png", 0, 1, id="in the host only"),
        pytest.param("https://a.example/a.png?type=logo", 0, 1, id="in the query only"),
        pytest.param("https://a.example?logo/icon", 0, 2, id="in a query without a path"),
        pytest.param("https://[::1]:8080/icon", 1, 1, id="at an address"),
    ],
)
def test_words_and_substrings(url: str, words: int, substrings: int) -> None:
    assert found(UrlWords(), url) == words
    assert found(AS_PUBLISHED, url) == substrings == sum(word in url for word in PUBLISHED)


@given(st.text())
def test_the_published_rule_seeks_in_the_whole_address(path: str) -> None:
    url = f"https://a.example/{path}"
    assert found(AS_PUBLISHED, url) == sum(word in url for word in PUBLISHED)


@given(st.text())
def test_any_text_is_an_address(url: str) -> None:
    assert 0 <= found(UrlWords(), url) <= len(PUBLISHED)


@pytest.mark.parametrize(
    ("part", "count"), [("host", 1), ("path", 2), ("query", 3)], ids=["host", "path", "query"]
)
def test_parts(part: Any, count: int) -> None:
    url = "https://logo.example/icon/button?a=widget&b=plugin&c=sex"
    assert found(UrlWords(parts=(part,)), url) == count


def test_own_words() -> None:
    rule = UrlWords(words=("werbung", "größe"))
    assert found(rule, "https://a.example/werbung/logo-Gr%C3%B6%C3%9Fe.png") == 2
    assert found(UrlWords(words=("/ads/",), match="substring"), "https://a.example/x/ads/a.png") == 1


def test_one_word_is_too_many() -> None:
    rule = UrlWords()
    assert [rule.judge(value) for value in (0, 1, 2)] == [None, Breach(1, 0, ">"), Breach(2, 0, ">")]


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        ({"words": []}, "words is empty"),
        ({"parts": []}, "parts is empty"),
        ({"words": ["logo", ""]}, "stands everywhere"),
        ({"words": ["log-in"]}, "lower-case letters alone"),
        ({"words": ["Logo"]}, "lower-case letters alone"),
        ({"match": "words"}, "match is 'words'"),
        ({"parts": ["fragment"]}, "parts is"),
        ({"max": 0}, "no key 'max'"),
    ],
)
def test_unusable_limits_are_refused(limits: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        convert(limits, UrlWords, "my.yaml", "filter.image.url_words")


def test_it_is_a_rule_on_images() -> None:
    chain = ImageRules.from_data({"url_words": {"words": ["porn", "xxx", "sex"]}}, "my.yaml", "filter.image")
    refusals = chain.refusals([ImageNode(f"https://a.example/{name}") for name in ("logo.png", "xxx/1.jpg")])
    assert [refusal and refusal.rule for refusal in refusals] == [None, "url_words"]
