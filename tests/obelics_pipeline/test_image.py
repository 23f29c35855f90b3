from __future__ import annotations

import random
import tarfile
import warnings
from io import BytesIO
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pytest
from faultserver import GIF, HTML, JPEG, PNG, WEBP, picture, png_of
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from obelics_pipeline.fetch_types import FetchStatus
from obelics_pipeline.image import ImageFacts, inspect, thumbnail

PIXELS = 1_000_000
AVIF = picture("AVIF")


def orientation(value: int) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = value
    return exif.tobytes()


def turned(kind: str, value: int) -> bytes:
    return picture(kind, exif=orientation(value))


def animated(kind: str) -> bytes:
    frames = [Image.new("RGB", (64, 48), colour) for colour in ("red", "green", "blue")]
    file = BytesIO()
    frames[0].save(file, kind, save_all=True, append_images=frames[1:])
    return file.getvalue()


def progressive() -> bytes:
    return picture("JPEG", (640, 480), progressive=True)


def facts(name: str, width: int = 64, height: int = 48) -> ImageFacts:
    return ImageFacts(name, width, height)


IMAGES = [
    pytest.param(JPEG, facts("jpeg"), id="jpeg"),
    pytest.param(progressive(), facts("jpeg", 640, 480), id="progressive jpeg"),
    pytest.param(picture("JPEG", mode="CMYK"), facts("jpeg"), id="CMYK jpeg"),
    pytest.param(picture("JPEG", mode="L"), facts("jpeg"), id="grey jpeg"),
    pytest.param(picture("JPEG", (1, 1)), facts("jpeg", 1, 1), id="jpeg of one pixel"),
    pytest.param(animated("MPO"), facts("jpeg"), id="jpeg of several pictures"),
    pytest.param(JPEG + b"PK\x03\x04" * 1000, facts("jpeg"), id="jpeg with something behind"),
    pytest.param(PNG, facts("png"), id="png"),
    pytest.param(png_of(64, 48, bits=1), facts("png"), id="1-bit png"),
    pytest.param(png_of(64, 48, bits=16), facts("png"), id="16-bit grey png"),
    pytest.param(png_of(64, 48, bits=16, colour=2), facts("png"), id="16-bit png"),
    pytest.param(picture("PNG", mode="P"), facts("png"), id="png with a palette"),
    pytest.param(animated("PNG"), facts("png"), id="animated png"),
    pytest.param(WEBP, facts("webp"), id="webp"),
    pytest.param(picture("WEBP", lossless=True), facts("webp"), id="lossless webp"),
    pytest.param(animated("WEBP"), facts("webp"), id="animated webp"),
    pytest.param(GIF, facts("gif"), id="gif"),
    pytest.param(animated("GIF"), facts("gif"), id="animated gif"),
    pytest.param(AVIF, facts("avif"), id="avif"),
    pytest.param(turned("JPEG", 1), facts("jpeg"), id="jpeg upright"),
    pytest.param(turned("JPEG", 3), facts("jpeg"), id="jpeg upside down"),
    pytest.param(turned("JPEG", 6), facts("jpeg", 48, 64), id="jpeg on its side"),
    pytest.param(turned("JPEG", 99), facts("jpeg"), id="jpeg with an impossible orientation"),
    pytest.param(turned("PNG", 8), facts("png", 48, 64), id="png on its side"),
    pytest.param(turned("WEBP", 5), facts("webp", 48, 64), id="webp on its side"),
    pytest.param(png_of(1000, 1000), facts("png", 1000, 1000), id="as many pixels as allowed"),
]

NO_IMAGES = [
    pytest.param(b"", FetchStatus.NOT_IMAGE, id="nothing"),
    pytest.param(HTML, FetchStatus.NOT_IMAGE, id="html"),
    pytest.param(b"<svg/>", FetchStatus.NOT_IMAGE, id="svg"),
    pytest.param(picture("TIFF"), FetchStatus.NOT_IMAGE, id="tiff"),
    pytest.param(picture("ICO", (32, 32)), FetchStatus.NOT_IMAGE, id="icon"),
    pytest.param(picture("BMP"), FetchStatus.NOT_IMAGE, id="bmp"),
    pytest.param(b"RIFF\x00\x00\x00\x00WAVEfmt ", FetchStatus.NOT_IMAGE, id="sound"),
    pytest.param(JPEG[:-2], FetchStatus.UNDECODABLE, id="jpeg without its end"),
    pytest.param(progressive()[:2000], FetchStatus.UNDECODABLE, id="half a progressive jpeg"),
    pytest.param(JPEG[:3], FetchStatus.UNDECODABLE, id="three bytes of a jpeg"),
    pytest.param(PNG[: len(PNG) // 2], FetchStatus.UNDECODABLE, id="half a png"),
    pytest.param(PNG[:8] + HTML, FetchStatus.UNDECODABLE, id="html behind a png's first bytes"),
    pytest.param(WEBP[: len(WEBP) // 2], FetchStatus.UNDECODABLE, id="half a webp"),
    pytest.param(GIF[: len(GIF) // 2], FetchStatus.UNDECODABLE, id="half a gif"),
    pytest.param(AVIF[: len(AVIF) // 2], FetchStatus.UNDECODABLE, id="half an avif"),
    pytest.param(png_of(1000, 1001), FetchStatus.TOO_MANY_PIXELS, id="a line too many"),
    pytest.param(png_of(12000, 12000), FetchStatus.TOO_MANY_PIXELS, id="more than Pillow warns at"),
    pytest.param(png_of(30000, 30000), FetchStatus.TOO_MANY_PIXELS, id="more than Pillow opens"),
]


@pytest.mark.parametrize("error", [RuntimeError, KeyError, MemoryError, ZeroDivisionError])
def test_whatever_a_decoder_raises_is_a_value(
    error: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(image: Image.Image) -> None:
        raise error

    monkeypatch.setattr(Image.Image, "getexif", failing)
    assert inspect(PNG, PIXELS) is FetchStatus.UNDECODABLE


@pytest.mark.parametrize(("body", "expected"), IMAGES + NO_IMAGES)
def test_inspect(body: bytes, expected: ImageFacts | FetchStatus) -> None:
    assert inspect(body, PIXELS) == expected


def assert_readers_agree(body: bytes) -> None:
    """What ``inspect`` calls an image is decoded by ``datasets``, in full and to the size it said."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow's about damaged metadata
        found = inspect(body, PIXELS)
        if isinstance(found, ImageFacts):
            image = datasets.Image().decode_example({"path": None, "bytes": body})
            assert image.size == (found.width, found.height)


@pytest.mark.parametrize(("body", "expected"), IMAGES)
def test_datasets_decodes_what_passes(body: bytes, expected: ImageFacts) -> None:
    assert_readers_agree(body)


SEEDS = [*(parameter.values[0] for parameter in IMAGES[:-1])]


@given(st.sampled_from(SEEDS), st.randoms(use_true_random=False), st.integers(1, 30))
def test_damaged_images_pass_only_if_readers_decode_them(
    body: bytes, chance: random.Random, damages: int
) -> None:
    damaged = bytearray(body)
    for _ in range(damages):
        where = chance.randrange(len(damaged))
        if chance.random() < 0.2:
            del damaged[where : where + chance.randrange(1, 8)]
        else:  # headers are where most goes wrong
            damaged[where if chance.random() < 0.5 else where % 200 % len(damaged)] = chance.randrange(256)
        if not damaged:
            break
    assert_readers_agree(bytes(damaged))


@given(
    st.sampled_from([b"", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF89a", b"RIFF____WEBPVP8 "]), st.binary()
)
def test_any_bytes_are_judged(start: bytes, rest: bytes) -> None:
    assert_readers_agree(start + rest)


def test_real_images_pass(test_data: Path) -> None:
    with tarfile.open(test_data / "data" / "debdocs_mini.tar") as tar:
        members = [member for member in tar if member.name.lower().endswith((".png", ".jpg", ".gif"))]
        bodies = [file.read() for member in members if (file := tar.extractfile(member))]
    assert len(bodies) == 174
    for body in bodies:
        assert isinstance(inspect(body, PIXELS * 64), ImageFacts)
        assert_readers_agree(body)


RED, BLUE = (254, 0, 0), (0, 0, 254)


def halves(kind: str, size: tuple[int, int] = (2000, 1000), **options: Any) -> bytes:
    """Red on the left, blue on the right."""
    image, file = Image.new("RGB", size, RED), BytesIO()
    image.paste(BLUE, (size[0] // 2, 0, *size))
    image.save(file, kind, **options)
    return file.getvalue()


@pytest.mark.parametrize(
    ("body", "corners"),
    [
        pytest.param(halves("JPEG"), (RED, BLUE, RED, BLUE), id="a jpeg that decodes smaller"),
        pytest.param(halves("JPEG", (8, 4)), (RED, BLUE, RED, BLUE), id="a jpeg smaller than the thumbnail"),
        pytest.param(halves("PNG"), (RED, BLUE, RED, BLUE), id="png"),
        pytest.param(halves("WEBP", lossless=True), (RED, BLUE, RED, BLUE), id="webp"),
        pytest.param(halves("JPEG", exif=orientation(3)), (BLUE, RED, BLUE, RED), id="upside down"),
        pytest.param(halves("JPEG", exif=orientation(6)), (RED, RED, BLUE, BLUE), id="on its side"),
        pytest.param(png_of(20, 20, bits=8, colour=6), ((255,) * 3,) * 4, id="on white"),
    ],
)
def test_a_thumbnail_is_the_upright_picture_in_colour(body: bytes, corners: tuple[Any, ...]) -> None:
    found = thumbnail(body, 10_000_000, (10, 20))
    assert found is not None
    assert (found.shape, found.dtype) == ((10, 20, 3), np.uint8)
    seen = found[[0, 0, -1, -1], [0, -1, 0, -1]].astype(int)
    assert np.abs(seen - corners).max() < 20


@pytest.mark.parametrize(
    "body", [HTML, b"", PNG[: len(PNG) // 2], JPEG[: len(JPEG) // 2], png_of(2000, 2000)]
)
def test_there_is_no_thumbnail_where_there_is_no_image(body: bytes) -> None:
    assert thumbnail(body, PIXELS, (10, 20)) is None
    assert isinstance(inspect(body, PIXELS), FetchStatus)
