"""Models that look at pictures, in the ONNX format, as small files describe them. None is shipped or downloaded."""

from __future__ import annotations

import hashlib
import math
import os
from collections.abc import Callable
from functools import lru_cache
from importlib import import_module
from pathlib import Path
from threading import Lock
from typing import Annotated, Any, Final, Literal, TypeAlias, TypeVar

import msgspec
import numpy as np
import numpy.typing as npt
from msgspec import Meta

from obelics_pipeline.config import file_digest
from obelics_pipeline.errors import ConfigError
from obelics_pipeline.image import Pixels

T = TypeVar("T")
Floats: TypeAlias = npt.NDArray[np.float32]
Size: TypeAlias = Annotated[int, Meta(ge=1, le=4096)]
Channels: TypeAlias = tuple[float, float, float]


class PictureModel(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How a model is given pictures.

    ``model`` is the path of the ONNX file, from the folder of the description; ``sha256``, if given, what it has to be.
    ``size`` is height and width of what it looks at. The values of a picture, 0 to 255, become
    (value / ``scale`` - ``mean``) / ``std``, where ``mean`` and ``std`` are in the order of ``colours``.
    """

    model: str
    sha256: str | None = None
    size: tuple[Size, Size] = (224, 224)
    layout: Literal["nhwc", "nchw"] = "nhwc"
    colours: Literal["rgb", "bgr"] = "rgb"
    scale: Annotated[float, Meta(gt=0)] = 255.0
    mean: Channels = (0.0, 0.0, 0.0)
    std: Channels = (1.0, 1.0, 1.0)

    def __post_init__(self) -> None:
        if not all(0 < part < math.inf for part in self.std):
            raise ValueError(f"std is {self.std}; each of the three is greater than 0")

    def used(self, *without: str) -> dict[str, Any]:
        """What the outputs depend on besides the bytes of the model, for ``section_hash``; ``without`` these fields."""
        named = {"model", "sha256", *without}
        return {name: value for name, value in msgspec.structs.asdict(self).items() if name not in named}


def model_path(path: str, about: PictureModel) -> Path:
    """Where the model is that the description at ``path`` names."""
    return Path(path).parent / about.model


def model_digest(path: str, about: PictureModel) -> str:
    """Digits that only models of the same bytes share; ``ConfigError`` if there is none."""
    model = model_path(path, about)
    try:
        return file_digest(str(model))
    except OSError as error:
        raise ConfigError(f"{path}: model: {str(model)!r} cannot be read ({error.strerror})") from error


class OnnxModel:
    """A model that ONNX Runtime computes on the CPU, in one thread, one picture at a time.

    So outputs depend neither on a batch nor on the number of workers, and a worker takes one core.

    Args:
        path: of the file that describes it, for messages, and from which ``about.model`` is found.
        about: what that file says. ``ConfigError`` if the model cannot be used so: a black picture is tried.
    """

    def __init__(self, path: str, about: PictureModel) -> None:
        self._about = about
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
        self.names: Final[tuple[str, ...]] = tuple(output.name for output in self._session.get_outputs())
        """The names of the outputs, in order."""
        try:
            self.outputs(np.zeros((*about.size, 3), np.uint8))
        except Exception as error:  # ONNX Runtime has classes for its errors, and promises none of them
            told = " ".join(str(error).split())[:200]
            raise ConfigError(
                f"{path}: model: {about.model!r} takes no picture of size {list(about.size)} in layout "
                f"{about.layout}: {told}"
            ) from error

    def outputs(self, picture: Pixels) -> dict[str, Floats]:
        """What the model says of an RGB picture, ``[height, width, 3]``, by the names of its outputs."""
        values = picture[:, :, self._channels].astype(np.float32) / np.float32(self._about.scale)
        values = (values - self._mean) / self._std
        if self._about.layout == "nchw":
            values = values.transpose(2, 0, 1)
        found = self._session.run(None, {self._input: np.ascontiguousarray(values)[None]})
        return {
            name: np.asarray(part).astype(np.float32) for name, part in zip(self.names, found, strict=True)
        }


_LOCK: Final = Lock()


def loaded(make: Callable[[str], T], path: str, about: PictureModel) -> T:
    """``make(path)``, once per process as long as the description and its model are the same files."""
    versions = model_digest(path, about), file_digest(path)
    with _LOCK:
        made: T = _load(make, path, versions)
        return made


@lru_cache(maxsize=4)
def _load(make: Callable[[str], Any], path: str, versions: tuple[str, str]) -> Any:
    return make(path)


def _session(path: str, about: PictureModel) -> Any:
    """The model, ready to compute."""
    model = model_path(path, about)
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
        raise ConfigError(f"models that look at images need the package onnxruntime: {fix}") from error
