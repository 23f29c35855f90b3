"""Which URLs are tried a second time, and which hosts are spared until then."""

from __future__ import annotations

import time
from collections import Counter
from typing import Final

from yarl import URL

from obelics_pipeline.answer import Answer
from obelics_pipeline.fetch_types import FetchOptions, FetchStatus
from obelics_pipeline.url import resolve

PAUSE: Final = 5.0
"""Seconds before a second attempt if nobody asks for more (``retry_wait`` may make it less)."""


class Patience:
    """Watches the answers of one download: the failures that may pass, and the hosts that they come from.

    ``urls`` are to be tried again, after ``pause``. Used by one thread.
    """

    def __init__(self, options: FetchOptions) -> None:
        self._wait = options.retry_wait
        self._most = options.host_failures
        self._failures: Counter[str] = Counter()
        self._busy: dict[str, float] = {}
        self._again = self._wait > 0
        self._last = 0.0
        self._earlier: dict[str, Answer] = {}
        self.urls: list[str] = []

    def spares(self, url: str) -> Answer | None:
        """The answer to ``url`` if its host is not asked now; None if it is."""
        if not self._wait or not (self._busy or self._failures):
            return None
        host = _host(url)
        if self._busy.get(host, 0) > time.time():
            answer = Answer(FetchStatus.HOST_BUSY, detail="the host asked for patience")
        elif self._failures[host] >= self._most:
            answer = Answer(FetchStatus.HOST_DOWN, detail=f"{self._most} failures in a row")
        else:
            return None
        return self._earlier.get(url, answer)

    def takes(self, url: str, answer: Answer, *, asked: bool) -> bool:
        """Learn from the answer to ``url``, if it was ``asked``; whether it is kept here, to be tried again."""
        now = time.time()
        if asked:
            self._learn(_host(answer.final_url or url), answer, now)
        too_long = self._busy.get(_host(answer.final_url or url), 0) > now + self._wait
        if not answer.transient or not self._again or too_long:
            return False
        self._last = now
        self._earlier[url] = answer
        self.urls.append(url)
        return True

    def _learn(self, host: str, answer: Answer, now: float) -> None:
        busy = answer.status is FetchStatus.HOST_BUSY
        if not answer.transient:
            self._failures.pop(host, None)
        elif not busy and not answer.unreachable:  # which costs the host no request for each URL
            self._failures[host] += 1
        if answer.transient and (busy or answer.patience is not None):
            self._busy[host] = max(self._busy.get(host, 0), answer.patience or now + min(PAUSE, self._wait))

    def pause(self) -> list[str]:
        """Wait as long as hosts asked for, within bounds; the URLs to ask now, for the last time."""
        until = self._last + min(PAUSE, self._wait)
        most = time.time() + self._wait
        until = max([until, *(busy for busy in self._busy.values() if busy <= most)])
        if self.urls:
            time.sleep(max(0.0, until - time.time()))
        self._again = False
        for host, failures in self._failures.items():
            self._failures[host] = min(failures, self._most - 1)  # one more decides
        return self.urls


def _host(url: str) -> str:
    target = resolve(url)
    return "" if target is None else URL(target, encoded=True).raw_host or ""
