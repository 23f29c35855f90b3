"""A hiking site as TYPO3 makes it: text-and-picture elements with galleries, a table of the tour; in German."""

from __future__ import annotations

from obelics_pipeline.sample.content import Article, Block, Site
from obelics_pipeline.sample.layouts.markup import attr, head, inline, links, source, write

FOLDER = "/fileadmin/touren/"


def gallery(block: Block) -> str:
    """A picture in a gallery element, with a larger one behind it."""
    picture = block.picture
    width, height = picture.size
    return (
        '<div class="ce-gallery" data-ce-columns="1"><div class="ce-row"><div class="ce-column">'
        f'<figure class="image"><a href="{source(picture.file, FOLDER)}" class="lightbox" rel="lightbox"><img'
        f' class="image-embed-item" src="{source(picture.file, FOLDER)}" width="{width}" height="{height}"'
        f' alt="{attr(picture.alt)}" loading="lazy"></a><figcaption class="image-caption">'
        f"{inline(picture.caption)}</figcaption></figure></div></div></div>"
    )


def page(site: Site, article: Article) -> str:
    """A tour."""
    said = article.head
    facts = "".join(f"<dt>{inline(name)}</dt><dd>{inline(fact)}</dd>" for name, fact in said.facts.items())
    tips = "".join(
        f'<li class="teaser"><a href="{a.head.path}">{inline(a.head.title)}</a></li>'
        for a in site.others(article)
    )
    return f"""<!DOCTYPE html>
<html lang="de">
<head>
{head(site, article)}
<meta name="generator" content="TYPO3 CMS">
</head>
<body>
<a class="skip" href="#inhalt">Zum Inhalt springen</a>
<header><div class="brand">{site.name}</div><div class="claim">{site.tagline}</div>
<nav class="mainnav" aria-label="Hauptnavigation"><ul>{links(site.menu)}</ul></nav></header>
<div class="breadcrumb-section">Sie sind hier: <a href="/">Start</a> / <a href="/touren">Touren</a></div>
<main id="inhalt" role="main">
<div id="c{said.date:%d%m}" class="frame frame-default frame-type-textpic"><header><h1>{inline(said.title)}</h1></header>
<p class="lead">{inline(said.summary)}</p>
<div class="ce-textpic ce-right ce-intext"><div class="ce-bodytext">
{write(article.blocks, {"image": gallery})}
</div></div></div>
<div class="frame frame-type-tourdaten"><h2>Tourdaten</h2><dl class="tourdaten">{facts}</dl></div>
</main>
<aside class="weitere-touren"><h3>Weitere Touren</h3><ul>{tips}</ul></aside>
<div class="cookie-hinweis" role="dialog">Diese Seite verwendet nur technisch notwendige Cookies. <button>Verstanden</button></div>
<footer><ul>{links({"Impressum": "/impressum", "Datenschutz": "/datenschutz"})}</ul><p>{inline(site.about)}</p></footer>
</body>
</html>
"""
