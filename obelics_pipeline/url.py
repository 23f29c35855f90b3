"""URLs as browsers read them (WHATWG, by ada), hosts and registrable domains, keys under which pages meet."""

from __future__ import annotations

import re
from functools import cache, lru_cache
from typing import Final
from urllib.parse import unquote

import ada_url
from publicsuffixlist import PublicSuffixList

from obelics_pipeline.document import Document

MAX_URL_LENGTH: Final = 8192
"""Longer URLs are not followed. RFC 9110 §4.1 asks for 8,000 octets; hardly a server accepts more."""

# fmt: off
TRACKING_PARAMETERS: Final = frozenset((
    "_ga", "_gl", "_hsenc", "_hsmi", "dclid", "epik", "fbclid", "gad_source", "gbraid", "gclid", "gclsrc",
    "igsh", "igshid", "jsessionid", "li_fat_id", "mc_cid", "mc_eid", "mibextid", "mkt_tok", "msclkid",
    "oly_anon_id", "oly_enc_id", "phpsessid", "rb_clickid", "s_kwcid", "srsltid", "ttclid", "twclid",
    "vero_conv", "vero_id", "wbraid", "wickedid", "yclid", "ysclid", "zanpid",
))
# fmt: on
"""Query parameters (lower case) that name a campaign, a click or a session, never the content of a page."""

TRACKING_PREFIXES: Final = ("utm_", "pk_", "mtm_", "hsa_", "matomo_")
"""The same for families of parameters: Google Analytics, Matomo (and its old name), HubSpot Ads."""

# fmt: off
CREDENTIALS: Final = frozenset((
    "access_token", "auth_token", "awsaccesskeyid", "googleaccessid", "jsessionid", "key-pair-id", "ossaccesskeyid",
    "phpsessid", "policy", "session_id", "sessionid", "sig", "signature", "token",
))
# fmt: on
"""Query parameters (lower case) that open what is closed to others, or name somebody's session."""

CREDENTIAL_PREFIXES: Final = ("x-amz-", "x-goog-", "x-oss-")
"""The same for families: signed addresses of Amazon S3, Google Cloud Storage and Alibaba OSS."""

_LETTERS = re.compile(r"[^\W\d_]+")
_ALPHANUMERIC = re.compile(r"[^\W_]+")
_CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
"""Between the words of ``siteLogo`` and of ``HTMLIcon``."""
_USERINFO = re.compile(r"^(\s*(?:[A-Za-z][A-Za-z0-9+.-]*:)?//)[^/?#\\]*@")
_LONE_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")
_ESCAPE = re.compile(r"%[0-9A-Fa-f]{2}")
_UNRESERVED = {
    f"%{ord(character):02X}": character
    for character in "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~"
}


def resolve(reference: str, base: str = "") -> str | None:
    """The absolute http(s) URL that ``reference`` means on the page ``base``, or None if it means none.

    The result is in the form of the WHATWG URL standard (https://url.spec.whatwg.org), without fragment
    and without user name and password. An empty reference is the page itself. Never raises.
    """
    if reference[:5].lower() == "data:":  # megabytes of them stand in real pages: do not even parse them
        return None
    try:
        href = ada_url.join_url(base, reference) if base else ada_url.normalize_url(reference)
    except ValueError:
        return None
    if not href.startswith(("https://", "http://")):
        return None
    if "#" in href:
        href = href[: href.index("#")]
    if "@" in href:
        href = _without_userinfo(href)
    return href if len(href) <= MAX_URL_LENGTH else None


def _without_userinfo(href: str) -> str:
    start = href.index("//") + 2
    at = href.find("@", start, href.index("/", start))
    return href if at < 0 else href[:start] + href[at + 1 :]


def without_credentials(reference: str) -> str:
    """An address, absolute or as it stands in a page, without user name, password, signatures, tokens and sessions.

    All else is as it was, also what is no address.
    """
    if "@" in reference:
        reference = _USERINFO.sub(r"\1", reference, count=1)
    path, mark, query = reference.partition("?")
    if not mark:
        return reference
    query, hash_, fragment = query.partition("#")
    pairs = query.split("&")
    kept = [pair for pair in pairs if not _opens(pair)]
    if len(kept) == len(pairs):
        return reference
    return f"{path}{'?' * bool(kept)}{'&'.join(kept)}{hash_}{fragment}"


def _opens(pair: str) -> bool:
    name = pair.partition("=")[0].lower()
    return name in CREDENTIALS or name.startswith(CREDENTIAL_PREFIXES)


def host_of(url: str) -> str:
    """The host of a URL: lower case, IDN as punycode, no port, no trailing dot; empty if there is none."""
    try:
        hostname: str = ada_url.parse_url(url, ("hostname",))["hostname"]
    except ValueError:
        return ""
    return hostname.rstrip(".")


@cache
def _suffixes() -> PublicSuffixList:
    return PublicSuffixList()


@lru_cache(maxsize=65536)
def registrable_domain(host: str) -> str:
    """The part of ``host`` that somebody registered: one label below its public suffix.

    Both sections of the Public Suffix List count (https://publicsuffix.org), so ``me.github.io`` is its own
    domain. An address, a public suffix and a single label are returned as they are.
    """
    if host.startswith("[") or host.rpartition(".")[2].isdigit():
        return host
    return _suffixes().privatesuffix(host) or host


def canonical(url: str) -> str:
    """A key under which the spellings of one page's address meet. Not meant to be fetched; idempotent.

    The scheme becomes https; ``www.``, ports 80 and 443, the fragment, user name and password, and tracking
    parameters go; percent-encoding is normalised as RFC 3986 §6.2.2 says. What is no http(s) URL is only
    stripped of white space.
    """
    absolute = resolve(url)
    if absolute is None:
        return url.strip()
    parts = ada_url.parse_url(absolute, ("hostname", "port", "pathname", "search"))
    host = parts["hostname"].rstrip(".") or parts["hostname"]
    while host.startswith("www.") and "." in host[4:]:
        host = host[4:]
    port = "" if parts["port"] in ("", "80", "443") else f":{parts['port']}"
    return f"https://{host}{port}{_normalised(parts['pathname'])}{_query(parts['search'])}"


def page_key(document: Document) -> str:
    """The key under which captures of one page meet: that of its canonical link, or else of its own address."""
    return canonical(document.canonical or document.url)


def _query(search: str) -> str:
    kept = [pair for pair in _normalised(search[1:]).split("&") if pair and not _tracks(pair)]
    return "?" + "&".join(kept) if kept else ""


def _tracks(pair: str) -> bool:
    name = pair.partition("=")[0].lower()
    return name in TRACKING_PARAMETERS or name.startswith(TRACKING_PREFIXES)


def _normalised(text: str) -> str:
    """Percent-encoding in one spelling: unreserved characters plain, the others in upper-case hexadecimal."""
    if "%" not in text:
        return text
    return _ESCAPE.sub(_escape, _LONE_PERCENT.sub("%25", text))


def _escape(match: re.Match[str]) -> str:
    code = match.group().upper()
    return _UNRESERVED.get(code, code)


def words_of(part: str, *, digits: bool = True) -> list[str]:
    """The words of a part of an address, in lower case: runs of letters, without ``digits`` only those without any."""
    given = unquote(part)
    if not digits:
        given = " ".join(run for run in _ALPHANUMERIC.findall(given) if run.isalpha())
    return [word.lower() for run in _LETTERS.findall(given) for word in _CAMEL.split(run)]
