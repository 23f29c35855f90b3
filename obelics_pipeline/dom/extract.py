"""From a captured page to a document: charset, one parse, one walk, main content, nodes."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import msgspec
from selectolax.lexbor import LexborHTMLParser, SelectolaxError

from obelics_pipeline import consent
from obelics_pipeline.canonical_link import canonical_link
from obelics_pipeline.charset import to_utf8
from obelics_pipeline.document import Document
from obelics_pipeline.dom import licenses
from obelics_pipeline.dom.bounds import affordable
from obelics_pipeline.dom.content import main_content
from obelics_pipeline.dom.images import ImageFinder
from obelics_pipeline.dom.nodes import nodes_of
from obelics_pipeline.dom.tree import Block, Tree
from obelics_pipeline.dom.walk import Walker
from obelics_pipeline.errors import PageFailed
from obelics_pipeline.license import of_link, of_meta, stated
from obelics_pipeline.page import Page
from obelics_pipeline.url import host_of, registrable_domain, resolve
from obelics_pipeline.wikimedia import parsoid

MAX_TITLE: Final = 1000


class ExtractOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How pages become documents.

    ``main_content`` keeps what a page was made for; without it the whole page is kept, as the original OBELICS
    does. Of a wiki's pages (``Page.parsoid``) the article is kept, either way. A page is cut at ``max_page_bytes``
    bytes, at ``max_nodes`` elements and where the parser would take too long (``bounds``): that much is kept, and
    noted.
    """

    main_content: bool = True
    max_page_bytes: int = 10_485_760
    max_nodes: int = 60_000

    def __post_init__(self) -> None:
        for name in ("max_page_bytes", "max_nodes"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}: it must be at least 1")


class Extraction(msgspec.Struct, frozen=True):
    """What a page gave: its document, what is worth noting, the charset used, and what the document was made of.

    ``kept`` are the blocks of ``tree`` that are in the document; ``finder`` knows the addresses of its images.
    """

    document: Document
    notes: tuple[str, ...]
    charset: str
    tree: Tree
    kept: list[Block]
    finder: ImageFinder


class Head(msgspec.Struct):
    """What the ``head`` of a page says of it."""

    title: str | None = None
    base: str | None = None
    meta: list[tuple[str, str]] = []
    canonical: list[str] = []
    license: list[str] = []


@contextmanager
def no_collection() -> Iterator[None]:
    """Put cyclic garbage collection off: the many small values of a page make no cycles, and die with it."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def extract_document(page: Page, options: ExtractOptions = ExtractOptions()) -> Extraction:
    """The document of a page; one without nodes if it shows nothing.

    Raises:
        PageFailed: the parser refuses the page (``not_parsed``).
    """
    with no_collection():
        return _extract(page, options)


def _extract(page: Page, options: ExtractOptions) -> Extraction:
    body = page.body
    notes = []
    if len(body) > options.max_page_bytes:
        body = body[: options.max_page_bytes]
        notes.append("page_cut_at_bytes")
    html, charset = to_utf8(body, page.header("content-type"))
    end = affordable(html)
    if end < len(html):
        html = html[:end]
        notes.append("page_cut_at_cost")
    try:
        parser = LexborHTMLParser(html)
    except (SelectolaxError, ValueError, RuntimeError, MemoryError) as error:
        raise PageFailed("not_parsed", f"{type(error).__name__}: {error}") from error
    head = read_head(parser)
    base = (resolve(head.base, page.url) if head.base else None) or page.url
    finder = ImageFinder(base)
    root = parser.root
    if root is None:
        raise PageFailed("not_parsed", "the parser made no tree of the page")
    formulas = parsoid.mark(parser, page.language) if page.parsoid else set()
    guess = options.main_content and not page.parsoid
    tree = Walker(finder, options.max_nodes, furniture=not guess).walk(root)
    if page.parsoid:
        tree.blocks = parsoid.arrange(tree, formulas)
    kept = main_content(tree) if guess else tree.blocks
    nodes = nodes_of(kept, tree.blocks, finder)
    host = host_of(page.url)
    document = Document(
        id=page.id,
        url=page.url,
        host=host,
        domain=registrable_domain(host),
        nodes=parsoid.full_images(nodes, parsoid.widths(parser)) if page.parsoid else nodes,
        source=page.source,
        title=head.title,
        language=page.language,
        consent=consent.signals(page.headers, head.meta),
        canonical=canonical_link(page.url, base, head.canonical, page.headers),
        license=page.license or stated(_licenses(html, parser, head, base, page.url)),
    )
    return Extraction(document, (*notes, *tree.notes), charset, tree, kept, finder)


def _licenses(html: bytes, parser: LexborHTMLParser, head: Head, base: str, url: str) -> Iterator[str | None]:
    """What a page states of its licence: links first, as they are what readers see, then metadata."""
    link, schema = licenses.mentions(html)
    yield from (of_link(href, base) for href in head.license)
    if link:
        yield from licenses.of_body(parser, base)
    yield from of_meta(head.meta, base)
    if schema:
        yield from licenses.of_scripts(parser, url)


def read_head(parser: LexborHTMLParser) -> Head:
    """Title, base, named ``meta`` elements, canonical links and those to licences of a page."""
    head = Head()
    if parser.head is None:
        return head
    for element in parser.head.iter():
        tag = element.tag
        if tag == "meta":
            attributes = element.attributes
            name = attributes.get("name") or attributes.get("http-equiv")
            if name:
                head.meta.append((name.strip().lower(), attributes.get("content") or ""))
        elif tag == "link":
            attributes = element.attributes
            href = attributes.get("href")
            relations = (attributes.get("rel") or "").lower()
            if href and "canonical" in relations and "canonical" in relations.split():
                head.canonical.append(href)
            elif href and "license" in relations and "license" in relations.split():
                head.license.append(href)
        elif tag == "title" and head.title is None:
            head.title = " ".join(element.text_lexbor().split())[:MAX_TITLE] or None
        elif tag == "base" and head.base is None:
            head.base = element.attributes.get("href")
    return head
