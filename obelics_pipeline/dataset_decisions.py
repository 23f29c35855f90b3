"""The config ``decisions`` of the dataset: what was decided on the documents of the inspection sample, and why."""

from __future__ import annotations

from typing import Any, Final

import msgspec
import pyarrow as pa

from obelics_pipeline.url import without_credentials

SCHEMA: Final = pa.schema(
    [
        *((name, pa.string()) for name in ("id", "url", "domain", "crawl", "level")),
        ("index", pa.int32()),
        *((name, pa.string()) for name in ("stage", "rule")),
        *((name, pa.float32()) for name in ("value", "threshold")),
        ("op", pa.string()),
        ("kept", pa.bool_()),
        *((name, pa.string()) for name in ("excerpt", "run_id")),
    ]
)
"""In each file sorted by ``stage``, then by ``id``, then in the order in which rules were tried."""

_OF: Final = ": "
"""What stands before the address of an image, behind what it is a copy of; no address has a space."""


class Row(msgspec.Struct, frozen=True, array_like=True):
    """A row of ``SCHEMA``. ``excerpt`` is null where nothing may be quoted."""

    id: str
    url: str
    domain: str
    crawl: str | None
    level: str
    index: int | None
    stage: str
    rule: str
    value: float | None
    threshold: float | None
    op: str | None
    kept: bool | None
    excerpt: str | None
    run_id: str


def row_of(decision: dict[str, Any], stage: str, run_id: str, quote: bool) -> Row:
    """The row for one of a table of decisions; it quotes what was decided on only if it may."""
    excerpt = decision["excerpt"] if quote else None
    if excerpt is not None and decision["level"] == "image":
        of, mark, url = excerpt.rpartition(_OF)
        excerpt = of + mark + without_credentials(url)
    known = {"crawl": None, **decision}  # tables of earlier versions have no crawl
    known |= {"url": without_credentials(decision["url"]), "excerpt": excerpt}
    return Row(**known, stage=stage, run_id=run_id)
