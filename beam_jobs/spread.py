"""Keys spread evenly, in the same way in every build."""

from __future__ import annotations

from hashlib import blake2b


def shard_of(key: str, shards: int) -> int:
    """The shard of a URL or an id: a hash, so that it is the same in every build."""
    return int.from_bytes(spread(key)) % shards


def spread(key: str) -> bytes:
    """A hash by which neighbours come apart."""
    return blake2b(key.encode("utf-8", "replace"), digest_size=8).digest()
