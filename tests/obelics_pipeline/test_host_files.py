"""tdmrep.json and ai.txt: what they say of which address."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from obelics_pipeline.host_files import MAX_RESERVATIONS, ai_txt, no_rules, tdmrep_json

OURS, AI = ("obelics-builder",), ("CCBot",)
RESERVED, UNKNOWN = ("tdm-reservation:1",), ("tdm-reservation:unreachable",)


def rule(location: object, reserved: object) -> dict[str, object]:
    return {"location": location, "tdm-reservation": reserved}


@pytest.mark.parametrize(
    ("rules", "path", "said"),
    [
        pytest.param([], "/a.jpg", (), id="no rules"),
        pytest.param([rule("/", 1)], "/a.jpg", RESERVED, id="everything"),
        pytest.param([rule("/", "1")], "/a.jpg", RESERVED, id="a number in quotes"),
        pytest.param([rule("/", 0)], "/a.jpg", (), id="nothing"),
        pytest.param([rule("/b/", 1)], "/a.jpg", (), id="another folder"),
        pytest.param([rule("/*.jpg$", 1)], "/x/a.jpg", RESERVED, id="an ending"),
        pytest.param([rule("/*.jpg$", 1)], "/x/a.jpg?b", (), id="not the end"),
        pytest.param([rule("/", 1), rule("/free/", 0)], "/free/a.jpg", (), id="the longer location"),
        pytest.param([rule("/free/", 0), rule("/", 1)], "/a.jpg", RESERVED, id="in any order"),
        pytest.param([rule("/", 0), rule("/", 1)], "/a.jpg", RESERVED, id="both answers"),
        pytest.param([rule("/a#b", 1)], "/a", (), id="no comment in a location"),
        pytest.param([rule("/\nDisallow: /", 0)], "/a.jpg", (), id="no lines in a location"),
        pytest.param([rule(7, 1), "x", rule("/", 1)], "/a.jpg", RESERVED, id="beside what is no rule"),
        pytest.param([{"location": "/"}], "/a.jpg", (), id="a rule that does not say"),
        pytest.param([rule("/b", 1)] * (MAX_RESERVATIONS + 1), "/a.jpg", RESERVED, id="too many"),
        pytest.param(rule("/", 1), "/a.jpg", (), id="no list"),
    ],
)
def test_reservations(rules: object, path: str, said: tuple[str, ...]) -> None:
    heard = tdmrep_json(200, b"\xef\xbb\xbf" + msgspec.json.encode(rules))
    assert heard(f"http://a.example{path}", OURS, AI) == said


@pytest.mark.parametrize(
    ("status", "said"), [(200, RESERVED), (203, RESERVED), (404, ()), (500, UNKNOWN), (None, UNKNOWN)]
)
def test_what_an_answer_means(status: int | None, said: tuple[str, ...]) -> None:
    body = msgspec.json.encode([rule("/", 1)])
    assert tdmrep_json(status, body)("http://a.example/", OURS, AI) == said


def test_who_says_nothing_has_no_rules() -> None:
    for body in (b"", b"<!doctype html>", b"[]", b"[[[", b"[" * 100_000, b'[{"location": "\xff"}]'):
        assert tdmrep_json(200, body) is no_rules
        assert ai_txt(200, body) is no_rules


@pytest.mark.parametrize(
    ("text", "path", "said"),
    [
        pytest.param(
            "User-Agent: *\nDisallow: *.jpg", "/x/a.jpg", ("ai-txt:obelics-builder",), id="an ending"
        ),
        pytest.param("User-Agent: *\nDisallow: *.jpg", "/x/a.png", (), id="another ending"),
        pytest.param(
            "User-Agent: *\nDisallow: *.jpg\nAllow: /", "/a.jpg", ("ai-txt:obelics-builder",), id="but"
        ),
        pytest.param("User-Agent: *\nDisallow: /\nAllow: *.jpg", "/a.jpg", (), id="all but"),
        pytest.param("User-Agent: *\nContent-Usage: train-ai=n", "/a.jpg", (), id="lines of robots.txt"),
    ],
)
def test_ai_txt(text: str, path: str, said: tuple[str, ...]) -> None:
    assert ai_txt(200, text.encode())(f"http://a.example{path}", OURS, AI) == said


@given(
    st.binary() | st.lists(st.fixed_dictionaries({"location": st.text(), "tdm-reservation": st.integers()}))
)
def test_anything_can_be_read(content: object) -> None:
    body = content if isinstance(content, bytes) else msgspec.json.encode(content)
    for read in (tdmrep_json, ai_txt):
        said = read(200, body)("http://a.example/a.jpg", OURS, AI)
        assert set(said) <= {*RESERVED, "ai-txt:obelics-builder", "ai-txt:ccbot"}
