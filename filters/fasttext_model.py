"""fastText classifiers: loaded once per process, looked up by path."""

from __future__ import annotations

import os
import re
import struct
from pathlib import Path
from threading import Lock
from typing import Any, Final

import fasttext  # type: ignore[import-untyped]
import msgspec

_PREFIX: Final = "__label__"
_ALL: Final = -1
_ANY_SCORE: Final = -1e-5
"""fastText leaves out labels below threshold + 1e-5, however many are asked for."""


_NO_TEXT: Final = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]+|__label__|</s>")


def as_line(text: str) -> str:
    """``text`` lower-cased on one line, without what fastText would not take for text.

    That is NUL, a label, its mark of a line's end, behind which it reads nothing, and half of a surrogate pair.
    """
    return " ".join(_NO_TEXT.sub(" ", text.lower()).split())


class Classifier(msgspec.Struct, frozen=True):
    """A fastText model of texts, and its labels without ``__label__``."""

    model: Any
    labels: frozenset[str]

    def predict(self, line: str, count: int = _ALL) -> list[tuple[str, float]]:
        """The ``count`` most probable labels, or all, each with its probability from 0 to 1.

        ``line`` has no line end. Nothing is found in a line of which the model knows no word.
        """
        labels, scores = self.model.predict(line, k=count, threshold=_ANY_SCORE)
        return [(bare(label), min(float(score), 1.0)) for label, score in zip(labels, scores, strict=True)]


def bare(label: str) -> str:
    """``label`` without the ``__label__`` by which fastText tells labels from words."""
    return label.removeprefix(_PREFIX)


_LOCK: Final = Lock()
_CLASSIFIERS: Final[dict[str, Classifier]] = {}


def classifier(path: str) -> Classifier:
    """The classifier at ``path``; ``ValueError`` if there is no such file, or it is none.

    A rule holds only the path, so that it can be sent to workers.
    """
    found = _CLASSIFIERS.get(path)
    if found is not None:
        return found
    with _LOCK:
        if path not in _CLASSIFIERS:
            _CLASSIFIERS[path] = _load(path)
        return _CLASSIFIERS[path]


def _load(path: str) -> Classifier:
    if not Path(path).is_file():
        raise ValueError(f"model: no file {path!r}; give the path of a fastText model (.bin or .ftz)")
    if not _whole(path):
        raise ValueError(f"model: {path!r} is no fastText classifier, or not all of it; give a whole one")
    try:
        model = fasttext.load_model(path)
        labels, _ = model.predict("a", k=_ALL, threshold=_ANY_SCORE)
    except (ValueError, RuntimeError, MemoryError) as error:
        raise ValueError(f"model: {path!r} is no fastText classifier ({error}); give one") from error
    return Classifier(model, frozenset(map(bare, labels)))


_DIMENSION_AT, _LABELS_AT, _HEAD = 8, 72, 76
"""Where version 12 of fastText's format has the size of a vector and the number of labels; what to read for it."""


def _whole(path: str) -> bool:
    """Whether the file ends as it should: in the matrix of labels, preceded by its height and width.

    fastText itself crashes on most files that are cut short, or reads them for ever. A model whose labels are
    quantized, too (``-qout``), ends otherwise and is not accepted.
    """
    with open(path, "rb") as file:
        head = file.read(_HEAD)
        if len(head) < _HEAD:
            return False
        (width,), (height,) = (struct.unpack_from("<i", head, at) for at in (_DIMENSION_AT, _LABELS_AT))
        end = struct.calcsize("<qq") + 4 * width * height
        if min(width, height) < 1 or end > os.path.getsize(path):
            return False
        file.seek(-end, os.SEEK_END)
        return file.read(struct.calcsize("<qq")) == struct.pack("<qq", height, width)
