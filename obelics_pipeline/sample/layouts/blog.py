"""A blog as WordPress makes it: block figures with srcset, share bar, related posts, comments, widgets."""

from __future__ import annotations

from obelics_pipeline.sample.content import Article, Block, Picture, Site
from obelics_pipeline.sample.layouts.markup import attr, head, inline, links, source, write

UPLOADS = "/wp-content/uploads/2024/04/"


def srcset(picture: Picture) -> str:
    """The three sizes that WordPress offers of an upload."""
    widths = sorted({picture.size[0], picture.size[0] // 2, 300})
    return ", ".join(f"{source(picture.at(width), UPLOADS)} {width}w" for width in widths)


def figure(block: Block) -> str:
    """An image block."""
    picture = block.picture
    width, height = picture.size
    caption = f'<figcaption class="wp-element-caption">{inline(picture.caption)}</figcaption>'
    return (
        f'<figure class="wp-block-image size-large"><img loading="lazy" decoding="async" width="{width}"'
        f' height="{height}" src="{source(picture.file, UPLOADS)}" alt="{attr(picture.alt)}"'
        f' class="wp-image-{width}" srcset="{srcset(picture)}"'
        f' sizes="(max-width: {width}px) 100vw, {width}px" />{caption if picture.caption else ""}</figure>'
    )


def related(site: Site, article: Article) -> str:
    """Thumbnails of other posts, below the text."""
    posts = "\n".join(
        f'<div class="jp-relatedposts-post"><a href="{other.head.path}"><img src="'
        f'{source(other.pictures[0].at(200), UPLOADS)}" width="200" alt=""></a>'
        f'<h4><a href="{other.head.path}">{inline(other.head.title)}</a></h4></div>'
        for other in site.others(article)
        if other.pictures
    )
    return f'<div id="jp-relatedposts" class="jp-relatedposts"><h3>Related</h3>\n{posts}\n</div>'


def comments(article: Article) -> str:
    """What readers said, each with a small portrait."""
    said = "\n".join(
        f'<li class="comment" id="comment-{i}"><article class="comment-body"><footer class="comment-meta">'
        f'<img class="avatar avatar-42 photo" src="/avatars/portrait-{i}-42x42.png" width="42" height="42" alt="">'
        f'<b class="fn">{name}</b> says:</footer><div class="comment-content"><p>{inline(text)}</p></div>'
        '<div class="reply"><a rel="nofollow" href="#respond">Reply</a></div></article></li>'
        for i, (name, _, text) in enumerate(comment.partition(": ") for comment in article.head.comments)
    )
    return (
        f'<div id="comments" class="comments-area"><h2 class="comments-title">{len(article.head.comments)}'
        f' thoughts on “{inline(article.head.title)}”</h2>\n<ol class="comment-list">\n{said}\n</ol>\n'
        '<div id="respond" class="comment-respond"><h3>Leave a Reply</h3><form action="/wp-comments-post.php">'
        '<textarea name="comment"></textarea><input type="submit" value="Post Comment"></form></div></div>'
    )


def sidebar(site: Site) -> str:
    """Widgets: search, recent posts, an advertisement, categories."""
    recent = "".join(
        f'<li><a href="{a.head.path}">{inline(a.head.title)}</a></li>' for a in site.articles[:5]
    )
    banners = "".join(
        f'<section class="widget widget_media_image"><a href="/out?to={i}" rel="sponsored">'
        f'<img src="/ads/banner-{i}-300x250.png" width="300" height="250" alt="Advertisement"></a>'
        f"<p>{inline(text)}</p></section>"
        for i, text in enumerate(site.adverts)
    )
    return (
        '<aside id="secondary" class="widget-area"><section class="widget widget_search"><form role="search">'
        '<input type="search" placeholder="Search …"></form></section><section class="widget">'
        f'<h2 class="widget-title">Recent Posts</h2><ul>{recent}</ul></section>{banners}'
        f'<section class="widget"><h2 class="widget-title">About</h2><p>{inline(site.about)}</p></section></aside>'
    )


def page(site: Site, article: Article) -> str:
    """A post."""
    said, address = article.head, f"http://{site.host}{article.head.path}"
    tags = "".join(f'<a href="/tag/{tag}/" rel="tag">{tag}</a> ' for tag in said.tags)
    lead = ""
    if article.lead:
        width, height = article.lead.size
        lead = (
            f'<div class="post-thumbnail"><img width="{width}" height="{height}" class="wp-post-image"'
            f' src="{source(article.lead.file, UPLOADS)}" alt="{attr(article.lead.alt)}"></div>'
        )
    return f"""<!DOCTYPE html>
<html lang="en-US">
<head>
{head(site, article)}
<link rel="canonical" href="{address}" />
<link rel="stylesheet" href="/wp-content/themes/span/style.css" />
<script>window._wpemojiSettings = {{"baseUrl": "/emoji/", "ext": ".png"}};</script>
</head>
<body class="post-template-default single single-post">
<div id="page" class="site">
<header id="masthead" class="site-header"><p class="site-title"><a href="/">{site.name}</a></p>
<p class="site-description">{site.tagline}</p>
<nav id="site-navigation" class="main-navigation"><ul id="primary-menu">{links(site.menu)}</ul></nav></header>
<div id="primary" class="content-area"><main id="main" class="site-main">
<article id="post-{said.date:%j}" class="post type-post status-publish hentry">
<header class="entry-header"><h1 class="entry-title">{inline(said.title)}</h1>
<div class="entry-meta">Posted on <time class="entry-date" datetime="{said.date}">{said.date:%B %d, %Y}</time>
 by <a class="url fn" href="/author/">{said.author}</a></div></header>
{lead}
<div class="entry-content">
{write(article.blocks, {"image": figure})}
<div class="sharedaddy sd-sharing-enabled"><h3 class="sd-title">Share this:</h3><ul>
<li><a class="share-facebook" href="{address}?share=facebook">Share</a></li>
<li><a class="share-mail" href="mailto:?body={address}">Email</a></li></ul></div>
{related(site, article)}
</div>
<footer class="entry-footer">Tagged {tags}</footer>
</article>
{comments(article)}
</main></div>
{sidebar(site)}
<footer id="colophon" class="site-footer">Proudly powered by steel wire and patience.</footer>
</div>
<img src="/media/pixel.gif" width="1" height="1" alt="" style="display:none">
</body>
</html>
"""
