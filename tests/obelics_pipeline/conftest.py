"""A server that misbehaves, and a network that ends at 127.0.0.1."""

from __future__ import annotations

import socket
from asyncio.selector_events import BaseSelectorEventLoop
from collections.abc import Iterator
from ipaddress import ip_address
from typing import Any

import aiohttp
import pytest
from aiohttp.abc import AbstractResolver, ResolveResult
from faultserver import FaultServer


class NameService(AbstractResolver):
    """Names and their addresses, one list after the other; every other name is unknown."""

    def __init__(self, names: dict[str, list[str]]) -> None:
        self._names = names

    async def resolve(self, host: str, port: int = 0, family: int = 0) -> list[ResolveResult]:
        host.encode("idna")  # as socket.getaddrinfo does, which raises UnicodeError for what it cannot ask
        if host not in self._names:
            raise OSError(None, "Domain name not found")
        addresses = self._names[host]
        address = addresses.pop(0) if len(addresses) > 1 else addresses[0]
        return [
            ResolveResult(hostname=host, host=address, port=port, family=socket.AF_INET, proto=0, flags=0)
        ]

    async def close(self) -> None:
        pass


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[str]]:
    """What the name service knows, in the order in which it says so; tests put names in."""
    known: dict[str, list[str]] = {}
    monkeypatch.setattr(aiohttp, "DefaultResolver", lambda: NameService(known))
    return known


@pytest.fixture
def dialled(monkeypatch: pytest.MonkeyPatch, names: dict[str, list[str]]) -> list[str]:
    """Every address dialled; what is not loopback is refused before a packet leaves."""
    addresses: list[str] = []
    connect = BaseSelectorEventLoop.sock_connect

    async def recorded(self: Any, sock: socket.socket, address: Any) -> None:
        addresses.append(address[0])
        if not ip_address(address[0]).is_loopback:
            raise ConnectionRefusedError("tests have no network")
        await connect(self, sock, address)

    monkeypatch.setattr(BaseSelectorEventLoop, "sock_connect", recorded)
    return addresses


@pytest.fixture
def server() -> Iterator[FaultServer]:
    with FaultServer() as server:
        yield server
