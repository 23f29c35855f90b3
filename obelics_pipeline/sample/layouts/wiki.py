"""A wiki as MediaWiki makes it: infobox, thumbnails with captions, contents, edit links, references, navigation box."""

from __future__ import annotations

import re

from obelics_pipeline.sample.content import Article, Block, Site
from obelics_pipeline.sample.layouts.markup import attr, head, inline, links, source, table, write

THUMBS = "/images/thumb/"
CITE = re.compile(r"\[(\d+)\]")


def thumbnail(block: Block) -> str:
    """A picture to the right of the text, with its file page behind it and sharper files for dense screens."""
    picture = block.picture
    width, height = picture.size
    shown = source(picture.at(width // 2), THUMBS)
    return (
        f'<figure class="mw-default-size" typeof="mw:File/Thumb"><a href="/wiki/File:{attr(picture.file)}"'
        f' class="mw-file-description"><img alt="{attr(picture.alt)}" src="{shown}" decoding="async"'
        f' width="{width // 2}" height="{height // 2}" srcset="{shown} 1x, {source(picture.file, THUMBS)} 2x"'
        f' class="mw-file-element"></a><figcaption>{inline(picture.caption)}</figcaption></figure>'
    )


def heading(block: Block) -> str:
    """A section's title with its edit link."""
    anchor = block.text.replace(" ", "_")
    return (
        f'<h2><span class="mw-headline" id="{attr(anchor)}">{inline(block.text)}</span><span'
        ' class="mw-editsection"><span class="mw-editsection-bracket">[</span><a href="?action=edit">edit</a>'
        '<span class="mw-editsection-bracket">]</span></span></h2>'
    )


def paragraph(block: Block) -> str:
    """A paragraph whose [1] leads to the references."""
    cited = CITE.sub(r'<sup class="reference"><a href="#cite-\1">[\1]</a></sup>', inline(block.text))
    return f"<p>{cited}</p>"


def infobox(article: Article) -> str:
    """The table of facts at the head of an article."""
    rows = "".join(
        f'<tr><th scope="row">{inline(name)}</th><td>{inline(fact)}</td></tr>'
        for name, fact in article.head.facts.items()
    )
    picture = article.lead
    image = (
        f'<tr><td colspan="2" class="infobox-image"><a href="/wiki/File:{attr(picture.file)}" class="image"><img'
        f' src="{source(picture.file, THUMBS)}" alt="{attr(picture.alt)}" width="{picture.size[0] // 2}"></a>'
        f'<div class="infobox-caption">{inline(picture.caption)}</div></td></tr>'
        if picture
        else ""
    )
    return (
        f'<table class="infobox biota"><tbody><tr><th colspan="2">{inline(article.head.title)}</th></tr>'
        f"{image}{rows}</tbody></table>"
    )


def contents(article: Article) -> str:
    """The list of sections."""
    titles = [block.text for block in article.blocks if block.kind == "heading"]
    entries = "".join(
        f'<li class="toclevel-1"><a href="#{attr(title.replace(" ", "_"))}"><span class="tocnumber">{i}</span> '
        f'<span class="toctext">{inline(title)}</span></a></li>'
        for i, title in enumerate(titles, 1)
    )
    return f'<div id="toc" class="toc" role="navigation"><h2>Contents</h2><ul>{entries}</ul></div>'


def references(article: Article) -> str:
    """The works cited."""
    works = "".join(
        f'<li id="cite-{i}"><span class="mw-cite-backlink">^</span> <span class="reference-text">{inline(work)}'
        "</span></li>"
        for i, work in enumerate(article.head.parts, 1)
    )
    return f'<div class="reflist"><ol class="references">{works}</ol></div>' if works else ""


def page(site: Site, article: Article) -> str:
    """An article."""
    said = article.head
    writers = {
        "image": thumbnail,
        "heading": heading,
        "paragraph": paragraph,
        "table": lambda block: table(block, ' class="wikitable"'),
    }
    box = links({other.head.title: other.head.path for other in site.articles})
    return f"""<!DOCTYPE html>
<html class="client-nojs" lang="en" dir="ltr">
<head>
{head(site, article)}
<meta name="generator" content="MediaWiki 1.41.0">
</head>
<body class="mediawiki ltr sitedir-ltr ns-0 ns-subject">
<div id="content" class="mw-body" role="main">
<div id="siteNotice"><div class="noticebox">The spring count is on: add what you see below the low-water mark.</div></div>
<h1 id="firstHeading" class="firstHeading mw-first-heading">{inline(said.title)}</h1>
<div id="bodyContent" class="vector-body">
<div id="siteSub" class="noprint">From {site.name}, {site.tagline}</div>
<div id="mw-content-text" class="mw-body-content"><div class="mw-content-ltr mw-parser-output" lang="en" dir="ltr">
{infobox(article)}
{contents(article)}
{write(article.blocks, writers)}
{references(article)}
<div class="navbox" role="navigation"><table class="nowraplinks"><tbody><tr><th class="navbox-title">Life between
the tides</th></tr><tr><td class="navbox-list"><ul>{box}</ul></td></tr></tbody></table></div>
</div></div>
<div id="catlinks" class="catlinks"><a href="/wiki/Special:Categories">Categories</a>:
<ul>{links({tag: f"/wiki/Category:{tag}" for tag in said.tags})}</ul></div>
</div></div>
<div id="mw-navigation"><h2>Navigation menu</h2><div id="p-personal"><ul><li><a href="/login">Log in</a></li></ul></div>
<div id="p-navigation" class="portlet"><ul>{links(site.menu)}</ul></div></div>
<footer id="footer" class="mw-footer"><ul><li id="footer-info-lastmod">This page was last edited on
 {said.date:%d %B %Y}.</li><li>{inline(site.about)}</li></ul></footer>
</body>
</html>
"""
