from __future__ import annotations

from typing import Any

import msgspec
import pytest

from obelics_pipeline.fetch_types import FetchOptions, split_endpoint

LOOPBACK = "127.0.0.1:8801"


@pytest.mark.parametrize(
    ("values", "said"),
    [
        pytest.param({"total_timeout": 0}, "total_timeout is 0", id="no time"),
        pytest.param({"total_timeout": float("nan")}, "total_timeout is nan", id="a time that is no number"),
        pytest.param({"total_timeout": float("inf")}, "total_timeout is inf", id="a time without end"),
        pytest.param({"max_bytes": -1}, "max_bytes is -1", id="negative size"),
        pytest.param({"max_bytes_in_flight": 9_999_999}, "one body alone may have max_bytes", id="no room"),
        pytest.param({"max_redirects": -1}, "0 follows none", id="negative redirects"),
        pytest.param({"user_agent": " "}, "name in printable ASCII", id="no name"),
        pytest.param({"user_agent": "a\r\nCookie: b"}, "name in printable ASCII", id="a second header"),
        pytest.param({"contact": "me"}, "https:// address or one for mail", id="nobody to reach"),
        pytest.param({"contact": "https://a.example/\nX: y"}, "in ASCII", id="a header in the contact"),
        pytest.param({"retry_wait": -1}, "0 for none", id="negative wait"),
        pytest.param({"ports": [0]}, "between 1 and 65535", id="no port"),
        pytest.param({"hosts": {"a": LOOPBACK}}, "allow_private: true", id="loopback not allowed"),
        pytest.param({"hosts": {"A": LOOPBACK}}, "lower case", id="upper case"),
        pytest.param({"hosts": {"a.*": LOOPBACK}}, "lower case, or", id="star at the end"),
        pytest.param({"hosts": {"a": "127.0.0.1"}}, "address:port", id="endpoint without port"),
        pytest.param({"hosts": {"a": "localhost:1"}}, "address:port", id="endpoint by name"),
        pytest.param({"hosts": {"a": "169.254.169.254:80"}}, "never dialled", id="metadata"),
        pytest.param({"retries": 1}, "unknown field", id="unknown option"),
    ],
)
def test_unusable_options_are_refused(values: dict[str, Any], said: str) -> None:
    with pytest.raises(msgspec.ValidationError, match=said):
        msgspec.convert(values, FetchOptions)


def test_hosts_may_be_private_when_allowed() -> None:
    hosts = {"a.example": LOOPBACK, "*.b.example": "[::1]:8801", "c": "10.0.0.1:80"}
    assert FetchOptions(hosts=hosts, allow_private=True).hosts == hosts


@pytest.mark.parametrize(
    ("endpoint", "expected"), [(LOOPBACK, ("127.0.0.1", 8801)), ("[::1]:65535", ("::1", 65535))]
)
def test_split_endpoint(endpoint: str, expected: tuple[str, int]) -> None:
    assert split_endpoint(endpoint) == expected


@pytest.mark.parametrize(
    "endpoint", ["", ":", "127.0.0.1:", "127.0.0.1:0", "127.0.0.1:65536", "a:1", "127.0.0.1:1²"]
)
def test_split_endpoint_refuses(endpoint: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        split_endpoint(endpoint)
