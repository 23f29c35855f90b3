"""From a document and its images to a row of the dataset: OBELICS' parallel lists, with everything known beside."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from itertools import groupby
from typing import Any, Final, Literal, TypeAlias

import msgspec

from obelics_pipeline.assembled import Assembled, Slot
from obelics_pipeline.dataset import QUALITY
from obelics_pipeline.document import Document, ImageNode, Node, TextNode
from obelics_pipeline.fetch_types import FetchStatus
from obelics_pipeline.markdown import markdown
from obelics_pipeline.release import Shown, Withheld
from obelics_pipeline.scorer import highest
from obelics_pipeline.url import without_credentials

TextForm: TypeAlias = Literal["markdown", "plain"]
"""Whether the kind of a text survives as Markdown, or is lost."""

BYTES_PER_TOKEN: Final = 4
"""UTF-8 bytes of a token of text, for ``num_tokens_est``: the usual rule of thumb for English."""

_EXTENSIONS: Final = {"jpeg": "jpg", "tiff": "tif"}


class Layout(msgspec.Struct, frozen=True):
    """The places of a row in order: at each a text with its DOM paths (one a line), or an image with its slot."""

    texts: tuple[str | None, ...]
    paths: tuple[str | None, ...]
    images: tuple[tuple[ImageNode, Slot] | None, ...]

    @property
    def written(self) -> list[str]:
        """The texts alone."""
        return [text for text in self.texts if text is not None]

    @property
    def text_bytes(self) -> int:
        """The bytes of all texts."""
        return _bytes_of(self.written)


def laid_out(assembled: Assembled, form: TextForm = "markdown") -> Layout:
    """The places of a document; text nodes that follow each other are one text, joined by an empty line."""
    written = markdown if form == "markdown" else _plain
    places = [
        (joined(map(written, run)), "\n".join(node.dom_path for node in run), image)
        if image is None
        else (None, None, image)
        for run, image in _places(assembled)
    ]
    texts, paths, images = zip(*places, strict=True) if places else ((), (), ())
    return Layout(texts, paths, images)


def _plain(node: TextNode) -> str:
    return node.text


def _places(assembled: Assembled) -> Iterator[tuple[list[TextNode], tuple[ImageNode, Slot] | None]]:
    """Runs of text nodes, and single image nodes with their slots."""
    pairs = zip(assembled.document.nodes, assembled.slots, strict=True)

    def is_text(pair: tuple[Node, Slot | None]) -> bool:
        return isinstance(pair[0], TextNode)

    for text, run in groupby(pairs, key=is_text):
        if text:
            yield [node for node, _ in run if isinstance(node, TextNode)], None
        else:
            yield from (
                ([], (node, slot)) for node, slot in run if isinstance(node, ImageNode) and slot is not None
            )


def shown_images(
    layout: Layout, image: Callable[[Slot], Shown | Withheld], room: int
) -> list[Shown | Withheld | None]:
    """What each place shows: of a slot that is ``ok`` what ``image`` gives, as long as all fit into ``room`` bytes."""
    shown: list[Shown | Withheld | None] = []
    for place in layout.images:
        found = image(place[1]) if place is not None and place[1].status == FetchStatus.OK else None
        if isinstance(found, Shown):
            if len(found.body) > room:
                found = Withheld.DOCUMENT_FULL
            else:
                room -= len(found.body)
        shown.append(found)
    return shown


def row_of(
    document: Document,
    layout: Layout,
    shown: Sequence[Shown | Withheld | None],
    words: Callable[[Sequence[str]], int],
    unsafe: Sequence[str] = (),
) -> dict[str, Any]:
    """The row of a document; ``words`` counts words, ``image_info.nsfw`` is the highest score of ``unsafe`` labels."""
    places = list(zip(layout.images, shown, strict=True))
    written = layout.written
    images = [
        image_of(place[1], found) if place is not None and isinstance(found, Shown) else None
        for place, found in places
    ]
    infos = [None if place is None else _info(*place, found, unsafe) for place, found in places]
    return {
        **_head(document),
        "quality": {name: document.measures.get(name) for name in QUALITY},
        "texts": layout.texts,
        "images": images,
        "image_info": infos,
        "text_dom_paths": layout.paths,
        "num_words": words(written),
        **_numbers(layout.texts, images),
    }


def without_slots(row: dict[str, Any], slots: Collection[int]) -> dict[str, Any]:
    """``row`` as if its images in ``slots`` had not been in the page: nothing tells where they were."""
    runs = places_without(row["texts"], slots)
    left = {name: [row[name][run[0]] for run in runs] for name in ("images", "image_info")}
    for name, join in (("texts", joined), ("text_dom_paths", "\n".join)):
        left[name] = [None if row[name][run[0]] is None else join(row[name][n] for n in run) for run in runs]
    return row | left | _numbers(left["texts"], left["images"])


def places_without(texts: Sequence[str | None], slots: Collection[int]) -> list[list[int]]:
    """The places of a row that are left without ``slots``; texts that follow each other then become one."""
    runs: list[list[int]] = []
    for place, text in enumerate(texts):
        if place in slots:
            continue
        if text is not None and runs and texts[runs[-1][0]] is not None:
            runs[-1].append(place)
        else:
            runs.append([place])
    return runs


def joined(texts: Iterable[str]) -> str:
    """Texts that follow each other as one."""
    return "\n\n".join(texts)


def _numbers(texts: Sequence[str | None], images: Sequence[Any]) -> dict[str, int]:
    """How much is in the lists of a row."""
    written = [text for text in texts if text is not None]
    return {
        "num_texts": len(written),
        "num_images": len(images) - images.count(None),
        "num_image_slots": len(texts) - len(written),
        "num_chars": sum(map(len, written)),
        "num_tokens_est": -(-_bytes_of(written) // BYTES_PER_TOKEN),
    }


def _bytes_of(texts: Iterable[str]) -> int:
    return sum(len(text.encode()) for text in texts)


def _head(document: Document) -> dict[str, Any]:
    source, cluster = document.source, document.cluster
    return {
        "id": document.id,
        "url": without_credentials(document.url),
        "domain": document.domain,
        "host": document.host,
        "title": document.title,
        "language": document.language,
        "license": document.license,
        "language_score": document.language_score,
        "crawl": source.crawl,
        "warc_filename": source.warc_filename,
        "warc_record_id": source.warc_record_id,
        "warc_offset": source.warc_offset,
        "warc_length": source.warc_length,
        "timestamp": source.timestamp,
        "dedup": cluster and {"cluster": cluster.id, "size": cluster.size, "method": cluster.method},
        "consent": list(document.consent),
    }


def image_of(slot: Slot, shown: Shown) -> dict[str, Any]:
    """The value of an image column."""
    extension = _EXTENSIONS.get(slot.format or "", slot.format)
    return {"bytes": shown.body, "path": f"{shown.sha256}.{extension}"}


def _published(shown: Shown | Withheld | None) -> dict[str, Any]:
    """What differs from the image that was fetched."""
    if isinstance(shown, Shown):
        return {"sha256": shown.sha256, "num_bytes": len(shown.body)}
    return {} if shown is None else {"status": shown.value}


def _info(
    node: ImageNode, slot: Slot, shown: Shown | Withheld | None, unsafe: Sequence[str]
) -> dict[str, Any]:
    return {
        "url": without_credentials(node.url),
        "fetched_url": slot.fetched_url and without_credentials(slot.fetched_url),
        "src_raw": without_credentials(node.src_raw),
        "alt": node.alt,
        "title": node.title,
        "caption": node.caption,
        "filename": node.url.partition("?")[0].rpartition("/")[2],
        "width": slot.width,
        "height": slot.height,
        "original_width": slot.width,
        "original_height": slot.height,
        "rendered_width": node.rendered_width,
        "rendered_height": node.rendered_height,
        "num_bytes": slot.num_bytes,
        "format": slot.format,
        "sha256": slot.sha256,
        "sha256_original": slot.sha256,
        "phash": slot.phash,
        "status": slot.status,
        "status_detail": slot.detail,
        "http_status": slot.http_status,
        "fetched_at": slot.fetched_at,
        "dup_count": slot.documents,
        "nsfw": highest(slot.scores, unsafe),
        "dom_path": node.dom_path,
        **_published(shown),
    }


def size_of(row: dict[str, Any]) -> int:
    """About the bytes of a row: its images and its text."""
    images = sum(len(image["bytes"]) for image in row["images"] if image is not None)
    return images + _bytes_of(text for text in row["texts"] if text is not None)
