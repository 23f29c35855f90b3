"""The rules of the page tree, as data: what elements are, and what their names say about what they hold."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from selectolax.lexbor import LexborHTMLParser

SKIPPED: Final = frozenset(
    [
        "script",
        "style",
        "template",
        "svg",
        "head",
        "title",
        "meta",
        "link",
        "base",
        "iframe",
        "object",
        "embed",
        "applet",
        "audio",
        "canvas",
        "select",
        "option",
        "optgroup",
        "datalist",
        "button",
        "input",
        "textarea",
        "map",
        "area",
        "param",
        "track",
        "progress",
        "meter",
        "frame",
        "frameset",
        "noframes",
        "dialog",
    ]
)
"""Elements whose content nobody reads as text: code, controls, plug-ins, drawings."""

CONTROLS: Final = (
    "applet", "audio", "button", "canvas", "embed", "iframe", "input", "meter", "object", "progress", "select", "svg",
    "textarea",
)  # fmt: skip
"""Those of ``SKIPPED`` that take up room between the words around them."""

BLOCKS: Final[dict[str, str]] = {
    **dict.fromkeys(
        [
            "address",
            "article",
            "aside",
            "body",
            "center",
            "details",
            "dir",
            "div",
            "dl",
            "fieldset",
            "figure",
            "footer",
            "form",
            "header",
            "hgroup",
            "html",
            "main",
            "menu",
            "nav",
            "ol",
            "p",
            "search",
            "section",
            "summary",
            "table",
            "tbody",
            "tfoot",
            "thead",
            "tr",
            "ul",
            "legend",
            "marquee",
        ],
        "",
    ),
    **dict.fromkeys(["h1", "h2", "h3", "h4", "h5", "h6"], "heading"),
    **dict.fromkeys(["li", "dt", "dd"], "list"),
    **dict.fromkeys(["td", "th"], "table"),
    **dict.fromkeys(["figcaption", "caption"], "caption"),
    "blockquote": "quote",
}
"""Block-level elements, with the kind of the text that stands in them ("" = that of the element around)."""

FORMATTING: Final = (
    "b", "strong", "i", "em", "u", "s", "big", "code", "font", "tt", "mark", "cite", "q", "abbr", "del", "ins", "kbd",
    "samp", "var",
)  # fmt: skip
"""Elements that change how a text looks and that no page hides."""

FURNITURE: Final = frozenset(("nav", "footer", "aside"))
"""Elements that their authors say hold none of the content, and so do lists that are called menus (``MENU``).
Of the texts in them, one in a hundred would be kept on the pages that the weights are fitted on."""

IMAGES: Final = frozenset(("img", "amp-img", "image"))
"""Elements that show one picture."""

NAMES: Final[dict[str, str]] = {
    "nav": "nav navbar navigation navigations menu menus submenu dropdown megamenu breadcrumb breadcrumbs topbar "
    "mainmenu navlist tabs tablist sitemap hamburger topnav subnav",
    "footer": "footer foot copyright colophon contentinfo bottom legal disclaimer",
    "sidebar": "sidebar side aside rail sidecol sidenav complementary right left rightcol leftcol rightbar leftbar "
    "rightside secondary",
    "comments": "comments comment commentlist commentform disqus respond reply replies commenting discussion "
    "kommentar kommentare commentaires comentarios reader feedback",
    "related": "related relatedposts recommended recommendations recommend recommendation recirc more morefrom "
    "similar suggested trending popular mostread readnext next prev previous outbrain taboola recent latest also "
    "archive archives teaser teasers mehr verwandt relacionados weitere siguenos linklist",
    "share": "share sharing shares social socials sharedaddy addthis addtoany facebook twitter follow bookmark like "
    "likes",
    "ad": "ad ads advert advertisement adsense adbox sponsored sponsor promo promoted promotion banner dfp gpt "
    "advertising",
    "popup": "cookie cookies consent gdpr popup modal overlay lightbox tooltip notice alert message",
    "signup": "newsletter subscribe subscription signup login register account form email optin donate cta paywall",
    "pages": "pagination pager paging pagenav",
    "byline": "byline author authorbox authorinfo bio postmeta meta metadata date time timestamp published posted "
    "info dateline",
    "tags": "tags tag tagcloud category categories cat topics keywords",
    "widget": "widget widgets widgetarea module block box plugin",
    "header": "header head masthead toolbar search searchform logo branding top hero",
    "listing": "list listing grid card cards item items thumb thumbnail thumbnails carousel slider gallery tile "
    "product products",
    "article": "article articlebody story storybody articletext articlecontent postcontent entrycontent entry post "
    "posts hentry single blogpost postbody prose markdown richtext wysiwyg bodytext articlebodytext copy detail",
    "content": "content contents main mainarea maincontent primary body text bodycontent container page description "
    "desc section paragraph",
    "caption": "caption credit figcaption credits",
    "notes": "toc editsection catlinks printfooter noprint navbox reference references footnotes skip hidden sr",
}
"""Words in class, id, role and itemprop, by what the element that bears them usually is."""

TAGS: Final = (
    "nav", "footer", "aside", "header", "form", "article", "main", "table", "ul", "ol", "figure", "section",
    "blockquote", "dl", "details",
)  # fmt: skip
"""Elements that tell something of all that stands in them."""

MENU: Final = 1 << list(NAMES).index("nav")
"""The bit of what is called navigation."""

URL_NAMES: Final[dict[str, str]] = {
    "logo": "logo logos brand favicon",
    "icon": "icon icons ico sprite sprites button buttons btn badge arrow bullet star stars",
    "avatar": "avatar avatars gravatar profile profiles author authors user users headshot portrait mugshot",
    "emoji": "emoji emojis smiley smilies smileys",
    "pixel": "pixel blank spacer transparent placeholder loading clear tracking beacon stat counter dot trans space",
    "ad": "ad ads advert banner banners promo doubleclick affiliate sponsor",
    "social": "facebook twitter instagram youtube pinterest linkedin whatsapp share social rss",
    "thumb": "thumb thumbs thumbnail thumbnails small tn mini preview",
    "upload": "uploads upload media content photo photos image images",
    "theme": "theme themes assets static skin template templates css ui design",
}
"""Words in the URL of a picture, by what such pictures usually are."""

IMAGE_NAMES: Final[dict[str, str]] = {
    "avatar": "avatar photo gravatar author profile user",
    "logo": "logo brand",
    "icon": "icon emoji smiley sprite ico",
    "thumb": "thumb thumbnail thumbnails related teaser",
    "placed": "wp alignnone aligncenter alignleft alignright size attachment full large",
    "lazy": "lazy lazyload lazyloaded lazyloading",
    "hero": "featured hero lead main poster cover feature header",
}
"""Words in the class and id of an ``img``."""

_WORD = re.compile(r"[a-z]+")
_MEMO_SIZE: Final = 100_000


class Vocabulary(dict[str, int]):
    """Which categories the words of a text fall in, one bit each.

    Remembers texts and their parts between spaces, because labels repeat on a page and from page to page.
    """

    def __init__(self, names: dict[str, str]) -> None:
        self._bit = {
            word: 1 << number for number, words in enumerate(names.values()) for word in words.split()
        }
        self._parts: dict[str, int] = {}

    def __missing__(self, text: str) -> int:
        parts = self._parts
        bits = 0
        for part in text.split():
            known = parts.get(part)
            bits |= self._learn(part) if known is None else known
        if len(self) >= _MEMO_SIZE:
            self.clear()
        self[text] = bits
        return bits

    def of(self, text: str) -> int:
        """The categories of a text that is not worth remembering."""
        text = text.lower()
        if text.isalpha():
            return self._bit.get(text, 0)
        bits = 0
        for word in _WORD.findall(text):
            bits |= self._bit.get(word, 0)
        return bits

    def _learn(self, part: str) -> int:
        bits = self.of(part)
        if len(self._parts) >= _MEMO_SIZE:
            self._parts.clear()
        self._parts[part] = bits
        return bits


def ids_of(tags: Iterable[str]) -> dict[int, str]:
    """The numbers by which the parser knows elements: cheaper to ask for, and to look up, than names."""
    parser = LexborHTMLParser("")
    return {parser.create_node(tag).tag_id: tag for tag in tags}


def comment_ids() -> list[int]:
    """The numbers of what is neither element nor text: comments and document types."""
    root = LexborHTMLParser("<!doctype html><!-- --><p>").root
    first = root.prev if root is not None else None
    numbers = []
    while first is not None:
        numbers.append(first.tag_id)
        first = first.prev
    return numbers


LABELS: Final = Vocabulary(NAMES)
TAG_BITS: Final = {tag: 1 << (len(NAMES) + number) for number, tag in enumerate(TAGS)}
"""Bits of ``TAGS`` above those of ``NAMES``, so that one integer says what stands around a block."""
