"""A guide by a static generator: plain semantic HTML, definition lists, picture elements, no script."""

from __future__ import annotations

from obelics_pipeline.sample.content import Article, Block, Site
from obelics_pipeline.sample.layouts.markup import attr, head, inline, links, source, write

FOLDER = "../plates/"


def plate(block: Block) -> str:
    """A plate, its caption above it, in two formats."""
    picture = block.picture
    width, height = picture.size
    return (
        f"<figure><figcaption>{inline(picture.caption)}</figcaption><picture><source type=image/webp"
        f' srcset="{source(picture.saved_as("webp"), FOLDER)} 1x"><img src="{source(picture.file, FOLDER)}"'
        f' width={width} height={height} alt="{attr(picture.alt)}"></picture></figure>'
    )


def page(site: Site, article: Article) -> str:
    """A species or a chapter."""
    said = article.head
    traits = "".join(f"<dt>{inline(name)}<dd>{inline(fact)}" for name, fact in said.facts.items())
    before, after = site.others(article, len(site.articles) - 1)[-1], site.others(article, 1)[0]
    return f"""<!doctype html>
<html lang=en>
{head(site, article)}
<link rel=stylesheet href=/main.css>
<header><a href=/ class=brand>{site.name}</a> <small>{site.tagline}</small>
<nav><ul>{links(site.menu)}</ul></nav></header>
<main>
<h1>{inline(said.title)}</h1>
<p><em>{inline(said.summary)}</em></p>
{write(article.blocks, {"image": plate})}
{f"<section><h2>At a glance</h2><dl>{traits}</dl></section>" if traits else ""}
</main>
<nav class=pager><a rel=prev href="{before.head.path}">← {inline(before.head.title)}</a>
<a rel=next href="{after.head.path}">{inline(after.head.title)} →</a></nav>
<footer><p>{inline(site.about)} Last changed {said.date}.</footer>
"""
