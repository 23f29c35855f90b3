"""Every kind of duplicate that the corpus of deduplication has: groups of drafts that belong together."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Final

import msgspec
from dedup_drafts import SUBDOMAINS, Block, Draft, Maker, Text, text_of
from msgspec.structs import replace

LEVELS: Final = (0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95)
PASSAGE: Final = 50
"""Words of a passage that counts, as in the default of ``shared_passage``."""


class Group(msgspec.Struct, frozen=True):
    """Drafts that were planted together."""

    drafts: list[Draft]
    what: str = ""
    compared: bool = False


def url_variants(maker: Maker) -> Group:
    """Captures of one page under several spellings of its address, some with changed text."""
    base = maker.draft()
    drafts = [base]
    for _ in range(maker.chance.randint(1, 4)):
        source = base if maker.chance.random() < 0.7 else maker.edited(base, 0.7)
        drafts.append(maker.copy(source, url=maker.spelling(base.url)))
    return Group(drafts, base.url)


def captures(maker: Maker) -> Group:
    """Captures of one page, two of them at the same time; the last has another text."""
    base = maker.draft()
    drafts = [base, maker.copy(base, time=base.time), maker.copy(base)]
    return Group([*drafts, maker.copy(maker.draft(), url=base.url)], base.url)


def canonical_links(maker: Maker) -> Group:
    """Pages that ask to be known by the address of another one on their site."""
    domain = maker.domain()
    base = maker.draft(domain)
    drafts = [
        maker.copy(base, url=maker.url(f"{prefix}.{domain}"), canonical=maker.spelling(base.url))
        for prefix in maker.chance.sample(("amp", "m", "print"), 2)
    ]
    if maker.chance.random() < 0.5:  # else nobody has seen the page that is linked to
        drafts.append(base)
    return Group(drafts, base.url)


def mirrors(maker: Maker) -> Group:
    """The same words on other hosts: to the letter, without capitals and marks, cut into other paragraphs."""
    base = maker.draft()
    joined = Text(tuple(base.words)), maker.image()
    drafts = [
        base,
        maker.elsewhere(base),
        maker.elsewhere(base, plain=True),
        maker.copy(base, url=maker.url()),
    ]
    return Group([*drafts, maker.copy(base, url=maker.url(), blocks=joined)])


def edited(maker: Maker, level: float) -> Group:
    """A page and an edited copy of it."""
    base = maker.draft()
    return Group([base, maker.edited(base, level)], f"about {level}", compared=True)


def chain_of_edits(maker: Maker) -> Group:
    """Each is an edited copy of the one before: neighbours are similar, the ends are not."""
    drafts = [maker.draft()]
    for _ in range(maker.chance.randint(2, 4)):
        drafts.append(maker.edited(drafts[-1], 0.85))
    return Group(drafts, compared=True)


def template(maker: Maker) -> Group:
    """A paragraph on some pages of a host, on the first one twice."""
    host = maker.host()
    pages = maker.chance.choice((2, 3, 3, 4, 5, 9, 16))
    return _templated(maker, maker.paragraph(), [host] * pages, twice=maker.chance.random() < 0.5)


def template_of_domain(maker: Maker) -> Group:
    """A paragraph on the hosts of a domain: on too few pages of each."""
    domain = maker.domain()
    hosts = [prefix + domain for prefix in SUBDOMAINS[: maker.chance.randint(2, 5)]]
    return _templated(maker, maker.paragraph(), hosts)


def template_in_one_page(maker: Maker) -> Group:
    """A paragraph that is three times in two pages: on too few."""
    return _templated(maker, maker.paragraph(), [maker.host()] * 2, twice=True)


def template_of_kind(maker: Maker, kind: str) -> Group:
    """A heading or some code on many pages of a host."""
    text = Text((maker.name(), *maker.words(5)), kind)
    return _templated(maker, text, [maker.host()] * maker.chance.choice((3, 4)))


def template_captured_again(maker: Maker) -> Group:
    """A paragraph on two pages, one of which was captured twice."""
    group = _templated(maker, maker.paragraph(), [maker.host()] * 2)
    return replace(group, drafts=[*group.drafts, maker.copy(group.drafts[0])])


def _templated(maker: Maker, text: Text, hosts: Iterable[str], twice: bool = False) -> Group:
    drafts = [
        maker.with_block(maker.draft(host), replace(text, spaced=maker.chance.random() < 0.5))
        for host in hosts
    ]
    if twice:
        drafts[0] = maker.with_block(drafts[0], text)
    return Group(drafts, text_of(text))


def photo(maker: Maker) -> Group:
    """An image on 2 to 30 documents, in some twice."""
    pages = maker.chance.choice((2, 3, 5, 9, 10, 11, 12, 30))
    return _pictured(maker, [maker.draft() for _ in range(pages)], twice=maker.chance.random() < 0.5)


def photo_captured_again(maker: Maker) -> Group:
    """An image on ten pages, one of which was captured three times."""
    group = _pictured(maker, [maker.draft() for _ in range(10)])
    return replace(group, drafts=[*group.drafts, *(maker.copy(group.drafts[0]) for _ in range(2))])


def photo_in_image_set(maker: Maker) -> Group:
    """Two similar pages with the same images, but for one in the second that ten other pages have, too."""
    base = maker.draft()
    other = maker.edited(base, 0.65)
    other = replace(other, blocks=_with_images_of(other, base))
    group = _pictured(maker, [other, *(maker.draft() for _ in range(10))])
    return replace(group, drafts=[base, *group.drafts])


def _pictured(maker: Maker, pages: Sequence[Draft], twice: bool = False) -> Group:
    url = maker.image()
    drafts = [maker.with_block(page, maker.spelling(url)) for page in pages]
    if twice:
        drafts[0] = maker.with_block(drafts[0], maker.spelling(url))
    return Group(drafts, url)


def repeated_image(maker: Maker) -> Group:
    """A document with an image two or three times, and with another size of it."""
    url = maker.image().partition("?")[0]
    draft = maker.with_block(maker.with_block(maker.draft(), url), f"{url}?w=99")
    for _ in range(maker.chance.randint(1, 2)):
        draft = maker.with_block(draft, maker.spelling(url))
    return Group([draft], url)


def image_set(maker: Maker, level: float) -> Group:
    """Two pages with the same images, in whatever order, whose texts are about as similar as ``level`` says."""
    base = maker.draft()
    other = maker.edited(base, level) if level else maker.draft()
    return Group([base, replace(other, blocks=_with_images_of(other, base))], f"about {level}", compared=True)


def _with_images_of(draft: Draft, other: Draft) -> tuple[Block, ...]:
    images = other.images
    return (*images[1:], *draft.texts, images[0])


def passages(maker: Maker) -> Group:
    """A passage in paragraphs of several documents, which have their own words before and after it."""
    shared = maker.words(PASSAGE + maker.chance.randint(0, 20))
    half = (*maker.words(PASSAGE - 2), maker.name(), *shared[:PASSAGE], maker.name())
    texts = [
        [(*maker.words(10), maker.name(), *shared, maker.name(), *maker.words(10))],
        [(maker.name(), *shared, maker.name())],
        [(*maker.words(90), maker.name(), *shared, maker.name())],
        [(maker.name(), *shared[: PASSAGE - 1], maker.name())],
        [half],
        [(maker.name(), *shared[:20]), (*shared[20:], maker.name())],
    ]
    drafts = []
    for paragraphs in texts:
        draft = maker.draft()
        drafts.append(replace(draft, blocks=(*draft.blocks, *map(Text, paragraphs))))
    return Group(drafts, " ".join(shared))


def mixture(maker: Maker) -> Group:
    """A page that has duplicates of many kinds: what falls for one rule is no longer there for the next."""
    host, footer = maker.host(), maker.paragraph(50, 60)
    base = maker.with_block(maker.draft(host), footer)
    near = maker.edited(base, 0.9)
    pictured = maker.with_block(maker.draft(host), footer)
    return Group(
        [
            base,
            maker.copy(near, url=maker.spelling(base.url)),
            maker.elsewhere(base),
            near,
            maker.copy(pictured, blocks=_with_images_of(pictured, base)),
            maker.copy(base, url=maker.url(host)),
            maker.with_block(maker.draft(host), footer),
        ],
        text_of(footer),
    )


KINDS: Final[dict[str, Callable[[Maker], Group]]] = {
    "url_variants": url_variants,
    "captures": captures,
    "canonical_links": canonical_links,
    "mirrors": mirrors,
    **{f"edited_{level}": partial(edited, level=level) for level in LEVELS},
    "chain_of_edits": chain_of_edits,
    "template": template,
    "template_of_domain": template_of_domain,
    "template_in_one_page": template_in_one_page,
    "template_of_code": partial(template_of_kind, kind="code"),
    "template_of_heading": partial(template_of_kind, kind="heading"),
    "template_captured_again": template_captured_again,
    "photo": photo,
    "photo_captured_again": photo_captured_again,
    "photo_in_image_set": photo_in_image_set,
    "repeated_image": repeated_image,
    "image_set_same": partial(image_set, level=1),
    "image_set_similar": partial(image_set, level=0.65),
    "image_set_different": partial(image_set, level=0),
    "passages": passages,
    "mixture": mixture,
}
