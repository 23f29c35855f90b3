"""The sample web: every address of every host and its answer, and the visits that a crawler makes."""

from __future__ import annotations

import datetime
import functools
import json
from collections.abc import Iterator
from typing import Final
from urllib.parse import urlsplit

import msgspec

from obelics_pipeline.sample.content import Article, Site, sites
from obelics_pipeline.sample.layouts import render
from obelics_pipeline.sample.layouts.markup import links
from obelics_pipeline.sample.replies import TROUBLE, Reply, coded, picture, redirect

BEGIN: Final = datetime.datetime(2024, 5, 6, 8, 0, 0, tzinfo=datetime.UTC)
"""When the crawl begins; a visit lasts 37 seconds, and second visits come a day later."""
STEP: Final = datetime.timedelta(seconds=37)
LATER: Final = datetime.timedelta(days=1)

NOT_FOUND: Final = Reply(
    status=404, body=b"<!doctype html><title>Not found</title><p>There is no such page.</p>"
)


class Visit(msgspec.Struct, frozen=True):
    """An address that the crawler asks for, and when."""

    url: str
    when: datetime.datetime


def page(site: Site, article: Article) -> Reply:
    """An article in the layout, encoding and coding of its host."""
    charset = f"; charset={site.charset}" if site.charset_in == "header" else ""
    reply = Reply(
        content_type="text/html" + charset,
        body=render(site, article).encode(site.charset),
        headers=tuple(article.head.headers.items()),
    )
    return coded(reply, article.head.coding)


def front_page(site: Site) -> Reply:
    """Links, and nothing to read."""
    menu = links({article.head.title: article.head.path for article in site.articles})
    html = f"<!doctype html><title>{site.name}</title><nav><ul>{links(site.menu)}</ul></nav><ul>{menu}</ul>"
    return coded(Reply(body=html.encode()), "gzip")


def _odd() -> dict[str, Reply]:
    tides = json.dumps({"harbour": "Skerrow", "high": ["04:12", "16:38"], "low": ["10:25", "22:51"]})
    return {
        "ferry-times.example/leaflet.pdf": Reply(content_type="application/pdf", body=b"%PDF-1.4\n%%EOF\n"),
        "ferry-times.example/api/tides.json": Reply(content_type="application/json", body=tides.encode()),
        "ferry-times.example/feed.xml": Reply(
            content_type="application/rss+xml", body=b'<?xml version="1.0"?><rss version="2.0"></rss>'
        ),
        "ferry-times.example/2019/winter-timetable": redirect("/local/winter-timetable", 301),
        "ferry-times.example/letters/under-repair": Reply(status=503, body=b"<p>Back soon.</p>"),
        "spanwork.example/drafts/untitled/": Reply(),
        "spanwork.example/photo-of-the-day/": NOT_FOUND,
        "oldstars.example/club/guestbook.txt": Reply(
            content_type="text/plain", body=b"Clear skies to all!\n"
        ),
    }


@functools.cache
def pages() -> dict[str, Reply]:
    """Every address that is not a picture, as host and path, and its reply."""
    articles = {site.host + a.head.path: page(site, a) for site in sites() for a in site.articles}
    fronts = {f"{site.host}/": front_page(site) for site in sites()}
    return articles | fronts | _odd()


def answer(host: str, target: str) -> Reply:
    """What ``host`` replies to a request for ``target``; ``www.`` and queries change nothing."""
    path = urlsplit(target).path
    if path in TROUBLE:
        return TROUBLE[path]()
    if path == "/robots.txt":
        return Reply(content_type="text/plain", body=b"User-agent: *\nAllow: /\n")
    return picture(path) or pages().get(host.removeprefix("www.") + path, NOT_FOUND)


def visits() -> Iterator[Visit]:
    """The crawl: every article, two front pages, what is no page; a day later, the second addresses."""
    articles = [(site, article) for site in sites() for article in site.articles]
    first = [f"http://{site.host}{article.head.path}" for site, article in articles]
    first += [f"http://{host}/" for host in ("ferry-times.example", "spanwork.example")]
    first += (f"http://{address}" for address in _odd())
    again = [url for _, article in articles for url in article.head.also]
    yield from (Visit(url, BEGIN + i * STEP) for i, url in enumerate(first))
    yield from (Visit(url, BEGIN + LATER + i * STEP) for i, url in enumerate(again))
