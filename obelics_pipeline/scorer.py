"""What a classifier says of pictures: scores of thumbnails, by label, and whether one of them is too high.

Any classifier in the ONNX format is used as a small file describes it. None is shipped, and none is downloaded.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import Annotated, Final, Literal, Protocol

import numpy as np
from msgspec import Meta

from obelics_pipeline.config import convert, read_yaml_file, suggestion
from obelics_pipeline.errors import ConfigError, RunFailed
from obelics_pipeline.image import Pixels
from obelics_pipeline.onnx_model import Floats, OnnxModel, PictureModel, loaded, model_digest

UNSCORED: Final = "unscored"
"""In the place of a label, for pictures of which there is no score."""

BATCH: Final = 10_000_000
"""Bytes of the thumbnails that are held at a time: 66 of 224 by 224 pixels."""


class Scorer(Protocol):
    """Scores pictures by label. The same picture has the same scores, whatever else is in its batch."""

    @property
    def labels(self) -> tuple[str, ...]:
        """The names of the scores, in order."""

    @property
    def limits(self) -> Mapping[str, float]:
        """The highest score that is still safe, for the labels that have such."""

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the thumbnails it looks at."""

    def score(self, batch: Pixels) -> Floats:
        """The scores, ``[n, labels]``, of RGB thumbnails, ``[n, height, width, 3]``."""


class Classifier(PictureModel, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The file that describes a classifier; a picture is resized to ``size`` whatever its shape.

    ``labels`` name its outputs in order, ``limits`` the highest score that is still safe. ``output`` says what the
    outputs are.
    """

    labels: Annotated[tuple[str, ...], Meta(min_length=1)]
    limits: dict[str, float]
    output: Literal["probabilities", "logits", "sigmoid"] = "probabilities"

    def __post_init__(self) -> None:
        super().__post_init__()
        if len(set(self.labels)) < len(self.labels):
            raise ValueError("labels holds a name twice; each output has its own")
        if not self.limits:
            raise ValueError("limits is empty; name the labels that make a picture unsafe, with their limits")
        for label, limit in self.limits.items():
            if label not in self.labels:
                raise ValueError(f"limits: no label {suggestion(label, self.labels)}")
            if not 0 <= limit <= 1:
                raise ValueError(f"limits: {label} is {limit}; scores are 0 to 1")


def described(path: str) -> Classifier:
    """What the file at ``path`` says of a classifier; ``ConfigError`` if that is nothing that can be used."""
    return convert(read_yaml_file(path), Classifier, path)


def identity(path: str) -> list[object]:
    """What the scores of a classifier depend on, for ``section_hash``: the bytes of the model, and how it is used.

    Not its limits: other ones can be tried on the same scores. ``ConfigError`` as ``described``, or without a model.
    """
    about = described(path)
    return [about.used("limits"), model_digest(path, about)]


class OnnxScorer:
    """A classifier that ONNX Runtime computes; scores depend neither on the batch nor on the number of workers.

    Args:
        path: of the file that describes the classifier (``Classifier``), YAML or JSON.
            ``ConfigError`` if it, or the model it names, cannot be used.
    """

    def __init__(self, path: str) -> None:
        self._about = about = described(path)
        self._model = OnnxModel(path, about)
        self._check(path)

    @property
    def labels(self) -> tuple[str, ...]:
        """The names of the scores, in order."""
        return self._about.labels

    @property
    def limits(self) -> Mapping[str, float]:
        """The highest score that is still safe, for the labels that have such."""
        return self._about.limits

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the thumbnails it looks at."""
        return self._about.size

    def score(self, batch: Pixels) -> Floats:
        """The scores, ``[n, labels]``, of RGB thumbnails, ``[n, height, width, 3]``."""
        if batch.shape[1:] != (*self.size, 3) or batch.dtype != np.uint8:
            raise ValueError(f"thumbnails of {batch.dtype} {batch.shape[1:]}, not of uint8 {(*self.size, 3)}")
        rows = [self._outputs(picture) for picture in batch]
        return np.array(rows, np.float32).reshape(len(batch), len(self.labels))

    def _outputs(self, picture: Pixels) -> Floats:
        found = self._model.outputs(picture)[self._model.names[0]]
        return _probabilities(found.ravel(), self._about.output)

    def _check(self, path: str) -> None:
        """Try one picture, so that what does not fit is told before anything runs."""
        about = self._about
        found = self._outputs(np.zeros((*about.size, 3), np.uint8))
        if len(found) != len(about.labels):
            raise ConfigError(
                f"{path}: labels names {len(about.labels)}, {about.model!r} has {len(found)} outputs; "
                "name each, in order"
            )
        if not np.isfinite(found).all():
            raise ConfigError(
                f"{path}: output: {about.model!r} does not give {about.output} for a black picture; "
                "they may be logits (one label holds) or for a sigmoid (each for itself)"
            )


def _probabilities(outputs: Floats, kind: str) -> Floats:
    """The scores that ``outputs`` mean; NaN, which is never safe, for what is none."""
    if kind == "logits":
        powers = np.exp(outputs - outputs.max())
        return np.asarray(powers / powers.sum(), np.float32)
    if kind == "sigmoid":
        return np.asarray(0.5 * (1 + np.tanh(0.5 * outputs)), np.float32)  # no overflow
    there = (outputs >= 0) & (outputs <= 1.001)  # sums of a softmax are rounded
    return np.where(there, outputs, np.float32(np.nan))


def onnx_scorer(path: str) -> OnnxScorer:
    """The scorer that the file at ``path`` describes, loaded once per process; ``ConfigError`` as ``OnnxScorer``."""
    return loaded(OnnxScorer, path, described(path))


def scores_of(
    scorer: Scorer, thumbnails: Iterable[Pixels | None], batch: int | None = None
) -> Iterator[dict[str, float] | None]:
    """The scores of each thumbnail, by label; none of what could not be decoded, and is therefore none (``None``).

    ``batch`` are asked of the scorer at a time; unless told otherwise as many as have ``BATCH`` bytes.
    """
    waiting = iter(thumbnails)
    batch = batch or max(1, BATCH // (3 * scorer.size[0] * scorer.size[1]))
    while some := list(islice(waiting, batch)):
        there = [picture for picture in some if picture is not None]
        rows = iter(scorer.score(np.stack(there))) if there else iter(())
        for picture in some:
            if picture is None:
                yield None
            else:
                yield dict(zip(scorer.labels, map(float, next(rows)), strict=True))


def unsafe(scores: Mapping[str, float] | None, limits: Mapping[str, float]) -> str | None:
    """The first label whose score is above its limit, or is no number; ``UNSCORED`` without scores; None if safe.

    ``RunFailed`` if there is no score for a label that has a limit: the scores are those of another classifier.
    """
    if scores is None:
        return UNSCORED
    for label, limit in limits.items():
        if label not in scores:
            raise RunFailed(f"no score of {suggestion(label, scores)}; score the images again")
        if not scores[label] <= limit:
            return label
    return None


def highest(scores: Mapping[str, float] | None, labels: Iterable[str]) -> float | None:
    """The highest of the scores of ``labels``, NaN if one is that or is not there; None without scores or labels."""
    found = [scores.get(label, math.nan) for label in labels] if scores is not None else []
    return max(found, key=lambda score: (math.isnan(score), score), default=None)
