"""robots.txt: groups, paths, and what it says of training."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from protego import Protego

from obelics_pipeline.robots import MAX_BYTES, Robots, essence

URL = "http://a.example/blog/page?x=1"
OURS = ["obelics-builder"]
AI = ["CCBot", "GPTBot"]
NO_TRAINING = ("content-usage:train-ai=n",)
NO_SIGNAL = ("content-signal:ai-train=no",)
LICENSE = "license:https://a.example/rsl.xml"

CASES = [
    pytest.param("", (), id="empty"),
    pytest.param("User-agent: *\nAllow: /", (), id="all allowed"),
    pytest.param("User-agent: *\nDisallow: /", ("robots:obelics-builder",), id="all forbidden"),
    pytest.param("user-AGENT: Obelics-Builder\ndisallow: /blog", ("robots:obelics-builder",), id="to us"),
    pytest.param(
        "User-agent: *\nDisallow: /\n\nUser-agent: obelics-builder\nAllow: /",
        ("robots-ai-agents:ccbot", "robots-ai-agents:gptbot"),
        id="to all but us",
    ),
    pytest.param("User-agent: GPTBot\nDisallow: /", ("robots-ai-agents:gptbot",), id="to one that trains"),
    pytest.param("User-agent: googlebot\nDisallow: /", (), id="to another"),
    pytest.param("User-agent: *\nDisallow: /private/\nDisallow: /*.pdf$", (), id="other paths"),
    pytest.param("User-agent: *\nDisallow: /blog\nAllow: /blog/page", (), id="the longer path"),
    pytest.param(
        "\ufeffUser-agent: *\r\nDisallow: / # all\r\n", ("robots:obelics-builder",), id="mark, comment"
    ),
    pytest.param("User-agent: *\nContent-Usage: train-ai=n", NO_TRAINING, id="usage"),
    pytest.param(
        "Content-Usage: train-ai=n\nUser-agent: a\nDisallow: /", NO_TRAINING, id="usage before all groups"
    ),
    pytest.param("User-agent: *\nContent-Usage: train-ai=y", (), id="usage allowed"),
    pytest.param(
        "User-agent: *\nContent-Usage: TRAIN-AI=n", ("content-usage:TRAIN-AI=n",), id="keys have a case"
    ),
    pytest.param("User-agent: *\nContent-Usage: /blog/ train-ai=n", NO_TRAINING, id="usage of our path"),
    pytest.param("User-agent: *\nContent-Usage: /shop/ train-ai=n", (), id="usage of another path"),
    pytest.param(
        "User-agent: *\nContent-Usage: train-ai=n\nContent-Usage: /blog train-ai=y",
        (),
        id="the longer path of usage",
    ),
    pytest.param(
        "User-agent: *\nContent-Usage: train-ai=n\nContent-Usage: train-ai=y", NO_TRAINING, id="both answers"
    ),
    pytest.param("User-agent: *\nContent-Usage: train-ai=y, train-ai=n", NO_TRAINING, id="both in a line"),
    pytest.param(
        "User-agent: b\nContent-Usage: train-ai=n\nUser-agent: *\nAllow: /", (), id="usage by another"
    ),
    pytest.param("User-agent: b\nUser-agent: *\nContent-Usage: train-ai=n", NO_TRAINING, id="two agents"),
    pytest.param(
        "User-agent: b\nAllow: /\nUser-agent: *\nContent-Usage: train-ai=n",
        NO_TRAINING,
        id="the second group",
    ),
    pytest.param(
        "User-agent: *\nContent-Usage: train-ai=n\nUser-agent: obelics-builder\nAllow: /",
        (),
        id="a group of our own",
    ),
    pytest.param("User-Agent: *\nContent-Signal: search=yes,ai-train=no\nAllow: /", NO_SIGNAL, id="signal"),
    pytest.param("User-Agent: *\nContent-signal: AI-Train=no", NO_SIGNAL, id="signal, case"),
    pytest.param("User-Agent: *\nContent-Signal: ai-train=yes", (), id="signal allowed"),
    pytest.param(
        "User-Agent: *\nContent-Signal: /blog/ ai-input=no",
        ("content-signal:ai-input=no",),
        id="signal of our path",
    ),
    pytest.param("User-agent: *\nContent-Usage: ,;=n train-ai\nContent-Signal:", (), id="bad syntax"),
    pytest.param("<!doctype html><p>User-agent: *", (), id="a page"),
    pytest.param("User-agent: *\rDisallow: /", ("robots:obelics-builder",), id="lines of an old Macintosh"),
    pytest.param("User agent *\nDissalow /", ("robots:obelics-builder",), id="misspelt"),
    pytest.param("User-agent: CC*Bot\nDisallow: /", ("robots-ai-agents:ccbot",), id="an asterisk in a name"),
    pytest.param("LICENSE: https://a.example/rsl.xml # all\nLicense: none", (LICENSE,), id="a licence"),
    pytest.param(
        f"User-agent: *\nDisallow: /blog\n{LICENSE}",
        (LICENSE, "robots:obelics-builder"),
        id="a licence for what is forbidden",
    ),
]


@pytest.mark.parametrize(("text", "signals"), CASES)
def test_signals(text: str, signals: tuple[str, ...]) -> None:
    assert Robots(text.encode()).signals(URL, OURS, AI) == signals


@pytest.mark.parametrize(
    ("status", "signals"),
    [
        (200, ("robots:obelics-builder",)),
        (404, ()),
        (403, ()),
        (503, ("robots:unreachable",)),
        (301, ("robots:unreachable",)),
        (None, ("robots:unreachable",)),
    ],
)
def test_what_an_answer_means(status: int | None, signals: tuple[str, ...]) -> None:
    body = b"User-agent: *\nDisallow: /"
    assert Robots.answered(status, body).signals(URL, OURS) == signals


def test_a_huge_file_is_read_to_its_bound() -> None:
    head, tail = b"User-agent: *\nDisallow: /blog\n", b"\nDisallow: /other\n"
    huge = head + b"# filler\n" * (MAX_BYTES // 9) + tail
    assert Robots(huge).signals(URL, OURS) == ("robots:obelics-builder",)
    assert Robots(huge).signals("http://a.example/other", OURS) == ()
    assert Robots(b"Content-Usage: train-ai=n\n" + b"x" * 10 * MAX_BYTES).signals(URL, OURS) == NO_TRAINING


@pytest.mark.timeout(20)
def test_hostile_files_take_little_time() -> None:
    stars = b"User-agent: *\nDisallow: /" + b"*a" * 5_000 + b"b$\n"
    many = b"".join(b"Content-Usage: k%d=n\n" % n for n in range(20_000))
    url = "http://a.example/" + "a" * 8_000
    for body in (stars * 20, many, b"User-agent: x\n" * 30_000):
        Robots(body).signals(url, OURS, AI)


@pytest.mark.parametrize(
    ("body", "short"),
    [
        pytest.param(b"", b"", id="empty"),
        pytest.param(b"<!doctype html>\n<p>Allow: /\n", b"", id="a page"),
        pytest.param(b"Sitemap: http://a.example/x\nUser-agent: *\nAllow: /", b"", id="all allowed"),
        pytest.param(
            b"\xef\xbb\xbf# hello\r\n\r\nUSER-AGENT: * # all\rDisallow : /a \nHost: a\nSite-Map:x",
            b"USER-AGENT: *\nDisallow : /a",
            id="comments, sitemaps, empty lines",
        ),
        pytest.param(b"Content-Usage: tdm=n", b"Content-Usage: tdm=n", id="a use"),
        pytest.param(b"Sitemap http://a\nDisallow /b", b"Sitemap http://a\nDisallow /b", id="no colon"),
        pytest.param(b"License: http://a.example/#b", b"License: http://a.example/", id="a licence"),
    ],
)
def test_essence(body: bytes, short: bytes) -> None:
    assert essence(body) == short


def test_the_essence_of_what_is_no_text_is_bounded() -> None:
    body = b"User-agent: *\nDisallow: /blog\n" + b"\xff" * (MAX_BYTES - 100)
    assert len(essence(body)) <= MAX_BYTES
    assert Robots(essence(body)).signals(URL, OURS) == ("robots:obelics-builder",)


def test_a_sitemap_does_not_end_the_names_of_a_group() -> None:
    body = b"User-agent: *\nSitemap: x\nUser-agent: b\nContent-Usage: train-ai=n\nDisallow: /blog"
    assert Robots(body).signals(URL, OURS) == (*NO_TRAINING, "robots:obelics-builder")


LINES = st.lists(
    st.text(max_size=30)
    | st.sampled_from(
        [
            "User-agent: *",
            "Disallow: /",
            "Content-Usage: /a train-ai=n",
            "Content-Signal: ai-train=no",
            "Allow: /%zz",
            "User-agent: obelics-builder",
            "Sitemap: /x",
            "Other: x",
            "License: http://a.example/x#y",
            "User-agent: GPTBot",
            "user agent ccbot # x",
            "User-agent: cc*",
            "Dissalow /a",
            "diasllow: /",
            "License: http://a.example/",
        ]
    )
)


@given(st.binary() | LINES.map(lambda lines: "\n".join(lines).encode("utf-8", "replace")), st.text())
def test_anything_can_be_read(body: bytes, path: str) -> None:
    found = Robots(body).signals(f"http://a.example/{path}", OURS, AI)
    assert list(found) == sorted(set(found))


@given(st.binary() | LINES.map(lambda lines: "\n".join(lines).encode("utf-8", "replace")), st.text())
def test_the_essence_says_what_the_file_says(body: bytes, path: str) -> None:
    url = f"http://a.example/{path}"
    assert Robots(essence(body)).signals(url, OURS, AI) == Robots(body).signals(url, OURS, AI)


@given(LINES.map("\n".join), st.sampled_from(["", "a", "b"]))
def test_to_ask_for_fewer_names_changes_no_answer(text: str, path: str) -> None:
    """What is precomputed of a file and shared by agents is what the parser says of each."""
    url, names = f"http://a.example/{path}", ["obelics-builder", "GPTBot", "ccbot", "CCBot-x"]
    robots = Robots(text.encode("utf-8", "replace"))
    parsed = Protego.parse(text.encode("utf-8", "replace").decode("utf-8-sig", "replace"))
    refused = {f"robots:{name}" for name in names if not parsed.can_fetch(url, name)}
    assert {signal for signal in robots.signals(url, names) if signal.startswith("robots:")} == refused
