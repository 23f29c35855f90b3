"""A forum as phpBB makes it: posts, profiles with portraits, quotations, attachments, signatures."""

from __future__ import annotations

from obelics_pipeline.sample.content import Article, Block, Site
from obelics_pipeline.sample.layouts.markup import attr, head, inline, links, source, write

FOLDER = "/download/"


def attachment(block: Block) -> str:
    """A picture that a member has attached."""
    picture = block.picture
    return (
        '<dl class="attachbox"><dt>Attachments</dt><dd><dl class="file"><dt class="attach-image"><img'
        f' src="{source(picture.file, FOLDER)}" class="postimage" alt="{attr(picture.alt)}"'
        f' onclick="viewableArea(this);"></dt><dd>{inline(picture.caption)}</dd></dl></dd></dl>'
    )


def quote(block: Block) -> str:
    """A quotation of an earlier post: the first line names who wrote it."""
    return (
        f"<blockquote><div><cite>{inline(block.lines[0])} wrote:</cite>{inline(' '.join(block.lines[1:]))}"
        "</div></blockquote>"
    )


def posts(article: Article) -> list[tuple[str, str, list[Block]]]:
    """Who wrote, when, and what: a post begins at each ``@name, when``."""
    found: list[tuple[str, str, list[Block]]] = []
    for block in article.blocks:
        if block.kind == "post":
            name, _, when = block.text.partition(", ")
            found.append((name, when, []))
        else:
            found[-1][2].append(block)
    return found


def post(i: int, name: str, when: str, blocks: list[Block], article: Article) -> str:
    """A post with the profile of who wrote it."""
    portrait = f"/avatars/portrait-{attr(name.lower().replace('_', '-'))}-80x80.gif"
    signature = article.head.facts.get(name, "")
    return f"""<div id="p{i}" class="post has-profile bg{i % 2 + 1}"><div class="inner">
<dl class="postprofile"><dt><div class="avatar-container"><a href="/member/{name}" class="avatar"><img class="avatar"
 src="{portrait}" width="80" height="80" alt="User avatar"></a></div><a class="username" href="/member/{name}">{name}</a>
</dt><dd class="profile-rank">Member</dd><dd class="profile-posts"><strong>Posts:</strong> {137 + 61 * i}</dd></dl>
<div class="postbody"><div><h3><a href="#p{i}">{"Re: " if i else ""}{inline(article.head.title)}</a></h3>
<ul class="post-buttons"><li><a href="/report/{i}" title="Report this post">Report</a></li>
<li><a href="/quote/{i}" title="Reply with quote">Quote</a></li></ul>
<p class="author">by <a class="username" href="/member/{name}">{name}</a> » <time>{when}</time></p>
<div class="content">{write(blocks, {"image": attachment, "quote": quote})}</div>
{f'<div id="sig{i}" class="signature">{inline(signature)}</div>' if signature else ""}
</div></div><div class="back2top"><a href="#top" class="top">Top</a></div></div></div>
<hr class="divider">"""


def page(site: Site, article: Article) -> str:
    """A topic."""
    thread = "\n".join(post(i, *each, article) for i, each in enumerate(posts(article)))
    title = inline(article.head.title)
    return f"""<!DOCTYPE html>
<html dir="ltr" lang="en-gb">
<head>
{head(site, article)}
</head>
<body id="phpbb" class="nojs notouch section-viewtopic ltr">
<div id="wrap" class="wrap"><a id="top" class="top-anchor"></a>
<div id="page-header"><div class="headerbar" role="banner"><p class="site-name">{site.name}</p><p>{site.tagline}</p></div>
<div class="navbar" role="navigation"><ul id="nav-main" class="nav-main linklist">{links(site.menu)}</ul></div></div>
<div id="page-body" class="page-body" role="main">
<h2 class="topic-title"><a href="{article.head.path}">{title}</a></h2>
<div class="action-bar bar-top"><a href="/reply" class="button">Post Reply</a><div class="pagination">
{len(posts(article))} posts • Page <strong>1</strong> of <strong>1</strong></div></div>
{thread}
<div class="action-bar actions-jump"><p class="jumpbox-return"><a href="/">Return to “Workshop”</a></p></div>
<div class="stat-block online-list"><h3>Who is online</h3><p>Users browsing this forum: No registered users and
 3 guests</p></div>
</div>
<div id="page-footer" class="page-footer"><div class="copyright">{inline(site.about)}</div></div>
</div>
</body>
</html>
"""
