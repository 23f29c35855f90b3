"""Signals inside image files: from every place, packed or not, and from nothing else."""

from __future__ import annotations

import struct
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from reserved_images import VOCABULARY, credentials, picture, xmp

from obelics_pipeline.embedded import MAX_PACKET, MAX_XMP, embedded, xmp_of

PROHIBITED = ("data-mining:DMI-PROHIBITED-AIMLTRAINING",)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "AVIF"])
def test_every_format(kind: str) -> None:
    assert embedded(picture(kind, xmp())) == PROHIBITED
    assert embedded(picture(kind)) == ()


@pytest.mark.parametrize(
    ("value", "signals"),
    [
        ("DMI-PROHIBITED", ("data-mining:DMI-PROHIBITED",)),
        ("DMI-PROHIBITED-GENAIMLTRAINING", ("data-mining:DMI-PROHIBITED-GENAIMLTRAINING",)),
        (
            "DMI-PROHIBITED-EXCEPTSEARCHENGINEINDEXING",
            ("data-mining:DMI-PROHIBITED-EXCEPTSEARCHENGINEINDEXING",),
        ),
        ("DMI-PROHIBITED-SEECONSTRAINT", ("data-mining:DMI-PROHIBITED-SEECONSTRAINT",)),
        ("DMI-ALLOWED", ()),
        ("DMI-UNSPECIFIED", ()),
    ],
)
def test_values_of_data_mining(value: str, signals: tuple[str, ...]) -> None:
    assert embedded(picture("JPEG", xmp(value))) == signals


def test_another_way_to_write_the_property() -> None:
    packet = f'<x:xmpmeta><rdf:Description p:DataMining="{VOCABULARY}DMI-PROHIBITED"/></x:xmpmeta>'
    assert embedded(picture("WEBP", packet.encode())) == ("data-mining:DMI-PROHIBITED",)
    assert embedded(picture("JPEG", packet.encode("utf-16-le"))) == ("data-mining:DMI-PROHIBITED",)


def test_how_a_picture_came_about() -> None:
    source = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
    extra = f"<Iptc4xmpExt:DigitalSourceType>{source}</Iptc4xmpExt:DigitalSourceType>"
    assert embedded(picture("PNG", xmp("DMI-ALLOWED", extra))) == ("digital-source:trainedAlgorithmicMedia",)


def test_a_packet_behind_other_segments_and_in_its_extension() -> None:
    body = picture("JPEG")
    segments = b"".join(
        b"\xff" + marker + (len(content) + 2).to_bytes(2) + content
        for marker, content in (
            (b"\xe1", b"Exif\0\0" + bytes(300)),
            (b"\xed", b"Photoshop 3.0\0"),
            (b"\xe1", b"http://ns.adobe.com/xmp/extension/\0" + bytes(40) + xmp()),
        )
    )
    assert embedded(body[:2] + segments + body[2:]) == PROHIBITED


def test_words_outside_of_metadata_say_nothing() -> None:
    body = picture("JPEG")
    assert embedded(body + xmp()) == ()
    assert embedded(b"DMI-PROHIBITED") == ()


def test_a_gif_holds_the_packet_as_it_is() -> None:
    assert embedded(picture("GIF") + b"!\xff\x0bXMP DataXMP" + xmp()) == PROHIBITED


def test_a_bomb_in_a_chunk_is_read_to_its_bound() -> None:
    def png(text: bytes) -> bytes:
        content = b"XML:com.adobe.xmp\0\1\0\0\0" + zlib.compress(text)
        return b"\x89PNG\r\n\x1a\n" + struct.pack(">I4s", len(content), b"iTXt") + content + bytes(4)

    assert embedded(png(b" " * 1000 + xmp())) == PROHIBITED
    assert embedded(png(b" " * (50 * MAX_PACKET) + xmp())) == ()


@pytest.mark.parametrize("label", ["c2pa", "cawg"])
@pytest.mark.parametrize(
    ("entries", "signals"),
    [
        pytest.param({"ai_training": "notAllowed"}, ("c2pa:ai_training=notAllowed",), id="not allowed"),
        pytest.param(
            {"data_mining": "constrained"}, ("c2pa:data_mining=constrained",), id="constrained is no"
        ),
        pytest.param({"ai_training": "allowed", "data_mining": "allowed"}, (), id="allowed"),
        pytest.param(
            {"ai_training": "allowed", "ai_inference": "notAllowed", "ai_generative_training": "notAllowed"},
            ("c2pa:ai_generative_training=notAllowed",),
            id="one of three, and inference",
        ),
    ],
)
def test_content_credentials(label: str, entries: dict[str, str], signals: tuple[str, ...]) -> None:
    assert embedded(picture("JPEG") + credentials(entries, label)) == signals


HEADS = st.sampled_from([b"", b"\xff\xd8", b"\x89PNG\r\n\x1a\n", b"RIFF\0\0\0\0WEBP", b"GIF89a"])
PARTS = st.lists(
    st.binary()
    | st.sampled_from(
        [
            b"\xff\xe1\xff\xff",
            b"\xff\xff",
            b"iTXtXML:com.adobe.xmp\0\1\0",
            b"XMP ",
            b"\xff\xff\xff\xff",
            xmp(),
        ]
    )
)


@given(HEADS, PARTS)
def test_any_bytes_can_be_read(head: bytes, parts: list[bytes]) -> None:
    found = embedded(head + b"".join(parts))
    assert list(found) == sorted(set(found))


@given(st.sampled_from(["JPEG", "PNG", "WEBP"]), st.data())
def test_damaged_files_can_be_read(kind: str, data: st.DataObject) -> None:
    body = bytearray(picture(kind, xmp()))
    for place in data.draw(st.lists(st.integers(0, len(body) - 1), max_size=5)):
        body[place] ^= data.draw(st.integers(1, 255))
    embedded(bytes(body[: data.draw(st.integers(0, len(body)))]))


def test_a_small_file_of_many_large_packets_is_not_unpacked_to_the_end() -> None:
    body = picture("PNG")
    content = b"XML:com.adobe.xmp\0\1\0\0\0" + zlib.compress(b" " * MAX_PACKET)
    chunk = struct.pack(">I", len(content)) + b"iTXt" + content + bytes(4)
    assert len(xmp_of(body[:33] + 5_000 * chunk + body[33:])) <= MAX_XMP + MAX_PACKET
