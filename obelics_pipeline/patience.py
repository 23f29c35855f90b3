"""Which URLs are tried a second time, and which hosts are spared until then."""

from __future__ import annotations

import time
from collections import Counter
from typing import Final

import msgspec
from yarl import URL

from obelics_pipeline.answer import Answer
from obelics_pipeline.fetch_types import FetchOptions, FetchStatus
from obelics_pipeline.url import resolve

PAUSE: Final = 5.0
"""Seconds before a second attempt if nobody asks for more (``retry_wait`` may make it less)."""


class SparedHosts:
    """The hosts that are not asked now: they asked for patience, or failed so often in a row.

    Lives in the event loop of the client, which asks it on every hop. Another thread may read, and call ``once_more``
    while no question is under way.
    """

    def __init__(self, options: FetchOptions) -> None:
        self._wait = options.retry_wait
        self._most = options.host_failures
        self._failures: Counter[str] = Counter()
        self._busy: dict[str, float] = {}

    def answer(self, target: str) -> Answer | None:
        """The answer to ``target`` if its host is not asked now; None if it is."""
        if not self._wait or not (self._busy or self._failures):
            return None
        if (until := self.busy_until(target)) > time.time():
            answer = Answer(FetchStatus.HOST_BUSY, patience=until, detail="the host asked for patience")
        elif self._failures[_host(target)] >= self._most:
            answer = Answer(FetchStatus.HOST_DOWN, detail=f"{self._most} failures in a row")
        else:
            return None
        return msgspec.structs.replace(answer, final_url=target, spared=True)

    def learn(self, target: str, answer: Answer) -> Answer:
        """Remember what ``answer`` for ``target``, or where that led to, says of its host; the answer."""
        if answer.spared:
            return answer
        host = _host(answer.final_url or target)
        if not answer.transient:
            self._failures.pop(host, None)
        elif answer.status is not FetchStatus.HOST_BUSY and not answer.unreachable:
            self._failures[host] += 1  # of what costs the host a request for each URL
        return self.heed(target, answer)

    def heed(self, target: str, answer: Answer) -> Answer:
        """Remember nothing but how long the host wants to be left alone; the answer."""
        asks = answer.status is FetchStatus.HOST_BUSY or answer.patience is not None
        if asks and answer.transient and not answer.spared:
            there = answer.final_url or target
            until = answer.patience or time.time() + min(PAUSE, self._wait)
            self._busy[_host(there)] = max(self.busy_until(there), until)
        return answer

    def busy_until(self, target: str) -> float:
        """When the host of ``target`` may be asked again, in seconds since 1970; 0 if it did not say."""
        return self._busy.get(_host(target), 0.0)

    def latest(self, most: float) -> float:
        """When all hosts may be asked again, but for those that want to be left alone until after ``most``."""
        return max((until for until in self._busy.values() if until <= most), default=0.0)

    def once_more(self) -> None:
        """Ask the hosts that failed again; one more failure decides."""
        for host, failures in self._failures.items():
            self._failures[host] = min(failures, self._most - 1)


class Patience:
    """Watches the answers of one download for the failures that may pass.

    ``urls`` are to be tried again, after ``pause``. Used by one thread.
    """

    def __init__(self, options: FetchOptions, hosts: SparedHosts) -> None:
        self._wait = options.retry_wait
        self._hosts = hosts
        self._again = self._wait > 0
        self._last = 0.0
        self._earlier: dict[str, Answer] = {}
        self.urls: list[str] = []

    def final(self, url: str, answer: Answer) -> Answer | None:
        """How ``url`` ends with this answer; None if it is kept here, to be tried again."""
        now = time.time()
        until = max(self._hosts.busy_until(answer.final_url or url), answer.patience or 0.0)
        if not answer.transient or not self._again or until > now + self._wait:
            return self._earlier.get(url, answer) if answer.spared else answer
        self._last = now
        self._earlier[url] = answer
        self.urls.append(url)
        return None

    def pause(self) -> list[str]:
        """Wait as long as hosts asked for, within bounds; the URLs to ask now, for the last time."""
        until = max(self._last + min(PAUSE, self._wait), self._hosts.latest(time.time() + self._wait))
        if self.urls:
            time.sleep(max(0.0, until - time.time()))
        self._again = False
        self._hosts.once_more()
        return self.urls


def _host(url: str) -> str:
    target = resolve(url)
    return "" if target is None else URL(target, encoded=True).raw_host or ""
