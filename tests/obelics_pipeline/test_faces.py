"""Detectors of faces: boxes in every form, on the picture as it is, and what does not fit told at once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tiny_detectors import SIZE, always, boxes_by_colour, described

from obelics_pipeline.errors import ConfigError
from obelics_pipeline.faces import OnnxDetector, face_detector, fitted, identity, on_picture, padded

HEIGHT, WIDTH = SIZE
BOX = (24.0, 16.0, 48.0, 48.0)
RED, GREEN = ((np.full((HEIGHT, WIDTH, 3), colour, np.uint8)) for colour in ((255, 0, 0), (0, 255, 0)))


@pytest.mark.parametrize(
    ("box", "about"),
    [
        pytest.param((0.25, 0.25, 0.5, 0.75), {}, id="shares of the sides"),
        pytest.param(BOX, {"units": "pixels"}, id="pixels"),
        pytest.param((24, 16, 24, 32), {"units": "pixels", "corners": "xywh"}, id="a corner and sides"),
        pytest.param((36, 32, 24, 32), {"units": "pixels", "corners": "cxcywh"}, id="a centre and sides"),
    ],
)
def test_forms_of_boxes(
    tmp_path: Path, box: tuple[float, float, float, float], about: dict[str, Any]
) -> None:
    detector = OnnxDetector(described(tmp_path, boxes_by_colour(box, (0, 0, 1, 1)), **about))
    assert detector.boxes(RED, 0.5).tolist() == [pytest.approx(list(BOX), abs=1e-5)]
    assert len(detector.boxes(GREEN, 0.5)) == 1
    assert len(detector.boxes(RED, 0.0)) == 2
    assert detector.boxes(0 * RED, 0.5).shape == (0, 4)


def test_the_column_of_the_scores_that_counts(tmp_path: Path) -> None:
    content = always(boxes=[[BOX, BOX]], scores=[[[0.9, 0.1], [0.3, 0.7]]])
    detector = OnnxDetector(described(tmp_path, content, face=1, units="pixels"))
    assert len(detector.boxes(RED, 0.5)) == 1
    assert len(detector.boxes(RED, 0.8)) == 0


def test_yunet(tmp_path: Path) -> None:
    outputs: dict[str, Any] = {}
    for stride in (8, 16, 32):
        cells = HEIGHT // stride * (WIDTH // stride)
        outputs |= {f"{name}_{stride}": np.zeros((1, cells, 1)) for name in ("cls", "obj")}
        outputs[f"bbox_{stride}"] = np.zeros((1, cells, 4))
    place = 2 * (WIDTH // 16) + 3  # row 2, column 3 of the second grid
    outputs["cls_16"][0, place], outputs["obj_16"][0, place] = 0.81, 1.5  # more than 1 is 1
    outputs["bbox_16"][0, place] = (0.5, -0.5, np.log(2), np.log(3))
    detector = OnnxDetector(described(tmp_path, always(**outputs), outputs="yunet"))
    (found,) = detector.boxes(RED, 0.89).tolist()
    assert found == pytest.approx([3.5 * 16 - 16, 1.5 * 16 - 24, 3.5 * 16 + 16, 1.5 * 16 + 24], abs=1e-3)
    assert len(detector.boxes(RED, 0.91)) == 0


def test_what_has_no_number_for_a_score_is_a_face(tmp_path: Path) -> None:
    detector = OnnxDetector(described(tmp_path, always(boxes=[[BOX]], scores=[[np.nan]])))
    assert len(detector.boxes(RED, 1.0)) == 1


@pytest.mark.parametrize(
    ("content", "about", "message"),
    [
        (boxes_by_colour(BOX), {"model": "none.onnx"}, "cannot be read"),
        (boxes_by_colour(BOX), {"sha256": "0" * 64}, "sha256 is another"),
        (
            boxes_by_colour(BOX),
            {"boxes": "locations"},
            "does not give boxes: 'locations'; it has boxes, scores",
        ),
        (boxes_by_colour(BOX), {"outputs": "yunet"}, "does not give yunet"),
        (boxes_by_colour(BOX), {"face": 1}, "does not give boxes"),
        (boxes_by_colour(BOX), {"size": [WIDTH, HEIGHT]}, "takes no picture of size"),
        (boxes_by_colour(BOX), {"size": [48, 96], "outputs": "yunet"}, "multiples of 32"),
        (boxes_by_colour(BOX), {"std": [1, 0, 1]}, "greater than 0"),
        (boxes_by_colour(BOX), {"units": "percent"}, "write relative or pixels"),
        (b"no model", {}, "is no ONNX model"),
    ],
)
def test_what_does_not_fit_is_told_before_anything_runs(
    tmp_path: Path, content: bytes, about: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        OnnxDetector(described(tmp_path, content, **about))


def test_another_model_at_the_same_place_is_another_detector(tmp_path: Path) -> None:
    path = described(tmp_path, boxes_by_colour(BOX))
    first, before = face_detector(path), identity(path)
    assert face_detector(path) is first
    described(tmp_path, boxes_by_colour(BOX, BOX))
    assert face_detector(path) is not first
    assert identity(path) != before


@pytest.mark.parametrize(
    ("width", "height", "seen"),
    [
        pytest.param(960, 640, (64, 96), id="ten times as large"),
        pytest.param(960, 64, (6, 96), id="wide"),
        pytest.param(10, 6400, (64, 1), id="a thread"),
        pytest.param(20, 10, (10, 20), id="small ones stay"),
    ],
)
def test_pictures_fit(width: int, height: int, seen: tuple[int, int]) -> None:
    assert fitted(width, height, SIZE) == seen
    assert padded(np.ones((*seen, 3), np.uint8), SIZE).sum() == 3 * seen[0] * seen[1]


@pytest.mark.parametrize(
    ("box", "margin", "expected"),
    [
        pytest.param((10, 10, 20, 30), 0.0, [(100, 100, 200, 300)], id="to scale"),
        pytest.param((10, 10, 20, 30), 0.2, [(80, 60, 220, 340)], id="wider"),
        pytest.param((-5, 50, 5, 90), 0.0, [(0, 500, 50, 640)], id="cut at the edges"),
        pytest.param((200, 0, 210, 10), 0.0, [], id="outside"),
        pytest.param((10, 10, 10, 30), 0.2, [], id="without width"),
        pytest.param((10.01, 10, 10.02, 10.5), 0.0, [(100, 100, 101, 105)], id="whole pixels around it"),
        pytest.param((np.nan, 10, 20, 30), 0.2, [(0, 0, 960, 640)], id="no numbers: the whole picture"),
    ],
)
def test_boxes_on_the_picture(
    box: tuple[float, ...], margin: float, expected: list[tuple[int, int, int, int]]
) -> None:
    assert on_picture(np.array([box]), SIZE, 960, 640, margin) == expected
