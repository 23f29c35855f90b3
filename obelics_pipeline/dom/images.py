"""Which picture an element shows: sources, candidate lists, placeholders and fallbacks."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Final

import msgspec

from obelics_pipeline.document import ImageNode
from obelics_pipeline.url import resolve

LAZY_SOURCES: Final = [
    "data-src",
    "data-original",
    "data-lazy-src",
    "data-orig-file",
    "data-large-file",
    "data-full-src",
    "data-hi-res-src",
    "data-original-src",
    "data-lazy",
    "data-url",
    "data-image",
    "data-img-src",
    "data-actualsrc",
    "data-echo",
    "data-lazyload",
    "data-srcurl",
    "data-delayed-url",
    "data-gt-lazy-src",
    "data-cfsrc",
    "data-pin-media",
    "data-img",
    "data-raw-src",
    "data-runner-src",
    "data-lateloadsrc",
    "data-lateload-src",
    "data-src-fg",
    "data-scroll-image",
    "src2",
    "data-fallback-src",
    "data-medium-file",
    "data-native-src",
    "data-default-src",
    "data-ll-src",
    "data-flickity-lazyload",
    "data-bg-src",
    "file",
    "zoomfile",
]
"""Attributes in which scripts for lazy loading keep the real source, best first; collected from real pages."""

SRCSETS: Final = ("srcset", "data-srcset", "data-lazy-srcset", "data-original-set", "data-ll-srcset")

MAX_LISTED: Final = 1_000
"""More candidates than this of one list are not read."""

MAX_SOURCES: Final = 20
"""More ``source`` elements than this of one ``picture`` are not read."""

MAX_NAME: Final = 200
"""Characters of a file name, from its end, in which words for placeholders are looked for."""

MAX_CANDIDATES: Final = 3
"""More addresses than this of one picture are not kept."""

_NO_ADDRESS = ("data:", "about:", "javascript:", "blob:", "#")
_PLACEHOLDER = re.compile(
    r"(?:blank|spacer|placeholder|gr[ea]y|pixel|transparent|lazy|loading|1x1|empty|fallback).*\.(?:gif|png|svg|jpe?g)"
)
_SRCSET_URL = re.compile(r"[ \t\n\f\r,]*([^ \t\n\f\r]+)")
_DESCRIPTORS = re.compile(r"[^,(]*(?:\([^)]*\)?[^,(]*)*")
_NO_URL = re.compile(r"[\d.]+[wxh]")
_PIXEL_SIZE = re.compile(r"\s*(\d{1,5})(?:\.\d*)?\s*(?:px)?\s*$", re.IGNORECASE)
_PICTURE_FILE = (".jpg", ".jpeg", ".png", ".webp", ".gif", ".avif")

Attributes = Mapping[str, str | None]


def parse_srcset(value: str) -> list[tuple[str, float]]:
    """The URLs of a ``srcset`` with their width in pixels or their density (1 where none is given).

    Candidates are told apart as the HTML standard says (§4.8.4.2.3, "parse a srcset attribute"): commas and
    parentheses may stand inside. A descriptor where a URL should be is passed over.
    """
    candidates: list[tuple[str, float]] = []
    position = 0
    while len(candidates) < MAX_LISTED and (match := _SRCSET_URL.match(value, position)):
        url, position, size = match.group(1), match.end(), 1.0
        if url.endswith(","):
            url = url.rstrip(",")
        elif not _NO_URL.fullmatch(url):
            descriptors = _DESCRIPTORS.match(value, position)
            if descriptors is not None:
                position, size = descriptors.end(), _descriptor_size(descriptors.group())
        if url and not _NO_URL.fullmatch(url):
            candidates.append((url, size))
    return candidates


def _descriptor_size(descriptors: str) -> float:
    for descriptor in descriptors.split():
        if descriptor[-1] in "wx" and descriptor[:-1].replace(".", "", 1).isdecimal():
            return float(descriptor[:-1])
    return 1.0


def rendered_size(value: str | None) -> int | None:
    """A ``width`` or ``height`` attribute in CSS pixels; None where it is absent or relative."""
    match = _PIXEL_SIZE.match(value) if value else None
    return int(match.group(1)) if match else None


def picture_file(url: str) -> str:
    """What URLs of one picture in several qualities share: the URL without its query, if that names a picture file."""
    name = url.partition("?")[0]
    return name if name.lower().endswith(_PICTURE_FILE) else url


def same_picture(one: ImageNode, other: ImageNode) -> bool:
    """Whether two URLs name one picture in two qualities."""
    return one.url != other.url and picture_file(one.url) == picture_file(other.url)


class ImageFinder:
    """Chooses the sources of images on one page; ``base`` is the URL that references are relative to."""

    def __init__(self, base: str) -> None:
        self.base = base
        self._sources: list[str] = []
        self._pictures = 0

    def open_picture(self) -> None:
        """A ``picture`` begins: its ``source`` elements belong to the ``img`` in it."""
        self._pictures += 1
        self._sources.clear()

    def add_source(self, attributes: Attributes) -> None:
        """Take in a ``source`` element."""
        value = attributes.get("srcset") or attributes.get("data-srcset") or attributes.get("data-src")
        if self._pictures and value and not value.startswith("data:") and len(self._sources) < MAX_SOURCES:
            self._sources.append(value)

    def close_picture(self) -> None:
        """A ``picture`` ends."""
        self._pictures = max(0, self._pictures - 1)
        self._sources.clear()

    def find(self, attributes: Attributes) -> ImageNode | None:
        """The image that an ``img`` element shows; None if it shows nothing that has an address.

        The plain source comes first, because it is the picture for every reader; a placeholder gives way to the
        attribute that a script would read. The lists of other sizes and formats stay as the page writes them
        until ``complete`` reads them, for the images that are kept.
        """
        get = attributes.get
        lists = list(self._sources)
        for name in SRCSETS:
            value = get(name)
            if value:
                lists.append(value)
        source = _source(attributes)
        if not source and lists:
            source = next(iter(_largest(lists)), "")
        source = source or _last_resort(get("src"))
        url = resolve(source, self.base) if source else None
        if url is None:
            return None
        self._sources.clear()  # a picture shows one image
        width, height = rendered_size(get("width")), rendered_size(get("height"))
        title = get("title") or None
        return ImageNode(url, source, get("alt") or None, title, None, width, height, tuple(lists))

    def complete(self, image: ImageNode, caption: str | None, dom_path: str) -> ImageNode:
        """An image that is kept, with its candidates (largest first), its caption and its place."""
        candidates: dict[str, None] = {}
        for reference in _largest(image.candidates):
            url = resolve(reference, self.base)
            if url is not None and url != image.url:
                candidates[url] = None
                if len(candidates) == MAX_CANDIDATES:
                    break
        return msgspec.structs.replace(
            image, candidates=tuple(candidates), caption=caption, dom_path=dom_path
        )


def _largest(lists: Iterable[str]) -> list[str]:
    """The largest pictures of candidate lists, as references, largest first."""
    candidates = [candidate for value in lists for candidate in parse_srcset(value)]
    candidates.sort(key=lambda candidate: -candidate[1])
    return [url for url, _ in candidates[: 2 * MAX_CANDIDATES] if not is_placeholder(url)]


def is_placeholder(reference: str) -> bool:
    """Whether a source stands for a picture that a script would put in its place."""
    if reference[:11].lower().startswith(_NO_ADDRESS):
        return True
    name = reference.partition("?")[0].rpartition("/")[2]
    return _PLACEHOLDER.search(name[-MAX_NAME:].lower()) is not None


def _source(attributes: Attributes) -> str:
    """The source of an ``img``: its ``src`` unless that is a placeholder or a script would replace it."""
    src = (attributes.get("src") or "").strip()
    shown = bool(src) and not is_placeholder(src)
    if len(attributes) > 1:
        for name in LAZY_SOURCES[:3] if shown else LAZY_SOURCES:
            value = attributes.get(name)
            if value and _is_address(value, strict=shown):
                return value.strip()
    return src if shown else ""


def _is_address(value: str, *, strict: bool) -> bool:
    if len(value) > 2000 or value.startswith("{") or is_placeholder(value):
        return False
    return "." in value or not strict


def _last_resort(src: str | None) -> str:
    src = (src or "").strip()
    return "" if src[:11].lower().startswith(_NO_ADDRESS) else src
