"""A recipe site: lazy pictures behind a placeholder, with noscript fallbacks; ingredients, steps, a jump link."""

from __future__ import annotations

from obelics_pipeline.sample.content import Article, Block, Picture, Site
from obelics_pipeline.sample.layouts.markup import attr, head, inline, items, links, source, write

FOLDER = "/photos/"
PLACEHOLDER = "data:image/gif;base64,R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7"
"""A transparent GIF of one pixel: what ``src`` holds until the script has run."""


def lazy(picture: Picture) -> str:
    """A picture that a script will load, and the same for those without scripts."""
    (width, height), alt = picture.size, attr(picture.alt)
    half, full = source(picture.at(width // 2), FOLDER), source(picture.file, FOLDER)
    return (
        f'<img class="lazyload" src="{PLACEHOLDER}" data-src="{full}" data-srcset="{half} {width // 2}w, {full}'
        f' {width}w" data-sizes="auto" width="{width}" height="{height}" alt="{alt}">'
        f'<noscript><img src="{full}" width="{width}" height="{height}" alt="{alt}"></noscript>'
    )


def figure(block: Block) -> str:
    """A picture with its caption below, outside any figure element."""
    caption = (
        f'<div class="photo-caption">{inline(block.picture.caption)}</div>' if block.picture.caption else ""
    )
    return f'<div class="recipe-photo">{lazy(block.picture)}{caption}</div>'


def card(article: Article) -> str:
    """The card to print: times, ingredients."""
    facts = "".join(
        f'<li><span class="label">{inline(name)}</span> <span>{inline(fact)}</span></li>'
        for name, fact in article.head.facts.items()
    )
    return (
        f'<div class="recipe-card" id="recipe" itemscope itemtype="https://schema.org/Recipe">'
        f'<h2 itemprop="name">{inline(article.head.title)}</h2><ul class="recipe-times">{facts}</ul>'
        f'<h3>Ingredients</h3><ul class="ingredients">\n{items(article.head.parts)}\n</ul></div>'
    )


def page(site: Site, article: Article) -> str:
    """A recipe."""
    said = article.head
    more = "".join(
        f'<a class="more-card" href="{a.head.path}"><img class="lazyload" src="{PLACEHOLDER}" data-src="'
        f'{source(a.pictures[0].at(220), FOLDER)}" alt="">{inline(a.head.title)}</a>'
        for a in site.others(article)
    )
    steps = [block for block in article.blocks if block.kind == "steps"]
    story = [block for block in article.blocks if block.kind != "steps"]
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
{head(site, article)}
<style>.lazyload {{ opacity: 0 }}</style>
</head>
<body>
<div class="topbar"><a href="/">{site.name}</a> <ul class="menu">{links(site.menu)}</ul></div>
<div class="container"><div class="content" id="content">
<h1>{inline(said.title)}</h1>
<div class="recipe-meta">by <a href="/about">{said.author}</a> · {said.date:%d %b %Y} · <span class="rating">4.7 (38)</span>
<a class="jump" href="#recipe">Jump to recipe</a> <a class="print" href="#print">Print</a>
<a class="pin" href="#pin">Pin it</a></div>
<p class="intro">{inline(said.summary)}</p>
{f'<div class="hero">{lazy(article.lead)}</div>' if article.lead else ""}
{write(story, {"image": figure})}
{card(article)}
<div class="method"><h3>Method</h3>
{write(steps, {})}
</div>
<div class="nutrition-disclaimer">Nutrition figures are estimates.</div>
<div class="more-recipes"><h3>More from the kitchen</h3>{more}</div>
</div>
<div class="sidebar"><div class="ad-unit" id="ad-1">Advertisement<img src="/ads/banner-0-300x600.png" width="300"
 height="600" alt=""></div><div class="bio">{inline(site.about)}</div></div></div>
<div class="footer">{site.tagline}</div>
</body>
</html>
"""
