"""What hosts say of all that they serve: asked once for each origin, before anything else is asked there."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from functools import lru_cache
from threading import Lock
from typing import Final, TypeAlias

import msgspec

from obelics_pipeline.answer import Answer
from obelics_pipeline.fetch_types import FetchOptions, FetchStatus
from obelics_pipeline.host_files import Rules, ai_txt, no_rules, robots_txt, tdmrep_json
from obelics_pipeline.http import undo_encodings
from obelics_pipeline.robots import MAX_BYTES

MAX_AGE: Final = 24 * 3600.0
"""Seconds for which an answer is reused (RFC 9309 §2.4 allows a day)."""

MAX_KNOWN: Final = 50_000
"""Origins whose answers a process keeps; nearly all say little, and one that does takes 300 bytes."""

MAX_KNOWN_BYTES: Final = 1_000_000
"""Bytes of files with rules that a process keeps; parsed they take 40 to 60 times as much, which is measured."""

FILES: Final[dict[str, tuple[str, Callable[[int | None, bytes], Rules]]]] = {
    "robots": ("/robots.txt", robots_txt),
    "tdmrep": ("/.well-known/tdmrep.json", tdmrep_json),
    "ai_txt": ("/ai.txt", ai_txt),
}
"""The option that asks for a file, its path, and how it is read."""

Ask: TypeAlias = Callable[[str, float], Awaitable[tuple[Answer, float]]]
"""Asks for a file within some seconds: the answer, and what is left of them."""

Refuse: TypeAlias = Callable[[tuple[str, ...]], str | None]
"""Whether signals (``consent.signals``) forbid to go on: the one that does, or None."""


class Asking(msgspec.Struct, frozen=True):
    """Who asks for images, and what they take for a no.

    ``agents`` are our names as robots.txt may have them, ``ai_agents`` others whose exclusion we heed.
    """

    refuse: Refuse
    agents: tuple[str, ...]
    ai_agents: tuple[str, ...] = ()


class Said(msgspec.Struct, frozen=True):
    """What an origin said. With a ``failure`` nobody there could be asked, which is then how its images end.

    ``whole`` is whether every file is known, ``patience`` the time at which the host wants to be asked again.
    ``seconds`` were spent on asking, and ``size`` bytes of files have rules.
    """

    rules: tuple[Rules, ...] = ()
    failure: Answer | None = None
    whole: bool = True
    patience: float | None = None
    seconds: float = 0.0
    size: int = 0


class Hosts:
    """Whether URLs may be asked for. Lives in one event loop; ``close`` ends what is under way."""

    def __init__(self, options: FetchOptions, asking: Asking, ask: Ask) -> None:
        self._seconds, self._asking, self._ask = options.total_timeout, asking, ask
        self._files = [FILES[name] for name in FILES if getattr(options, name)]
        self._known = _known(msgspec.json.encode(options))
        self._failed: dict[str, Said] = {}
        self._under_way: dict[str, asyncio.Task[Said]] = {}

    async def permission(self, url: str) -> tuple[Answer, float]:
        """``ok`` with the signals heard, or why ``url`` is not to be asked for; and the seconds that it took."""
        if not self._files:
            return _PERMITTED, 0.0
        origin = url[: url.index("/", len("https://"))]
        said = self._known.get(origin) or self._failed.get(origin)
        if said is not None:
            return self._judged(said, url), 0.0
        task = self._under_way.get(origin) or self._begin(origin)
        begun = time.monotonic()
        said = await asyncio.shield(task)
        return self._judged(said, url), min(time.monotonic() - begun, said.seconds)

    def forget_failures(self) -> None:
        """Ask again, when next needed, what could not be learnt."""
        self._failed.clear()

    async def close(self) -> None:
        """End what is under way."""
        tasks = list(self._under_way.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _judged(self, said: Said, url: str) -> Answer:
        if said.failure is not None:
            return msgspec.structs.replace(said.failure, final_url=url)
        signals: tuple[str, ...] = ()
        for rules in said.rules:
            signals += rules(url, self._asking.agents, self._asking.ai_agents)
        if not signals:
            return _PERMITTED
        signals = tuple(sorted(set(signals)))
        if (reason := self._asking.refuse(signals)) is None:
            return Answer(FetchStatus.OK, signals=signals)
        return Answer(
            FetchStatus.OPTOUT, final_url=url, signals=signals, detail=reason, patience=said.patience
        )

    def _begin(self, origin: str) -> asyncio.Task[Said]:
        task = self._under_way[origin] = asyncio.create_task(self._learn(origin))
        task.add_done_callback(lambda _: self._under_way.pop(origin, None))
        return task

    async def _learn(self, origin: str) -> Said:
        said = Said()
        left = self._seconds
        for path, read in self._files:
            answer, left = await self._ask(origin + path, left)
            said = _with(said, answer, origin + path, read)
            if said.failure is not None:
                break
        said = msgspec.structs.replace(said, seconds=self._seconds - left)
        if said.whole:
            self._known.put(origin, said)
        else:
            self._failed[origin] = said
        return said


_PERMITTED: Final = Answer(FetchStatus.OK)


def _with(said: Said, answer: Answer, url: str, read: Callable[[int | None, bytes], Rules]) -> Said:
    """What the answer for the file ``url`` adds to what is known."""
    nobody = answer.http_status is None and answer.final_url == url
    if nobody or answer.status is FetchStatus.HOST_BUSY:
        detail = f"{url.rpartition('/')[2]}: {answer.detail or answer.http_status}"
        failure = Answer(answer.status, patience=answer.patience, detail=detail, spared=answer.spared)
        return msgspec.structs.replace(said, failure=failure, whole=False)
    known = answer.status in (FetchStatus.OK, FetchStatus.HTTP_4XX) or answer.http_status == 204
    body = undo_encodings(answer.body, [("content-encoding", answer.content_encoding)], MAX_BYTES + 1)
    rules = read(answer.http_status if known else None, body)
    return msgspec.structs.replace(
        said,
        rules=said.rules if rules is no_rules else (*said.rules, rules),
        whole=said.whole and known,
        patience=answer.patience or said.patience,
        size=said.size + (0 if rules is no_rules else len(body)),
    )


class _Known:
    """What the downloads of this process learnt in the last day; the oldest is given up first. For many threads."""

    def __init__(self) -> None:
        self._entries: OrderedDict[str, tuple[float, Said]] = OrderedDict()
        self._size = 0
        self._lock = Lock()

    def get(self, origin: str) -> Said | None:
        entry = self._entries.get(origin)
        return entry[1] if entry is not None and time.monotonic() - entry[0] < MAX_AGE else None

    def put(self, origin: str, said: Said) -> None:
        with self._lock:
            if (before := self._entries.pop(origin, None)) is not None:
                self._size -= before[1].size
            self._entries[origin] = time.monotonic(), said
            self._size += said.size
            while len(self._entries) > MAX_KNOWN or self._size > MAX_KNOWN_BYTES:
                _, (_, oldest) = self._entries.popitem(last=False)
                self._size -= oldest.size


@lru_cache(maxsize=4)
def _known(options: bytes) -> _Known:
    """What is known to those who ask with ``options``: who they are, and where names lead, may matter."""
    return _Known()
