"""Classifiers of images: tiny models of the ONNX format, made here, computed by ONNX Runtime."""

from __future__ import annotations

import hashlib
import math
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from classifiers import HEIGHT, LABELS, WIDTH, classifier, convolutions, means, model
from PIL import Image

from obelics_pipeline.errors import ConfigError, RunFailed
from obelics_pipeline.image import resized
from obelics_pipeline.scorer import UNSCORED, OnnxScorer, highest, onnx_scorer, scores_of, unsafe

RED, GREEN, BLUE, GREY = (255, 0, 0), (0, 255, 0), (0, 0, 255), (128, 128, 128)
PUBLISHED = {"porn": 0.85, "hentai": 0.9}
Make = Callable[..., str]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """Writes a model and what describes it; the path of the description."""

    return partial(classifier, tmp_path)


def plane(*colours: tuple[int, int, int]) -> Any:
    """A batch with a picture of each colour."""
    return np.stack([np.full((HEIGHT, WIDTH, 3), colour, np.uint8) for colour in colours])


def some(count: int) -> Any:
    return np.random.default_rng(1).integers(0, 256, (count, HEIGHT, WIDTH, 3), np.uint8)


def test_a_score_for_each_label_of_each_picture(make: Make) -> None:
    scorer = OnnxScorer(make(means()))
    scores = scorer.score(plane(RED, GREEN, BLUE, GREY))
    assert scores.dtype == np.float32
    assert scores.tolist() == [[1, 0, 0], [0, 1, 0], [0, 0, 1], pytest.approx([128 / 255] * 3)]
    assert (scorer.labels, scorer.limits, scorer.size) == (LABELS, {"red": 0.85}, (HEIGHT, WIDTH))
    assert scorer.score(plane(RED)[:0]).shape == (0, 3)


@pytest.mark.parametrize(
    ("layout", "about", "expected"),
    [
        pytest.param("nchw", {"layout": "nchw"}, [1, 0, 0.2], id="channels first"),
        pytest.param("nhwc", {"colours": "bgr"}, [0.2, 0, 1], id="blue first"),
        pytest.param("nhwc", {"scale": 510}, [0.5, 0, 0.1], id="half of the scale"),
        pytest.param("nhwc", {"mean": [0.5, 0, 0.1], "std": [1, 1, 0.5]}, [0.5, 0, 0.2], id="mean and std"),
        pytest.param(
            "nchw",
            {"layout": "nchw", "colours": "bgr", "mean": [0.1, 0, 0.5], "scale": 255.0},
            [0.1, 0, 0.5],
            id="the mean is in the order of the colours",
        ),
    ],
)
def test_what_the_model_is_given(
    make: Make, layout: str, about: dict[str, Any], expected: list[float]
) -> None:
    scorer = OnnxScorer(make(means(layout), **{"output": "sigmoid", **about}))
    found = scorer.score(plane((255, 0, 51)))[0]
    assert found.tolist() == pytest.approx([1 / (1 + math.exp(-value)) for value in expected], abs=1e-6)


@pytest.mark.parametrize(
    ("output", "expected"),
    [
        pytest.param("logits", [0.5, 0.25, 0.25], id="one label holds"),
        pytest.param("sigmoid", [2 / 3, 0.5, 0.5], id="each for itself"),
    ],
)
def test_outputs_become_probabilities(make: Make, output: str, expected: list[float]) -> None:
    scorer = OnnxScorer(make(means(matrix=np.eye(3) * math.log(2)), output=output))
    assert scorer.score(plane(RED))[0].tolist() == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("output", ["logits", "sigmoid"])
def test_large_outputs_do_not_overflow(make: Make, output: str) -> None:
    scorer = OnnxScorer(make(means(matrix=np.eye(3) * 1e30), output=output))
    assert scorer.score(plane(RED))[0].tolist()[0] == 1


def test_scores_depend_on_the_picture_alone(make: Make) -> None:
    path = make(convolutions(), layout="nchw", output="logits")
    pictures = some(33)
    scorer = OnnxScorer(path)
    whole = scorer.score(pictures)
    assert len(np.unique(whole, axis=0)) == 33
    assert np.array_equal(whole, np.concatenate([scorer.score(pictures[i : i + 1]) for i in range(33)]))
    assert np.array_equal(whole[::-1], scorer.score(pictures[::-1]))
    assert np.array_equal(whole, OnnxScorer(path).score(pictures))


def test_a_scorer_is_loaded_once(make: Make) -> None:
    path = make(means())
    assert onnx_scorer(path) is onnx_scorer(path)


def test_a_description_may_be_yaml(tmp_path: Path) -> None:
    content = means()
    (tmp_path / "tiny.onnx").write_bytes(content)
    path = tmp_path / "tiny.yaml"
    digest = hashlib.sha256(content).hexdigest()
    path.write_text(
        f"model: tiny.onnx  # beside this file\nsha256: {digest}\nlabels: [red, green, blue]\n"
        f"limits: {{red: 0.85, green: 0.9}}\nsize: [{HEIGHT}, {WIDTH}]\n"
    )
    assert OnnxScorer(str(path)).limits == {"red": 0.85, "green": 0.9}


@pytest.mark.parametrize(
    ("about", "message"),
    [
        ({"model": "none.onnx"}, "cannot be read"),
        ({"sha256": "0" * 64}, "sha256 is another"),
        ({"labels": ["red", "green"]}, "names 2, 'tiny.onnx' has 3 outputs"),
        ({"labels": ["red", "red", "blue"]}, "a name twice"),
        ({"limits": {}}, "limits is empty"),
        ({"limits": {"rde": 0.5}}, "no label 'rde'; did you mean 'red'"),
        ({"limits": {"red": 1.5}}, "scores are 0 to 1"),
        ({"limits": None}, "'limits' is missing"),
        ({"std": [1, 0, 1]}, "greater than 0"),
        ({"size": [WIDTH, HEIGHT]}, "takes no picture of size"),
        ({"layout": "nchw"}, "takes no picture of size"),
        ({"output": "softmax"}, "output is 'softmax'"),
        ({"mean": [3, 3, 3]}, "does not give probabilities"),
        ({"threshold": 1}, "no section 'threshold'"),
    ],
)
def test_what_does_not_fit_is_told_before_anything_runs(
    make: Make, about: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        OnnxScorer(make(means(), **about))


@pytest.mark.parametrize(
    "content", [b"", b"no model", b"\x08\x08\x12\x04tiny"], ids=["empty", "text", "no graph"]
)
def test_a_file_that_is_no_model(make: Make, content: bytes) -> None:
    with pytest.raises(ConfigError, match="is no ONNX model that can be used"):
        OnnxScorer(make(content))


def test_a_model_of_something_else(make: Make) -> None:
    node = onnx.helper.make_node("Identity", ["pictures"], ["scores"])
    with pytest.raises(ConfigError, match="one batch of pictures"):
        OnnxScorer(make(model([node], {}, ["n", 3], 3)))


def test_a_model_that_wants_more_than_pictures(make: Make) -> None:
    two = onnx.load_from_string(means())
    two.graph.input.append(onnx.helper.make_tensor_value_info("prompt", onnx.TensorProto.FLOAT, [1]))
    with pytest.raises(ConfigError, match=r"prompt: tensor\(float\) \[1\]; it has to take one batch"):
        OnnxScorer(make(two.SerializeToString()))


def test_without_the_package(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(ConfigError, match=r"pip install 'obelics-builder\[nsfw\]'"):
        OnnxScorer(make(means()))


def test_what_is_no_probability_is_never_safe(make: Make) -> None:
    for factor in (-1, 2):
        scores = OnnxScorer(make(means(matrix=factor * np.eye(3)))).score(plane(RED))
        assert np.isnan(scores[0, 0])
        assert unsafe(dict(zip(LABELS, map(float, scores[0]), strict=True)), {"red": 0.85}) == "red"


def test_thumbnails_of_another_size_are_a_mistake(make: Make) -> None:
    scorer = OnnxScorer(make(means()))
    for wrong in (np.zeros((1, WIDTH, HEIGHT, 3), np.uint8), np.zeros((1, HEIGHT, WIDTH, 3), np.float32)):
        with pytest.raises(ValueError, match="not of uint8"):
            scorer.score(wrong)


@pytest.mark.parametrize(
    ("image", "colour"),
    [
        pytest.param(Image.new("RGB", (40, 30), RED), RED, id="RGB"),
        pytest.param(Image.new("L", (3, 500), 128), GREY, id="grey, and narrow"),
        pytest.param(Image.new("I;16", (9, 9), 0x8080), GREY, id="16 bits"),
        pytest.param(Image.new("CMYK", (9, 9), (0, 255, 255, 0)), RED, id="CMYK"),
        pytest.param(Image.new("RGBA", (9, 9), (*RED, 255)), RED, id="opaque"),
        pytest.param(Image.new("RGBA", (9, 9), (*RED, 0)), (255, 255, 255), id="transparent is white"),
        pytest.param(Image.new("1", (1, 1), 1), (255, 255, 255), id="one pixel"),
        pytest.param(Image.new("RGB", (5000, 2), BLUE), BLUE, id="wide"),
    ],
)
def test_thumbnails(image: Image.Image, colour: tuple[int, int, int]) -> None:
    found = resized(image, (6, 4))
    assert (found.shape, found.dtype) == ((6, 4, 3), np.uint8)
    assert np.abs(found.astype(int) - colour).max() <= 1


def test_a_thumbnail_keeps_what_is_where() -> None:
    image = Image.new("RGB", (400, 200), RED)
    image.paste(BLUE, (200, 0, 400, 200))
    assert resized(image, (2, 4))[:, [0, 3]].tolist() == [[list(RED), list(BLUE)]] * 2


@pytest.mark.parametrize("batch", [1, 2, 64])
def test_what_could_not_be_decoded_has_no_scores(make: Make, batch: int) -> None:
    scorer = OnnxScorer(make(means()))
    red, green = plane(RED, GREEN)
    found = list(scores_of(scorer, [None, red, None, None, green], batch))
    on = {"red": 0.0, "green": 0.0, "blue": 0.0}
    assert found == [None, {**on, "red": 1.0}, None, None, {**on, "green": 1.0}]
    assert [unsafe(scores, scorer.limits) for scores in found] == [UNSCORED, "red", UNSCORED, UNSCORED, None]
    assert list(scores_of(scorer, [])) == []


@pytest.mark.parametrize(
    ("scores", "expected"),
    [
        pytest.param({"porn": 0.0, "hentai": 0.0, "drawings": 1.0}, None, id="safe"),
        pytest.param({"porn": 0.85, "hentai": 0.9}, None, id="at the limits"),
        pytest.param({"porn": 0.8501, "hentai": 0.0}, "porn", id="above the first"),
        pytest.param({"porn": 0.0, "hentai": 0.9001}, "hentai", id="above the second"),
        pytest.param({"porn": math.nan, "hentai": 0.0}, "porn", id="no number"),
        pytest.param(None, UNSCORED, id="not decodable"),
    ],
)
def test_unsafe(scores: dict[str, float] | None, expected: str | None) -> None:
    assert unsafe(scores, PUBLISHED) == expected


def test_scores_of_another_classifier_decide_nothing() -> None:
    with pytest.raises(RunFailed, match="no score of 'hentai'"):
        unsafe({"porn": 0.1}, PUBLISHED)


@pytest.mark.parametrize(
    ("scores", "labels", "expected"),
    [
        pytest.param({"porn": 0.25, "hentai": 0.5, "sexy": 1.0}, ("hentai", "porn"), 0.5, id="the highest"),
        pytest.param({"porn": 0.25}, (), None, id="no label has a limit"),
        pytest.param(None, ("porn",), None, id="no scores"),
        pytest.param({"porn": math.nan, "hentai": 0.5}, ("hentai", "porn"), math.nan, id="no number"),
        pytest.param({"hentai": 0.5}, ("hentai", "porn"), math.nan, id="not there"),
    ],
)
def test_the_highest_score(
    scores: dict[str, float] | None, labels: tuple[str, ...], expected: float | None
) -> None:
    assert highest(scores, labels) == pytest.approx(expected, nan_ok=True)
