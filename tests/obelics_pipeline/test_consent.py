"""Consent signals: only what restricts, from every place, however it is written."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from obelics_pipeline.consent import AGENTS, RESTRICTIVE, signals


@pytest.mark.parametrize(
    ("value", "directives"),
    [
        pytest.param("noai", ["noai"], id="one"),
        pytest.param("NoAI , noimageai,noml", ["noai", "noimageai", "noml"], id="several, case, spaces"),
        pytest.param("noindex nofollow", ["noindex"], id="space for comma"),
        pytest.param("noindex; noai", ["noai", "noindex"], id="semicolon for comma"),
        pytest.param("none", ["none"], id="none"),
        pytest.param("index, follow, all, max-image-preview:large, max-snippet:-1", [], id="what allows"),
        pytest.param("nofollow", [], id="about links only"),
        pytest.param("", [], id="empty"),
        pytest.param("gptbot: noai", ["gptbot:noai"], id="agent"),
        pytest.param(
            "GPTBot:noai, noindex", ["gptbot:noai", "gptbot:noindex"], id="agent of all that follows"
        ),
        pytest.param("noai, ccbot: noindex", ["ccbot:noindex", "noai"], id="agent after a directive"),
        pytest.param("a: noai, b: noindex", ["a:noai", "b:noindex"], id="two agents"),
        pytest.param("a: noai, *: noindex", ["a:noai", "noindex"], id="all agents"),
        pytest.param("noindex: yes", ["noindex"], id="directive with a value"),
        pytest.param(
            "unavailable_after: Wed, 03 Dec 2025 13:09:53 PST, noai",
            ["noai", "unavailable_after:2025-12-03"],
            id="date with comma and colons",
        ),
        pytest.param(
            "otherbot: unavailable_after: 25-Jun-2010 15:00:00 EST",
            ["otherbot:unavailable_after:2010-06-25"],
            id="agent and date",
        ),
        pytest.param(
            "unavailable_after: 2025-12-03T10:00:00Z", ["unavailable_after:2025-12-03"], id="date as ISO 8601"
        ),
        pytest.param(
            "unavailable_after: Wednesday, 03-Dec-25 13:09:53 GMT",
            ["unavailable_after:2025-12-03"],
            id="date as RFC 850",
        ),
        pytest.param(
            "unavailable_after: soon, noai", ["noai", "unavailable_after"], id="date nobody can read"
        ),
    ],
)
def test_robots_header_and_tag(value: str, directives: list[str]) -> None:
    assert signals([("x-robots-tag", value)], []) == tuple(f"x-robots-tag:{d}" for d in directives)
    assert signals([], [("robots", value)]) == tuple(f"meta-robots:{d}" for d in directives)


@pytest.mark.parametrize(
    ("headers", "meta", "found"),
    [
        pytest.param([], [], (), id="nothing"),
        pytest.param(
            [("x-robots-tag", "noindex"), ("server", "noai"), ("x-robots-tag", "noai")],
            [],
            ("x-robots-tag:noai", "x-robots-tag:noindex"),
            id="repeated header",
        ),
        pytest.param(
            [], [("gptbot", "noai"), ("author", "noai")], ("meta-robots:gptbot:noai",), id="meta of an agent"
        ),
        pytest.param(
            [("x-robots-tag", "noai")],
            [("robots", "noai")],
            ("meta-robots:noai", "x-robots-tag:noai"),
            id="both",
        ),
        pytest.param([("x-robots-tag", "noai, noai")], [], ("x-robots-tag:noai",), id="twice is once"),
        pytest.param([("tdm-reservation", " 1 ")], [], ("tdm-reservation:1",), id="TDM header"),
        pytest.param([], [("tdm-reservation", "1")], ("tdm-reservation:1",), id="TDM tag"),
        pytest.param([("tdm-reservation", "0")], [("tdm-reservation", "")], (), id="TDM not reserved"),
        pytest.param([("tdm-reservation", "0, 1")], [], ("tdm-reservation:1",), id="TDM joined headers"),
        pytest.param([("tdm-policy", "https://e.org/p")], [], ("tdm-policy",), id="TDM policy"),
        pytest.param(
            [("content-usage", "train-ai=n, train-ai=y")],
            [],
            ("content-usage:train-ai=n",),
            id="usage said twice",
        ),
        pytest.param([("content-usage", "train-ai, =n, train-ai==n, n")], [], (), id="usage that is none"),
        pytest.param([("content-usage", "train-ai=n")], [], ("content-usage:train-ai=n",), id="usage"),
        pytest.param(
            [("content-usage", "search=y, train-ai=n;x=1, bots=n")],
            [],
            ("content-usage:bots=n", "content-usage:train-ai=n"),
            id="usages",
        ),
        pytest.param(
            [("content-usage", "train-ai=y"), ("content-usage", "Train-AI=n")], [], (), id="usage allowed"
        ),
    ],
)
def test_signals(headers: list[tuple[str, str]], meta: list[tuple[str, str]], found: tuple[str, ...]) -> None:
    assert signals(headers, meta) == found


NAMES = st.sampled_from(
    [
        "x-robots-tag",
        "robots",
        "gptbot",
        "tdm-reservation",
        "tdm-policy",
        "content-usage",
        "unavailable_after",
        "x",
    ]
)
VALUES = st.text() | st.lists(
    st.sampled_from(
        [*sorted(RESTRICTIVE), *sorted(AGENTS), ":", ",", " ", "unavailable_after", "1", "=n", "*"]
    )
).map("".join)
PAIRS = st.lists(st.tuples(NAMES, VALUES), max_size=5)


@given(PAIRS, PAIRS)
def test_any_value_can_be_read(headers: list[tuple[str, str]], meta: list[tuple[str, str]]) -> None:
    found = signals(headers, meta)
    assert list(found) == sorted(set(found))


def test_a_hostile_value_takes_no_time() -> None:
    assert signals([], [("robots", "a:" * 1_000_000 + "noai")]) == ()
