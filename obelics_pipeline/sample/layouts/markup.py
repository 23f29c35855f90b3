"""What every layout writes with: escaped text, and blocks turned into HTML one kind at a time."""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Final, TypeAlias

from obelics_pipeline.sample.content import Article, Block, Site

Writer: TypeAlias = Callable[[Block], str]

INLINE: Final = (
    (re.compile(r"`([^`]+)`"), r"<code>\1</code>"),
    (re.compile(r"\*\*([^*]+)\*\*"), r"<strong>\1</strong>"),
    (re.compile(r"\*([^*]+)\*"), r"<em>\1</em>"),
    (re.compile(r"\[([^\]]+)\]\(([^)\s]+)\)"), r'<a href="\2">\1</a>'),
)


def attr(text: str) -> str:
    """The text of an attribute in double quotes."""
    return html.escape(text)


def inline(text: str) -> str:
    """A line of text with its emphasis, code and links."""
    text = html.escape(text, quote=False)
    for mark, written in INLINE:
        text = mark.sub(written, text)
    return text


def paragraph(block: Block) -> str:
    """A paragraph."""
    return f"<p>{inline(block.text)}</p>"


def heading(block: Block) -> str:
    """A title as deep as its marks are many."""
    level = len(block.note)
    return f"<h{level}>{inline(block.text)}</h{level}>"


def items(lines: Iterable[str]) -> str:
    """The entries of a list."""
    return "\n".join(f"<li>{inline(line)}</li>" for line in lines)


def table(block: Block, attributes: str = "") -> str:
    """A table whose first row is its head."""
    first, *rest = (
        "".join(f"<{cell}>{inline(text)}</{cell}>" for text in row)
        for row, cell in zip(block.rows, ["th", *["td"] * len(block.rows)], strict=False)
    )
    body = "\n".join(f"<tr>{row}</tr>" for row in rest)
    return f"<table{attributes}>\n<thead><tr>{first}</tr></thead>\n<tbody>\n{body}\n</tbody></table>"


def code(block: Block) -> str:
    """Code, line by line."""
    return f"<pre><code>{html.escape(chr(10).join(block.lines), quote=False)}</code></pre>"


PLAIN: Final[Mapping[str, Writer]] = {
    "paragraph": paragraph,
    "heading": heading,
    "list": lambda block: f"<ul>\n{items(block.lines)}\n</ul>",
    "steps": lambda block: f"<ol>\n{items(block.lines)}\n</ol>",
    "table": table,
    "code": code,
    "quote": lambda block: f"<blockquote><p>{inline(block.text)}</p></blockquote>",
    "remark": lambda block: f"<p><em>{inline(block.text)}</em></p>",
    "post": lambda block: f"<p><strong>{inline(block.text)}</strong></p>",
}


def write(blocks: Iterable[Block], writers: Mapping[str, Writer]) -> str:
    """Blocks as HTML, each by the writer of its kind, or else the plain one."""
    return "\n".join({**PLAIN, **writers}[block.kind](block) for block in blocks)


def links(menu: Mapping[str, str], before: str = "<li>", after: str = "</li>") -> str:
    """A menu as links, each between ``before`` and ``after``."""
    return "".join(f'{before}<a href="{attr(to)}">{inline(label)}</a>{after}' for label, to in menu.items())


def head(site: Site, article: Article, extra: str = "") -> str:
    """The tags of ``<head>`` that all layouts share; an encoding in a header is not said again."""
    tags = [f"<title>{attr(article.head.title)} | {attr(site.name)}</title>"]
    if site.charset_in == "meta":
        tags.insert(0, f'<meta charset="{site.charset}">')
    tags += (f'<meta name="{attr(k)}" content="{attr(v)}">' for k, v in article.head.meta.items())
    if article.head.summary:
        tags.append(f'<meta name="description" content="{attr(article.head.summary)}">')
    return "\n".join(tags) + extra


def source(file: str, folder: str) -> str:
    """The address of a picture's file: as it is where it has a path of its own, or else in ``folder``."""
    return attr(file if file.startswith(("/", "http:", "https:")) else folder + file)
