"""Download images: every URL ends with exactly one status, within fixed bounds of time and memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from obelics_pipeline.fetch_types import FetchOptions, FetchResult, FetchStatus

__all__ = ["FetchOptions", "FetchResult", "FetchStatus", "fetch_images"]


def fetch_images(urls: Iterable[str], options: FetchOptions) -> Iterator[FetchResult]:
    """Download every URL; one result each, as they complete."""
    raise NotImplementedError
