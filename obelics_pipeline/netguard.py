"""Which addresses may be dialled, decided at the socket, where no name, notation or redirect can mislead.

Imports the standard library only: ``img2dataset_runner`` loads it where the project is not installed.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Mapping
from enum import Enum, auto
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Any, Final, TypeAlias

AddrInfo: TypeAlias = tuple[int | socket.AddressFamily, int | socket.SocketKind, int, str, tuple[Any, ...]]
"""What ``socket.getaddrinfo`` gives: family, type, protocol, canonical name, socket address."""


class Reach(Enum):
    """Who may be behind an address."""

    PUBLIC = auto()
    PRIVATE = auto()
    NEVER = auto()


_RULES: Final = tuple(
    (ip_network(network), who)
    for network, who in (
        ("::1/128", Reach.PRIVATE),  # loopback (RFC 4291)
        ("127.0.0.0/8", Reach.PRIVATE),  # loopback (RFC 6890)
        ("fd00:ec2::/32", Reach.NEVER),  # metadata service of AWS, inside fc00::/7
        ("fd20:ce::/32", Reach.NEVER),  # metadata service of Google Cloud, inside fc00::/7
        ("10.0.0.0/8", Reach.PRIVATE),  # RFC 1918
        ("172.16.0.0/12", Reach.PRIVATE),
        ("192.168.0.0/16", Reach.PRIVATE),
        ("fc00::/7", Reach.PRIVATE),  # RFC 4193
        # What ``is_global`` of some Python between 3.11 and 3.12 lets pass:
        ("168.63.129.16/32", Reach.NEVER),  # wire server of Azure
        ("192.0.0.0/24", Reach.NEVER),  # IETF protocol assignments (RFC 6890); metadata of Oracle
        ("192.88.99.0/24", Reach.NEVER),  # 6to4 relays, withdrawn (RFC 7526)
        ("::/96", Reach.NEVER),  # IPv4-compatible addresses, withdrawn (RFC 4291)
        ("64:ff9b:1::/48", Reach.NEVER),  # NAT64 of local use (RFC 8215)
        ("2001::/23", Reach.NEVER),  # IETF protocol assignments, Teredo (RFC 2928)
        ("3fff::/20", Reach.NEVER),  # documentation (RFC 9637)
        ("5f00::/16", Reach.NEVER),  # segment routing (RFC 9602)
        ("fec0::/10", Reach.NEVER),  # site-local, withdrawn (RFC 3879)
    )
)
"""The first network that holds the address decides; without one, the IANA registries in ``ipaddress`` do."""

_NAT64: Final = IPv6Network("64:ff9b::/96")


class BlockedAddress(OSError):
    """An address that is not dialled.

    The text never varies: when every address of a name fails alike, aiohappyeyeballs raises the error itself
    instead of a summary.
    """

    def __init__(self) -> None:
        super().__init__("the address is not public")


def reach(address: str) -> Reach:
    """Whether ``address`` is public, private (loopback included), or one that is never dialled.

    An IPv6 address that carries an IPv4 address (mapped, NAT64, 6to4) is as far as that one. ``ValueError``
    if it is not an IP address.
    """
    ip = _carried(ip_address(address.partition("%")[0]))
    for network, who in _RULES:
        if ip in network:
            return who
    return Reach.PUBLIC if ip.is_global and not ip.is_multicast else Reach.NEVER


def guarded_socket(allow_private: bool) -> Callable[[AddrInfo], socket.socket]:
    """A socket factory for ``aiohttp.TCPConnector``: ``BlockedAddress`` for what may not be dialled."""
    allowed = {Reach.PUBLIC, Reach.PRIVATE} if allow_private else {Reach.PUBLIC}

    def open_socket(info: AddrInfo) -> socket.socket:
        family, kind, protocol, _, address = info
        if reach(address[0]) not in allowed:
            raise BlockedAddress
        return socket.socket(family, kind, protocol)

    return open_socket


def redialled(host: str, endpoints: Mapping[str, tuple[str, int]]) -> tuple[str, int] | None:
    """The address and port for ``host``: those of its own name, or of the nearest of its parents that has ``*.``."""
    endpoint = endpoints.get(host)
    while endpoint is None and "." in host:
        host = host.partition(".")[2]
        endpoint = endpoints.get(f"*.{host}")
    return endpoint


def _carried(ip: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    if isinstance(ip, IPv4Address):
        return ip
    if ip in _NAT64:
        return IPv4Address(int(ip) & 0xFFFFFFFF)
    return ip.ipv4_mapped or ip.sixtofour or ip
