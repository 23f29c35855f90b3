"""Licences that pages state: what is read, of what, and in which form."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from obelics_pipeline import license
from obelics_pipeline.dom.extract import extract_document
from obelics_pipeline.dom.licenses import mentions
from obelics_pipeline.page import Page

URL = "https://reef.example/notes/limpets"
CC = "https://creativecommons.org/licenses"
BY = f"{CC}/by/4.0/"
SA = f"{CC}/by-sa/4.0/"
LINK = f'<a rel="license" href="{BY}">CC BY</a>'


def licence(body: str = "", head: str = "", url: str = URL) -> str | None:
    html = f"<html><head>{head}</head><body>{body}<p>Limpets hold on to the rock.</p></body></html>"
    return extract_document(Page(url, html.encode())).document.license


def script(data: Any) -> str:
    return f'<script type="application/ld+json">{json.dumps(data)}</script>'


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        pytest.param("http://creativecommons.org/licenses/by-sa/4.0", SA, id="http, no slash"),
        pytest.param("https://www.creativecommons.org/licenses/by-sa/4.0/", SA, id="www"),
        pytest.param(f"{CC}/by-sa/4.0/deed.en_GB", SA, id="deed"),
        pytest.param(f"{CC}/by-sa/4.0/legalcode?x=1", SA, id="legal code"),
        pytest.param(f"{CC}/BY-SA/4.0/", SA, id="capitals"),
        pytest.param(f"{CC}/by-sa/4.0/de/", SA, id="a language where there are no ports"),
        pytest.param(f"{CC}/by-nc/3.0/de/deed.de", f"{CC}/by-nc/3.0/de/", id="port"),
        pytest.param(f"{CC}/by/3.0/igo/", f"{CC}/by/3.0/igo/", id="port of organisations"),
        pytest.param(f"{CC}/by-sa/", f"{CC}/by-sa/", id="no version"),
        pytest.param(
            "http://creativecommons.org/publicdomain/zero/1.0/",
            "https://creativecommons.org/publicdomain/zero/1.0/",
            id="CC0",
        ),
        pytest.param(
            "https://creativecommons.org/about/", "https://creativecommons.org/about/", id="no licence"
        ),
        pytest.param("https://not-creativecommons.org/licenses/by/4.0/x", None, id="another host"),
        pytest.param("https://reef.example/a,b", "https://reef.example/a%2Cb", id="comma"),
    ],
)
def test_addresses_of_creative_commons_have_one_form(address: str, expected: str | None) -> None:
    assert license.normal(address) == (expected or address)
    assert license.normal(license.normal(address)) == license.normal(address)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("CC-BY-SA-4.0", SA, id="SPDX"),
        pytest.param(" CC BY-SA 4.0 ", SA, id="spaces"),
        pytest.param("CC BY 4.0 International", BY, id="international"),
        pytest.param("CC0-1.0", "https://creativecommons.org/publicdomain/zero/1.0/", id="CC0"),
        pytest.param("//creativecommons.org/licenses/by/4.0/", BY, id="without scheme"),
        pytest.param("https://reef.example/terms", "https://reef.example/terms", id="terms"),
        pytest.param(f"Text under {BY}", None, id="prose with an address"),
        pytest.param("All rights reserved", None, id="prose"),
        pytest.param("CC BY", None, id="no version"),
        pytest.param("/terms", None, id="no address alone"),
        pytest.param("javascript://x", None, id="another scheme"),
        pytest.param("", None, id="empty"),
    ],
)
def test_a_value_is_an_address_or_a_name_and_nothing_else(text: str, expected: str | None) -> None:
    assert license.of_text(text) == expected


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        pytest.param(LINK, BY, id="link"),
        pytest.param(f"<footer><ul><li>{LINK}</ul></footer>", BY, id="footer"),
        pytest.param(
            f'<main><a rel="nofollow License" href="{BY}">x</a>{LINK}</main>', BY, id="among relations"
        ),
        pytest.param(f"<article>{LINK}</article>", BY, id="article"),
        pytest.param(
            '<a rel="license" href="/terms#text">terms</a>', "https://reef.example/terms", id="relative"
        ),
        pytest.param(f'<link rel="license" href="{BY}">', BY, id="link element in the body"),
        pytest.param(f'{LINK}<a rel="license" href="{SA}">x</a>', f"{BY}, {SA}", id="two, in their order"),
        pytest.param(LINK * 2, BY, id="twice"),
        pytest.param(f'<a href="{BY}">CC BY</a> license', None, id="no relation"),
        pytest.param("<p>The text is under the license CC BY 4.0</p>", None, id="prose"),
        pytest.param(f'<a rel="licensed" href="{BY}">x</a>', None, id="another relation"),
        pytest.param('<a rel="license">x</a><a rel="license" href="#">y</a>', None, id="no target"),
        pytest.param('<a rel="license" href="mailto:a@b.example">x</a>', None, id="no page"),
        pytest.param(f"<figure><figcaption>{LINK}</figcaption></figure>", None, id="of a picture"),
        pytest.param(f'<div about="/a.jpg">{LINK}</div>', None, id="of what RDFa names"),
        pytest.param(f"<blockquote>{LINK}</blockquote>", None, id="of a quotation"),
        pytest.param(f"<article><article>{LINK}</article></article>", None, id="of a comment"),
        pytest.param(f"<template>{LINK}</template>", None, id="template"),
        pytest.param("", None, id="nothing"),
    ],
)
def test_links_in_the_body_count_if_they_speak_of_the_page(body: str, expected: str | None) -> None:
    assert licence(body) == expected


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        pytest.param(f'<link rel="license" href="{BY}">', BY, id="link"),
        pytest.param(f'<link rel="LICENSE" href="{BY}">', BY, id="capitals"),
        pytest.param(f'<meta name="DCTERMS.license" content="{BY}">', BY, id="dcterms"),
        pytest.param(f'<meta name="dc.rights" content="{BY}">', BY, id="dc"),
        pytest.param(
            '<meta name="DC.Rights" content="(c) 2024 A. Patella">', None, id="rights that are prose"
        ),
        pytest.param(f'<meta name="description" content="{BY}">', None, id="another name"),
        pytest.param(
            f'<base href="https://cdn.example/"><link rel="license" href="/by"><meta name="license" content="{SA}">',
            f"https://cdn.example/by, {SA}",
            id="links first, by the base of the page",
        ),
    ],
)
def test_the_head_states_licences(head: str, expected: str | None) -> None:
    assert licence(head=head) == expected


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        pytest.param({"@type": "Article", "license": BY}, BY, id="article"),
        pytest.param(
            {"@type": ["Thing", "https://schema.org/WebPage"], "license": BY}, BY, id="several types"
        ),
        pytest.param([{"@type": "BlogPosting", "license": {"@id": BY}}], BY, id="list, object"),
        pytest.param(
            {"@graph": [{"@type": "NewsArticle", "license": [BY, {"url": SA}]}]}, f"{BY}, {SA}", id="graph"
        ),
        pytest.param(
            {"@type": "Article", "url": URL + "?utm_source=a", "license": BY}, BY, id="its own address"
        ),
        pytest.param(
            {"@type": "WebPage", "mainEntity": {"@type": "Recipe", "license": BY}}, BY, id="main entity"
        ),
        pytest.param({"@type": "Article", "url": "/notes/whelks", "license": BY}, None, id="another page"),
        pytest.param({"@type": "ImageObject", "license": BY}, None, id="image"),
        pytest.param(
            {"@type": "Article", "image": {"@type": "ImageObject", "license": BY}}, None, id="its image"
        ),
        pytest.param({"@type": "Article", "license": 4}, None, id="no text"),
        pytest.param({"license": BY}, None, id="no type"),
        pytest.param(["license", None, 1], None, id="no objects"),
    ],
)
def test_json_ld_counts_if_it_speaks_of_the_page(data: Any, expected: str | None) -> None:
    assert licence(script(data)) == expected


def test_what_is_stated_stands_in_a_defined_order_and_number() -> None:
    """Links of the head, links of the body, metadata, JSON-LD; five at most."""
    head = f'<meta name="dc.license" content="{CC}/by-nc/4.0/"><link rel="license" href="{CC}/by-nd/4.0/">'
    body = script({"@type": "Article", "license": SA}) + LINK
    assert licence(body, head) == f"{CC}/by-nd/4.0/, {BY}, {CC}/by-nc/4.0/, {SA}"
    many = "".join(f'<a rel="license" href="/{n}">{n}</a>' for n in range(9))
    stated = licence(many)
    assert stated == ", ".join(f"https://reef.example/{n}" for n in range(5))


def test_what_is_said_beside_the_page_comes_before_what_it_says() -> None:
    page = Page(URL, LINK.encode(), license="GFDL")
    assert extract_document(page).document.license == "GFDL"


@pytest.mark.parametrize("text", ["", "{", "[" * 100_000, '{"license": "\\ud800"}', '"license"', "\0"])
def test_json_that_is_none_says_nothing(text: str) -> None:
    assert list(license.of_json_ld(text, URL)) == []


@given(st.binary(max_size=300), st.booleans(), st.binary(max_size=300))
def test_no_statement_is_missed_by_the_search_before(before: bytes, schema: bool, after: bytes) -> None:
    statement = b'"license": "x"' if schema else b"<a href='/' REL = 'nofollow license'>"
    assert mentions(before + statement + after)[schema]
