"""A client of Spawning's registry of opt-outs, by the protocol of its package ``datadiligence``.

URLs are sent as lines of text, verdicts come as JSON. Nothing is allowed that the service has not allowed in
so many words: whatever else happens, a URL is ``unknown``, with the reason.
"""

from __future__ import annotations

import asyncio
import os
import random
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from enum import StrEnum
from itertools import chain, islice, pairwise
from typing import Any, Final, Literal

import aiohttp
import msgspec

from obelics_pipeline import __version__
from obelics_pipeline.errors import ConfigError, RunFailed
from obelics_pipeline.spawning_options import MAX_PAUSE, SpawningOptions
from obelics_pipeline.verdict_cache import DAY, Verdict, VerdictCache, now_ms

KEY_VARIABLE: Final = "SPAWNING_OPTS_KEY"
"""The variable of the environment with the key of the service; the name that ``datadiligence`` uses."""

_UNSENDABLE: Final = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
"""What would end a line, for one or the other reader of lines, or is no text."""


class Reason(StrEnum):
    """Why a URL is unknown."""

    NO_KEY = "no_key"
    BAD_URL = "bad_url"
    KEY_REFUSED = "key_refused"
    RATE_LIMITED = "rate_limited"
    HTTP_ERROR = "http_error"
    UNREACHABLE = "unreachable"
    TIMEOUT = "timeout"
    DEADLINE = "deadline"
    CIRCUIT_OPEN = "circuit_open"
    BAD_ANSWER = "bad_answer"
    MISSING = "missing"
    DUPLICATED = "duplicated"
    BAD_VERDICT = "bad_verdict"


class Answer(msgspec.Struct, frozen=True):
    """What is known of a URL: ``reason`` and ``detail`` if unknown; ``at`` is when the service said so (ms)."""

    verdict: Literal["allowed", "opted_out", "unknown"]
    reason: Reason | None = None
    detail: str = ""
    at: int | None = None


class SpawningFailed(RunFailed):
    """The service has given no verdict at all."""


class _Failure(msgspec.Struct, frozen=True):
    """A request without verdicts. ``pause`` is what the service asks for (seconds); the key may be to blame."""

    reason: Reason
    detail: str
    again: bool = True
    pause: float = 0.0


class Spawning:
    """Asks the service. One object per process: it remembers failures, so that a dead service is left alone.

    Args:
        options: how to ask.
        key: of the service; by default that of the environment. Without one every URL that is not in the
            cache is unknown. ``ConfigError`` if it cannot be a header.
    """

    def __init__(self, options: SpawningOptions, key: str | None = None) -> None:
        self._options = options
        self._key = (os.environ.get(KEY_VARIABLE, "") if key is None else key).strip()
        if not self._key.isascii() or (self._key and not self._key.isprintable()):
            raise ConfigError(f"{KEY_VARIABLE} has characters that no key has; set it to the key alone")
        self._cache = (
            VerdictCache(options.cache, options.endpoint, options.max_age_days * DAY)
            if options.cache
            else None
        )
        self._failures = 0
        self._open_until = self._not_before = 0.0

    def query(self, urls: Iterable[str]) -> dict[str, Answer]:
        """An answer for each of ``urls``, of pages and images alike; raises nothing for what the service does."""
        wanted = list(dict.fromkeys(urls))
        answers = {url: _unknown(Reason.BAD_URL) for url in wanted if not sendable(url)}
        if self._cache is not None:
            cached = self._cache.get(url for url in wanted if url not in answers)
            answers |= {url: _known(verdict) for url, verdict in cached.items()}
        left = [url for url in wanted if url not in answers]
        if left and not self._key:
            answers |= dict.fromkeys(left, _unknown(Reason.NO_KEY, f"{KEY_VARIABLE} is not set"))
        elif left:
            answers |= asyncio.run(self._ask_all(left))
        return {url: answers[url] for url in wanted}

    async def _ask_all(self, urls: Sequence[str]) -> dict[str, Answer]:
        answers: dict[str, Answer] = {}
        batches = evenly(urls, self._options.batch)
        end = _clock() + self._options.deadline

        async def work(session: aiohttp.ClientSession) -> None:
            for batch in batches:  # shared by all workers
                found = await self._ask(session, batch, end)
                answers.update(found)
                self._keep(found)

        headers = {
            "Authorization": f"API {self._key}",
            "Content-Type": "text/plain",
            "User-Agent": f"obelics-builder/{__version__}",
        }
        async with aiohttp.ClientSession(headers=headers, cookie_jar=aiohttp.DummyCookieJar()) as session:
            await asyncio.gather(*(work(session) for _ in range(self._options.concurrency)))
        return answers

    def _keep(self, found: Mapping[str, Answer]) -> None:
        if self._cache is not None:
            self._cache.put(
                {
                    url: Verdict(answer.verdict == "opted_out", answer.at)
                    for url, answer in found.items()
                    if answer.at is not None
                }
            )

    async def _ask(
        self, session: aiohttp.ClientSession, batch: Sequence[str], end: float
    ) -> dict[str, Answer]:
        """The answers for a batch, after as many attempts as it takes and is allowed."""
        failure = _Failure(Reason.DEADLINE, f"not asked within {self._options.deadline:g} s")
        for pause in chain([0.0], islice(pauses(self._options.backoff), self._options.attempts - 1)):
            if self._open_until > _clock():
                failure = _Failure(Reason.CIRCUIT_OPEN, f"after {self._failures} failures in a row")
                break
            start = max(_clock() + pause, self._not_before)
            if start >= end:
                break
            await asyncio.sleep(start - _clock())
            found = await self._post(session, batch, min(self._options.timeout, end - _clock()))
            if not isinstance(found, _Failure):
                self._failures = 0
                return found
            failure = found
            self._failed(failure)
            if not failure.again:
                break
        return dict.fromkeys(batch, _unknown(failure.reason, failure.detail))

    def _failed(self, failure: _Failure) -> None:
        """Remember a failure; stop asking if there have been too many, or the key is refused."""
        self._failures += 1
        self._not_before = max(self._not_before, _clock() + failure.pause)
        if self._failures >= self._options.max_failures or failure.reason is Reason.KEY_REFUSED:
            self._open_until = _clock() + self._options.cooldown

    async def _post(
        self, session: aiohttp.ClientSession, batch: Sequence[str], seconds: float
    ) -> dict[str, Answer] | _Failure:
        body = "\n".join(batch).encode()
        limit = 4 * len(body) + 4096 * (len(batch) + 1)  # escaped, each with what else is told of it
        request = session.post(self._options.endpoint, data=body, allow_redirects=False)
        try:
            async with asyncio.timeout(seconds), request as response:
                if response.status != 200:
                    return _refused(response)
                content = bytearray()
                while len(content) <= limit and (chunk := await response.content.readany()):
                    content += chunk
        except TimeoutError:
            return _Failure(Reason.TIMEOUT, f"no answer within {seconds:.3g} s")
        except (aiohttp.ClientError, OSError, ValueError) as error:
            return _Failure(Reason.UNREACHABLE, type(error).__name__)
        if len(content) > limit:
            return _Failure(Reason.BAD_ANSWER, f"more than {limit} bytes")
        return read_answer(bytes(content), batch, now_ms())


def sendable(url: str) -> bool:
    """Whether ``url`` is one line of text, however lines are read."""
    return bool(url) and url == url.strip() and not _UNSENDABLE.search(url)


def evenly(urls: Sequence[str], most: int) -> Iterator[Sequence[str]]:
    """``urls`` in batches of at most ``most``, of about the same size: the service wants no single URLs."""
    count = -(-len(urls) // most)
    bounds = [len(urls) * i // count for i in range(count + 1)]
    return (urls[start:end] for start, end in pairwise(bounds))


def pauses(longest: float) -> Iterator[float]:
    """Seconds to wait before each new attempt: random up to ``longest``, twice that, and so on to ``MAX_PAUSE``."""
    while True:
        yield random.uniform(0, min(longest, MAX_PAUSE))
        longest *= 2


def read_answer(content: bytes, asked: Iterable[str], at: int) -> dict[str, Answer] | _Failure:
    """What ``content`` says of each URL that was ``asked`` for: order and count of what it lists mean nothing."""
    try:
        reply = msgspec.json.decode(content)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _Failure(Reason.BAD_ANSWER, f"no JSON, begins with {content[:40]!r}")
    listed = reply.get("urls") if isinstance(reply, dict) else None
    if not isinstance(listed, list):
        return _Failure(Reason.BAD_ANSWER, f"no list 'urls', begins with {content[:40]!r}")
    said: defaultdict[str, list[Any]] = defaultdict(list)
    for item in listed:
        if isinstance(item, dict) and isinstance(item.get("url"), str):
            said[item["url"]].append(item.get("optOut"))
    return {url: _judged(said.get(url, []), at) for url in asked}


def _judged(said: list[Any], at: int) -> Answer:
    if len(said) != 1:
        return _unknown(Reason.DUPLICATED if said else Reason.MISSING)
    if not isinstance(said[0], bool):
        return _unknown(Reason.BAD_VERDICT, f"optOut is {said[0]!r}"[:80])
    return _known(Verdict(said[0], at))


def _known(verdict: Verdict) -> Answer:
    return Answer("opted_out" if verdict.opted_out else "allowed", at=verdict.at)


def _unknown(reason: Reason, detail: str = "") -> Answer:
    return Answer("unknown", reason, detail)


def _refused(response: aiohttp.ClientResponse) -> _Failure:
    status, detail = response.status, f"HTTP {response.status}"
    if status in (401, 403):
        return _Failure(Reason.KEY_REFUSED, detail, again=False)
    pause = retry_after(response.headers.get("Retry-After", ""))
    if status == 429:
        return _Failure(Reason.RATE_LIMITED, detail, pause=pause)
    return _Failure(Reason.HTTP_ERROR, detail, again=status >= 500 or status == 408, pause=pause)


def retry_after(value: str) -> float:
    """The seconds that a Retry-After header asks for, as a number or as a date; 0 if it asks for nothing."""
    if value.isascii() and value.isdigit():
        return float(value[:9])
    try:
        moment = parsedate_to_datetime(value)
    except ValueError:
        return 0.0
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(0.0, (moment - datetime.now(UTC)).total_seconds())


def _clock() -> float:
    return asyncio.get_running_loop().time()


_REMEDY: Final[Mapping[Reason, str]] = {
    Reason.NO_KEY: f"set {KEY_VARIABLE} in the environment of every worker",
    Reason.KEY_REFUSED: f"{KEY_VARIABLE} is not a key of this service",
}


def require_verdicts(answers: Mapping[str, Answer]) -> None:
    """Raise ``SpawningFailed`` if URLs were asked about and the service has not given one verdict."""
    reasons = Counter(answer.reason for answer in answers.values() if answer.reason is not Reason.BAD_URL)
    if not reasons or None in reasons:
        return
    (first, _), *_ = ranked = reasons.most_common()
    told = ", ".join(f"{reason} {count:,}" for reason, count in ranked)
    detail = next(answer.detail for answer in answers.values() if answer.reason is first)
    remedy = _REMEDY.get(first or Reason.MISSING, "try again later, or leave the service out of the policy")
    raise SpawningFailed(
        f"Spawning: no verdict on any of {reasons.total():,} URLs ({told}; {detail or first}), so none of them "
        f"may be released; {remedy}"
    )
