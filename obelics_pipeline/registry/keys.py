"""What registries know addresses and bytes by: one key for what a list says and for what is looked up.

The key of an address is ``url.canonical``, so scheme, ``www.``, default ports, user names, fragments and tracking
parameters make no difference, nor do the spellings of hosts and escapes.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from difflib import get_close_matches
from functools import cache
from typing import Final, TypeAlias

from xxhash import xxh3_64_intdigest

from obelics_pipeline.manifest import digest_of
from obelics_pipeline.url import (
    MAX_URL_LENGTH,
    TRACKING_PARAMETERS,
    TRACKING_PREFIXES,
    canonical,
    host_of,
    registrable_domain,
    resolve,
)

Levels: TypeAlias = tuple[int, int]
"""The fewest and the most dots (domains) or slashes (prefixes) among the values of a table."""

DIGITS: Final = {"md5": 32, "sha1": 40, "sha256": 64, "pdq": 64}
"""Kinds of hashes of content, with their length in hexadecimal digits."""

_TRACKING: Final = "|".join(
    (*(f"{name}(?:[=&]|$)" for name in sorted(TRACKING_PARAMETERS)), *TRACKING_PREFIXES)
)
_DROPPED: Final = re.compile(rf"[?&](?:&|$|{_TRACKING})", re.IGNORECASE)
_PLAIN: Final = re.compile(
    r"https?://(?:www\.)*((?:[a-z0-9-]++\.)+[a-z]{2,}+)"
    r"(/[A-Za-z0-9._~!$&()*+,;=:@/-]*+)(\?[A-Za-z0-9._~!$&()*+,;=:@/?-]++)?",
)
"""Addresses without anything to normalise but scheme and ``www.``; a host that ends in letters is no number."""

_SHORT: Final = MAX_URL_LENGTH // 12
"""Characters that stay below ``MAX_URL_LENGTH`` when each becomes four escaped octets."""

_PLAIN_HOST: Final = re.compile(r"(?!www\.)(?:[a-z0-9-]++\.)+[a-z]{2,}+")
_CONTROL: Final = re.compile(r"[\0-\x1f\x7f]")
_SCHEME: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")


def address(url: str) -> str:
    """``url.canonical``, four times as fast for most; of an address too long to be followed, that of its host.

    What is no http(s) URL has the key "" or one that no list can hold. Never raises.
    """
    if key := _plain(url):
        return key
    if len(url) > _SHORT and resolve(url) is None:
        return f"https://{host_of(url[:MAX_URL_LENGTH])}/"
    key = canonical(url)
    return key if key.startswith("https://") and key.isascii() else ""


def _plain(url: str) -> str:
    """The key of a URL in which there is next to nothing to normalise, or ""."""
    plain = _PLAIN.fullmatch(url)
    if plain and len(url) < MAX_URL_LENGTH:
        host, path, query = plain.groups("")
        if "/." not in path and "xn--" not in host and not (query and _DROPPED.search(query)):
            return f"https://{host}{path}{query}"
    return ""


def host_in(key: str) -> str:
    """The host of a key of ``address``, without port; empty if it has none."""
    host = key[8 : key.find("/", 8)]  # https://host/
    return host.rpartition(":")[0] if ":" in host and not host.endswith("]") else host


def domains(key: str, levels: Levels) -> list[str]:
    """The host of a key and the domains above it, as far as they have so many dots."""
    fewest, most = levels
    name = host_in(key)
    dots = name.count(".")
    if dots > most:
        name = name.split(".", dots - most)[-1]
        dots = most
    found = []
    while dots >= fewest:
        found.append(name)
        dots -= 1
        name = name[name.find(".") + 1 :]
    return found


def prefixes(key: str, levels: Levels) -> list[str]:
    """The key up to each slash of its path, and all of its path, as far as they have so many slashes."""
    fewest, most = levels
    path = key.partition("?")[0]
    found = []
    end = path.find("/", 8)
    for slashes in range(most + 1):
        if slashes >= fewest and end >= 0:
            found.append(path[:end])
        if end < 0:
            if slashes >= fewest and not path.endswith("/"):
                found.append(path)
            break
        end = path.find("/", end + 1)
    return found


def itself(key: str, levels: Levels) -> list[str]:
    """The key alone."""
    return [key]


CANDIDATES: Final[dict[str, Callable[[str, Levels], list[str]]]] = {
    "domain": domains,
    "host": lambda key, _: [host_in(key)],
    "url_prefix": prefixes,
    "url": itself,
}
"""The values of each kind that mean an address, given its key."""

KINDS: Final = (*CANDIDATES, *DIGITS)


def levels_of(kind: str, value: str) -> int:
    """The dots of a domain, the slashes in the path of a prefix; 0 of other kinds."""
    if kind == "domain":
        return value.count(".")
    return value.count("/") - 2 if kind == "url_prefix" else 0


def _hash_text(value: str) -> int:
    return xxh3_64_intdigest(value.encode())


def _hash_digest(value: str) -> int:
    return int(value[:16], 16)


HASHES: Final[dict[str, Callable[[str], int]]] = {
    kind: _hash_digest if kind in DIGITS else _hash_text for kind in KINDS
}
"""64 bits for a value in the form of ``entry``, by kind: XXH3, or the first of a hash's own."""


def entry(kind: str, value: str) -> str:
    """What ``value`` of a list stands for, in canonical form; ``ValueError`` that says what is wrong with it."""
    make = _ENTRIES.get(kind)
    if make is None:
        close = get_close_matches(kind, KINDS, n=1)
        hint = f"did you mean {close[0]!r}?" if close else f"known: {', '.join(KINDS)}"
        raise ValueError(f"no kind {kind!r}; {hint}")
    value = value.strip()
    if not value:
        raise ValueError(f"{kind} without a value")
    return make(value)


def digest(kind: str, value: str) -> str:
    """A hash of content in lower case; ``ValueError`` if it is none."""
    found = value.strip().lower()
    if len(found) != DIGITS[kind] or set(found) - set("0123456789abcdef"):
        raise ValueError(f"{value!r} is no {kind}: write {DIGITS[kind]} hexadecimal digits")
    return found


def _url(value: str) -> str:
    if _CONTROL.search(value):
        raise ValueError(f"{value!r} holds control characters; remove them")
    if "*" in value:
        raise ValueError(
            f"{value!r}: there are no wildcards; use url_prefix, or domain for all hosts below one"
        )
    if key := _plain(value):
        return key
    absolute = resolve(value if _SCHEME.match(value) else f"https://{value}")
    if absolute is None:
        raise ValueError(f"{value!r} is no http(s) URL of up to {MAX_URL_LENGTH} characters")
    return address(absolute)


def _prefix(value: str) -> str:
    key = _url(value)
    if "?" in key:
        raise ValueError(f"{value!r}: a prefix ends before the query; use url for a single address")
    return key.rstrip("/")


def _host(value: str) -> str:
    if _PLAIN_HOST.fullmatch(value) and "xn--" not in value:
        return value
    if "*" in value or value.startswith("."):
        below = value.lstrip("*.") or "example.org"
        raise ValueError(
            f"{value!r}: there are no wildcards; {below} as a domain means all hosts below it, too"
        )
    if re.search(r"[/?#@\\]", value) or (":" in value and not value.startswith("[")):
        raise ValueError(f"{value!r} is no host; leave out scheme, port and path, or use url_prefix")
    host = host_in(_url(value))
    if not host.strip(".") or ".." in host:
        raise ValueError(f"{value!r} is no host")
    return host


def _domain(value: str) -> str:
    host = _host(value)
    if value.lower().startswith("www.") and is_public_suffix(host):
        raise ValueError(f"{value!r} without www. is the public suffix {host}; use the kind host, or {host}")
    return host


def is_public_suffix(host: str) -> bool:
    """Whether names below ``host`` belong to others than ``host`` itself: ``co.uk``, ``github.io``."""
    below = f"x.{host}"
    return registrable_domain(below) == below and not host.rpartition(".")[2].isdigit()


_ENTRIES: Final[dict[str, Callable[[str], str]]] = {
    "domain": _domain,
    "host": _host,
    "url_prefix": _prefix,
    "url": _url,
    **{kind: lambda value, kind=kind: digest(kind, value) for kind in DIGITS},  # type: ignore[misc]
}

_SPECIMENS: Final = (
    "HTTP://user:pw@www.Example.COM.:80/a/../b%7e%3d/%c3%bc?x=%41&&utm_source=1&y#z",
    "https://bücher.example:8443/straße?q=ü",
    "https://www.www.a.co.uk/'x'?y='z'&fbclid=1",
    "http://0x7f.1/",
    "http://[::FFFF:1.2.3.4]:443",
)


@cache
def fingerprint() -> str:
    """Changes when the keys of addresses do: what was compiled with others finds nothing."""
    shown = [[make(key, (0, 99)) for make in CANDIDATES.values()] for key in map(address, _SPECIMENS)]
    return digest_of([shown, sorted(TRACKING_PARAMETERS), TRACKING_PREFIXES, _hash_text(_SPECIMENS[0])])
