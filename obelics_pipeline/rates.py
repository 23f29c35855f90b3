"""What work costs and what becomes of it, as measured: each figure with the command that measured it, and when.

The only place for these figures: ``--dry-run`` follows from them, and so do the tables that ``scripts/bench crawl_cost
--write`` puts into docs/scaling.md and docs/running.md. Seconds are those of one core.
"""

from __future__ import annotations

from typing import Final

import msgspec


class Rate(msgspec.Struct, frozen=True):
    """A measured figure, its unit, what measured it (a command, or where it was published), and the day."""

    value: float
    unit: str
    source: str
    date: str


_EXTRACT: Final = "scripts/bench extract"
_GROWTH: Final = "scripts/bench growth"
_IMAGES: Final = "scripts/bench images"
_EXPORT: Final = "scripts/bench export"
_DEMO: Final = "scripts/demo"
_KEPT: Final = "scripts/bench kept"
"""With the configuration ``default``: 427 real pages of Common Crawl and others, as they come."""
_PAPER: Final = "OBELICS (arXiv 2306.16527), A.1.3"
"""Published, not ours: nobody serves the images of our pages. ``report.json`` of a build that fetched images tells its
own (``image_urls``)."""
_DAY: Final = "2026-11-21"

RATES: Final[dict[str, Rate]] = {
    # extract: 4.9 times the floor of 0.51 ms a page, on pages of 19.7 kB, compressed
    "extract_seconds": Rate(128, "s/GB of archives", _EXTRACT, _DAY),
    "pages": Rate(50_700, "pages/GB of archives", _EXTRACT, _DAY),
    "unpacked": Rate(5.08, "bytes/byte of archives", _EXTRACT, _DAY),
    "extracted": Rate(0.996, "documents/page", _GROWTH, _DAY),
    "extracted_bytes": Rate(4_410, "B/document", _GROWTH, _DAY),
    # filter
    "filter_seconds": Rate(0.0030, "s/document", _GROWTH, _DAY),
    "filtered": Rate(0.363, "kept/document", _KEPT, _DAY),
    "filtered_bytes": Rate(5_110, "B/kept document", _GROWTH, _DAY),
    "decided_bytes": Rate(891, "B/document", _GROWTH, _DAY),
    "filtered_images": Rate(4.88, "images/kept document", _KEPT, _DAY),
    # dedup
    "dedup_seconds": Rate(0.0022, "s/document", _GROWTH, _DAY),
    "deduplicated": Rate(0.626, "kept/document", _KEPT, _DAY),
    "signature_bytes": Rate(5_580, "B/document", _GROWTH, _DAY),
    "deduplicated_images": Rate(0.542, "kept/image", _KEPT, _DAY),
    # images
    "image_seconds": Rate(0.0038, "s/address", _IMAGES, _DAY),
    "image_rate": Rate(267, "addresses/s and worker", _IMAGES, _DAY),
    "fetched": Rate(0.55, "images/address", _PAPER, "2023-06-21"),
    "image_bytes": Rate(97_000, "B/image", _IMAGES, _DAY),
    # assemble, export
    "assemble_seconds": Rate(0.0011, "s/document", _GROWTH, _DAY),
    "assembled": Rate(0.945, "kept/document", _DEMO, _DAY),
    "assembled_bytes": Rate(5_530, "B/document", _GROWTH, _DAY),
    "export_seconds": Rate(5, "s/GB of images", _EXPORT, _DAY),
    "export_document_seconds": Rate(0.0022, "s/document", _GROWTH, _DAY),
    "pairs": Rate(1.9, "copies of images", _DEMO, _DAY),
}
