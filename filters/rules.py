"""Every rule there is, by level. A rule's name is the same word in YAML, counters, decisions and reports."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar, Final, Self

import msgspec

from filters.base import Chain, Refusal, Rule
from filters.boilerplate import Boilerplate, CookieNotice, ErrorPage
from filters.gopher import (
    AlphabeticWords,
    BulletLines,
    EllipsisLines,
    MeanWordLength,
    RepeatedLines,
    RepeatedSentences,
    SymbolWords,
    TopNgram,
)
from filters.image import (
    AspectRatio,
    Format,
    ImageCount,
    Nsfw,
    PictureFrequency,
    RenderedSize,
    RepeatedPicture,
    Size,
)
from filters.language import Language
from filters.listings import KeywordList, KeywordStuffing, LinkList
from filters.perplexity import Perplexity
from filters.profile import TextOptions, profile
from filters.quality import Quality
from filters.spun import SpunText
from filters.subjects import Block, Content, Picture
from filters.text import (
    CharacterRepetition,
    CommonWords,
    Counted,
    FlaggedWords,
    Punctuation,
    SpamWords,
    SpecialCharacters,
    Stopwords,
    WordCount,
    WordRepetition,
)
from filters.url_words import UrlWords
from obelics_pipeline.config import convert, mapping, unknown
from obelics_pipeline.document import TEXT_KINDS, ImageNode
from obelics_pipeline.errors import ConfigError

_TEXT: Final[Mapping[str, type[msgspec.Struct]]] = {
    "word_count": WordCount,
    "character_repetition": CharacterRepetition,
    "word_repetition": WordRepetition,
    "special_characters": SpecialCharacters,
    "stopwords": Stopwords,
    "flagged_words": FlaggedWords,
    "punctuation": Punctuation,
    "common_words": CommonWords,
    "spam_words": SpamWords,
    "keyword_stuffing": KeywordStuffing,
    "keyword_list": KeywordList,
    "link_list": LinkList,
    "boilerplate": Boilerplate,
    "cookie_notice": CookieNotice,
    "error_page": ErrorPage,
    "repeated_lines": RepeatedLines,
    "repeated_sentences": RepeatedSentences,
    "top_ngram": TopNgram,
    "mean_word_length": MeanWordLength,
    "alphabetic_words": AlphabeticWords,
    "symbol_words": SymbolWords,
    "bullet_lines": BulletLines,
    "ellipsis_lines": EllipsisLines,
    "perplexity": Perplexity,
    "quality": Quality,
    "spun_text": SpunText,
}
"""Rules on text, for paragraphs and documents alike."""


class ImageRules(Chain[ImageNode]):
    """Rules on images before they are fetched."""

    table: ClassVar[Mapping[str, type[msgspec.Struct]]] = {
        "rendered_size": RenderedSize,
        "url_words": UrlWords,
    }


class PictureRules(Chain[Picture]):
    """Rules on images that have been fetched."""

    table: ClassVar[Mapping[str, type[msgspec.Struct]]] = {
        "format": Format,
        "size": Size,
        "aspect_ratio": AspectRatio,
        "picture_frequency": PictureFrequency,
        "repeated_picture": RepeatedPicture,
        "nsfw": Nsfw,
    }

    @property
    def compares(self) -> bool:
        """Whether a rule asks which images show the same picture."""
        return not {"picture_frequency", "repeated_picture"}.isdisjoint(self.names)

    @property
    def nsfw(self) -> Nsfw | None:
        """The rule on scores, if it is on."""
        rule = self.rules.get("nsfw")
        return rule if isinstance(rule, Nsfw) else None

    def condemns(self, refusal: Refusal | None) -> bool:
        """Whether an image that is refused so takes its document along."""
        return refusal is not None and getattr(self.rules[refusal.rule], "drop", "image") == "document"

    def with_limits(self, limits: Mapping[str, float]) -> PictureRules:
        """The same rules, with ``limits`` for the one on scores if it names none."""
        if (rule := self.nsfw) is None or rule.limits is not None:
            return self
        return PictureRules({**self.rules, "nsfw": msgspec.structs.replace(rule, limits=dict(limits))})


class DocumentRules(Chain[Content]):
    """Rules on whole documents."""

    table: ClassVar[Mapping[str, type[msgspec.Struct]]] = {
        **_TEXT,
        "language": Language,
        "image_count": ImageCount,
    }

    def measure_of(self, rule: str) -> str:
        """The name under which the value that ``rule`` limits is stored in ``documents.measures``."""
        return _measure(self.table[rule])


class ParagraphRules(Chain[Block]):
    """Rules on single blocks of text. Each may ``spare`` kinds of blocks: those pass unmeasured."""

    table: ClassVar[Mapping[str, type[msgspec.Struct]]] = _TEXT

    def __init__(
        self,
        rules: Mapping[str, Rule[Block, Any]] | None = None,
        spare: Mapping[str, tuple[str, ...]] | None = None,
    ) -> None:
        super().__init__(rules)
        self.spare = dict(spare or {})
        self._for_kind = {
            kind: [item for item in self.rules.items() if kind not in self.spare.get(item[0], ())]
            for kind in TEXT_KINDS
        }

    def rules_for(self, subject: Block) -> Iterable[tuple[str, Rule[Block, Any]]]:
        """The rules that do not spare blocks of this kind."""
        return self._for_kind[subject.kind]

    def values(
        self, name: str, subjects: Sequence[Block], places: Iterable[int]
    ) -> Iterable[tuple[int, Any]]:
        """As ``Chain.values``; what the texts have counted together is not asked for one by one."""
        if spared := self.spare.get(name):
            places = [place for place in places if subjects[place].kind not in spared]
        rule = self.rules[name]
        if not isinstance(rule, Counted) or not subjects:
            return super().values(name, subjects, places)
        values = subjects[0].texts.measured(rule)
        return ((place, values[subjects[place].index]) for place in places)

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
        return [super().as_data(), {name: sorted(kinds) for name, kinds in self.spare.items()}]


def _measure(rule: type[msgspec.Struct]) -> str:
    name = vars(rule)["measures"]
    assert isinstance(name, str)
    return name


def check_lists(chain: Chain[Any], options: TextOptions, place: str) -> None:
    """Raise ``ConfigError`` if a rule of ``chain`` needs a list that the profile does not have, or another language."""
    lists = profile(options)
    for name, rule in chain.rules.items():
        for need in getattr(rule, "needs", ()):
            if getattr(lists, need) is None:
                own = f"text.{need}"
                raise ConfigError(
                    f"{place}.{name}: no list of words; name a text.language, or your list as {own}"
                )
        known = getattr(rule, "languages", None)
        if known and options.language not in known:
            raise ConfigError(
                f"{place}.{name}: cannot judge text.language {options.language!r}, only {', '.join(known)}; "
                f"leave {name} out, or name such a text.language"
            )


DOCUMENT_MEASURES: Final = tuple(sorted({_measure(rule) for rule in DocumentRules.table.values()}))
"""The names in ``documents.measures``: what a document rule can limit, measured for kept documents too."""
