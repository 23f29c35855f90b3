"""Addresses of files on Wikimedia's servers."""

from __future__ import annotations

import pytest

from obelics_pipeline.document import ImageNode
from obelics_pipeline.wikimedia.files import full_size, is_picture

U = "https://upload.wikimedia.org/wikipedia"


@pytest.mark.parametrize(
    ("shown", "width", "full", "candidates"),
    [
        pytest.param(
            "commons/thumb/a/ab/N.jpg/220px-N.jpg",
            3000,
            "commons/a/ab/N.jpg",
            ["commons/thumb/a/ab/N.jpg/960px-N.jpg", "commons/thumb/a/ab/N.jpg/220px-N.jpg"],
            id="a photograph",
        ),
        pytest.param(
            "commons/thumb/a/ab/N.jpg/220px-N.jpg",
            960,
            "commons/a/ab/N.jpg",
            ["commons/thumb/a/ab/N.jpg/220px-N.jpg"],
            id="a photograph as wide as the rendering",
        ),
        pytest.param(
            "de/thumb/a/ab/N.PNG/220px-N.PNG",
            None,
            "de/a/ab/N.PNG",
            ["de/thumb/a/ab/N.PNG/220px-N.PNG"],
            id="of one language, of unknown width",
        ),
        pytest.param(
            "commons/thumb/archive/a/ab/20200101!N.gif/99px-N.gif",
            None,
            "commons/archive/a/ab/20200101!N.gif",
            ["commons/thumb/archive/a/ab/20200101!N.gif/99px-N.gif"],
            id="an old version",
        ),
        pytest.param(
            "commons/thumb/a/ab/Long.jpg/220px-thumbnail.jpg?2020",
            1000,
            "commons/a/ab/Long.jpg",
            ["commons/thumb/a/ab/Long.jpg/960px-thumbnail.jpg", "commons/thumb/a/ab/Long.jpg/220px-thumbnail.jpg?2020"],
            id="a name too long for a thumbnail, with a version",
        ),
        pytest.param("commons/a/ab/N.jpg", 90, "commons/a/ab/N.jpg", [], id="the file itself"),
        pytest.param(
            "commons/thumb/a/ab/N.svg/23px-N.svg.png",
            None,
            "commons/thumb/a/ab/N.svg/960px-N.svg.png",
            ["commons/thumb/a/ab/N.svg/23px-N.svg.png"],
            id="a drawing",
        ),
        pytest.param(
            "commons/a/ab/N.svg", 50, "commons/thumb/a/ab/N.svg/960px-N.svg.png", ["commons/a/ab/N.svg"], id="SVG"
        ),
        pytest.param(
            "commons/thumb/a/ab/N.tif/lossy-page1-250px-N.tif.jpg",
            5000,
            "commons/thumb/a/ab/N.tif/lossy-page1-960px-N.tif.jpg",
            ["commons/thumb/a/ab/N.tif/lossy-page1-250px-N.tif.jpg"],
            id="TIFF",
        ),
        pytest.param(
            "commons/thumb/a/ab/N.pdf/page3-250px-N.pdf.jpg",
            600,
            "commons/thumb/a/ab/N.pdf/page3-250px-N.pdf.jpg",
            [],
            id="a page of a document that is no wider",
        ),
        pytest.param("en/timeline/0a.png", None, "en/timeline/0a.png", [], id="another kind of picture"),
    ],
)  # fmt: skip
def test_full_size(shown: str, width: int | None, full: str, candidates: list[str]) -> None:
    image = full_size(ImageNode(f"{U}/{shown}", "src", alt="a"), width)
    assert (image.src_raw, image.alt) == ("src", "a")
    assert [image.url, *image.candidates] == [f"{U}/{each}" for each in (full, *candidates)]


def test_of_the_sizes_that_a_page_offers_the_largest_is_kept() -> None:
    thumbs = [f"{U}/commons/thumb/a/ab/N.{{0}}/page1-{n}px-N.{{0}}.jpg" for n in (300, 225, 150)]
    for kind, first in (("djvu", []), ("jpg", [f"{U}/commons/a/ab/N.jpg"])):
        two, one_and_a_half, one = (thumb.format(kind) for thumb in thumbs)
        image = full_size(ImageNode(one, candidates=(two, one_and_a_half)), None)
        assert [image.url, *image.candidates] == [*first, two, one]


@pytest.mark.parametrize(
    ("url", "kept"),
    [
        (f"{U}/commons/thumb/a/ab/N.jpg/220px-N.jpg", True),
        (f"{U}/en/timeline/0a.png", True),
        (f"{U}/commons/thumb/a/ab/N.webm/220px--N.webm.jpg", False),
        (f"{U}/commons/thumb/a/ab/N.OGV/220px--N.OGV.jpg", False),
        ("https://wikimedia.org/api/rest_v1/media/math/render/svg/0a", False),
        ("https://maps.wikimedia.org/img/osm-intl,13,56,8,300x200.png", False),
        ("https://en.wikipedia.org/static/images/icons/x.png", False),
    ],
)
def test_is_picture(url: str, kept: bool) -> None:
    assert is_picture(url) is kept
