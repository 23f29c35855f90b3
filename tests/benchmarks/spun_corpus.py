"""Genuine English paragraphs of real pages, to fit on and to count false alarms."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from random import Random
from urllib.parse import urlsplit

import msgspec

from filters.language import identify
from obelics_pipeline.document import TextNode
from obelics_pipeline.dom.extract import extract_document
from obelics_pipeline.errors import PageFailed
from obelics_pipeline.page import Page
from obelics_pipeline.warc import read_pages

DATA = Path(os.environ.get("OBELICS_TEST_DATA", Path(__file__).parents[3] / "shared"))
ARCHIVES = ("data/pages/pages.warc.gz", "data/realcrawl.warc.gz")


class Paragraph(msgspec.Struct, frozen=True):
    """A paragraph, and the host that it is from."""

    text: str
    host: str

    @property
    def size(self) -> int:
        """How many words it has."""
        return len(self.text.split())


def paragraphs(per_host: int) -> list[Paragraph]:
    """Paragraphs of English pages, so many of a host at most, in a random order that is the same each time."""
    found = list({paragraph.text: paragraph for paragraph in _all()}.values())
    Random(7).shuffle(found)
    taken: Counter[str] = Counter()
    kept = []
    for paragraph in found:
        taken[paragraph.host] += 1
        if taken[paragraph.host] <= per_host:
            kept.append(paragraph)
    return kept


def _all(fewest: int = 40) -> Iterator[Paragraph]:
    for archive in ARCHIVES:
        with (DATA / archive).open("rb") as stream:
            for page in read_pages(stream, archive):
                nodes = _nodes(page) if isinstance(page, Page) else []
                for node in nodes:
                    found = Paragraph(" ".join(node.text.split()), urlsplit(page.url).netloc)
                    if node.kind == "paragraph" and found.size >= fewest and _english(found.text):
                        yield found


def _nodes(page: Page) -> list[TextNode]:
    try:
        nodes = [node for node in extract_document(page).document.nodes if isinstance(node, TextNode)]
    except PageFailed:
        return []
    return nodes if _english(" ".join(sorted((node.text for node in nodes), key=len)[-20:])[:3000]) else []


def _english(text: str) -> bool:
    return identify(text).language == "en"
