"""The folder of a compiled store: one sorted key for each origin, the code of its answer, the bodies, a manifest.

Origins are known by 64 bits of BLAKE2b: nobody can make up a host whose key is that of another, as with a hash that
was made for speed. A code below ``FIRST_BODY`` is the status of an answer whose body does not count, the others are
numbers of bodies.
"""

from __future__ import annotations

import re
from functools import cache
from hashlib import blake2b
from pathlib import Path
from typing import Final

from obelics_pipeline import sealed
from obelics_pipeline.errors import InputError
from obelics_pipeline.manifest import FileEntry, digest_of

STORE: Final = sealed.Kind("store of robots.txt files", 1, "obelics robots compile")
FIRST_BODY: Final = 1000
"""The first code that is no status of HTTP."""

COLUMNS: Final = {"keys": "<u8", "codes": "<u4", "seconds": "<u4"}
"""Files with a number for each origin, in the order of the keys; ``seconds`` since 1970: when it was captured."""

OFFSETS: Final = "<u8"
"""Where each body begins in ``bodies``, and the end of the last."""

_PARTS = re.compile(r"(https?)://(\[[^/]*\]|[^/:]*?)\.*(:\d+)?(/.*)", re.DOTALL)


class Manifest(sealed.Sealed, frozen=True):
    """What a store holds, and what the archives held.

    ``answers`` counts origins by what their answer means, ``records`` those of the archives by what they are;
    ``unresolved`` are the origins that lead on to what is not in the archives. ``oldest`` and ``newest`` are
    days (ISO 8601, "" if no capture has a date). ``keys`` names the rules that made the keys.
    """

    format: int
    name: str
    keys: str
    origins: int
    bodies: int
    unresolved: int
    oldest: str
    newest: str
    answers: dict[str, int]
    records: dict[str, int]
    files: tuple[FileEntry, ...]
    seal: str = ""


def parts_of(url: str) -> tuple[str, str, str, str]:
    """Scheme, host without its trailing dot, port with its colon or "", and the rest of a resolved URL."""
    match = _PARTS.fullmatch(url)
    if match is None:
        raise ValueError(f"{url!r} is not as resolve makes it")
    scheme, host, port, rest = match.groups("")
    return scheme, host, port, rest


def key_of(scheme: str, host: str, port: str, rest: str) -> int:
    """64 bits for an address in its parts."""
    return int.from_bytes(blake2b(f"{scheme}://{host}{port}{rest}".encode(), digest_size=8).digest())


@cache
def fingerprint() -> str:
    """Changes when keys do: what was compiled with others finds nothing."""
    specimens = "http://a.example./robots.txt", "https://[::1]:8080/robots.txt"
    return digest_of([key_of(*parts_of(url)) for url in specimens])


def read_manifest(folder: Path, *, verify: bool) -> Manifest:
    """The manifest of ``folder``, after its files were compared with it (see ``sealed.check_files``).

    ``InputError`` if there is none, or none that can be relied on.
    """
    manifest = sealed.read_manifest(folder, Manifest, STORE)
    if manifest.keys != fingerprint():
        place = folder / sealed.NAME
        raise InputError(f"{place}: made by a version that writes addresses in another way; {STORE.again}")
    sealed.check_files(folder, manifest.files, STORE, verify=verify)
    return manifest
