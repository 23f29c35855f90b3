"""What is asked of the columnar index: ranges of keys, and what a selection tells of itself."""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec
import pytest
from columnar_index import surt_host
from hypothesis import given
from hypothesis import strategies as st

from obelics_pipeline.columnar_index import MAX_NAMES, MAX_RANGES, Places, Wanted

LABEL = st.text("abyz019-", min_size=1, max_size=4).filter(lambda label: label.strip("-") == label)
HOST = st.one_of(
    st.lists(LABEL, min_size=1, max_size=4).map(".".join),
    st.lists(LABEL, min_size=1, max_size=3).map(lambda labels: ".".join(["www", *labels])),
    st.lists(st.integers(0, 255), min_size=4, max_size=4).map(lambda parts: ".".join(map(str, parts))),
)


def covered(key: str, places: Places) -> bool:
    ranges = places.key_ranges()
    return ranges is None or any(start <= key < end for start, end in ranges)


@given(st.lists(HOST, min_size=1, max_size=600, unique=True), st.sampled_from(["", ":8080"]), st.data())
def test_keys_of_a_host_lie_in_its_ranges(hosts: list[str], port: str, data: st.DataObject) -> None:
    places, host = Places(hosts=tuple(hosts)), data.draw(st.sampled_from(hosts))
    assert covered(f"{surt_host(host)}{port})/path", places)
    assert len(places.key_ranges() or ()) <= MAX_RANGES


@given(HOST, st.lists(LABEL, max_size=2), st.sampled_from(["", ":8080"]))
def test_keys_of_all_hosts_of_a_domain_lie_in_its_ranges(domain: str, below: list[str], port: str) -> None:
    key = f"{surt_host('.'.join([*below, domain]))}{port})/path"
    if not domain.startswith("www"):  # nobody registers that
        assert covered(key, Places(domains=(domain,)))
        assert covered(key, Places(tlds=(domain.rpartition(".")[2],)))


@pytest.mark.parametrize(
    ("key", "inside"),
    [
        pytest.param("com,example)/", True, id="itself"),
        pytest.param("com,example:8443)/", True, id="another port"),
        pytest.param("com,example,blog)/", False, id="below it"),
        pytest.param("com,example-shop)/", False, id="a neighbour"),
        pytest.param("com,examplf)/", False, id="the next"),
        pytest.param("com)/", False, id="above it"),
    ],
)
def test_ranges_of_a_host_are_narrow(key: str, inside: bool) -> None:
    assert covered(key, Places(hosts=("www.example.com",))) is inside


@pytest.mark.parametrize(
    "places",
    [pytest.param(Places(), id="none"), pytest.param(Places(hosts=("[::1]",)), id="an IPv6 address")],
)
def test_keys_may_be_anywhere(places: Places) -> None:
    assert places.key_ranges() is None


def test_a_selection_tells_what_was_asked() -> None:
    wanted = Wanted(
        (200,),
        languages=("eng",),
        places=Places(hosts=("a.example",)),
        since=datetime(2026, 7, 1, tzinfo=UTC),
    )
    assert msgspec.json.decode(msgspec.json.encode(wanted.told())) == {
        "statuses": [200],
        "languages": ["eng"],
        "hosts": ["a.example"],
        "since": "2026-07-01T00:00:00Z",
    }


def test_long_lists_are_told_by_a_hash() -> None:
    names = tuple(f"h{number}.example" for number in range(MAX_NAMES + 1))
    told = [
        Wanted(places=Places(hosts=hosts)).told()["hosts"] for hosts in (names, names[1:], (*names[1:], "x"))
    ]
    assert told[0]["names"] == MAX_NAMES + 1
    assert told[1] == list(names[1:])
    assert told[2]["sha256"] != told[0]["sha256"]
