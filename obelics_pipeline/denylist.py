"""Deny-lists: images that are not kept, whoever consents, and that no table of the builder names.

A hit is told by the SHA-256 of its address and by nothing else: neither address nor bytes are written anywhere.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterable, Sequence
from typing import Final

import msgspec
import numpy as np
import pyarrow as pa

from obelics_pipeline.decoder import decoder
from obelics_pipeline.fetch_types import FetchResult, FetchStatus
from obelics_pipeline.registry import Hit, Registry

QUARANTINE: Final = pa.schema(
    [
        ("url_sha256", pa.string()),
        ("registry", pa.string()),
        ("kind", pa.string()),
        ("found_at", pa.timestamp("ms")),
    ]
)
"""The table ``quarantine/``: the SHA-256 of an address (UTF-8, hexadecimal), which list it met, by what, and when."""

PDQ_SIDE: Final = 512
"""Pixels a side of what PDQ hashes are taken from, as its authors do. Of 20 images of 800 × 600 (coloured 1/f noise,
JPEG) the hash differs from that of the whole image in 13 of 256 bits, at most 18, where copies may differ in 31."""

_MARK: Final = "sha256:"
"""What stands before the hash of an address in place of the address; no address of the web begins so."""


class Quarantined(msgspec.Struct, frozen=True):
    """A row of ``QUARANTINE``; the time is in milliseconds since 1970, UTC."""

    url_sha256: str
    registry: str
    kind: str
    found_at: int


def withheld(url: str) -> str:
    """What stands in tables for the address of an image on a deny-list; the same for what stands there already."""
    if url.startswith(_MARK):
        return url
    return _MARK + hashlib.sha256(url.encode("utf-8", "surrogatepass")).hexdigest()


def hidden(result: FetchResult) -> FetchResult:
    """``result`` as it may be written: a hit without its address."""
    if result.status is not FetchStatus.DENYLIST:
        return result
    return msgspec.structs.replace(result, url=withheld(result.url))


def quarantined(hit: FetchResult) -> Quarantined:
    """The row of a hit."""
    kind, _, registry = hit.detail.partition(":")
    return Quarantined(withheld(hit.url).removeprefix(_MARK), registry, kind, hit.fetched_at)


class DenyLists:
    """Asks ``registries`` of images before they are fetched, and of what came before it is kept.

    Images of more than ``max_pixels`` pixels are none.
    """

    def __init__(self, registries: Sequence[Registry], max_pixels: int) -> None:
        self._registries, self._max_pixels = registries, max_pixels
        self._by_sight = any(holds_pdq(registry) for registry in registries)

    def of_url(self, url: str) -> FetchResult | None:
        """The result for an image that must not be asked for; None if it may be."""
        hit = _first(registry.image(url) for registry in self._registries)
        return _denied(url, hit) if hit else None

    def of_result(self, result: FetchResult) -> FetchResult:
        """The result, or that of a hit, which has nothing of it: by where it led, its bytes, or what it looks like.

        An image that PDQ cannot be asked of is ``undecodable``.
        """
        if not self._registries:
            return result
        for place in (*result.via, result.final_url):
            if place and (hit := self.of_url(place)):
                return msgspec.structs.replace(hit, url=result.url)
        if hit_of_bytes := self._of_bytes(result):
            return _denied(result.url, hit_of_bytes)
        if result.body is None or not self._by_sight:
            return result
        hashes = pdq_hashes(result.body, self._max_pixels)
        if not hashes:
            return msgspec.structs.replace(result, status=FetchStatus.UNDECODABLE, body=None)
        seen = _first(registry.content(pdq=value) for registry in self._registries for value in hashes)
        return _denied(result.url, seen) if seen else result

    def _of_bytes(self, result: FetchResult) -> Hit | None:
        """Whether the bytes are listed, image or not."""
        if not (result.md5 and result.sha1 and result.sha256):
            return None
        digests = {"md5": result.md5, "sha1": result.sha1, "sha256": result.sha256}
        return _first(registry.content(**digests) for registry in self._registries)


def holds_pdq(registry: Registry) -> bool:
    """Whether PDQ hashes are listed, for which the package ``pdqhash`` (extra ``pdq``) is needed."""
    return any(table.kind == "pdq" for table in registry.manifest.tables)


def pdq_hashes(body: bytes, max_pixels: int) -> list[str]:
    """The PDQ hashes of an image as it is, turned and mirrored, in hexadecimal digits; none if it cannot be decoded."""
    from pdqhash import compute_dihedral

    with decoder() as child:
        pixels = child.thumbnail(body, max_pixels, (PDQ_SIDE, PDQ_SIDE))
    if pixels is None:
        return []
    vectors, _ = compute_dihedral(pixels)
    return [np.packbits(np.asarray(vector, np.uint8)).tobytes().hex() for vector in vectors]


def _first(hits: Iterable[Hit | None]) -> Hit | None:
    return next((hit for hit in hits if hit is not None), None)


def _denied(url: str, hit: Hit) -> FetchResult:
    now = time.time_ns() // 1_000_000
    return FetchResult(url, FetchStatus.DENYLIST, fetched_at=now, detail=f"{hit.kind}:{hit.registry}")
