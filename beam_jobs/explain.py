"""``obelics explain``: one page, each node of it, and the rule that rejected it."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Final

import msgspec
from msgspec.structs import replace
from rich.console import Console
from rich.table import Table
from rich.text import Text

from beam_jobs import io
from beam_jobs.config import Config
from beam_jobs.optouts import consent_of
from filters.apply import Outcome, filter_document
from filters.consent.verdict import OPT_OUT
from filters.decisions import Decision
from filters.lexicon import lexicon
from obelics_pipeline import warc
from obelics_pipeline.accounting import Tally
from obelics_pipeline.document import Node, TextNode
from obelics_pipeline.dom.content import image_scores, keep_texts, text_scores
from obelics_pipeline.dom.extract import Extraction, extract_document
from obelics_pipeline.dom.features import View
from obelics_pipeline.dom.nodes import nodes_of, pieces
from obelics_pipeline.dom.pictures import Gallery
from obelics_pipeline.dom.tree import Block, Tree
from obelics_pipeline.errors import InputError, PageFailed, RunFailed
from obelics_pipeline.page import Page
from obelics_pipeline.wikimedia import dump

EXCERPT: Final = 100
"""Characters of a node that are shown."""


class Row(msgspec.Struct, frozen=True):
    """A node of the page, its place in the document (None if it is not in it), and what it is made of."""

    index: int | None
    node: Node
    blocks: list[Block]


def explain(place: str, config: Config, url: str | None, console: Console | None = None) -> None:
    """Print what extraction and the filters of ``config`` make of the page at ``place``.

    What main-content recognition leaves out is shown, too, as rejected by ``main_content``; it decides by
    the score (log-odds).
    ``place`` is an HTML file, ``archive#offset``, or ``dump.ndjson#offset``. Raises ``InputError`` if there is no
    such page.
    """
    console = console or Console()
    page = _page(place, url)
    try:
        extraction = extract_document(page, config.extract)
    except PageFailed as error:
        raise RunFailed(f"{place}: the page cannot be extracted ({error.error}): {error}") from error
    document = extraction.document
    options, consent = replace(config.filter, sample_share=0.0), consent_of(config.consent)
    outcome = filter_document(document, options, lexicon(config.text), Tally(), consent)
    _print_head(console, page, extraction)
    guessed = config.extract.main_content and not page.parsoid
    scores = scores_of(extraction.tree) if guessed else {}
    console.print(_table(rows_of(extraction), scores, outcome.decisions))
    _print_verdict(console, outcome)


def _page(place: str, url: str | None) -> Page:
    path, mark, offset = place.rpartition("#")
    if mark and offset.isdigit():
        if io.size(path) is None:
            raise InputError(f"{path}: no such file")
        with io.open_read(path) as stream:
            page_at = dump.article_at if dump.is_dump(path) else warc.page_at
            page = page_at(stream, path.rpartition("/")[2], int(offset))
        return replace(page, url=url) if url else page
    if not Path(place).is_file():
        raise InputError(f"{place}: no such file; name an HTML file, or WARC#offset")
    body = Path(place).read_bytes()
    if body.startswith((b"\x1f\x8b", b"WARC/")):
        raise InputError(f"{place}: is no HTML file; of an archive name a record, such as {place}#0")
    return Page(url or Path(place).resolve().as_uri(), body)


def _print_head(console: Console, page: Page, extraction: Extraction) -> None:
    document = extraction.document
    console.print(Text(f"{page.url}\n{document.title or 'no title'}", style="bold"))
    signals = ", ".join(document.consent) or "none"
    console.print(Text(f"{len(page.body):,} bytes, {len(document.nodes)} nodes; consent signals: {signals}"))
    if extraction.notes:
        console.print(Text(f"notes: {', '.join(extraction.notes)}"))


def rows_of(extraction: Extraction) -> list[Row]:
    """The nodes of the document and, each in its place, those that the rest of the page would make."""
    blocks, kept = extraction.tree.blocks, set(extraction.kept)
    rest = [block for block in blocks if block not in kept]
    inside = zip(extraction.document.nodes, pieces(extraction.kept, blocks), strict=True)
    outside = zip(nodes_of(rest, blocks, extraction.finder), pieces(rest, blocks), strict=True)
    rows = [Row(index, node, made_of) for index, (node, (_, made_of)) in enumerate(inside)]
    rows += [Row(None, node, made_of) for node, (_, made_of) in outside]
    place = {block: number for number, block in enumerate(blocks)}
    return sorted(rows, key=lambda row: place[row.blocks[0]])


def scores_of(tree: Tree) -> dict[Block, float]:
    """The score of every block of a page, from which main-content recognition decides."""
    if not tree.blocks:
        return {}
    view = View(tree)
    texts = text_scores(view)
    images = iter(image_scores(Gallery(view, keep_texts(view, texts))))
    of_text = iter(texts)
    return {block: next(of_text if block.image is None else images) for block in tree.blocks}


def _table(rows: Iterable[Row], scores: dict[Block, float], decisions: Iterable[Decision]) -> Table:
    refused = {row.index: why(row) for row in decisions if row.level != "document"}
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("node", justify="right")
    table.add_column("score", justify="right")
    for name in ("kind", "what", "rejected by"):
        table.add_column(name, overflow="fold")
    for row in rows:
        reason = "main_content" if row.index is None else refused.get(row.index, "")
        table.add_row(
            "" if row.index is None else str(row.index),
            _score([scores[block] for block in row.blocks if block in scores]),
            row.node.kind if isinstance(row.node, TextNode) else "image",
            Text(_excerpt(row.node)),
            Text(reason, "red"),
            style="dim" if reason else "",
        )
    return table


def _score(scores: list[float]) -> str:
    """``+1.2``, or from the lowest to the highest score of the blocks of a list or table."""
    ends = sorted({f"{min(scores):+.1f}", f"{max(scores):+.1f}"}, key=float) if scores else []
    return " to ".join(ends)


def _excerpt(node: Node) -> str:
    if isinstance(node, TextNode):
        words = " ".join(node.text.split())
        return words if len(words) <= EXCERPT else f"{words[: EXCERPT - 1]}…"
    says = node.caption or node.alt
    return f"{node.url} “{says}”" if says else node.url


def _print_verdict(console: Console, outcome: Outcome) -> None:
    row = next((row for row in outcome.decisions if row.level == "document"), None)
    console.print(Text(f"document: {'rejected by ' + why(row) if row else 'kept'}", style="bold"))
    for name, value in sorted(outcome.document.measures.items()):
        console.print(Text(f"  {name}: {value:g}"))
    if outcome.document.language:
        console.print(Text(f"  language: {outcome.document.language}"))


def why(row: Decision) -> str:
    """A decision in words: ``word_count: 3 < 4``."""
    if row.rule == OPT_OUT and row.level == "document":
        return f"{row.rule}: {row.excerpt}"
    if row.value is None or row.threshold is None:
        return row.rule
    return f"{row.rule}: {row.value:g} {row.op} {row.threshold:g}"
