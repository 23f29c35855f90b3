"""A photographer's journal in AMP: pictures are ``amp-img`` elements, some with a noscript inside."""

from __future__ import annotations

from obelics_pipeline.sample.content import Article, Block, Picture, Site
from obelics_pipeline.sample.layouts.markup import attr, head, inline, links, source, write

FOLDER = "/frames/"


def amp(picture: Picture) -> str:
    """A responsive picture."""
    width, height = picture.size
    full, half = source(picture.file, FOLDER), source(picture.at(width // 2), FOLDER)
    return (
        f'<amp-img src="{full}" srcset="{full} {width}w, {half} {width // 2}w" width="{width}" height="{height}"'
        f' layout="responsive" alt="{attr(picture.alt)}"><noscript><img src="{full}" width="{width}"'
        f' height="{height}" alt="{attr(picture.alt)}"></noscript></amp-img>'
    )


def figure(block: Block) -> str:
    """A frame and what is on it."""
    return f"<figure>{amp(block.picture)}<figcaption>{inline(block.picture.caption)}</figcaption></figure>"


def page(site: Site, article: Article) -> str:
    """An entry of the journal."""
    said = article.head
    following = site.others(article, 1)[0].head
    return f"""<!doctype html>
<html amp lang="en">
<head>
{head(site, article)}
<link rel="canonical" href="http://{site.host}{said.path}">
<script async src="http://{site.host}/amp/v0.js"></script>
<style amp-custom>body {{ margin: 0 auto; max-width: 44rem }}</style>
</head>
<body>
<amp-sidebar id="menu" layout="nodisplay" side="left"><ul>{links(site.menu)}</ul></amp-sidebar>
<header class="top"><button on="tap:menu.toggle">☰</button><a href="/">{site.name}</a></header>
<main><article>
<h1>{inline(said.title)}</h1>
<p class="when"><time datetime="{said.date}">{said.date:%B %Y}</time>, {said.author}</p>
{f'<div class="cover">{amp(article.lead)}</div>' if article.lead else ""}
{write(article.blocks, {"image": figure})}
<amp-ad width="300" height="250" type="example" data-slot="{said.date:%j}"><div placeholder>Advertisement</div></amp-ad>
<amp-social-share type="email"></amp-social-share>
</article></main>
<nav class="next">Next: <a href="{following.path}">{inline(following.title)}</a></nav>
<footer>{inline(site.about)} {site.tagline}</footer>
<amp-analytics><script type="application/json">{{"requests": {{"pageview": "/count"}}}}</script></amp-analytics>
<amp-pixel src="/media/pixel.gif" layout="nodisplay"></amp-pixel>
</body>
</html>
"""
