"""Pages in the making: invented words, addresses and images, and the ways in which a page is copied and changed."""

from __future__ import annotations

import random
import re
from functools import cache
from itertools import accumulate, islice
from typing import Final, TypeAlias

import msgspec
from dedup_similar import jaccard, shingles
from msgspec.structs import replace

from obelics_pipeline.document import Document, ImageNode, Node, Source, TextNode
from obelics_pipeline.url import host_of, registrable_domain

NGRAM: Final = 5
"""The length of the runs of words by which texts are compared, as in the default of ``near_text``."""

DOMAINS: Final = 2000
VOCABULARY: Final = 20_000
UNSPACED_SHARE: Final = 0.05
"""The share of documents in a script without spaces."""
SYLLABLES: Final = tuple(a + b for a in "bdfgklmnprstvz" for b in ("a", "e", "i", "o", "u", "ä", "é", "ø"))
SUBDOMAINS: Final = ("", "news.", "blog.", "shop.", "old.")
FIRST_TIME: Final = 1_672_531_200
"""2023-01-01, in seconds since 1970."""
TWO_YEARS: Final = 63_072_000


class Text(msgspec.Struct, frozen=True):
    """A text node to be; ``spaced`` writes it with other white space."""

    words: tuple[str, ...]
    kind: str = "paragraph"
    spaced: bool = False


Block: TypeAlias = Text | str
"""A part of a document to be: a text, or the address of an image."""


class Draft(msgspec.Struct, frozen=True):
    """A document to be; ``plain`` writes it without capitals and marks."""

    id: str
    url: str
    time: int
    blocks: tuple[Block, ...]
    canonical: str | None = None
    plain: bool = False

    @property
    def texts(self) -> list[Text]:
        return [block for block in self.blocks if isinstance(block, Text)]

    @property
    def images(self) -> list[str]:
        return [block for block in self.blocks if isinstance(block, str)]

    @property
    def words(self) -> list[str]:
        """All words in order."""
        return [word for text in self.texts for word in text.words]

    def similarity(self, other: Draft) -> float:
        """The Jaccard index of the sets of runs of words."""
        return jaccard(shingles(self.words, NGRAM), shingles(other.words, NGRAM))


@cache
def vocabulary() -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Invented words, and characters of a script without spaces: the frequent ones first."""
    chance = random.Random(0)
    words: dict[str, None] = {}
    while len(words) < VOCABULARY:
        words["".join(chance.choices(SYLLABLES, k=1 + len(words).bit_length() // 5))] = None
    return tuple(words), tuple(map(chr, range(0x4E00, 0x4E00 + VOCABULARY)))


@cache
def zipf(members: int) -> list[float]:
    """Cumulative weights 1, 1/2, 1/3, …"""
    return list(accumulate(1 / rank for rank in range(1, members + 1)))


class Maker:
    """Makes drafts that have nothing in common, of one chunk."""

    def __init__(self, seed: int, chunk: int) -> None:
        self.chance = random.Random(f"{seed}/{chunk}")
        self._chunk = chunk
        self._serial = 0

    def name(self) -> str:
        """A word that nobody else gets."""
        self._serial += 1
        return f"{self.chance.choice(SYLLABLES[::8])}{self._chunk}n{self._serial}"

    def id(self) -> str:
        return f"{self.chance.getrandbits(128):032x}"

    def time(self) -> int:
        """A time of capture, in milliseconds."""
        return 1000 * (FIRST_TIME + self.chance.randrange(TWO_YEARS))

    def words(self, count: int, unspaced: bool = False) -> tuple[str, ...]:
        return tuple(self.chance.choices(vocabulary()[unspaced], cum_weights=zipf(VOCABULARY), k=count))

    def paragraph(self, least: int = 20, most: int = 40) -> Text:
        return Text(self.words(self.chance.randint(least, most)))

    def domain(self) -> str:
        """A registrable domain; a few of them have most of the pages."""
        (number,) = self.chance.choices(range(DOMAINS), cum_weights=zipf(DOMAINS))
        return f"site{number}.example"

    def host(self) -> str:
        domain = self.domain()
        return self.chance.choice(SUBDOMAINS[: 1 + int(domain[4:-8]) % len(SUBDOMAINS)]) + domain

    def url(self, host: str = "") -> str:
        year, part = self.chance.randint(2010, 2024), self.chance.choice(("posts", "~notes", "a b"))
        query = self.chance.choice(("", "", f"?id={self._serial}", "?page=2&lang=x"))
        return f"https://{host or self.host()}/{year}/{part}/{self.name()}.html{query}".replace(" ", "%20")

    def image(self) -> str:
        query = self.chance.choice(("", "", "?w=640", "?w=640&h=480"))
        return f"https://img{self.chance.randrange(3)}.{self.domain()}/{self.name()}.jpg{query}"

    def draft(self, host: str = "") -> Draft:
        """A page of 60 to 250 words in 3 to 8 paragraphs, with 1 to 4 images."""
        chance = self.chance
        count, paragraphs = chance.randint(60, 250), chance.randint(3, 8)
        words = self.words(count, chance.random() < UNSPACED_SHARE)
        cuts = sorted(chance.sample(range(5, count), paragraphs - 1))
        blocks: list[Block] = [Text(words[a:b]) for a, b in zip([0, *cuts], [*cuts, count], strict=True)]
        if chance.random() < 0.5:
            blocks.insert(0, Text((self.name(), *self.words(4)), "heading"))
        if chance.random() < 0.1:
            blocks.insert(chance.randint(1, len(blocks)), Text((self.name(), *self.words(9)), "code"))
        for _ in range(chance.randint(1, 4)):
            blocks.insert(chance.randint(0, len(blocks)), self.image())
        return Draft(self.id(), self.url(host), self.time(), tuple(blocks))

    def copy(self, draft: Draft, **changes: object) -> Draft:
        """The same page, captured at another time and with what else is changed."""
        return replace(draft, **{"id": self.id(), "time": self.time(), **changes})

    def elsewhere(self, draft: Draft, **changes: object) -> Draft:
        """A copy at an address of its own, with pictures of its own."""
        blocks = tuple(self.image() if isinstance(block, str) else block for block in draft.blocks)
        return self.copy(draft, **{"url": self.url(), "blocks": blocks, **changes})

    def with_block(self, draft: Draft, block: Block) -> Draft:
        at = self.chance.randint(0, len(draft.blocks))
        return replace(draft, blocks=(*draft.blocks[:at], block, *draft.blocks[at:]))

    def edited(self, draft: Draft, level: float) -> Draft:
        """A copy elsewhere with words replaced at random places: about as similar as ``level`` says."""
        words = draft.words
        total = len(words) - NGRAM + 1
        wanted = round(total * (1 - level) / (1 + level))  # as many runs have a new word, here and there
        changed: set[int] = set()
        places = set()
        for place in self.chance.sample(range(len(words)), len(words)):
            touched = set(range(max(0, place - NGRAM + 1), min(place, total - 1) + 1))
            if len(changed | touched) <= wanted:
                changed |= touched
                places.add(place)
        fresh = iter([self.name() if place in places else word for place, word in enumerate(words)])
        other = self.elsewhere(draft)
        blocks = (
            replace(block, words=tuple(islice(fresh, len(block.words)))) if isinstance(block, Text) else block
            for block in other.blocks
        )
        return replace(other, blocks=tuple(blocks))

    def spelling(self, url: str) -> str:
        """The address of the same page or image, written in another way."""
        tail = self.chance.choice(("#top", "#", ""))
        tracking = self.chance.choice(("", "utm_source=mail", "fbclid=x1&gclid=y", "pk_campaign=z"))
        if tracking:
            url = f"{url}{'&' if '?' in url else '?'}{tracking}"
        scheme, port = self.chance.choice(
            (("https://", ""), ("https://", ":443"), ("http://", ""), ("http://", ":80"))
        )
        host, slash, path = url.removeprefix("https://").partition("/")
        host = self.chance.choice(("", "www.")) + (host if self.chance.random() < 0.5 else host.upper())
        if self.chance.random() < 0.5:
            path = path.replace("~", "%7E").replace("posts", "%70osts")
        return f"{scheme}{host}{port}{slash}{path}{tail}"


_BETWEEN_UNSPACED: Final = re.compile(r"(?<=[\u4e00-\u9fff]) (?=[\u4e00-\u9fff])")


def text_of(text: Text, plain: bool = False) -> str:
    """The words written out: as sentences, or as code."""
    if text.kind == "code":
        name, value, *rest = text.words
        return f"{name} = {value}({', '.join(rest)})"
    if plain:
        written = " ".join(text.words)
    else:
        sentences = (text.words[start : start + 12] for start in range(0, len(text.words), 12))
        written = ". ".join(" ".join(words).capitalize() for words in sentences) + "."
    written = _BETWEEN_UNSPACED.sub("", written)
    return written.replace(" ", " \n\t ") if text.spaced else written


def document_of(draft: Draft) -> Document:
    """The document that extraction would have made of the page."""
    nodes: list[Node] = [
        TextNode(block.kind, text_of(block, draft.plain)) if isinstance(block, Text) else ImageNode(block)
        for block in draft.blocks
    ]
    host = host_of(draft.url)
    source = Source(timestamp=draft.time)
    return Document(
        draft.id,
        draft.url,
        host,
        registrable_domain(host),
        tuple(nodes),
        source,
        canonical=draft.canonical,
    )
