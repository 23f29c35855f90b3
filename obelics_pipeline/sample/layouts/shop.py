"""A shop: a gallery with zoom, a price and a basket, a table of specifications, reviews, related products."""

from __future__ import annotations

import json

from obelics_pipeline.sample.content import Article, Block, Picture, Site
from obelics_pipeline.sample.layouts.markup import attr, head, inline, links, source, write

FOLDER = "/media/catalog/product/"


def gallery(pictures: tuple[Picture, ...]) -> str:
    """The large picture, with a larger one for the magnifier, and a row of thumbnails."""
    if not pictures:
        return ""
    main, (width, height) = pictures[0], pictures[0].size
    thumbs = "".join(
        f'<li><a href="{source(p.file, FOLDER)}"><img src="{source(p.at(88), FOLDER)}" width="88" alt=""></a></li>'
        for p in pictures
    )
    return (
        f'<div class="product-gallery"><img id="main-image" src="{source(main.at(width // 2), FOLDER)}"'
        f' data-zoom-image="{source(main.file, FOLDER)}" srcset="{source(main.at(width // 2), FOLDER)} {width // 2}w,'
        f' {source(main.file, FOLDER)} {width}w" sizes="50vw" width="{width // 2}" height="{height // 2}"'
        f' alt="{attr(main.alt)}" itemprop="image"><ul class="product-thumbnails">{thumbs}</ul></div>'
    )


def picture(block: Block) -> str:
    """A picture inside the description."""
    file, alt = source(block.picture.file, FOLDER), attr(block.picture.alt)
    return f'<div class="description-image"><img src="{file}" alt="{alt}" title="{attr(block.picture.caption)}"></div>'


def reviews(article: Article) -> str:
    """What buyers say."""
    each = "".join(
        f'<li class="review" itemprop="review"><span class="stars">★★★★☆</span> <strong>{name}</strong>'
        f"<p>{inline(text)}</p></li>"
        for name, _, text in (comment.partition(": ") for comment in article.head.comments)
    )
    return f'<section id="reviews"><h2>Customer reviews</h2><ul>{each}</ul></section>' if each else ""


def related(site: Site, article: Article) -> str:
    """Other things to buy."""
    cards = "".join(
        f'<li class="product-item"><a href="{a.head.path}"><img loading="lazy" src="'
        f'{source(a.pictures[0].at(240), FOLDER)}" width="240" alt="{attr(a.head.title)}"></a>'
        f'<a class="product-name" href="{a.head.path}">{inline(a.head.title)}</a>'
        f'<span class="price">{a.head.facts["Price"]}</span><button>Add to basket</button></li>'
        for a in site.others(article, 4)
        if a.pictures
    )
    return f'<section class="related-products"><h2>You may also need</h2><ul>{cards}</ul></section>'


def specification(article: Article) -> str:
    """The measures of a product, row by row."""
    rows = "".join(
        f"<tr><th>{inline(name)}</th><td>{inline(value)}</td></tr>"
        for name, value in article.head.facts.items()
        if name != "Price"
    )
    return f'<table class="data table additional-attributes"><tbody>{rows}</tbody></table>'


def page(site: Site, article: Article) -> str:
    """A product."""
    said = article.head
    data = {
        "@context": "https://schema.org",
        "@type": "Product",
        "name": said.title,
        "description": said.summary,
    }
    return f"""<!doctype html>
<html lang="en">
<head>
{head(site, article)}
<script type="application/ld+json">{json.dumps(data)}</script>
</head>
<body class="catalog-product-view">
<div class="page-wrapper">
<header class="page-header"><div class="panel header"><ul class="header links">{
        links({"Sign in": "/account", "Basket (0)": "/basket"})
    }</ul></div><a class="logo" href="/"><img src="/media/logo-180x48.png" width="180" height="48"
 alt="{site.name}"></a><nav class="navigation"><ul>{links(site.menu)}</ul></nav></header>
<div class="breadcrumbs"><ul class="items"><li><a href="/">Home</a></li><li>{
        inline(said.title)
    }</li></ul></div>
<main id="maincontent" class="page-main" itemscope itemtype="https://schema.org/Product">
<div class="product media">{gallery(article.pictures[:1] if article.lead else ())}</div>
<div class="product-info-main"><h1 class="page-title" itemprop="name">{inline(said.title)}</h1>
<p class="overview">{inline(said.summary)}</p>
<div class="price-box"><span class="price" itemprop="price">{
        said.facts["Price"]
    }</span> <small>incl. VAT</small></div>
<form class="add-to-cart" action="/basket/add"><label>Quantity <input type="number" name="qty" value="1"></label>
<button type="submit" title="Add to basket">Add to basket</button></form>
<p class="delivery">Ordered before noon, posted today.</p></div>
<div class="product data items" id="description"><div class="product attribute description" itemprop="description">
{write(article.blocks, {"image": picture})}
</div>
<h2>Details</h2>
{specification(article)}
</div>
{reviews(article)}
{related(site, article)}
</main>
<footer class="page-footer"><p>{inline(site.about)}</p><ul>{
        links({"Returns": "/returns", "Terms": "/terms"})
    }</ul>
<img src="/media/icon-16x16.png" width="16" height="16" alt="Card payments"></footer>
</div>
</body>
</html>
"""
