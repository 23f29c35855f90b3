"""``obelics explain``: one page, each node of it, and the rule that rejected it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from difflib import SequenceMatcher
from pathlib import Path
from typing import Final

from msgspec.structs import replace
from rich.console import Console
from rich.table import Table
from rich.text import Text

from beam_jobs import io
from beam_jobs.config import Config
from beam_jobs.options import extract_options
from filters.apply import Outcome, filter_document
from filters.decisions import Decision
from obelics_pipeline import warc
from obelics_pipeline.accounting import Tally
from obelics_pipeline.document import Node, TextNode
from obelics_pipeline.dom.extract import Extraction, extract_document
from obelics_pipeline.dom.nodes import nodes_of
from obelics_pipeline.errors import InputError, PageFailed, RunFailed
from obelics_pipeline.page import Page

EXCERPT: Final = 100
"""Characters of a node that are shown."""


def explain(place: str, config: Config, url: str | None, console: Console | None = None) -> None:
    """Print what extraction and the filters of ``config`` make of the page at ``place``.

    What main-content recognition leaves out is shown, too, as rejected by ``main_content``.
    ``place`` is an HTML file, or ``archive#offset``. Raises ``InputError`` if there is no such page.
    """
    console = console or Console()
    page = _page(place, url)
    try:
        extraction = extract_document(page, extract_options(config.extract))
    except PageFailed as error:
        raise RunFailed(f"{place}: the page cannot be extracted ({error.error}): {error}") from error
    document = extraction.document
    outcome = filter_document(document, replace(config.filter, sample_share=0.0), Tally())
    _print_head(console, page, extraction)
    whole = nodes_of(extraction.tree.blocks, extraction.tree.blocks)
    console.print(_table(side_by_side(whole, document.nodes), outcome.decisions))
    _print_verdict(console, outcome)


def _page(place: str, url: str | None) -> Page:
    path, mark, offset = place.rpartition("#")
    if mark and offset.isdigit():
        if io.size(path) is None:
            raise InputError(f"{path}: no such file")
        with io.open_read(path) as stream:
            page = warc.page_at(stream, path.rpartition("/")[2], int(offset))
        return replace(page, url=url) if url else page
    if not Path(place).is_file():
        raise InputError(f"{place}: no such file; name an HTML file, or WARC#offset")
    return Page(url or Path(place).resolve().as_uri(), Path(place).read_bytes())


def _print_head(console: Console, page: Page, extraction: Extraction) -> None:
    document = extraction.document
    console.print(Text(f"{page.url}\n{document.title or 'no title'}", style="bold"))
    signals = ", ".join(document.consent) or "none"
    console.print(Text(f"{len(page.body):,} bytes, {len(document.nodes)} nodes; consent signals: {signals}"))
    if extraction.notes:
        console.print(Text(f"notes: {', '.join(extraction.notes)}"))


def side_by_side(whole: Sequence[Node], kept: Sequence[Node]) -> Iterator[tuple[int | None, Node]]:
    """The nodes of the whole page in order, with their place among those ``kept``, None if they are not."""
    matcher = SequenceMatcher(None, [*map(_place, whole)], [*map(_place, kept)], autojunk=False)
    for same, start, end, first, last in matcher.get_opcodes():
        if same != "equal":
            yield from ((None, node) for node in whole[start:end])
        yield from enumerate(kept[first:last], first)


def _place(node: Node) -> tuple[type, str]:
    return type(node), node.dom_path


def _table(nodes: Iterable[tuple[int | None, Node]], decisions: Iterable[Decision]) -> Table:
    refused = {row.index: why(row) for row in decisions if row.level != "document"}
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("node", "kind", "what", "rejected by"):
        table.add_column(name, overflow="fold")
    for index, node in nodes:
        kind = node.kind if isinstance(node, TextNode) else "image"
        reason = "main_content" if index is None else refused.get(index, "")
        number = "" if index is None else str(index)
        table.add_row(number, kind, Text(_excerpt(node)), Text(reason, "red"), style="dim" if reason else "")
    return table


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
    if row.value is None or row.threshold is None:
        return row.rule
    return f"{row.rule}: {row.value:g} {row.op} {row.threshold:g}"
