"""Metadata go, the picture stays: real files of every format, damaged ones, and garbage."""

from __future__ import annotations

import io
import struct
import zlib
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms, ImageOps
from PIL.PngImagePlugin import PngInfo

from obelics_pipeline.credit import MAX_TEXT, credit_of
from obelics_pipeline.embedded import embedded
from obelics_pipeline.image_metadata import stripped

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "AVIF")
SECRETS = (b"SERIAL-0815", b"SECRET-OWNER", b"MAKER-NOTE", b"SECRET-PLACE", b"Acme Camera", b"SECRET-COMMENT")
ICC = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def xmp(*more: str, room: int = 2000) -> bytes:
    """A packet with room for changes, as editors leave it."""
    return (
        '<?xpacket begin="" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/">'
        '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description rdf:about="" '
        'xmlns:aux="http://ns.adobe.com/exif/1.0/aux/" aux:SerialNumber="SERIAL-0815" exif:GPSLatitude="SECRET-PLACE">'
        f"<aux:OwnerName>SECRET-OWNER</aux:OwnerName>{''.join(more)}</rdf:Description></rdf:RDF></x:xmpmeta>"
    ).encode() + b" " * room


def exif(orientation: int | None = None, **credit: str) -> Image.Exif:
    """What a telephone writes, and a preview of its own."""
    made = Image.Exif()
    made[0x010F], made[0x0131], made[0x927C] = "Acme Camera", "SECRET-COMMENT", b"MAKER-NOTE"
    made.get_ifd(0x8769).update({0xA431: "SERIAL-0815", 0xA430: "SECRET-OWNER", 0x927C: b"MAKER-NOTE" * 9})
    made.get_ifd(0x8825).update(
        {1: "N", 2: (50.0, 56.0, 7.25), 3: "E", 4: (6.0, 57.0, 30.0), 27: b"SECRET-PLACE"}
    )
    if orientation:
        made[0x0112] = orientation
    for tag, name in ((0x013B, "artist"), (0x8298, "copyright")):
        if name in credit:
            made[tag] = credit[name]
    return made


def picture(mode: str = "RGB", size: tuple[int, int] = (40, 24)) -> Image.Image:
    values = np.random.default_rng(5).integers(0, 256, (3, 5, len(mode)), np.uint8).squeeze()
    return Image.fromarray(values, mode).resize(size, Image.Resampling.BICUBIC)


def saved(kind: str, image: Image.Image | None = None, **options: Any) -> bytes:
    stream = io.BytesIO()
    (image or picture()).save(stream, kind, **options)
    return stream.getvalue()


def telling(kind: str, orientation: int | None = 6, packet: bytes | None = None, **credit: str) -> bytes:
    """A picture with all that a camera and an editor write into it."""
    packet = packet or xmp()
    if kind == "GIF":
        extension = b"!\xff\x0bXMP DataXMP" + packet + b"\x01" + bytes(range(255, -1, -1)) + b"\0"
        body = saved(kind, comment=b"SECRET-COMMENT")
        return body[:-1] + extension + b";" + b"SECRET-PLACE"
    options: dict[str, Any] = {"exif": exif(orientation, **credit), "xmp": packet, "icc_profile": ICC}
    if kind == "PNG":
        info = PngInfo()
        info.add_itxt("XML:com.adobe.xmp", packet.decode(), zip=False)
        info.add_text("Comment", "SECRET-COMMENT", zip=False)
        options = {**options, "pnginfo": info}
    if kind == "JPEG":
        options["comment"] = b"SECRET-COMMENT"
    return saved(kind, **options) + (b"" if kind == "AVIF" else b"SECRET-PLACE")


def pixels(body: bytes) -> list[Any]:
    """Every frame, upright, and the colours they are in."""
    with Image.open(io.BytesIO(body)) as image:
        profile = image.info.get("icc_profile")
        frames = []
        for number in range(getattr(image, "n_frames", 1)):
            image.seek(number)
            frames.append(np.asarray(ImageOps.exif_transpose(image).convert("RGBA")).tolist())
        return [frames, profile]


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("orientation", [None, 1, 3, 6])
def test_all_that_tells_of_persons_goes_and_the_picture_stays(kind: str, orientation: int | None) -> None:
    body = telling(kind, orientation)
    assert b"SECRET-OWNER" in body
    made = stripped(body)
    assert made is not None
    assert [secret for secret in SECRETS if secret in made] == []
    assert pixels(made) == pixels(body)
    with Image.open(io.BytesIO(made)) as image:
        assert set(image.getexif()) <= {0x0112}
        assert not image.getexif().get_ifd(0x8825)
    assert stripped(made) == made


@pytest.mark.parametrize("kind", FORMATS)
def test_without_metadata_it_is_the_same_file(kind: str) -> None:
    body = saved(kind)
    assert stripped(body) is body


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "AVIF"])
def test_credit_stays(kind: str) -> None:
    packet = xmp(
        '<dc:rights><rdf:Alt><rdf:li xml:lang="x-default">© Ann &amp; Co</rdf:li></rdf:Alt></dc:rights>',
        "<photoshop:Credit>Agency</photoshop:Credit>",
        "<plus:DataMining>http://ns.useplus.org/ldf/vocab/DMI-PROHIBITED</plus:DataMining>",
        "<Iptc4xmpExt:DigitalSourceType>http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
        "</Iptc4xmpExt:DigitalSourceType>",
    )
    body = telling(kind, 6, packet, artist="Ann Other", copyright="Copyright Ann")
    made = stripped(body)
    assert made is not None
    with Image.open(io.BytesIO(made)) as image:
        assert {tag: image.getexif()[tag] for tag in (0x013B, 0x8298)} == {
            0x013B: "Ann Other",
            0x8298: "Copyright Ann",
        }
    assert "© Ann &amp; Co".encode() in made
    assert b"<photoshop:Credit>Agency<" in made
    assert (
        embedded(made)
        == embedded(body)
        == ("data-mining:DMI-PROHIBITED", "digital-source:trainedAlgorithmicMedia")
    )
    assert [secret for secret in SECRETS if secret in made] == []
    assert stripped(made) == made


def test_in_an_avif_what_is_reserved_has_room_before_what_is_credited() -> None:
    reserved = "<plus:DataMining>http://ns.useplus.org/ldf/vocab/DMI-PROHIBITED</plus:DataMining>"
    body = telling("AVIF", 6, xmp("<dc:rights>Ann</dc:rights>", reserved, room=0))
    made = stripped(body)
    assert made is not None
    assert embedded(made) == ("data-mining:DMI-PROHIBITED",)
    assert [secret for secret in SECRETS if secret in made] == []


def segment(marker: int, content: bytes) -> bytes:
    return bytes((0xFF, marker)) + (len(content) + 2).to_bytes(2) + content


IIM = b"Photoshop 3.0\x008BIM\x04\x04\0\0" + b"".join(
    b"\x1c\x02" + bytes((number,)) + len(text).to_bytes(2) + text
    for number, text in (
        (0x50, b"Ann"),
        (0x74, b"Ann 2026"),
        (0x78, b"SECRET-COMMENT"),
        (0x5A, b"SECRET-PLACE"),
    )
)


def test_segments_of_a_jpeg() -> None:
    body = saved("JPEG")
    others = [
        segment(0xE0, b"JFXX\0\x10" + b"SECRET-COMMENT"),
        segment(0xED, IIM),
        segment(0xE2, b"MPF\0SECRET-COMMENT"),
        segment(0xEB, b"JP\0\x01SECRET-PLACE jumb c2pa"),
        segment(0xEC, b"Ducky SECRET-COMMENT"),
        segment(0xFE, b"SECRET-COMMENT"),
        segment(0xEF, b"SECRET-OWNER"),
    ]
    made = stripped(body[:20] + b"".join(others) + body[20:-2] + others[-1] + body[-2:] + saved("JPEG"))
    assert made is not None
    assert [secret for secret in SECRETS if secret in made] == []
    assert b"<rdf:li>Ann</rdf:li>" in made
    assert b'<rdf:li xml:lang="x-default">Ann 2026</rdf:li>' in made
    assert pixels(made) == pixels(body)


def test_the_thumbnail_of_jfif_goes() -> None:
    body = saved("JPEG")
    head = b"JFIF\0\1\1\0\0\1\0\1\2\1" + b"RGBRGB"
    assert stripped(body[:2] + segment(0xE0, head) + body[20:]) == body


@pytest.mark.parametrize(
    "options",
    [{"progressive": True}, {"restart_marker_rows": 1}, {"optimize": True, "subsampling": 0}],
    ids=["progressive", "restarts", "optimised"],
)
@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
def test_kinds_of_jpeg(mode: str, options: dict[str, Any]) -> None:
    body = saved("JPEG", picture(mode, (200, 150)), **options, exif=exif(5))
    made = stripped(body)
    assert made is not None
    assert len(made) < len(body)
    assert pixels(made) == pixels(body)


@pytest.mark.parametrize("kind", ["GIF", "PNG", "WEBP", "AVIF"])
def test_animations(kind: str) -> None:
    frames = [Image.new("RGB", (32, 32), colour) for colour in ("red", "green", "blue")]
    options = {} if kind == "GIF" else {"exif": exif(), "xmp": xmp()}
    body = saved(kind, frames[0], save_all=True, append_images=frames[1:], duration=40, loop=3, **options)
    made = stripped(body)
    assert made is not None
    assert [secret for secret in SECRETS if secret in made] == []
    assert pixels(made) == pixels(body)
    with Image.open(io.BytesIO(body)) as before, Image.open(io.BytesIO(made)) as after:
        assert (before.n_frames, before.info.get("loop")) == (after.n_frames, after.info.get("loop"))  # type: ignore[attr-defined]


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + zlib.crc32(kind + data).to_bytes(4)


def test_chunks_of_a_png() -> None:
    body = saved("PNG")
    tiff = credit_of(b"", exif(6, artist="Ann").tobytes()[6:]).exif
    raw = b"\nexif\n%8d\n" % (len(tiff) + 6) + (b"Exif\0\0" + tiff).hex().encode() + b"\n"
    odd = [
        chunk(b"zTXt", b"Raw profile type exif\0\0" + zlib.compress(raw)),
        chunk(b"tEXt", b"Author\0Ann"),
        chunk(b"tEXt", b"parameters\0SECRET-COMMENT"),
        chunk(b"tIME", bytes(7)),
        chunk(b"caBX", b"SECRET-PLACE"),
    ]
    given_body = body[:33] + b"".join(odd) + body[33:]
    made = stripped(given_body)
    assert made is not None
    assert [secret for secret in SECRETS if secret in made] == []
    assert not any(kind in made for kind in (b"tIME", b"caBX", b"tEXt", b"zTXt"))
    assert pixels(made) == pixels(given_body)
    with Image.open(io.BytesIO(made)) as image:
        assert image.getexif()[0x0112] == 6
    assert b"<rdf:li>Ann</rdf:li>" in made


def test_boxes_of_an_avif() -> None:
    body = saved("AVIF")
    boxes = b"".join(
        struct.pack(">I4s", 8 + len(text), kind) + text
        for kind, text in ((b"uuid", b"SECRET-PLACE" * 2), (b"free", b"SECRET-OWNER"))
    )
    made = stripped(body + boxes)
    assert made is not None
    assert len(made) == len(body + boxes)
    assert [secret for secret in SECRETS if secret in made] == []
    assert pixels(made) == pixels(body)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_an_orientation_that_only_xmp_tells(kind: str) -> None:
    options: dict[str, Any] = {"xmp": xmp("<tiff:Orientation>8</tiff:Orientation>")}
    if kind == "PNG":
        info = PngInfo()
        info.add_itxt("XML:com.adobe.xmp", options.pop("xmp").decode())
        options["pnginfo"] = info
    body = saved(kind, **options)
    made = stripped(body)
    assert made is not None
    assert pixels(made) == pixels(body)
    assert np.asarray(pixels(made)[0]).shape[1:3] == (40, 24)


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"BM" + bytes(60), id="another format"),
        pytest.param(b"\x89PNG\r\n\x1a\n\xff\xff\xff\xffIDAT", id="a chunk beyond the end"),
        pytest.param(b"RIFF\x0c\0\0\0WEBP", id="no chunks"),
        pytest.param(b"RIFF\xff\0\0\0WEBPVP8X\xff\0\0\0", id="a chunk of RIFF beyond the end"),
        pytest.param(b"GIF89a" + bytes(7) + b"!\xfe\x09abc", id="blocks beyond the end"),
        pytest.param(b"\xff\xd8\xff\xe1\xff\xff", id="a segment beyond the end"),
        pytest.param(b"\xff\xd8" + b"\xff\xe1\0\2" * 100_001, id="too many segments"),
        pytest.param(b"\0\0\0\x08ftyp\0\0\0\xffmeta", id="a box beyond the end"),
        pytest.param(
            saved("PNG")[:40] + b"\0" + saved("PNG")[41:], id="a chunk nobody knows, and that is needed"
        ),
        pytest.param(saved("PNG")[:45] + b"\0" + saved("PNG")[46:], id="a wrong checksum"),
    ],
)
def test_what_is_not_clear_is_none(body: bytes) -> None:
    assert stripped(body) is None


@settings(deadline=None, max_examples=300)
@given(st.sampled_from(FORMATS), st.data())
def test_damage_never_raises(kind: str, data: st.DataObject) -> None:
    body = bytearray(telling(kind))
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(12, len(body) - 1))
        if data.draw(st.booleans()):
            body[at] = data.draw(st.integers(0, 255))
        else:
            del body[at : at + data.draw(st.integers(1, 9))]
    made = stripped(bytes(body))
    assert made is None or stripped(made) in (made, None)


@settings(deadline=None, max_examples=300)
@given(st.sampled_from(FORMATS), st.data())
def test_no_secret_is_spared_in_what_is_cut_off(kind: str, data: st.DataObject) -> None:
    body = telling(kind)
    made = stripped(body[: data.draw(st.integers(0, len(body)))])
    assert made is None or [secret for secret in SECRETS if secret in made] == []


@given(
    st.binary(max_size=300),
    st.sampled_from([b"\xff\xd8", b"\x89PNG\r\n\x1a\n", b"RIFF....WEBPVP8X", b"GIF89a", b"\0\0\0\x08ftyp"]),
)
def test_garbage_never_raises(garbage: bytes, head: bytes) -> None:
    stripped(head + garbage)
    stripped(garbage)
    credit_of(head + garbage, b"II*\0" + garbage)


def test_credits_are_bounded_and_no_markup() -> None:
    said = credit_of(
        b"\xff\xd8"
        + segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0" + xmp(f"<dc:rights>{'é&lt;' * 9_000}</dc:rights>"))
    )
    assert said.xmp.count("é".encode()) == MAX_TEXT // 2
    assert said.xmp.count(b"&lt;") == MAX_TEXT // 2
