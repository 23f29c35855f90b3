"""What the sample sites say, apart from how they look: one folder a host, one text file a page.

A file is a YAML head between two lines of ``---``, and a body of blocks with a blank line between them::

    ## a heading                    ![alt](scene-name-800x600.jpg "caption")
    - an item                       1. a step
    | a | row |                     ```python … ```
    > a quotation                   @name, when        (what follows is that person's post)
    !note a remark                  anything else is a paragraph
"""

from __future__ import annotations

import datetime
import functools
import itertools
import re
from collections.abc import Iterator
from importlib import resources
from importlib.resources.abc import Traversable
from typing import Any, Final

import msgspec
import yaml

from obelics_pipeline.errors import InputError

PICTURE: Final = re.compile(r'!\[(?P<alt>[^\]]*)\]\((?P<file>\S+?)(?: "(?P<caption>[^"]*)")?\)$')
SIZE: Final = re.compile(r"-(\d+)x(\d+)\.(\w+)$")
MARKS: Final = (
    ("heading", re.compile(r"##+ ")),
    ("image", re.compile(r"!\[")),
    ("list", re.compile(r"- ")),
    ("steps", re.compile(r"\d+\. ")),
    ("table", re.compile(r"\| ?")),
    ("quote", re.compile(r"> ?")),
    ("post", re.compile(r"@")),
    ("remark", re.compile(r"!\w+ ")),
)


class Picture(msgspec.Struct, frozen=True):
    """A picture on a page; its file is named for what is drawn and how large: ``scene-name-800x600.jpg``."""

    file: str
    alt: str = ""
    caption: str = ""

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels; 640 x 480 where the name is silent (as for pictures that go wrong)."""
        match = SIZE.search(self.file)
        return (int(match[1]), int(match[2])) if match else (640, 480)

    def at(self, width: int) -> str:
        """The file of the same picture at another width."""
        full, height = self.size
        return SIZE.sub(rf"-{width}x{round(height * width / full)}.\3", self.file)

    def saved_as(self, extension: str) -> str:
        """The file of the same picture in another format."""
        return SIZE.sub(rf"-\1x\2.{extension}", self.file)


class Block(msgspec.Struct, frozen=True):
    """A block of a page: its lines without their marks, and a note (heading level, language of code …)."""

    kind: str
    lines: tuple[str, ...]
    note: str = ""

    @property
    def text(self) -> str:
        """All lines as one."""
        return " ".join(self.lines)

    @property
    def rows(self) -> list[list[str]]:
        """The cells of a table, row by row."""
        return [[cell.strip() for cell in line.strip(" |").split("|")] for line in self.lines]

    @property
    def picture(self) -> Picture:
        """The picture of an ``image`` block."""
        return to_picture(self.lines[0])


class Head(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What a page says of itself; ``headers``, ``coding`` and ``also`` are how the server treats it."""

    path: str
    title: str
    author: str = ""
    date: datetime.date = datetime.date(2024, 4, 2)
    summary: str = ""
    lead: str = ""
    tags: tuple[str, ...] = ()
    facts: dict[str, str] = {}
    parts: tuple[str, ...] = ()
    comments: tuple[str, ...] = ()
    meta: dict[str, str] = {}
    headers: dict[str, str] = {}
    coding: str = ""
    also: tuple[str, ...] = ()
    reprints: str = ""


class Article(msgspec.Struct, frozen=True):
    """A page of prose: its head and its blocks."""

    head: Head
    blocks: tuple[Block, ...]

    @property
    def lead(self) -> Picture | None:
        """The picture above the text, if there is one."""
        return to_picture(self.head.lead) if self.head.lead else None

    @property
    def pictures(self) -> tuple[Picture, ...]:
        """All pictures, in order."""
        inside = tuple(block.picture for block in self.blocks if block.kind == "image")
        return (self.lead, *inside) if self.lead else inside


class Site(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A host: its name, its layout (a CMS habit), and where it declares its encoding: header or meta."""

    host: str
    name: str
    tagline: str
    layout: str
    language: str = "en"
    charset: str = "utf-8"
    charset_in: str = "header"
    menu: dict[str, str] = {}
    adverts: tuple[str, ...] = ()
    about: str = ""
    articles: tuple[Article, ...] = ()

    def others(self, article: Article, n: int = 3) -> tuple[Article, ...]:
        """The ``n`` articles that come after ``article``, around the corner if need be."""
        at = self.articles.index(article)
        return tuple(self.articles[(at + i) % len(self.articles)] for i in range(1, n + 1))


def to_picture(line: str) -> Picture:
    """Read ``![alt](file "caption")``; raise ``InputError`` for anything else."""
    match = PICTURE.match(line)
    if not match:
        raise InputError(f'{line!r} is not ![alt](file "caption")')
    return Picture(match["file"], match["alt"], match["caption"] or "")


def to_blocks(body: str) -> Iterator[Block]:
    """The blocks of a body, in order."""
    fenced = re.split(r"^```(\w*)\n(.*?)^```$", body, flags=re.MULTILINE | re.DOTALL)
    for i, piece in enumerate(fenced):
        if i % 3 == 2:
            yield Block("code", tuple(piece.rstrip("\n").split("\n")), fenced[i - 1])
        elif i % 3 == 0:
            yield from map(_to_block, filter(None, map(str.strip, re.split(r"\n\s*\n", piece))))


def _to_block(source: str) -> Block:
    lines = source.split("\n")
    for kind, mark in MARKS:
        if match := mark.match(source):
            if kind == "image":
                return Block(kind, tuple(lines))
            return Block(kind, tuple(mark.sub("", line, count=1) for line in lines), match[0].strip())
    return Block("paragraph", tuple(lines))


def read_article(source: str) -> Article:
    """Read a page's file."""
    _, head, body = source.split("---\n", 2)
    return Article(msgspec.convert(yaml.load(head, yaml.BaseLoader), Head), tuple(to_blocks(body)))


def _read_site(folder: Traversable) -> Site:
    about: dict[str, Any] = yaml.load((folder / "site.yaml").read_text("utf-8"), yaml.BaseLoader)
    files = sorted(
        (file for file in folder.iterdir() if file.name.endswith(".md")), key=lambda file: file.name
    )
    articles = tuple(read_article(file.read_text("utf-8")) for file in files)
    return msgspec.structs.replace(msgspec.convert({"host": folder.name, **about}, Site), articles=articles)


@functools.cache
def sites() -> tuple[Site, ...]:
    """Every site, by host, with its articles; a reprint has the text of what it reprints after its own."""
    root = resources.files(__package__) / "content"
    found = [_read_site(folder) for folder in sorted(root.iterdir(), key=lambda f: f.name) if folder.is_dir()]
    blocks = {site.host + a.head.path: a.blocks for site in found for a in site.articles}
    return tuple(
        msgspec.structs.replace(site, articles=tuple(_reprint(a, blocks) for a in site.articles))
        for site in found
    )


def _reprint(article: Article, blocks: dict[str, tuple[Block, ...]]) -> Article:
    if not article.head.reprints:
        return article
    borrowed = itertools.filterfalse(lambda block: block.kind == "image", blocks[article.head.reprints])
    return msgspec.structs.replace(article, blocks=(*article.blocks, *borrowed))
