"""Boilerplate, cookie notices and error pages: found by their phrases, while texts about them stay."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from beam_jobs.config import load
from filters.boilerplate import Boilerplate, CookieNotice, ErrorPage
from filters.lexicon import lexicon
from filters.phrases import PHRASE_LISTS, phrases
from filters.profile import LANGUAGES, TextOptions, profile
from filters.rules import DocumentRules, ParagraphRules, check_lists
from filters.subjects import Block, Content, blocks_of, content_of
from filters.texts import Texts
from filters.wordlists import DATA, words_in
from obelics_pipeline.document import TextNode
from obelics_pipeline.errors import ConfigError

ENGLISH, CHINESE, NO_LANGUAGE = TextOptions("en"), TextOptions("zh"), TextOptions()
RULES = (Boilerplate, CookieNotice, ErrorPage)


def block(text: str, options: TextOptions = ENGLISH) -> Block:
    return blocks_of([TextNode("paragraph", text)], lexicon(options))[0]


def content(text: str, options: TextOptions = ENGLISH) -> Content:
    words = lexicon(options)
    nodes = [TextNode("paragraph", part) for part in text.split("\n\n")]
    return content_of(blocks_of(nodes, words), words, 1)


@pytest.mark.parametrize(
    ("rule", "text", "expected"),
    [
        pytest.param(ErrorPage(max=1), "", 0, id="nothing"),
        pytest.param(ErrorPage(max=1), " \n ", 0, id="whitespace"),
        pytest.param(ErrorPage(max=1), "Page not found", 1, id="all of it"),
        pytest.param(ErrorPage(max=1), "PAGE  not\u00a0found!", 1, id="any case and whitespace"),
        pytest.param(ErrorPage(max=1), "Page not founded", 0, id="no part of a word at the end"),
        pytest.param(ErrorPage(max=1), "Homepage not found", 0, id="nor at the beginning"),
        pytest.param(ErrorPage(max=1), "(page not found)", 1, id="marks around"),
        pytest.param(ErrorPage(max=1), "It said “page not found.” Why", 0, id="not in quotation marks"),
        pytest.param(ErrorPage(max=1), "“Page not found” it said: bad gateway", 1, id="but outside of them"),
        pytest.param(ErrorPage(max=1), "“Page not found, I fear”", 1, id="nor if more is quoted"),
        pytest.param(
            ErrorPage(max=1),
            "It says “404 page not found”.",
            0,
            id="nor a phrase in the phrase that is quoted",
        ),
        pytest.param(
            ErrorPage(max=1), "It says “404 page not found”: page not found", 1, id="but the same behind it"
        ),
        pytest.param(
            ErrorPage(max=1), "Page not found is no “404 page not found”", 1, id="and the same before it"
        ),
        pytest.param(ErrorPage(max=1), "Page\nnot found", 0, id="a sentence ends with its line"),
        pytest.param(ErrorPage(max=1), "Page not found. We went on", 14 / 24, id="one sentence of two"),
        pytest.param(ErrorPage(max=1), "Access\nBad gateway\nNo", 11 / 19, id="one line of three"),
        pytest.param(ErrorPage(max=1), "We use cookies", 0, id="each list for itself: error"),
        pytest.param(CookieNotice(max=1), "We use cookies", 1, id="each list for itself: cookie"),
        pytest.param(Boilerplate(max=1), "{{title}}", 1, id="no letters around"),
        pytest.param(Boilerplate(max=1), "Dear [Your name],", 1, id="an empty field"),
        pytest.param(
            Boilerplate(max=0, from_words=4), "Lorem ipsum dolor", None, id="too short to be measured"
        ),
    ],
)
def test_measures(rule: Any, text: str, expected: float | None) -> None:
    for subject in (block(text), content(text)):
        assert rule.measure(subject) == (None if expected is None else pytest.approx(expected))


CAUGHT = {
    "placeholder text": (
        Boilerplate,
        "Lorem ipsum dolor sit amet, consectetur adipiscing elit, sed do eiusmod.",
    ),
    "a new site": (Boilerplate, "My Blog\n\nJust another WordPress site\n\nWelcome to WordPress."),
    "a domain for sale": (Boilerplate, "example.com\n\nThis domain is for sale! Buy this domain."),
    "an empty shop": (Boilerplate, "Your cart is empty.\n\nNo products were found matching your selection."),
    "a notice": (
        CookieNotice,
        "We use cookies to personalise content and ads. You can change your cookie settings at any time.\n\n"
        "Accept all cookies\n\nManage cookies",
    ),
    "a missing page": (
        ErrorPage,
        "404\n\nPage not found\n\nSorry, the page you are looking for does not exist or has been moved.",
    ),
    "a guarded page": (
        ErrorPage,
        "Checking your browser before accessing example.com.\n\nRay: 7a8b9c\n\n"
        "Please enable JavaScript and cookies to continue.",
    ),
    "a broken page": (ErrorPage, "Error establishing a database connection"),
}


@pytest.mark.parametrize("name", CAUGHT)
def test_pages_that_are_caught(name: str) -> None:
    rule, text = CAUGHT[name]
    assert rule(max=0.3).judge(rule(max=0.3).measure(content(text))) is not None
    for other in RULES:
        if other is not rule:
            assert other(max=0.1).judge(other(max=0.1).measure(content(text))) is None


ARTICLES = {
    "cookies": (
        "A cookie is a few bytes that a browser keeps for a site and sends back with every request. Without "
        "them a shop could not tell one visitor from the next, and a basket would be empty on each page.\n\n"
        "Since the law asks for consent, most sites greet their readers with a line such as “We use cookies to "
        "improve your experience”. Whether anybody reads it is another question: in one study nine of ten "
        "visitors pressed whichever button was the largest.\n\n"
        "Third-party cookies are the ones that follow a reader from site to site. Browsers have begun to refuse "
        "them. Advertisers look for other ways, and some of these are harder to see and to delete.\n\n"
        "Session cookies are forgotten when the window is closed. They hold a number and nothing else, and "
        "no notice needs to ask for them."
    ),
    "error pages": (
        "Every site loses pages. A good answer tells the reader what happened and where to go next, and a bad "
        "one says “404 not found” and nothing more.\n\n"
        "The number is older than most of the web. The first digit says that the request was at fault, the "
        "other two that there is nothing at this address. A server that fails answers with five hundred.\n\n"
        "Designers like to hide jokes there, drawings of lost robots for example. In our test readers liked a "
        "search box and a short list of popular articles far better. To say that the page you are looking for is "
        "gone helps nobody who has just seen that. If a page has moved, send readers on "
        "without a word.\n\n"
        "Look through the log once a month. It shows which links are broken, and who still uses them."
    ),
    "filler text": (
        "Printers have used scrambled Latin for centuries to show how a page will look. The best known piece "
        "begins with “Lorem ipsum” and comes from a treatise on ethics.\n\n"
        "A scholar in Virginia found the source when he looked up one of its rarer words. The passage says that "
        "nobody loves pain for its own sake, which students of typography may doubt.\n\n"
        "A designer who puts lorem ipsum on a page wants its shape to be seen, not its words. Text with a meaning "
        "would only draw the eye.\n\n"
        "Today there are generators for it in every language, and some of them are rather funny."
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", ARTICLES)
def test_articles_about_such_pages_stay(name: str) -> None:
    whole = content(ARTICLES[name])
    assert max(rule(max=1).measure(whole) or 0 for rule in RULES) > 0  # there is a phrase in it
    for rule in RULES:
        limit = rule(max=0.2)
        assert limit.judge(limit.measure(whole)) is None
        assert all(rule(max=0.8).judge(rule(max=0.8).measure(part)) is None for part in whole.blocks)


@pytest.mark.parametrize(
    ("language", "text", "expected"),
    [
        pytest.param("zh", "页面上写着“域名正在出售”，我们看了很久", 0, id="quoted in Chinese"),
        pytest.param("zh", "页面上写着域名正在出售，我们看了很久", 1, id="said in Chinese"),
        pytest.param("zh", "“域名正在出售，请选择商品”", 1, id="more is quoted"),
        pytest.param("ja", "「カートは空です」と書いてあった", 0, id="quoted in Japanese"),
        pytest.param("ja", "お客様のカートは空です", 1, id="said in Japanese"),
    ],
)
def test_quotations_are_known_without_spaces_between_words(language: str, text: str, expected: int) -> None:
    assert Boilerplate(max=1).measure(block(text, TextOptions(language))) == expected


NOTICES = {
    "de": (
        "Hier entsteht eine neue Website",
        "Wir verwenden Cookies, um Ihnen zu helfen",
        "Seite nicht gefunden",
    ),
    "en": ("Under construction: site under construction", "This site uses cookies", "Bad gateway"),
    "es": ("Su carrito está vacío", "Utilizamos cookies propias y de terceros", "Página no encontrada"),
    "fr": ("Votre panier est vide", "En poursuivant votre navigation", "Cette page n’existe plus"),
    "it": ("Il tuo carrello è vuoto", "Questo sito utilizza i cookie", "Pagina non trovata"),
    "ja": ("カートは空です", "当サイトではCookieを使用しています", "ページが見つかりません"),
    "nl": ("Uw winkelwagen is leeg", "Deze website maakt gebruik van cookies", "Pagina niet gevonden"),
    "pl": ("Twój koszyk jest pusty", "Ta strona używa plików cookie", "Nie znaleziono strony"),
    "pt": ("O seu carrinho está vazio", "Este site utiliza cookies", "Página não encontrada"),
    "zh": ("您的购物车是空的", "本网站使用 Cookie 来改善体验", "抱歉，您访问的页面不存在"),
}


@pytest.mark.parametrize("language", LANGUAGES)
def test_each_language_has_phrases_and_those_of_english(language: str) -> None:
    options = TextOptions(language)
    for rule, notice in zip(RULES, NOTICES[language], strict=True):
        assert rule(max=1).measure(block(notice, options)) == 1
    assert ErrorPage(max=1).measure(block("404 Not Found", options)) == 1
    assert Boilerplate(max=1).measure(block("Lorem ipsum", options)) == 1


@pytest.mark.parametrize("name", PHRASE_LISTS)
@pytest.mark.parametrize("language", LANGUAGES)
def test_each_phrase_is_found_in_a_sentence_of_its_own(language: str, name: str) -> None:
    rule = next(rule for rule in RULES if rule.needs == (name,))
    found = words_in(DATA / language / f"{name}.txt")
    assert 35 <= len(found) <= 125
    words = lexicon(TextOptions(language))
    texts = Texts(sorted(found), words)
    assert [
        text for text, share in zip(texts.texts, rule(max=1).measure_all(texts), strict=True) if share != 1
    ] == []


def test_a_list_of_ones_own_replaces_that_of_the_language(tmp_path: Path) -> None:
    own = tmp_path / "own.txt"
    own.write_text("# ours\nBuy  my book\n")
    options = TextOptions("de", boilerplate_phrases=str(own))
    assert profile(options).boilerplate_phrases == {"buy  my book"}
    assert Boilerplate(max=1).measure(block("Buy my book!", options)) == 1
    assert Boilerplate(max=1).measure(block("Lorem ipsum", options)) == 0
    assert ErrorPage(max=1).measure(block("Seite nicht gefunden", options)) == 1


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: str(rule.measures))
def test_a_list_is_needed(rule: Any, tmp_path: Path) -> None:
    (name,) = rule.needs
    for table in (ParagraphRules, DocumentRules):
        chain = table.from_data({rule.measures: {"max": 0.5}}, "a.yaml", "filter")
        check_lists(chain, ENGLISH, "a.yaml: filter")
        with pytest.raises(ConfigError, match=rf"filter\.{rule.measures}: .*text\.language.*text\.{name}"):
            check_lists(chain, NO_LANGUAGE, "a.yaml: filter")
    own = tmp_path / "own.txt"
    own.write_text("some phrase\n")
    chain = ParagraphRules.from_data({rule.measures: {"max": 0.5}}, "a.yaml", "filter")
    check_lists(chain, TextOptions(**{name: str(own)}), "a.yaml: filter")


@pytest.mark.parametrize("name", PHRASE_LISTS)
def test_a_missing_list_is_an_error_of_the_configuration(name: str, tmp_path: Path) -> None:
    config = tmp_path / "own.yaml"
    config.write_text(f"text: {{language: en, {name}: none.txt}}\n")
    with pytest.raises(ConfigError, match=rf"own\.yaml: text: {name}: no file 'none\.txt'"):
        load(str(config))


@given(st.text(st.characters()), st.sampled_from([ENGLISH, CHINESE, NO_LANGUAGE]))
def test_any_text_has_shares(text: str, options: TextOptions) -> None:
    texts = Texts([text, "", f"{text} page not found", text], lexicon(options))
    for rule in RULES:
        assert all(0 <= value <= 1 for value in rule(max=1).measure_all(texts) if value is not None)


@given(
    st.lists(st.sampled_from(["Page not found.", "We use cookies", "It rained.", " ", "a\n404 error"])),
    st.data(),
)
def test_a_document_has_the_measures_of_its_text(texts: list[str], data: Any) -> None:
    words = lexicon(ENGLISH)
    blocks = blocks_of([TextNode("paragraph", text) for text in texts], words)
    kept = [block for block in blocks if data.draw(st.booleans())]
    rules = [rule(max=1) for rule in RULES]
    known = [rule.measure(block) for rule in rules for block in blocks]
    assert len(known) == 3 * len(blocks)
    whole = content_of(kept, words, 0)
    assert [rule.measure(whole) for rule in rules] == [rule.measure(block(whole.text)) for rule in rules]


def test_half_a_surrogate_pair_is_no_text_and_no_reason_to_fail() -> None:
    for text in ("\udc00", "page not found \ud800", "\ud800. Page not found."):
        assert 0 <= (ErrorPage(max=1).measure(block(text)) or 0) <= 1
    assert ErrorPage(max=1).measure(block("page not found \ud800")) == 1


@pytest.mark.parametrize(
    "unit",
    ["x", "page not found ", "page not found. ", "page not ", "line\n", "\x00", "{{title}}", "找不到页面"],
    ids=["one word", "one sentence", "sentences", "beginnings", "lines", "NULs", "marks", "Chinese"],
)
def test_hostile_text_takes_linear_time(unit: str) -> None:
    started = time.process_time()
    texts = Texts([unit * (1_000_000 // len(unit))], lexicon(CHINESE))
    for rule in RULES:
        rule(max=1).measure_all(texts)
    assert time.process_time() - started < 15


def test_phrases_are_compiled_once_per_lexicon() -> None:
    assert phrases(lexicon(ENGLISH)) is phrases(lexicon(ENGLISH))
    assert phrases(lexicon(ENGLISH)) is not phrases(lexicon(CHINESE))
