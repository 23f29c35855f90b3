"""One HTTP client for many hosts nobody vouches for: a URL in, an answer out, whatever the server does.

Redirects are followed here and not by aiohttp, so that every hop passes the same checks. Bodies are counted
while they arrive; what servers announce is only believed when it is too much.
"""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Awaitable, Mapping
from functools import cache
from socket import AI_NUMERICHOST, AddressFamily
from types import TracebackType
from typing import Final, Self
from weakref import WeakValueDictionary

import aiohttp
import msgspec
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from obelics_pipeline.answer import Answer, failed, patience_of, readable, status_of
from obelics_pipeline.byte_budget import ByteBudget
from obelics_pipeline.consent import signals
from obelics_pipeline.fetch_types import FetchOptions, FetchStatus, split_endpoint
from obelics_pipeline.hosts import Asking, Hosts, Refuse
from obelics_pipeline.netguard import guarded_socket, redialled
from obelics_pipeline.patience import SparedHosts
from obelics_pipeline.robots import MAX_BYTES
from obelics_pipeline.url import resolve

DNS_SECONDS: Final = 300
"""How long an answer of the name service is reused; image URLs of one host come in crowds."""

RATE_SECONDS: Final = 5.0
"""After how long the speed of a body is judged."""

_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})


def target_of(url: str, options: FetchOptions) -> str | Answer:
    """Where a request for ``url`` goes; the answer to it if it is no http(s) URL or names a port that is not asked."""
    target = resolve(url)
    if target is None:
        return Answer(FetchStatus.BAD_URL, detail="not an http(s) URL")
    if not _port_allowed(target, options):
        return Answer(FetchStatus.BAD_URL, detail=f"port {URL(target).port} is not asked")
    return target


def _port_allowed(target: str, options: FetchOptions) -> bool:
    return not options.ports or URL(target, encoded=True).port in options.ports


class _Wanted(msgspec.Struct, frozen=True):
    """What is asked for: how much of a body is taken, and whether what is longer is ``cut`` or of no use.

    A body that is handed on counts in ``budget`` until it is let go.
    """

    max_bytes: int
    refuse: Refuse
    headers: dict[str, str] | None = None
    cut: bool = False
    budget: ByteBudget | None = None


_SMALL: Final = 4096
"""Bytes of a chunk that what comes next is added to."""

_HOST_FILE: Final = _Wanted(MAX_BYTES, lambda signals: None, {"Accept": "*/*"}, cut=True)
"""What a host says of itself is read whatever its headers say."""


class Client:
    """Asks for URLs within ``options``; an async context manager that lives in one event loop.

    On no hop of a redirect anything is asked for before its host has said that it may be (``hosts.Hosts``), nor of a
    host that is ``spared``.
    """

    def __init__(self, options: FetchOptions, asking: Asking) -> None:
        self.spared = SparedHosts(options)
        self._options = options
        self._bytes = ByteBudget(options.max_bytes_in_flight)
        self._image = _Wanted(options.max_bytes, asking.refuse, budget=self._bytes)
        self._hosts = Hosts(options, asking, self._host_file)
        self._places: WeakValueDictionary[str, asyncio.Semaphore] = WeakValueDictionary()

    async def __aenter__(self) -> Self:
        options = self._options
        connector = aiohttp.TCPConnector(
            limit=0,  # the caller's window and the places per host are the limits
            ssl=_tls(),
            resolver=_Names(options.hosts),
            ttl_dns_cache=DNS_SECONDS,
            socket_factory=guarded_socket(options.allow_private),
        )
        self._session = aiohttp.ClientSession(
            connector=connector,
            headers={"User-Agent": options.signature, "Accept": "image/*", "Accept-Encoding": "identity"},
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=options.connect_timeout),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            trust_env=False,
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._hosts.close()
        await self._session.close()

    async def get(self, url: str) -> Answer:
        """Ask for ``url`` and where it leads; never raises for what a server or a network does.

        The body of the answer counts as held until it is given to ``let_go``.
        """
        target = target_of(url, self._options)
        if isinstance(target, Answer):
            return target
        answer, _ = await self._follow(target, self._options.total_timeout, self._image)
        return self.spared.learn(target, answer)

    async def permission(self, url: str) -> Answer:
        """``ok`` if the host of ``url`` lets it be asked for, or why not; only what the host says of itself is read."""
        target = target_of(url, self._options)
        if isinstance(target, Answer):
            return target
        answer = self.spared.answer(target) or (await self._hosts.permission(target))[0]
        return self.spared.learn(target, answer)

    def forget_failures(self) -> None:
        """Ask hosts again that did not say whether they may be asked."""
        self._hosts.forget_failures()

    async def _host_file(self, url: str, seconds: float) -> tuple[Answer, float]:
        answer, left = await self._follow(url, seconds, _HOST_FILE)
        return self.spared.heed(url, answer), left  # failures count for each image that needs the file

    async def _follow(self, target: str, seconds: float, wanted: _Wanted) -> tuple[Answer, float]:
        """The answer at the end of all redirects, and what is left of ``seconds``."""
        seen: tuple[str, ...] = ()
        way: tuple[str, ...] = ()
        for _ in range(self._options.max_redirects + 1):
            way = (*way, target)
            if (spared := self.spared.answer(target)) is not None:
                return _having_seen(spared, seen, way), seconds
            if wanted is not _HOST_FILE:
                permission, spent = await self._hosts.permission(target)
                seen, seconds = (*seen, *permission.signals), seconds - spent
                if permission.status is not FetchStatus.OK:
                    return _having_seen(permission, seen, way), seconds
            answer, seconds = await self._in_turn(target, seconds, wanted)
            seen = (*seen, *answer.signals)
            answer = _having_seen(answer, seen, way)
            if answer.location is None:
                return answer, seconds
            following = resolve(answer.location, target)
            if following is None or not _port_allowed(following, self._options):
                return _redirected(answer, "to something that is not asked"), seconds
            target = following
        return _redirected(answer, f"more than {self._options.max_redirects} times"), seconds

    def let_go(self, answer: Answer) -> None:
        """Nobody needs the body of ``answer``, which ``get`` gave, any more."""
        self._bytes.give(len(answer.body))

    async def _in_turn(self, target: str, seconds: float, wanted: _Wanted) -> tuple[Answer, float]:
        """Wait for a place at the host, which costs the URL none of its time, and ask; what time is left."""
        url = URL(target, encoded=True)
        host = url.raw_host or ""
        places = self._places.get(host)
        if places is None:
            places = self._places[host] = asyncio.Semaphore(self._options.per_host)
        async with places:
            if (spared := self.spared.answer(target)) is not None:  # since it began to wait
                return spared, seconds
            clock = asyncio.get_running_loop().time
            begun = clock()
            answer = await self._ask(url, seconds, wanted)
            return msgspec.structs.replace(answer, final_url=target), seconds - (clock() - begun)

    async def _ask(self, url: URL, seconds: float, wanted: _Wanted) -> Answer:
        try:
            async with (
                asyncio.timeout(seconds) as deadline,
                self._session.get(url, headers=wanted.headers, allow_redirects=False) as response,
            ):
                return await self._answer(response, wanted, deadline)
        except (aiohttp.ClientError, OSError, ValueError) as error:
            return failed(error)

    async def _answer(
        self, response: aiohttp.ClientResponse, wanted: _Wanted, deadline: asyncio.Timeout
    ) -> Answer:
        answer = Answer(
            status_of(response.status),
            http_status=response.status,
            content_type=response.headers.get("Content-Type"),
            content_encoding=",".join(response.headers.getall("Content-Encoding", ())),
            signals=signals(((name.lower(), value) for name, value in response.headers.items()), ()),
        )
        location = response.headers.get("Location")
        redirects = response.status in _REDIRECTS and location is not None
        if not redirects and answer.status is not FetchStatus.OK:
            return msgspec.structs.replace(answer, patience=patience_of(response.headers.get("Retry-After")))
        if reason := wanted.refuse(answer.signals):
            return msgspec.structs.replace(answer, status=FetchStatus.OPTOUT, detail=reason)
        if location is not None and redirects:
            return msgspec.structs.replace(answer, location=readable(location))
        if wanted.budget is None:
            return await self._with_body(answer, response, wanted)
        room = min(response.content_length or wanted.max_bytes, wanted.max_bytes)
        await _unhurried(deadline, wanted.budget.take(room))
        try:
            answer = await self._with_body(answer, response, wanted)
            room -= len(answer.body)
        finally:
            wanted.budget.give(room)
        return answer

    async def _with_body(self, answer: Answer, response: aiohttp.ClientResponse, wanted: _Wanted) -> Answer:
        limit = wanted.max_bytes
        chunks: list[bytes] = []  # joined once: a buffer that grows leaves holes in the memory of the process
        length = 0
        begun = time.monotonic()
        too_large = (response.content_length or 0) > limit and not wanted.cut
        try:
            while not too_large and (chunk := await response.content.readany()):
                if chunks and len(chunks[-1]) < _SMALL:  # a drip of single bytes is no list of millions
                    chunks[-1] += chunk
                else:
                    chunks.append(chunk)
                length += len(chunk)
                too_large = length > limit
                seconds = time.monotonic() - begun
                if seconds > RATE_SECONDS and length < self._options.min_rate * seconds:
                    detail = f"{length} bytes in {seconds:.0f} s"
                    return msgspec.structs.replace(answer, status=FetchStatus.TIMEOUT, detail=detail)
        except (aiohttp.ClientError, ConnectionError):
            detail = f"broke off after {length} bytes"
            return msgspec.structs.replace(answer, status=FetchStatus.TRUNCATED, detail=detail)
        if too_large and not wanted.cut:
            detail = f"more than {limit} bytes"
            return msgspec.structs.replace(answer, status=FetchStatus.TOO_LARGE, detail=detail)
        return msgspec.structs.replace(answer, body=b"".join(chunks))


class _Names(AbstractResolver):
    """The addresses of names: those of ``hosts`` first, which also name a port, then the name service."""

    def __init__(self, hosts: Mapping[str, str]) -> None:
        self._hosts = {name: split_endpoint(endpoint) for name, endpoint in hosts.items()}
        self._service: AbstractResolver | None = None

    async def resolve(
        self, host: str, port: int = 0, family: AddressFamily = AddressFamily.AF_INET
    ) -> list[ResolveResult]:
        endpoint = redialled(host.rstrip("."), self._hosts)
        if endpoint is not None:
            address, port = endpoint
            family = AddressFamily.AF_INET6 if ":" in address else AddressFamily.AF_INET
            return [
                ResolveResult(
                    hostname=host, host=address, port=port, family=family, proto=0, flags=AI_NUMERICHOST
                )
            ]
        if self._service is None:
            self._service = aiohttp.DefaultResolver()
        try:
            return await self._service.resolve(host, port, family)
        except ValueError as error:  # a label that the name service cannot even ask for
            raise OSError(None, str(error)) from error

    async def close(self) -> None:
        if self._service is not None:
            await self._service.close()


@cache
def _tls() -> ssl.SSLContext:
    """One context for all connections: to load the certificates costs 20 ms."""
    return ssl.create_default_context()


async def _unhurried(deadline: asyncio.Timeout, waiting: Awaitable[None]) -> None:
    """Wait, for room say, without a loss of time until ``deadline``."""
    clock, until = asyncio.get_running_loop().time, deadline.when()
    assert until is not None
    left = until - clock()
    deadline.reschedule(None)
    await waiting
    deadline.reschedule(clock() + left)


def _having_seen(answer: Answer, signals: tuple[str, ...], way: tuple[str, ...]) -> Answer:
    if not signals and len(way) <= 2:
        return answer
    return msgspec.structs.replace(answer, signals=tuple(sorted(set(signals))), via=way[1:-1])


def _redirected(answer: Answer, how: str) -> Answer:
    return msgspec.structs.replace(answer, status=FetchStatus.REDIRECT, detail=f"redirected {how}")
