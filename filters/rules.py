"""Every rule there is, by level. A rule's name is the same word in YAML, counters, decisions and reports."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, Final, Self

import msgspec

from filters.base import Chain, Rule
from filters.image import AspectRatio, Format, ImageCount, RenderedSize, Size
from filters.language import Language
from filters.subjects import Block, Content, Picture
from filters.text import WordCount
from obelics_pipeline.config import convert, mapping, unknown
from obelics_pipeline.document import TEXT_KINDS, ImageNode


class ImageRules(Chain[ImageNode]):
    """Rules on images before they are fetched."""

    table: ClassVar[Mapping[str, type[msgspec.Struct]]] = {"rendered_size": RenderedSize}


class PictureRules(Chain[Picture]):
    """Rules on images that have been fetched."""

    table: ClassVar[Mapping[str, type[msgspec.Struct]]] = {
        "format": Format,
        "size": Size,
        "aspect_ratio": AspectRatio,
    }


class DocumentRules(Chain[Content]):
    """Rules on whole documents."""

    table: ClassVar[Mapping[str, type[msgspec.Struct]]] = {
        "word_count": WordCount,
        "language": Language,
        "image_count": ImageCount,
    }

    def measure_of(self, rule: str) -> str:
        """The name under which the value that ``rule`` limits is stored in ``documents.measures``."""
        return _measure(self.table[rule])


class ParagraphRules(Chain[Block]):
    """Rules on single blocks of text. Each may ``spare`` kinds of blocks: those pass unmeasured."""

    table: ClassVar[Mapping[str, type[msgspec.Struct]]] = {"word_count": WordCount}

    def __init__(
        self,
        rules: Mapping[str, Rule[Block, Any]] | None = None,
        spare: Mapping[str, tuple[str, ...]] | None = None,
    ) -> None:
        super().__init__(rules)
        self.spare = dict(spare or {})

    def rules_for(self, subject: Block) -> Iterable[tuple[str, Rule[Block, Any]]]:
        """The rules that do not spare blocks of this kind."""
        return [item for item in self.rules.items() if subject.kind not in self.spare.get(item[0], ())]

    @classmethod
    def from_data(cls, data: object, source: str, path: str) -> Self:
        """As ``Chain.from_data``, with ``spare: [heading, …]`` next to the limits of a rule."""
        limits: dict[str, Any] = {}
        spare: dict[str, tuple[str, ...]] = {}
        for name, value in mapping(data, source, path).items():
            limits[name] = mapping(value, source, f"{path}.{name}")
            if "spare" in limits[name]:
                where = f"{path}.{name}.spare"
                spare[name] = convert(limits[name].pop("spare"), tuple[str, ...], source, where)
                for kind in spare[name]:
                    if kind not in TEXT_KINDS:
                        raise unknown("kind of text", kind, TEXT_KINDS, source, where)
        return cls(cls._rules(limits, source, path), spare)

    def as_data(self) -> object:
        """Rules in order, and what they spare."""
        return [list(self.rules.items()), {name: sorted(kinds) for name, kinds in self.spare.items()}]


def _measure(rule: type[msgspec.Struct]) -> str:
    name = vars(rule)["measures"]
    assert isinstance(name, str)
    return name


DOCUMENT_MEASURES: Final = tuple(sorted({_measure(rule) for rule in DocumentRules.table.values()}))
"""The names in ``documents.measures``: what a document rule can limit, measured for kept documents too."""
