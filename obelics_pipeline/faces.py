"""Where faces are in a picture, as a detector of one's own finds them. None is shipped, and none is downloaded.

Any model in the ONNX format is used as a small file describes it (``onnx_model.py``): those that give boxes and
scores, and YuNet, whose outputs have to be read by their strides.
"""

from __future__ import annotations

import math
from typing import Annotated, Final, Literal, Protocol, TypeAlias

import msgspec
import numpy as np
import numpy.typing as npt
from msgspec import Meta

from obelics_pipeline.blur import Box
from obelics_pipeline.config import convert, read_yaml_file
from obelics_pipeline.errors import ConfigError
from obelics_pipeline.image import Pixels
from obelics_pipeline.onnx_model import Floats, OnnxModel, PictureModel, loaded, model_digest

Boxes: TypeAlias = npt.NDArray[np.float64]
"""``[n, 4]``: left, top, right and bottom."""

_STRIDES: Final = (8, 16, 32)
"""Pixels between the cells of YuNet's three grids (W. Wu, H. Peng, S. Yu, "YuNet", 2023)."""


class FaceDetector(Protocol):
    """Finds faces. The same picture has the same boxes."""

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of what it looks at."""

    def boxes(self, pixels: Pixels, min_score: float) -> Boxes:
        """The faces of that score or more in an RGB picture of ``size``; what has no number for a score is one."""


class Detector(PictureModel, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The file that describes a detector.

    With ``outputs: boxes`` the model has an output named ``boxes``, ``[n, 4]``, ``corners`` and ``units`` say what the
    four are, and one named ``scores``, ``[n]`` or ``[n, classes]``, of which ``face`` is the column that counts.
    """

    outputs: Literal["boxes", "yunet"] = "boxes"
    boxes: str = "boxes"
    scores: str = "scores"
    face: Annotated[int, Meta(ge=0)] = 0
    corners: Literal["xyxy", "xywh", "cxcywh"] = "xyxy"
    units: Literal["relative", "pixels"] = "relative"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.outputs == "yunet" and any(side % _STRIDES[-1] for side in self.size):
            raise ValueError(f"size is {list(self.size)}; YuNet looks at multiples of {_STRIDES[-1]}")


class OnnxDetector:
    """A detector that ONNX Runtime computes.

    Args:
        path: of the file that describes it (``Detector``), YAML or JSON.
            ``ConfigError`` if it, or the model it names, cannot be used.
    """

    def __init__(self, path: str) -> None:
        self._about = about = _described(path)
        self._model = OnnxModel(path, about)
        try:
            self.boxes(np.zeros((*about.size, 3), np.uint8), 0.0)
        except (KeyError, ValueError, IndexError) as error:
            raise ConfigError(
                f"{path}: outputs: {about.model!r} does not give {about.outputs}: {error}; it has "
                f"{', '.join(self._model.names)}"
            ) from error

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of what it looks at."""
        return self._about.size

    def boxes(self, pixels: Pixels, min_score: float) -> Boxes:
        """The faces of that score or more in an RGB picture of ``size``; what has no number for a score is one."""
        found = self._model.outputs(pixels)
        read = _of_yunet if self._about.outputs == "yunet" else _of_boxes
        boxes, scores = read(found, self._about)
        kept: Boxes = boxes[~(scores < min_score)]  # also where the score is NaN
        return kept


def _of_boxes(found: dict[str, Floats], about: Detector) -> tuple[Boxes, Boxes]:
    boxes = found[about.boxes].astype(np.float64).reshape(-1, 4)
    if not len(boxes):
        return boxes, np.zeros(0)
    scores = found[about.scores].astype(np.float64).reshape(len(boxes), -1)[:, about.face]
    if about.units == "relative":
        height, width = about.size
        boxes = boxes * (width, height, width, height)
    if about.corners == "xyxy":
        return boxes, scores
    middle = 0.5 if about.corners == "cxcywh" else 0.0
    return _from_place(boxes[:, :2] - middle * boxes[:, 2:], boxes[:, 2:]), scores


def _of_yunet(found: dict[str, Floats], about: Detector) -> tuple[Boxes, Boxes]:
    height, width = about.size
    boxes, scores = [], []
    for stride in _STRIDES:
        rows, columns = np.divmod(np.arange(height // stride * (width // stride)), width // stride)
        box = found[f"bbox_{stride}"].astype(np.float64).reshape(len(rows), 4)
        sides = np.exp(np.minimum(box[:, 2:], 20.0)) * stride  # no face is wider; nothing overflows
        centres = (np.stack([columns, rows], axis=1) + box[:, :2]) * stride
        boxes.append(_from_place(centres - sides / 2, sides))
        parts = (found[f"{name}_{stride}"].astype(np.float64).reshape(len(rows)) for name in ("cls", "obj"))
        scores.append(np.sqrt(np.prod([np.clip(part, 0, 1) for part in parts], axis=0)))
    return np.concatenate(boxes), np.concatenate(scores)


def _from_place(corner: Boxes, sides: Boxes) -> Boxes:
    return np.concatenate([corner, corner + sides], axis=1)


def fitted(width: int, height: int, size: tuple[int, int]) -> tuple[int, int]:
    """Height and width of a picture that is made to fit into ``size`` (height, width), never larger than it is."""
    factor = min(1.0, size[0] / height, size[1] / width)
    return max(1, math.floor(height * factor)), max(1, math.floor(width * factor))


def padded(pixels: Pixels, size: tuple[int, int]) -> Pixels:
    """``pixels`` in the upper left corner of a black picture of ``size``."""
    made = np.zeros((*size, 3), np.uint8)
    made[: pixels.shape[0], : pixels.shape[1]] = pixels
    return made


def on_picture(boxes: Boxes, seen: tuple[int, int], width: int, height: int, margin: float) -> list[Box]:
    """``boxes`` on what was ``seen`` (height, width) as boxes on the picture, by ``margin`` of their sides wider.

    Without those that lie outside. A box that is no numbers is the whole picture: somewhere there is a face.
    """
    if not np.isfinite(boxes).all():
        return [(0, 0, width, height)]
    scale = np.array([width / seen[1], height / seen[0]] * 2)
    sides = np.tile(boxes[:, 2:] - boxes[:, :2], 2) * (-margin, -margin, margin, margin)
    limits = (width, height, width, height)
    made = np.clip((boxes + sides) * scale, 0, limits)
    corners = np.concatenate([np.floor(made[:, :2]), np.ceil(made[:, 2:])], axis=1).astype(int)
    return [
        (left, top, right, bottom)
        for left, top, right, bottom in corners.tolist()
        if left < right and top < bottom
    ]


def identity(path: str) -> list[object]:
    """What boxes depend on, for ``section_hash``: the bytes of the model, and how it is used."""
    about = _described(path)
    return [about.used(), model_digest(path, about)]


def _described(path: str) -> Detector:
    return convert(read_yaml_file(path), Detector, path)


def face_detector(path: str) -> FaceDetector:
    """The detector that ``path`` describes, loaded once per process; ``ConfigError`` as ``OnnxDetector``."""
    return loaded(OnnxDetector, path, _described(path))


class FaceOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How faces are found, and how much is blurred."""

    detector: str
    """The file that describes the detector (``Detector``)."""
    min_score: Annotated[float, Meta(ge=0, le=1)] = 0.5
    """What scores as much is a face. Low on purpose: a pattern that is blurred costs less than a face that is not."""
    margin: Annotated[float, Meta(ge=0, le=2)] = 0.2
    """How much wider than the box of a face what is blurred is, on each side: of its width or height."""
