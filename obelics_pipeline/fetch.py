"""Download images: every URL ends with exactly one status, within fixed bounds of time and memory.

The network runs in a thread of its own, so that a slow consumer never makes a download late; images are
checked in the consumer's time, in a process of their own, so that a slow image does not either.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator
from concurrent.futures import Future
from queue import SimpleQueue
from threading import Thread
from types import TracebackType
from typing import Final, Self, TypeAlias

import msgspec

from obelics_pipeline.answer import Answer
from obelics_pipeline.decoder import Decoder, decoder
from obelics_pipeline.download import Client
from obelics_pipeline.fetch_types import FetchOptions, FetchResult, FetchStatus
from obelics_pipeline.hosts import Asking, Refuse
from obelics_pipeline.http import undo_encodings
from obelics_pipeline.image import begins_like_an_image
from obelics_pipeline.patience import Patience

__all__ = ["FetchOptions", "FetchResult", "FetchStatus", "fetch_images", "reserved", "said_by_hosts"]

_NO_TRAINING: Final = ("noai", "noimageai", "noml")

_Asked: TypeAlias = "asyncio.Task[tuple[str, Answer]]"
_Question: TypeAlias = Callable[[Client, str], Awaitable[Answer]]


def fetch_images(
    urls: Iterable[str],
    options: FetchOptions,
    refuse: Refuse | None = None,
    agents: tuple[str, ...] = (),
    ai_agents: tuple[str, ...] = (),
) -> Iterator[FetchResult]:
    """Download and check every URL of ``urls``: one result for each, in the order in which they complete.

    ``refuse`` is asked of what the host says of a URL (robots.txt, see ``FetchOptions``) before it is asked for, and of
    every answer before its body is read, redirects too; by default it is ``reserved``. ``agents`` are our names in
    robots.txt, by default that of ``options.user_agent``; of the exclusion of ``ai_agents`` ``refuse`` is told, too.
    Failures that may pass are tried again when all others are done (``FetchOptions.retry_wait``).

    ``urls`` is read as places become free, and no more than ``options.concurrency`` URLs are on their way or
    waiting to be taken; ``options.max_bytes_in_flight`` bounds the memory of their bodies. URLs that wait for
    their host (``per_host``) take places too: mix the hosts, by a hash of the URL say. URLs are not compared: one
    that is passed twice is downloaded twice. Close the generator to stop early; the rest is given up.
    """
    asking = _asking(options, refuse, agents, ai_agents)
    with _Network(options, asking, Client.get) as network, decoder() as child:
        for url, answer in network.final_answers(urls):
            yield result_of(url, answer, options, child)


def said_by_hosts(
    urls: Iterable[str],
    options: FetchOptions,
    refuse: Refuse | None = None,
    agents: tuple[str, ...] = (),
    ai_agents: tuple[str, ...] = (),
) -> dict[str, FetchResult]:
    """For each of ``urls`` whether ``fetch_images`` would ask for it (``ok``), and what its host says of it.

    For downloaders that do not ask hosts themselves: what is ``ok`` may be given to them. Hosts to which they are
    redirected have not been asked: give the addresses where redirects led to this function, too, and drop what is
    not ``ok``.
    """
    asking = _asking(options, refuse, agents, ai_agents)
    with _Network(options, asking, Client.permission) as network:
        return {url: _unchecked(url, answer) for url, answer in network.final_answers(urls)}


def _asking(
    options: FetchOptions, refuse: Refuse | None, agents: tuple[str, ...], ai_agents: tuple[str, ...]
) -> Asking:
    name = _name(options.user_agent)
    return Asking(refuse or reserved(options.user_agent), agents or (name,), ai_agents)


def reserved(user_agent: str) -> Refuse:
    """What refuses images that are reserved from machine learning, for all or for this agent by name.

    ``X-Robots-Tag`` with noai, noimageai or noml; ``tdm-reservation: 1``; ``Content-Usage: train-ai=n``; whatever
    robots.txt or ai.txt forbids, to us or to others that train, or when nobody knows what they say.
    """
    name = _name(user_agent)
    robots = {f"x-robots-tag:{agent}{word}" for agent in ("", f"{name}:") for word in _NO_TRAINING}
    said = robots | {"content-usage:train-ai=n", "content-signal:ai-train=no"}
    sources = ("robots:", "robots-ai-agents:", "ai-txt:", "tdm-reservation:")
    return lambda signals: next((text for text in signals if text in said or text.startswith(sources)), None)


def _name(user_agent: str) -> str:
    """The name of an agent as robots.txt has it: no version, nothing after it."""
    return user_agent.partition("/")[0].strip().lower()


class _Network:
    """A client in an event loop in a thread: URLs go in, answers come out as they are complete."""

    def __init__(self, options: FetchOptions, asking: Asking, question: _Question) -> None:
        self._options = options
        self._asking = asking
        self._question = question
        self._done: SimpleQueue[_Asked] = SimpleQueue()
        self._tasks: set[_Asked] = set()
        self._stop = asyncio.Event()
        started: Future[tuple[asyncio.AbstractEventLoop, Client]] = Future()
        self._thread = Thread(target=self._run, args=(started,), name="fetch-images", daemon=True)
        self._thread.start()
        self._loop, self._client = started.result()

    def final_answers(self, urls: Iterable[str]) -> Iterator[tuple[str, Answer]]:
        """The answers to ``urls``, of which failures that may pass are the second ones."""
        patience = Patience(self._options, self._client.spared)
        yield from self.answers(urls, patience)
        again = patience.pause()
        self._loop.call_soon_threadsafe(self._client.forget_failures)
        yield from self.answers(again, patience)

    def answers(self, urls: Iterable[str], patience: Patience) -> Iterator[tuple[str, Answer]]:
        """The final answers to ``urls``, ``concurrency`` at a time; what is to be tried again is left out."""
        waiting, under_way = iter(urls), 0
        complete: tuple[str, Answer] | None = None
        while True:
            while under_way < self._options.concurrency and (url := next(waiting, None)) is not None:
                self._loop.call_soon_threadsafe(self._start, url)
                under_way += 1
            if complete is not None:
                url, answer = complete
                yield url, answer
                if answer.body:
                    self._loop.call_soon_threadsafe(self._client.let_go, answer)
            if not under_way:
                return
            url, answer = self._done.get().result()
            under_way -= 1
            final = patience.final(url, answer)
            complete = None if final is None else (url, final)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()

    def _run(self, started: Future[tuple[asyncio.AbstractEventLoop, Client]]) -> None:
        try:
            asyncio.run(self._serve(started))
        except BaseException as error:
            if started.done():
                raise
            started.set_exception(error)

    async def _serve(self, started: Future[tuple[asyncio.AbstractEventLoop, Client]]) -> None:
        async with Client(self._options, self._asking) as client:
            started.set_result((asyncio.get_running_loop(), client))
            await self._stop.wait()
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    def _start(self, url: str) -> None:
        task = asyncio.create_task(self._get(url))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        task.add_done_callback(self._done.put)

    async def _get(self, url: str) -> tuple[str, Answer]:
        return url, await self._question(self._client, url)


def _unchecked(url: str, answer: Answer) -> FetchResult:
    """The result of an answer, without what is known of its body."""
    return FetchResult(
        url,
        answer.status,
        http_status=answer.http_status,
        final_url=answer.final_url,
        via=answer.via,
        content_type=answer.content_type,
        signals=answer.signals,
        fetched_at=time.time_ns() // 1_000_000,
        detail=answer.detail,
    )


def result_of(url: str, answer: Answer, options: FetchOptions, child: Decoder) -> FetchResult:
    """The result that ``answer`` is for ``url``: its body is unpacked, measured, hashed and decoded here."""
    result = _unchecked(url, answer)
    if answer.status is not FetchStatus.OK:
        return result
    body = _unpacked(answer, options.max_bytes)
    if len(body) > options.max_bytes:
        detail = f"unpacks to more than {options.max_bytes} bytes"
        return msgspec.structs.replace(result, status=FetchStatus.TOO_LARGE, detail=detail)
    return _checked(result, body, options.max_pixels, child)


def _checked(result: FetchResult, body: bytes, max_pixels: int, child: Decoder) -> FetchResult:
    """The result with what its whole body is: an image, or why it is none."""
    digests = {name: hashlib.new(name, body).hexdigest() for name in ("md5", "sha1", "sha256")}
    result = msgspec.structs.replace(result, num_bytes=len(body), **digests)
    if not body:
        return msgspec.structs.replace(result, status=FetchStatus.EMPTY)
    if not begins_like_an_image(body):
        return msgspec.structs.replace(result, status=FetchStatus.NOT_IMAGE)
    facts = child.inspect(body, max_pixels)
    if isinstance(facts, FetchStatus):
        return msgspec.structs.replace(result, status=facts)
    return msgspec.structs.replace(result, body=body, **msgspec.structs.asdict(facts))


def _unpacked(answer: Answer, max_bytes: int) -> bytes:
    """The body without an encoding that the server added unasked; cut when it is more than ``max_bytes``."""
    if not answer.content_encoding or begins_like_an_image(answer.body):
        return answer.body
    return undo_encodings(answer.body, [("content-encoding", answer.content_encoding)], max_bytes + 1)
