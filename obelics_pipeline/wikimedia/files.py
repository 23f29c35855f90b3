"""The addresses of files on Wikimedia's servers: the full-size picture behind a thumbnail."""

from __future__ import annotations

import re
from typing import Final

from msgspec.structs import replace

from obelics_pipeline.document import ImageNode

HOST: Final = "https://upload.wikimedia.org/"

RENDERED: Final = 960
"""Pixels of width in which drawings and documents are asked for. One of the sizes that Wikimedia's servers make
(20, 40, 60, 120, 250, 330, 500, 960, 1280, 1920, 3840; https://www.mediawiki.org/wiki/Common_thumbnail_sizes)."""

PICTURES: Final = frozenset(("jpg", "jpeg", "png", "gif", "webp"))
"""Extensions of files that are pictures themselves; others are shown as renderings of them."""

DRAWINGS: Final = frozenset(("svg",))
"""Extensions of files that can be rendered in any width."""

MOVING: Final = frozenset(
    ("webm", "ogv", "ogg", "oga", "opus", "mp3", "mp4", "mpg", "mpeg", "wav", "flac", "mid", "midi")
)
"""Extensions of videos and sounds, of which a page shows a still or a symbol."""

_FILE = re.escape(HOST) + r"(?P<project>[^/]+/[^/]+)/{}(?P<place>(?:archive/)?[^/]/[^/]{{2}}/(?P<name>[^/]+))"
_ORIGINAL = re.compile(_FILE.format(""))
_THUMBNAIL = re.compile(_FILE.format("thumb/") + "/(?P<size>[^/]+)")
_WIDTH = re.compile(r"(?:^|(?<=-))\d+px-")


def is_picture(url: str) -> bool:
    """Whether an image of a page is a file of a Wikimedia project, and no still of a video or symbol of a sound."""
    address = _address(url)
    match = _THUMBNAIL.fullmatch(address) or _ORIGINAL.fullmatch(address)
    return address.startswith(HOST) and (match is None or _extension(match["name"]) not in MOVING)


def full_size(image: ImageNode, width: int | None) -> ImageNode:
    """The image by the address of its file, or of its largest useful rendering; up to three thumbnails as candidates.

    ``width`` is that of the file in pixels, if the page says it.
    """
    address = _address(image.url)
    thumbnail = _THUMBNAIL.fullmatch(address)
    match = thumbnail or _ORIGINAL.fullmatch(address)
    if match is None:
        return image
    extension = _extension(match["name"])
    rendering = _rendering(match, thumbnail, extension, width)
    if extension in PICTURES:
        best = f"{HOST}{match['project']}/{match['place']}"
        others = [rendering, *image.candidates[:1], image.url]
    else:
        best = rendering or next(iter(image.candidates), image.url)
        others = [*image.candidates[:1], image.url]
    candidates = dict.fromkeys(url for url in others if url is not None and url != best)
    return replace(image, url=best, candidates=tuple(candidates))


def _rendering(
    match: re.Match[str], thumbnail: re.Match[str] | None, extension: str, width: int | None
) -> str | None:
    """The address of the file in ``RENDERED`` pixels of width, if the server makes it: it enlarges only drawings."""
    folder = f"{HOST}{match['project']}/thumb/{match['place']}/"
    if extension in DRAWINGS:
        return f"{folder}{RENDERED}px-{match['name']}.png"
    if thumbnail is None or width is None or width <= RENDERED:
        return None
    name, changed = _WIDTH.subn(f"{RENDERED}px-", thumbnail["size"], count=1)
    return f"{folder}{name}" if changed else None


def _address(url: str) -> str:
    """A URL without its query, by which the servers only tell versions apart."""
    return url.partition("?")[0].replace("http://", "https://", 1)


def _extension(name: str) -> str:
    return name.rpartition(".")[2].lower()
