"""A newspaper: cookie notice, lead picture with sources, byline, advertisements and a newsletter box in the text."""

from __future__ import annotations

from obelics_pipeline.sample.content import Article, Block, Picture, Site
from obelics_pipeline.sample.layouts.markup import attr, head, inline, links, source, write

FOLDER = "/img/"


def lead(picture: Picture) -> str:
    """The picture above the story: WebP for those who can, JPEG for the others."""
    width, height = picture.size
    webp = ", ".join(f"{source(picture.saved_as('webp'), FOLDER)} {w}w" for w in (width,))
    return (
        f'<figure class="article__lead"><picture><source type="image/webp" srcset="{webp}" sizes="100vw">'
        f'<img src="{source(picture.file, FOLDER)}" width="{width}" height="{height}" alt="{attr(picture.alt)}">'
        f'</picture><figcaption>{inline(picture.caption)} <span class="credit">Photograph: staff</span>'
        "</figcaption></figure>"
    )


def figure(block: Block) -> str:
    """A picture inside the story, by media query."""
    picture = block.picture
    small, full = source(picture.at(480), FOLDER), source(picture.file, FOLDER)
    return (
        f'<figure class="article__image"><picture><source media="(max-width: 500px)" srcset="{small}">'
        f'<source media="(min-width: 501px)" srcset="{full}"><img src="{full}" alt="{attr(picture.alt)}"'
        f' loading="lazy"></picture><figcaption>{inline(picture.caption)}</figcaption></figure>'
    )


def advert(site: Site, i: int) -> str:
    """An advertisement between paragraphs."""
    return (
        '<div class="ad-slot ad-slot--inline" aria-label="Advertisement"><span class="ad-label">Advertisement'
        f'</span><a rel="sponsored nofollow" href="/click?ad={i}"><img src="/ads/banner-{i}-728x90.gif"'
        f' width="728" height="90" alt="Advertisement"></a><p>{inline(site.adverts[i])}</p></div>'
    )


def story(site: Site, article: Article) -> str:
    """The text, interrupted after the second block and before the last."""
    box = (
        '<aside class="newsletter-signup"><h3>Sign up for the Friday letter</h3><p>The week on the water, '
        'in your inbox.</p><form><input type="email" placeholder="Your email"><button>Sign up</button></form></aside>'
    )
    first, middle, last = article.blocks[:2], article.blocks[2:-1], article.blocks[-1:]
    parts = [write(blocks, {"image": figure}) for blocks in (first, middle, last)]
    return f"{parts[0]}\n{advert(site, 0)}\n{parts[1]}\n{box}\n{advert(site, 1)}\n{parts[2]}"


def page(site: Site, article: Article) -> str:
    """A story."""
    said = article.head
    read = "".join(
        f'<li><a href="{other.head.path}"><img src="{source(other.pictures[0].at(120), FOLDER)}" alt="">'
        f"<span>{inline(other.head.title)}</span></a></li>"
        for other in site.others(article)
    )
    return f"""<!doctype html>
<html lang="en-GB">
<head>
{head(site, article)}
<meta property="og:type" content="article">
<meta property="article:published_time" content="{said.date}T06:00:00Z">
</head>
<body>
<div id="cookie-consent" class="cookie-banner" role="dialog"><p>We use cookies to keep you signed in and to count
our readers. You can refuse the counting.</p><button>Accept all</button><button>Only what is needed</button></div>
<header class="masthead" role="banner"><a class="logo" href="/"><img src="/img/logo-160x40.png" alt="{
        site.name
    }"
 width="160" height="40"></a><p>{site.tagline}</p><nav><ul>{links(site.menu)}</ul></nav></header>
<main>
<nav class="breadcrumb"><a href="/">Home</a> › <a href="/local">Local</a></nav>
<article class="article">
<header class="article__header"><h1>{inline(said.title)}</h1>
<p class="article__standfirst">{inline(said.summary)}</p>
<p class="byline">By <a rel="author" href="/staff">{said.author}</a>
 <time datetime="{said.date}T06:00">{said.date:%d %B %Y}</time></p></header>
{lead(article.lead) if article.lead else ""}
<div class="article__body">
{story(site, article)}
</div>
<ul class="article__tags">{links({tag: f"/topic/{tag}" for tag in said.tags})}</ul>
<div class="social-share"><button>Tweet</button><button>Share</button><button>Copy link</button></div>
</article>
</main>
<aside class="most-read"><h2>Most read</h2><ol>{read}</ol></aside>
<footer class="site-footer"><p>© {site.name}. {inline(site.about)}</p><ul>{
        links({"Privacy": "/privacy", "Letters": "/letters", "Contact": "/contact"})
    }</ul></footer>
<script>dataLayer = [{{"section": "local"}}];</script>
</body>
</html>
"""
