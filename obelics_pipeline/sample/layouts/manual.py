"""Software documentation as Sphinx makes it: a tree of pages, sections, highlighted code, admonitions, figures."""

from __future__ import annotations

import html
import re

from obelics_pipeline.sample.content import Article, Block, Site
from obelics_pipeline.sample.layouts.markup import attr, head, inline, links, source, table, write

FOLDER = "../_images/"
TOKEN = re.compile(
    r"(?P<c>#.*)|(?P<s>\"[^\"]*\")|(?P<k>\b(?:import|from|def|return|for|in|if|with|as|class)\b)"
)


def _token(match: re.Match[str]) -> str:
    return f'<span class="{match.lastgroup}">{html.escape(match[0], quote=False)}</span>'


def _highlight(line: str) -> str:
    end, written = 0, ""
    for match in TOKEN.finditer(line):
        written += html.escape(line[end : match.start()], quote=False) + _token(match)
        end = match.end()
    return written + html.escape(line[end:], quote=False)


def code(block: Block) -> str:
    """Code with a span for each token."""
    lines = "\n".join(map(_highlight, block.lines))
    return (
        f'<div class="highlight-{block.note or "text"} notranslate"><div class="highlight"><pre><span></span>'
        f"{lines}\n</pre></div>\n</div>"
    )


def figure(block: Block) -> str:
    """A figure with a numbered-looking caption and its own anchor."""
    picture = block.picture
    caption = (
        f'<figcaption><p><span class="caption-text">{inline(picture.caption)}</span>'
        f'<a class="headerlink" href="#{attr(picture.file)}" title="Link to this image">¶</a></p></figcaption>'
    )
    return (
        f'<figure class="align-default" id="{attr(picture.file)}"><a class="reference internal image-reference"'
        f' href="{source(picture.file, FOLDER)}"><img alt="{attr(picture.alt)}" src="'
        f'{source(picture.file, FOLDER)}" style="width: {picture.size[0]}px;" /></a>\n{caption}</figure>'
    )


def heading(block: Block) -> str:
    """A section's title with its link."""
    anchor = block.text.lower().replace(" ", "-")
    return (
        f'<h2 id="{attr(anchor)}">{inline(block.text)}<a class="headerlink" href="#{attr(anchor)}"'
        ' title="Link to this heading">¶</a></h2>'
    )


def remark(block: Block) -> str:
    """A note or a warning."""
    kind = block.note.strip("! ")
    return (
        f'<div class="admonition {kind}"><p class="admonition-title">{kind.title()}</p>'
        f"<p>{inline(block.text)}</p></div>"
    )


def page(site: Site, article: Article) -> str:
    """A page of the manual."""
    tree = "".join(
        f'<li class="toctree-l1"><a class="reference internal" href="{a.head.path}">{inline(a.head.title)}</a></li>'
        for a in site.articles
    )
    after = site.others(article, 1)[0].head
    writers = {
        "code": code,
        "image": figure,
        "heading": heading,
        "remark": remark,
        "table": lambda block: table(block, ' class="docutils align-default"'),
    }
    title = inline(article.head.title)
    return f"""<!DOCTYPE html>
<html lang="en">
  <head>
{head(site, article)}
    <link rel="stylesheet" type="text/css" href="../_static/pygments.css" />
    <script src="../_static/doctools.js"></script>
  </head><body>
    <div class="related" role="navigation" aria-label="related navigation"><h3>Navigation</h3><ul>
      <li class="right"><a href="/genindex.html" accesskey="I">index</a></li>
      <li class="right"><a href="{after.path}" accesskey="N">next</a> |</li>{links(site.menu)}</ul></div>
    <div class="document"><div class="documentwrapper"><div class="bodywrapper"><div class="body" role="main">
  <section id="{attr(article.head.title.lower().replace(" ", "-"))}">
<h1>{title}<a class="headerlink" href="#" title="Link to this heading">¶</a></h1>
{write(article.blocks, writers)}
</section>
    </div></div></div>
    <div class="sphinxsidebar" role="navigation" aria-label="main navigation"><div class="sphinxsidebarwrapper">
      <h1 class="logo"><a href="/index.html">{site.name}</a></h1><p class="blurb">{site.tagline}</p>
      <h3>Navigation</h3><ul>{tree}</ul>
      <div id="searchbox" role="search"><h3>Quick search</h3><form action="/search.html"><input name="q">
      <input type="submit" value="Go" /></form></div></div></div>
    <div class="clearer"></div></div>
    <div class="footer">{inline(site.about)} | <a href="/_sources/page.rst.txt" rel="nofollow">Page source</a></div>
  </body>
</html>
"""
