"""A small dump in the format of Wikimedia's, of a wiki that does not exist: every construct, every kind of line."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
from pathlib import Path
from typing import Any

ARTICLES = 24
UPLOADS = "//upload.wikimedia.org/wikipedia/commons"
WORDS = (
    "The lighthouse of island {n} stands on a rock that the sea leaves dry for two hours of every day. "
    "Its keeper rows over with oil and bread, and rows back with the letters that the ships have left there."
)
LICENSE = {
    "name": "Creative Commons Attribution-ShareAlike License 4.0",
    "identifier": "CC-BY-SA-4.0",
    "url": "https://creativecommons.org/licenses/by-sa/4.0/",
}


def figure(name: str, caption: str, width: int = 220) -> str:
    """A thumbnail as Parsoid writes it."""
    thumb = f"{UPLOADS}/thumb/a/ab/{name}"
    return (
        f'<figure typeof="mw:File/Thumb"><a href="./File:{name}" class="mw-file-description"><img resource="./File:'
        f'{name}" src="{thumb}/{width}px-{name}" srcset="{thumb}/{2 * width}px-{name} 2x" data-file-width="3000" '
        f'data-file-height="2000" width="{width}" height="{width * 2 // 3}" class="mw-file-element"/></a>'
        f"<figcaption>{caption}</figcaption></figure>"
    )


def html(number: int, sections: int = 1) -> str:
    """An article: infobox, lead, a figure, sections with a table, a gallery and a formula, and what follows them."""
    infobox = (
        f'<table class="infobox"><tbody><tr><th colspan="2">Light {number}</th></tr><tr><td colspan="2"><span '
        f'typeof="mw:File"><img src="{UPLOADS}/thumb/c/cd/Tower_{number}.png/250px-Tower_{number}.png" width="250" '
        f'height="300"/></span><div class="infobox-caption">Tower {number}</div></td></tr><tr><th>Height</th><td>'
        f"{number + 20} m</td></tr></tbody></table>"
    )
    gallery = "".join(
        f'<li class="gallerybox"><div class="thumb"><span typeof="mw:File"><img src="{UPLOADS}/thumb/e/ef/View_'
        f'{number}_{side}.jpg/180px-View_{number}_{side}.jpg" width="180" height="120"/></span></div><div '
        f'class="gallerytext">Seen from the {side}</div></li>'
        for side in ("north", "south")
    )
    formula = (
        '<span class="mwe-math-element" typeof="mw:Extension/math"><span style="display: none;"><math alttext="'
        '{\\displaystyle d=3.57{\\sqrt {h}}}"></math></span><img src="https://wikimedia.org/api/rest_v1/media/math/'
        'render/svg/d" alt="{\\displaystyle d=3.57{\\sqrt {h}}}"/></span>'
    )
    note = '<sup class="mw-ref reference"><a href="#cite_note-1">[1]</a></sup>'
    section = (
        f'<section data-mw-section-id="1"><h2>Range</h2><p>Its light is seen from a distance of {formula} '
        f"kilometres, which the keepers have measured every year. {WORDS.format(n=number + 100)}</p>"
        f'<table class="wikitable"><tbody><tr><th>Year</th><th>Keeper</th></tr><tr><td>{1800 + number}</td>'
        f'<td>Ane</td></tr></tbody></table><ul class="gallery">{gallery}</ul></section>'
    )
    body = (
        f'<section data-mw-section-id="0"><div role="note" class="hatnote">Not to be confused.</div>{infobox}'
        f"<p>{WORDS.format(n=number)}{note}</p>{figure(f'Light_{number}.jpg', f'The rock of light {number} at ebb')}"
        f"</section>{section * sections}"
        '<section data-mw-section-id="2"><h2>References</h2><div class="reflist">A book.</div></section>'
        '<section data-mw-section-id="3"><h2>External links</h2><ul><li>The light</li></ul></section>'
    )
    return (
        f'<!DOCTYPE html><html prefix="mw: http://mediawiki.org/rdf/"><head><meta charset="utf-8"/><title>Light '
        f'{number}</title><base href="//en.wikipedia.org/wiki/"/></head><body lang="en" class="parsoid-body">{body}'
        "</body></html>"
    )


def article(number: int, **changes: Any) -> dict[str, Any]:
    """A line of the dump; ``changes`` replace fields."""
    made = {
        "name": f"Light {number}",
        "identifier": 1000 + number,
        "date_modified": f"2024-05-{number % 28 + 1:02}T10:20:30Z",
        "version": {"identifier": 70_000 + number, "tags": ["mobile edit"], "is_minor_edit": True},
        "url": f"https://en.wikipedia.org/wiki/Light_{number}",
        "namespace": {"identifier": 0, "name": "Article"},
        "in_language": {"identifier": "en", "name": "English"},
        "is_part_of": {"identifier": "enwiki", "url": "https://en.wikipedia.org"},
        "redirects": [
            {"name": f"Lighthouse {number}", "url": f"https://en.wikipedia.org/wiki/Lighthouse_{number}"}
        ],
        "license": [LICENSE],
        "article_body": {"html": html(number), "wikitext": f"'''Light {number}'''"},
    }
    return made | changes


REDIRECT = {"html": '<html><body><link rel="mw:PageProp/redirect" href="./Light_1"/></body></html>'}
OTHERS: tuple[tuple[str, bytes], ...] = tuple(
    (outcome, json.dumps(line).encode() if isinstance(line, dict) else line)
    for outcome, line in (
        ("redirect", article(91, article_body=REDIRECT)),
        ("other_namespace", article(92, namespace={"identifier": 1, "name": "Talk"})),
        ("other_namespace", article(93, namespace={"identifier": 14, "name": "Category"})),
        ("empty", article(94, article_body={"html": " \n"})),
        ("empty", article(95, article_body=None)),
        ("no_url", article(96, url="//no")),
        ("not_json", b'{"name": "Light 97", "url": '),
        ("not_json", b'{"name": "\\ud800\xff"}'),
        ("not_article", b'{"name": 98, "url": []}'),
        ("not_article", b"{}"),
    )
)
"""Lines that are no article to read, each with the word of what becomes of it."""


def lines(numbers: range = range(ARTICLES)) -> list[bytes]:
    """Lines of articles; ``<`` is escaped, as in the dumps."""
    return [json.dumps(article(number)).replace("<", "\\u003c").encode() for number in numbers]


def members() -> dict[str, bytes]:
    """The files of the dump: two of articles, the second with all other kinds of lines, and one that is no NDJSON."""
    made = lines()
    others = [line for _, line in OTHERS]
    return {
        "enwiki_0.ndjson": b"\n".join(made[:10]) + b"\n",
        "README.txt": b"This is no article.\nNor is this.\n",
        "enwiki_1.ndjson": b"\n".join([*made[10:], b"", *others]) + b"\n",
    }


def tar(files: dict[str, bytes], format: int = tarfile.GNU_FORMAT) -> bytes:
    """A tar file of ``files`` and a folder."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=format) as archive:
        folder = tarfile.TarInfo("folder")
        folder.type = tarfile.DIRTYPE
        archive.addfile(folder)
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return buffer.getvalue()


def write(path: Path) -> Path:
    """Write the dump, gzipped."""
    path.write_bytes(gzip.compress(tar(members()), 6, mtime=0))
    return path
