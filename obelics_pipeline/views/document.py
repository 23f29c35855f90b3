"""A document as every view writes it: texts and pictures in turn, from a row of the dataset."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, Literal, TypeAlias

import msgspec

from obelics_pipeline.fetch_types import FetchStatus

Missing: TypeAlias = Literal["drop", "keep"]
"""What becomes of a slot whose image is not in the dataset: it goes, or it stays, without an image."""

PARAGRAPHS: Final = "\n\n"
"""What stands between paragraphs, as in the dataset."""

_OBJECTED: Final = frozenset({FetchStatus.OPTOUT.value, FetchStatus.DENYLIST.value})


class Picture(msgspec.Struct, frozen=True):
    """An image slot: the bytes of the file and its name, both None if the dataset lacks the image.

    ``info`` is ``image_info`` of the slot.
    """

    body: bytes | None
    name: str | None
    info: dict[str, Any]

    @property
    def status(self) -> str:
        """``ok``, or why there is no image."""
        return str(self.info["status"])

    @property
    def url(self) -> str | None:
        """Its address; None where somebody objects to its use."""
        return None if self.status in _OBJECTED else self.info["url"]

    @property
    def extension(self) -> str:
        """What the name of the file ends with, such as ``jpg``."""
        return (self.name or "").rpartition(".")[2]


Part: TypeAlias = str | Picture


class Document(msgspec.Struct, frozen=True):
    """A row of the dataset: ``parts`` in order, where no text follows a text; ``row`` has its other columns."""

    id: str
    parts: tuple[Part, ...]
    row: dict[str, Any]

    @property
    def pictures(self) -> list[Picture]:
        """The image slots in order."""
        return [part for part in self.parts if isinstance(part, Picture)]

    @property
    def slots(self) -> int:
        """The image slots of the row, whatever is left of them."""
        infos = self.row.get("image_info")
        return len(self.pictures) if infos is None else sum(info is not None for info in infos)

    @property
    def texts(self) -> list[str | None]:
        """The texts, with None where a picture is."""
        return [part if isinstance(part, str) else None for part in self.parts]


def document_of(row: dict[str, Any], missing: Missing = "drop") -> Document:
    """A row of the dataset as a document. Texts that come together when a slot goes are joined by a blank line."""
    parts: list[Part] = []
    for part in _parts(row):
        if isinstance(part, Picture):
            if part.status == FetchStatus.OK or missing == "keep":
                parts.append(part)
        elif parts and isinstance(last := parts[-1], str):
            parts[-1] = f"{last}{PARAGRAPHS}{part}"
        else:
            parts.append(part)
    return Document(row["id"], tuple(parts), row)


def _parts(row: dict[str, Any]) -> Iterator[Part]:
    for text, image, info in zip(row["texts"], row["images"], row["image_info"], strict=True):
        if info is not None:
            yield Picture(image["bytes"], image["path"], info) if image else Picture(None, None, info)
        elif text:
            yield text
