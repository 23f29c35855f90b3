"""What stages would take that have not run: processor time, bytes and prices, from measured rates (``rates.RATES``)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Final

import msgspec

from obelics_pipeline.rates import RATES

GB: Final = 1e9

Price = Annotated[float, msgspec.Meta(ge=0)]


class CostOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What ``--dry-run`` takes things to cost, in dollars or whatever currency. Not part of any result."""

    core_hour: Price = 0.05
    """An hour of one core: about what clouds ask for machines on demand; spot machines cost a third of it."""
    gb_month: Price = 0.023
    """Keeping a GB of tables for a month."""
    months: Price = 1
    """How long tables are kept."""
    gb_moved: Price = 0
    """Reading a GB of archives or images: nothing inside a cloud region, and for what comes in from the internet."""


class Flow(msgspec.Struct, frozen=True):
    """What a stage hands to the next one; archives hold ``documents`` that are pages yet.

    ``size`` and ``image_size`` are the bytes of tables and of images; ``packed`` those of archives if all of them were
    compressed.
    """

    documents: float
    size: float
    images: float = 0
    image_size: float = 0
    packed: float = 0


class Work(msgspec.Struct, frozen=True):
    """What a stage would take. ``seconds`` are those of a core, ``waiting`` what a worker cannot be done before.

    ``reads`` and ``writes`` are bytes; ``moved`` those of them that come from outside, archives and images.
    """

    seconds: float
    reads: float
    writes: float
    gives: Flow
    moved: float = 0
    waiting: float = 0

    def wall(self, workers: int) -> float:
        """Seconds with so many workers, all busy to the end."""
        return max(self.seconds, self.waiting) / workers

    def share(self, share: float) -> Work:
        """What is left to do of it; what it hands on stays the whole."""
        left = {
            name: getattr(self, name) * share for name in ("seconds", "reads", "writes", "moved", "waiting")
        }
        return msgspec.structs.replace(self, **left)

    def cost(self, prices: CostOptions) -> float:
        """Its price."""
        kept = self.writes / GB * prices.gb_month * prices.months
        return self.seconds / 3600 * prices.core_hour + kept + self.moved / GB * prices.gb_moved


class Contents(msgspec.Struct, frozen=True):
    """What the dataset is to have: the bytes of images, and pairs."""

    images: bool = True
    pairs: bool = True

    @property
    def copies(self) -> float:
        """How often it has each image."""
        return self.images * (1 + self.pairs * _rate("pairs"))


def estimate(stage: str, given: Flow, contents: Contents = Contents()) -> Work:
    """What ``stage`` would take with what is ``given`` to it."""
    return _export(given, contents) if stage == "export" else _STAGES[stage](given)


def archives(size: float, pages: float | None = None, *, compressed: bool = True) -> Flow:
    """Archives of ``size`` bytes; of records that were selected it is known how many ``pages`` they are."""
    packed = size if compressed else size / _rate("unpacked")
    return Flow(_rate("pages") * packed / GB if pages is None else pages, size, packed=packed)


def _rate(name: str) -> float:
    return RATES[name].value


def _extract(given: Flow) -> Work:
    documents = given.documents * _rate("extracted")
    size = documents * _rate("extracted_bytes")
    seconds = given.packed / GB * _rate("extract_seconds")
    return Work(seconds, given.size, size, Flow(documents, size), moved=given.size)


def _filter(given: Flow) -> Work:
    documents = given.documents * _rate("filtered")
    size = documents * _rate("filtered_bytes")
    gives = Flow(documents, size, documents * _rate("filtered_images"))
    writes = size + given.documents * _rate("decided_bytes")
    return Work(given.documents * _rate("filter_seconds"), given.size, writes, gives)


def _dedup(given: Flow) -> Work:
    kept = _rate("deduplicated")
    gives = Flow(given.documents * kept, given.size * kept, given.images * _rate("deduplicated_images"))
    signatures = given.documents * _rate("signature_bytes")
    reads = 2 * (given.size + signatures)  # once to sign and once to copy; passes read signatures
    return Work(given.documents * _rate("dedup_seconds"), reads, gives.size + signatures, gives)


def _images(given: Flow) -> Work:
    fetched = given.images * _rate("fetched")
    size = fetched * _rate("image_bytes")
    seconds, waiting = given.images * _rate("image_seconds"), given.images / _rate("image_rate")
    gives = Flow(given.documents, given.size, fetched, size)
    return Work(seconds, given.size + size, size, gives, moved=size, waiting=waiting)


def _assemble(given: Flow) -> Work:
    kept = _rate("assembled")
    documents = given.documents * kept
    size = documents * _rate("assembled_bytes")
    gives = Flow(documents, size, given.images * kept, given.image_size * kept)
    return Work(given.documents * _rate("assemble_seconds"), given.size, size, gives)


def _export(given: Flow, contents: Contents) -> Work:
    images = given.image_size * contents.copies
    seconds = images / GB * _rate("export_seconds") + given.documents * _rate("export_document_seconds")
    size = given.size + images
    return Work(seconds, size, size, msgspec.structs.replace(given, size=size))


_STAGES: Final[dict[str, Callable[[Flow], Work]]] = {
    "extract": _extract,
    "filter": _filter,
    "dedup": _dedup,
    "images": _images,
    "assemble": _assemble,
}
