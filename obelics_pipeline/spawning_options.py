"""How Spawning's registry is asked: options alone, for configurations that are read where nothing is asked."""

from __future__ import annotations

from typing import Annotated, Final

import msgspec
from msgspec import Meta
from yarl import URL

MAX_PAUSE: Final = 60.0
"""Seconds between two attempts, unless the service asks for more."""

_Seconds = Annotated[float, Meta(gt=0)]
_Count = Annotated[int, Meta(ge=1)]


class SpawningOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How to ask. Times are seconds.

    ``batch`` URLs go in one request, ``concurrency`` requests at once. ``timeout`` is that of one request, ``deadline``
    that of one call of ``query``. After ``max_failures`` failed requests in a row none is made for ``cooldown``.
    ``backoff`` is the longest pause before the second of ``attempts``; it doubles up to ``MAX_PAUSE``.
    ``cache`` is a file for the verdicts, good for ``max_age_days``.
    """

    endpoint: str = "https://opts-api.spawningaiapi.com/api/v2/query/urls/"
    batch: Annotated[int, Meta(ge=1, le=10_000)] = 1000
    concurrency: Annotated[int, Meta(ge=1, le=10)] = 4
    timeout: _Seconds = 20.0
    deadline: _Seconds = 3600.0
    attempts: _Count = 5
    backoff: _Seconds = 1.0
    max_failures: _Count = 10
    cooldown: _Seconds = 60.0
    cache: str | None = None
    max_age_days: _Count = 30

    def __post_init__(self) -> None:
        try:
            url = URL(self.endpoint)
        except ValueError:
            url = URL()
        if url.host is None or url.scheme not in ("https", "http"):
            raise ValueError(f"endpoint is {self.endpoint!r}; it has to be a URL, such as 'https://…'")
        if url.scheme == "http" and url.host not in ("127.0.0.1", "::1", "localhost"):
            raise ValueError(
                f"endpoint is {self.endpoint!r}; the key would be readable on its way, use https"
            )
