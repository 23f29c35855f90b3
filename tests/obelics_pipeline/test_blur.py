"""What is blurred cannot be recognised, all else stays as it was, and nothing is encoded without need."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from obelics_pipeline.blur import CELLS, blurred
from obelics_pipeline.credit import credit_of
from obelics_pipeline.decoder import Decoder
from obelics_pipeline.embedded import embedded
from obelics_pipeline.image import ImageFacts, inspect

PIXELS = 64_000_000
BOX = (16, 8, 56, 48)
XMP = b"<x:xmpmeta><plus:DataMining>http://ns.useplus.org/ldf/vocab/DMI-PROHIBITED</plus:DataMining></x:xmpmeta>"


def noise(mode: str = "RGB", size: tuple[int, int] = (96, 64)) -> Image.Image:
    """Squares of 4 pixels, which formats with losses keep."""
    values = np.random.default_rng(3).integers(0, 256, (size[1] // 4, size[0] // 4, len(mode)), np.uint8)
    return Image.fromarray(values.squeeze(), mode).resize(size, Image.Resampling.NEAREST)


def saved(kind: str, image: Image.Image | None = None, **options: Any) -> bytes:
    stream = io.BytesIO()
    (image or noise()).save(stream, kind, **{"quality": 100, **options} if kind != "PNG" else options)
    return stream.getvalue()


def seen(body: bytes) -> Any:
    with Image.open(io.BytesIO(body)) as image:
        return np.asarray(image.convert("RGB")).astype(int)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF", "AVIF"])
def test_boxes_are_blurred_and_the_rest_stays(kind: str) -> None:
    body = saved(kind)
    made = blurred(body, PIXELS, [BOX])
    assert made is not None
    assert blurred(body, PIXELS, [BOX]) == made
    before, after = inspect(body, PIXELS), inspect(made, PIXELS)
    assert isinstance(before, ImageFacts)
    assert isinstance(after, ImageFacts)
    assert (before.format, before.width, before.height) == (after.format, after.width, after.height)
    left, top, right, bottom = BOX
    difference = np.abs(seen(made) - seen(body)).mean(axis=2)
    assert difference[top:bottom, left:right].mean() > 40
    outside = np.ones_like(difference, bool)
    outside[top - 8 : bottom + 8, left - 8 : right + 8] = False
    assert difference[outside].mean() < {"GIF": 8, "WEBP": 10}.get(kind, 3)  # 256 colours, coarse ones


def test_two_faces_of_the_same_coarse_colours_become_the_same() -> None:
    """What is left of a box are the means of its cells, so it cannot tell which of many it was."""
    side = 8 * CELLS
    fine = np.random.default_rng(4).integers(-20, 20, (CELLS, CELLS, 4, 4))
    fine = np.concatenate(
        [np.concatenate([fine, -fine], 2), np.concatenate([-fine, fine], 2)], 3
    )  # mean 0 in cells
    coarse = np.random.default_rng(5).integers(50, 200, (CELLS, CELLS, 1, 1))
    faces = [
        Image.fromarray((coarse + sign * fine).transpose(0, 2, 1, 3).reshape(side, side).astype(np.uint8))
        for sign in (0, 1, -1)
    ]
    made = {blurred(saved("PNG", face), PIXELS, [(0, 0, side, side)]) for face in faces}
    assert len(made) == 1


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "P", "CMYK", "1", "LA", "I;16", "PA"])
def test_modes(mode: str) -> None:
    kind = "JPEG" if mode == "CMYK" else "PNG"
    image = (
        Image.new("I;16", (96, 64), 40_000)
        if mode == "I;16"
        else noise().convert(mode if mode != "PA" else "P")
    )
    options = {"transparency": 3} if mode == "PA" else {}
    made = blurred(saved(kind, image, **options), PIXELS, [BOX, (0, 0, 96, 64), (95, 63, 96, 64)])
    assert made is not None
    assert isinstance(inspect(made, PIXELS), ImageFacts)


def test_without_boxes_it_is_the_same_file() -> None:
    for kind in ("JPEG", "PNG", "WEBP", "GIF", "AVIF"):
        body = saved(kind)
        assert blurred(body, PIXELS, []) == body


@pytest.mark.parametrize("kind", ["GIF", "PNG", "WEBP"])
def test_of_an_animation_the_frame_that_was_looked_at_stays(kind: str) -> None:
    body = saved(kind, noise(), save_all=True, append_images=[noise().rotate(90), noise().rotate(180)])
    for boxes in ([], [BOX]):
        made = blurred(body, PIXELS, boxes)
        assert made is not None
        with Image.open(io.BytesIO(made)) as image:
            assert getattr(image, "n_frames", 1) == 1


def test_boxes_are_those_of_the_upright_picture_and_it_stays_upright() -> None:
    exif = Image.Exif()
    exif[0x0112], exif[0x013B] = 6, "Ann"
    body = saved("JPEG", exif=exif, xmp=XMP)
    made = blurred(body, PIXELS, [(0, 0, 64, 20)])
    assert made is not None
    with Image.open(io.BytesIO(made)) as image:
        assert image.size == (64, 96)
        assert image.getexif().get(0x0112) is None
        assert image.getexif()[0x013B] == "Ann"
    assert np.abs(seen(made)[:20] - np.rot90(seen(body), -1)[:20]).mean() > 40
    assert embedded(made) == ("data-mining:DMI-PROHIBITED",)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "AVIF"])
def test_colours_and_statements_stay(kind: str) -> None:
    options: dict[str, Any] = {"icc_profile": b"\0" * 200}
    if kind == "PNG":
        options["pnginfo"] = PngInfo()
        options["pnginfo"].add_itxt("XML:com.adobe.xmp", XMP.decode())
    else:
        options["xmp"] = XMP
    made = blurred(saved(kind, **options), PIXELS, [BOX])
    assert made is not None
    assert credit_of(made).xmp.count(b"DMI-PROHIBITED") == 1
    with Image.open(io.BytesIO(made)) as image:
        assert image.info["icc_profile"] == b"\0" * 200


@pytest.mark.parametrize("body", [b"", b"GIF89a", saved("PNG")[:-300], saved("PNG", noise(size=(200, 400)))])
def test_what_is_no_image_cannot_be_blurred(body: bytes) -> None:
    assert blurred(body, 70_000, [BOX]) is None


def test_the_child_blurs_as_it_is_done_here() -> None:
    child = Decoder()
    try:
        for boxes in ([], [BOX], [BOX, (0, 0, 4, 4)]):
            assert child.blurred(saved("JPEG"), PIXELS, boxes) == blurred(saved("JPEG"), PIXELS, boxes)
        assert child.blurred(b"no image", PIXELS, [BOX]) is None
        assert child.inspect(saved("JPEG"), PIXELS) == inspect(saved("JPEG"), PIXELS)
    finally:
        child.close()


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(0, 90), st.integers(0, 60), st.integers(1, 96), st.integers(1, 64)), max_size=5
    )
)
def test_any_boxes(places: list[tuple[int, int, int, int]]) -> None:
    boxes = [(left, top, min(96, left + width), min(64, top + height)) for left, top, width, height in places]
    made = blurred(saved("PNG"), PIXELS, boxes)
    assert made is not None
    untouched = np.ones((64, 96), bool)
    for left, top, right, bottom in boxes:
        untouched[top:bottom, left:right] = False
    assert np.array_equal(seen(made)[untouched], seen(saved("PNG"))[untouched])
