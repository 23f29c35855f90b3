from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from shutil import copyfile
from time import sleep

import fasttext
import pytest
from hypothesis import given
from hypothesis import strategies as st

from filters.base import Breach
from filters.language import UNKNOWN, Identified, Language, identify, languages, shipped_model
from filters.lexicon import lexicon
from filters.profile import TextOptions
from filters.subjects import LONG_TEXT, Content, blocks_of, content_of
from obelics_pipeline.document import TextNode

ENGLISH = "The ferry leaves the small harbour at noon, and nobody on the quay seems to be in a hurry."
GERMAN = "Die Fähre verlässt den kleinen Hafen am Mittag, und niemand auf dem Kai scheint es eilig zu haben."


def content(*texts: str | tuple[str, str]) -> Content:
    nodes = [TextNode("paragraph", text) if isinstance(text, str) else TextNode(*text) for text in texts]
    words = lexicon(TextOptions())
    return content_of(blocks_of(nodes, words), words, 0)


@pytest.mark.parametrize(
    ("text", "language"),
    [
        pytest.param(ENGLISH, "en", id="English"),
        pytest.param(ENGLISH.upper(), "en", id="English in capitals"),
        pytest.param(GERMAN, "de", id="German"),
        pytest.param("Le bac quitte le petit port à midi, et personne ne semble pressé.", "fr", id="French"),
        pytest.param("El barco sale del puerto a mediodía y nadie parece tener prisa.", "es", id="Spanish"),
        pytest.param("Паром отходит от маленькой пристани в полдень, никто не спешит.", "ru", id="Russian"),
        pytest.param("渡轮中午离开小港口，码头上似乎没有人着急。", "zh", id="Chinese"),
        pytest.param("フェリーは正午に小さな港を出ます。誰も急いでいません。", "ja", id="Japanese"),
        pytest.param("페리는 정오에 작은 항구를 떠나고 아무도 서두르지 않는다.", "ko", id="Korean"),
        pytest.param("เรือข้ามฟากออกจากท่าเรือเล็กตอนเที่ยง", "th", id="Thai"),
        pytest.param("تغادر العبارة الميناء الصغير عند الظهر ولا أحد في عجلة من أمره", "ar", id="Arabic"),
        pytest.param(f"</s> {ENGLISH}", "en", id="fastText's mark of a line's end"),
        pytest.param(f"The <s> \ud800 </S> {GERMAN}", "de", id="a mark, and half of a surrogate pair"),
        pytest.param("", UNKNOWN, id="empty"),
        pytest.param("1 2 3 — 4", UNKNOWN, id="no letter"),
    ],
)
def test_identify(text: str, language: str) -> None:
    assert identify(text).score > 0.5 or language == UNKNOWN
    assert identify(text).language == language


def test_all_labels_of_the_shipped_model_are_known() -> None:
    assert len(languages()) == 176


def test_a_score_is_never_above_1() -> None:
    assert identify("페리는 정오에 작은 항구를 떠나고 " * 20).score == 1


@given(st.text())
def test_any_text_has_a_language_and_a_score(text: str) -> None:
    found = identify(text)
    assert found.language in languages() | {UNKNOWN}
    assert 0 <= found.score <= 1


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        pytest.param(Identified("en", 0.65), None, id="at the minimum"),
        pytest.param(Identified("de", 0.66), None, id="the other accepted language"),
        pytest.param(Identified("en", 0.64), Breach(0.64, 0.65, "<"), id="not sure enough"),
        pytest.param(Identified("fr", 0.99), Breach(0.99, None, "not in"), id="another language"),
        pytest.param(Identified(UNKNOWN, 0.0), Breach(0.0, None, "not in"), id="no text"),
    ],
)
def test_language(found: Identified, expected: Breach | None) -> None:
    assert Language(("en", "de"), 0.65).judge(found) == expected


@pytest.mark.parametrize(
    ("page", "language"),
    [
        pytest.param(content("Startseite", "Über uns", "Kontakt", ENGLISH), "en", id="German menu"),
        pytest.param(content(GERMAN, "Home", "About us", "Share this"), "de", id="English buttons below"),
        pytest.param(content(("code", f"# {ENGLISH}" * 5), GERMAN), "de", id="code"),
        pytest.param(content(("code", ENGLISH)), "en", id="only code, if there is nothing else"),
        pytest.param(content(), UNKNOWN, id="no text"),
    ],
)
def test_the_long_blocks_decide(page: Content, language: str) -> None:
    assert Language(("en",)).measure(page).language == language


def test_long_text_is_bounded_and_in_the_order_of_the_page() -> None:
    page = content("b" * 2000, "a", "c" * 2500, "d" * 1000)
    assert page.long_text == f"{'b' * 2000} {'c' * 2500}"
    assert len(content("word " * 100_000).long_text) <= LONG_TEXT


@pytest.mark.parametrize(
    ("accept", "model", "message"),
    [
        pytest.param((), None, "accept is empty", id="no language"),
        pytest.param(("eng",), None, "no language 'eng'; did you mean 'en'?", id="misspelt language"),
        pytest.param(("en",), "/nowhere/lid.bin", "no file '/nowhere/lid.bin'", id="missing model"),
        pytest.param(("en",), __file__, "is no fastText classifier", id="not a model"),
    ],
)
def test_unusable_limits_are_refused(accept: tuple[str, ...], model: str | None, message: str) -> None:
    with pytest.raises(ValueError, match=message.replace("?", r"\?")):
        Language(accept, model=model)


def test_a_model_is_loaded_once_by_its_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = copyfile(shipped_model(), tmp_path / "other.ftz")
    loaded, load = [], fasttext.load_model

    def slowly(path: str) -> object:
        loaded.append(path)
        sleep(0.05)  # time enough for the other threads to ask for the same model
        return load(path)

    monkeypatch.setattr("fasttext.load_model", slowly)
    with ThreadPoolExecutor(4) as threads:
        found = list(threads.map(lambda _: identify(ENGLISH, str(path)), range(16)))
    assert loaded == [str(path)]
    assert set(found) == {identify(ENGLISH)}
