"""What a classifier says of pictures: scores of thumbnails, by label, and whether one of them is too high.

Any classifier in the ONNX format is used as a small file describes it. None is shipped, and none is downloaded.
"""

from __future__ import annotations

import hashlib
import math
import os
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from importlib import import_module
from itertools import islice
from pathlib import Path
from threading import Lock
from typing import Annotated, Any, Final, Literal, Protocol, TypeAlias

import msgspec
import numpy as np
import numpy.typing as npt
from msgspec import Meta

from obelics_pipeline.config import convert, file_digest, read_yaml_file, suggestion
from obelics_pipeline.errors import ConfigError, RunFailed
from obelics_pipeline.image import Pixels

Floats: TypeAlias = npt.NDArray[np.float32]

UNSCORED: Final = "unscored"
"""In the place of a label, for pictures of which there is no score."""

BATCH: Final = 10_000_000
"""Bytes of the thumbnails that are held at a time: 66 of 224 by 224 pixels."""

Size: TypeAlias = Annotated[int, Meta(ge=1, le=4096)]
Channels: TypeAlias = tuple[float, float, float]


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


class Classifier(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The file that describes a classifier.

    ``model`` is the path of the ONNX file, from the folder of this one; ``sha256``, if given, what it has to be.
    ``labels`` name its outputs in order, ``limits`` the highest score that is still safe. A picture is resized to
    ``size`` (height, width) whatever its shape; its values, 0 to 255, become (value / ``scale`` - ``mean``) / ``std``,
    where ``mean`` and ``std`` are in the order of ``colours``. ``output`` says what the outputs are.
    """

    model: str
    labels: Annotated[tuple[str, ...], Meta(min_length=1)]
    limits: dict[str, float]
    sha256: str | None = None
    size: tuple[Size, Size] = (224, 224)
    layout: Literal["nhwc", "nchw"] = "nhwc"
    colours: Literal["rgb", "bgr"] = "rgb"
    scale: Annotated[float, Meta(gt=0)] = 255.0
    mean: Channels = (0.0, 0.0, 0.0)
    std: Channels = (1.0, 1.0, 1.0)
    output: Literal["probabilities", "logits", "sigmoid"] = "probabilities"

    def __post_init__(self) -> None:
        if len(set(self.labels)) < len(self.labels):
            raise ValueError("labels holds a name twice; each output has its own")
        if not self.limits:
            raise ValueError("limits is empty; name the labels that make a picture unsafe, with their limits")
        for label, limit in self.limits.items():
            if label not in self.labels:
                raise ValueError(f"limits: no label {suggestion(label, self.labels)}")
            if not 0 <= limit <= 1:
                raise ValueError(f"limits: {label} is {limit}; scores are 0 to 1")
        if not all(0 < part < math.inf for part in self.std):
            raise ValueError(f"std is {self.std}; each of the three is greater than 0")


def described(path: str) -> Classifier:
    """What the file at ``path`` says of a classifier; ``ConfigError`` if that is nothing that can be used."""
    return convert(read_yaml_file(path), Classifier, path)


def identity(path: str) -> list[object]:
    """What the scores of a classifier depend on, for ``section_hash``: the bytes of the model, and how it is used.

    Not its limits: other ones can be tried on the same scores. ``ConfigError`` as ``described``, or without a model.
    """
    about = described(path)
    used = {name: value for name, value in msgspec.structs.asdict(about).items() if name not in _OTHER}
    return [used, _digest(path, about)]


_OTHER: Final = frozenset({"model", "sha256", "limits"})
"""Of a description what says nothing of how a score comes about, or what the bytes of the model say better."""


def _model(path: str, about: Classifier) -> Path:
    return Path(path).parent / about.model


def _digest(path: str, about: Classifier) -> str:
    model = _model(path, about)
    try:
        return file_digest(str(model))
    except OSError as error:
        raise ConfigError(f"{path}: model: {str(model)!r} cannot be read ({error.strerror})") from error


class OnnxScorer:
    """A classifier that ONNX Runtime computes on the CPU, in one thread, one picture at a time.

    So scores depend neither on the batch nor on the number of workers, and a worker takes one core.

    Args:
        path: of the file that describes the classifier (``Classifier``), YAML or JSON.
            ``ConfigError`` if it, or the model it names, cannot be used.
    """

    def __init__(self, path: str) -> None:
        self._about = about = described(path)
        self._session = _session(path, about)
        inputs = self._session.get_inputs()
        if [(given.type, len(given.shape)) for given in inputs] != [("tensor(float)", 4)]:
            told = ", ".join(f"{given.name}: {given.type} {given.shape}" for given in inputs) or "nothing"
            raise ConfigError(
                f"{path}: model: {about.model!r} takes {told}; it has to take one batch of pictures, "
                "tensor(float) with 4 dimensions"
            )
        self._input = inputs[0].name
        self._channels = [2, 1, 0] if about.colours == "bgr" else [0, 1, 2]
        self._mean, self._std = (np.array(part, np.float32) for part in (about.mean, about.std))
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
        values = picture[:, :, self._channels].astype(np.float32) / np.float32(self._about.scale)
        values = (values - self._mean) / self._std
        if self._about.layout == "nchw":
            values = values.transpose(2, 0, 1)
        found = np.asarray(self._session.run(None, {self._input: np.ascontiguousarray(values)[None]})[0])
        return _probabilities(found.astype(np.float32).ravel(), self._about.output)

    def _check(self, path: str) -> None:
        """Try one picture, so that what does not fit is told before anything runs."""
        about = self._about
        try:
            found = self._outputs(np.zeros((*about.size, 3), np.uint8))
        except Exception as error:  # ONNX Runtime has classes for its errors, and promises none of them
            told = " ".join(str(error).split())[:200]
            raise ConfigError(
                f"{path}: model: {about.model!r} takes no picture of size {list(about.size)} in layout "
                f"{about.layout}: {told}"
            ) from error
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


def _session(path: str, about: Classifier) -> Any:
    """The model, ready to compute."""
    model = _model(path, about)
    try:
        content = model.read_bytes()
    except OSError as error:
        raise ConfigError(f"{path}: model: {str(model)!r} cannot be read ({error.strerror})") from error
    digest = hashlib.sha256(content).hexdigest()
    if about.sha256 is not None and about.sha256.lower() != digest:
        raise ConfigError(f"{path}: sha256 is another than that of {str(model)!r}, {digest}")
    runtime = _package()
    options = runtime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3  # errors
    try:
        return runtime.InferenceSession(os.fspath(model), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # as above
        told = " ".join(str(error).split())[:200]
        raise ConfigError(
            f"{path}: model: {str(model)!r} is no ONNX model that can be used: {told}"
        ) from error


def _package() -> Any:
    try:
        return import_module("onnxruntime")
    except ImportError as error:
        fix = "pip install 'obelics-builder[nsfw]'"
        raise ConfigError(f"classifiers of images need the package onnxruntime: {fix}") from error


def _probabilities(outputs: Floats, kind: str) -> Floats:
    """The scores that ``outputs`` mean; NaN, which is never safe, for what is none."""
    if kind == "logits":
        powers = np.exp(outputs - outputs.max())
        return np.asarray(powers / powers.sum(), np.float32)
    if kind == "sigmoid":
        return np.asarray(0.5 * (1 + np.tanh(0.5 * outputs)), np.float32)  # no overflow
    there = (outputs >= 0) & (outputs <= 1.001)  # sums of a softmax are rounded
    return np.where(there, outputs, np.float32(np.nan))


_LOCK: Final = Lock()


def onnx_scorer(path: str) -> OnnxScorer:
    """The scorer that the file at ``path`` describes, loaded once per process; ``ConfigError`` as ``OnnxScorer``."""
    versions = _digest(path, described(path)), file_digest(path)
    with _LOCK:
        return _load(path, versions)


@lru_cache(maxsize=2)
def _load(path: str, versions: tuple[str, str]) -> OnnxScorer:
    return OnnxScorer(path)


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
