"""How the sample sites look: one module a CMS habit, each with ``page(site, article) -> str``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from obelics_pipeline.sample.content import Article, Site
from obelics_pipeline.sample.layouts import (
    blog,
    club,
    forum,
    guide,
    manual,
    news,
    photo,
    recipe,
    shop,
    trail,
    wiki,
)

LAYOUTS: Final[dict[str, Callable[[Site, Article], str]]] = {
    "blog": blog.page,
    "club": club.page,
    "forum": forum.page,
    "guide": guide.page,
    "manual": manual.page,
    "news": news.page,
    "photo": photo.page,
    "recipe": recipe.page,
    "shop": shop.page,
    "trail": trail.page,
    "wiki": wiki.page,
}
"""Layouts by the name that a site gives in its ``layout``."""


def render(site: Site, article: Article) -> str:
    """The HTML of an article in the layout of its site."""
    return LAYOUTS[site.layout](site, article)
