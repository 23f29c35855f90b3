"""How surprised a language model is by a text: high for lists, menus and word salad, low for prose like its own."""

from __future__ import annotations

import re
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from threading import Lock
from typing import Any, ClassVar, Final

import msgspec

from filters.base import Bounds
from filters.subjects import Text


class Perplexity(Bounds, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Keep texts that a language model finds neither stranger than ``max`` nor more predictable than ``min``.

    ``tokenizer`` is the path of a SentencePiece model, ``model`` that of a KenLM model (binary or ARPA) of its
    pieces. Does not apply to a text of no pieces. docs/perplexity.md tells how to train or get models.
    """

    model: str
    tokenizer: str

    measures: ClassVar[str] = "perplexity"
    files: ClassVar[tuple[str, ...]] = ("model", "tokenizer")

    def __post_init__(self) -> None:
        super().__post_init__()
        _models(self.model, self.tokenizer)

    def measure(self, subject: Text, /) -> float | None:
        """See ``perplexity``."""
        return perplexity(subject.text, self.model, self.tokenizer)


def perplexity(text: str, model: str, tokenizer: str) -> float | None:
    """How many pieces, on average, were as likely as the one that came: above 0; ``None`` for no pieces.

    10^(-s / n), where s is the sum of the lines' log10 probabilities and n that of their pieces, the end of each
    line counted as one: CCNet's measure (Wenzek et al. 2019, https://arxiv.org/abs/1911.00359), which OBELICS
    took over. Three differences from OBELICS, whose value for one line of ordinary text is the same:

    - every line is a sentence; there, line ends are deleted first and glue the words beside them;
    - a piece that spells a mark of the model (``<s>``) is unknown to it, and no free beginning;
    - the value is not rounded to a tenth.

    ``ValueError`` if a model cannot be used.
    """
    models = _models(model, tokenizer)
    score, length = 0.0, 0
    for line in lines(text):
        if tokens := models.pieces(line):
            score += models.score(" ".join(tokens))
            length += len(tokens) + 1
    if not length:
        return None
    return float(10 ** min(-score / length, _HIGHEST_EXPONENT))


_HIGHEST_EXPONENT: Final = 300.0
"""Some ARPA files give words a probability of 0; the value stays a finite number."""


def lines(text: str) -> list[str]:
    """The lines of ``text`` that are not blank, as models are trained on and asked for.

    As CCNet does it, but for case and accents, which OBELICS and its models keep: every digit is ``0``,
    typographic punctuation is the ASCII of the same meaning. Differences from both:

    - control characters, lone surrogates and all kinds of white space become spaces; there, control characters are
      deleted, so that words stick together;
    - ``１`` is no quotation mark, as the table of both has it, where it is without effect only because digits
      are replaced first.
    """
    text = _DIGIT.sub("0", text)
    text = _MARK.sub(lambda mark: _ASCII[mark[0]], text)
    return [line for raw in text.splitlines() if (line := _BLANK.sub(" ", raw).strip(" "))]


_ASCII: Final = {
    **dict.fromkeys("„”“«»」「《》", '"'),
    **dict.fromkeys("–━►", "-"),
    **dict(zip("，。、´’∶：？！（）；～〈〉【】％", ",.,''::?!();~<>[]%", strict=True)),
    "—": " - ",
    "．": ". ",
    "…": "...",
}
"""CCNet's table of punctuation, without its entry for a digit."""

_MARK: Final = re.compile(f"[{''.join(_ASCII)}]")
_DIGIT: Final = re.compile(r"\d")
_BLANK: Final = re.compile(r"[\s\x00-\x1f\x7f-\x9f\ufffc\ud800-\udfff]+")


class Models(msgspec.Struct, frozen=True):
    """A tokenizer and the language model of its pieces."""

    pieces: Callable[[str], list[str]]
    score: Callable[[str], float]


_LOCK: Final = Lock()
_MODELS: Final[dict[tuple[str, str], Models]] = {}
"""Loaded once per process, looked up by path: a rule holds only that, so that it can be sent to workers."""


def _models(model: str, tokenizer: str) -> Models:
    key = model, tokenizer
    models = _MODELS.get(key)
    if models is not None:
        return models
    with _LOCK:
        if key not in _MODELS:
            _MODELS[key] = _load(model, tokenizer)
        return _MODELS[key]


def _load(model: str, tokenizer: str) -> Models:
    _check_file("model", model, "a KenLM model (.binary or .arpa)")
    _check_file("tokenizer", tokenizer, "a SentencePiece model (.model)")
    language_model, processor = _language_model(model), _tokenizer(tokenizer)
    _check_pair(language_model, processor, model, tokenizer)

    def pieces(line: str) -> list[str]:
        found: list[str] = processor.encode_as_pieces(line)
        if _SENTENCE_MARKS.isdisjoint(found):
            return found
        return [_UNKNOWN if piece in _SENTENCE_MARKS else piece for piece in found]

    return Models(pieces, language_model.score)


_UNKNOWN: Final = "<unk>"
_SENTENCE_MARKS: Final = frozenset({"<s>", "</s>"})
"""What KenLM would not take for text. A tokenizer spells out characters that it does not know."""


def _language_model(path: str) -> Any:
    kenlm = _package("kenlm")
    config = kenlm.Config()
    config.load_method = (
        kenlm.LoadMethod.LAZY
    )  # pages of a binary are read when needed and shared by processes
    config.arpa_complain = kenlm.ARPALoadComplain.NONE
    config.show_progress = False
    try:
        return kenlm.Model(path, config)
    except OSError as error:
        raise ValueError(
            f"model: {path!r} is no KenLM model: {error}; give a .binary or .arpa file"
        ) from error
    except UnicodeDecodeError as error:  # KenLM quotes what it could not read
        raise ValueError(f"model: {path!r} is no KenLM model; give a .binary or .arpa file") from error


def _tokenizer(path: str) -> Any:
    sentencepiece = _package("sentencepiece")
    try:
        return sentencepiece.SentencePieceProcessor(model_file=path)
    except (OSError, RuntimeError) as error:
        raise ValueError(
            f"tokenizer: {path!r} is no SentencePiece model: {error}; give a .model file"
        ) from error


def _check_file(key: str, path: str, kind: str) -> None:
    if not Path(path).is_file():
        raise ValueError(f"{key}: no file {path!r}; give the path of {kind}")


def _package(name: str) -> Any:
    """An optional package, imported when first needed."""
    try:
        return import_module(name)
    except ImportError as error:
        raise ValueError(
            "perplexity needs kenlm and sentencepiece: pip install 'obelics-builder[lm]'"
        ) from error


def _check_pair(language_model: Any, processor: Any, model: str, tokenizer: str) -> None:
    """Raise ``ValueError`` if the model was not trained on the pieces of this tokenizer."""
    pieces = [
        processor.id_to_piece(index)
        for index in range(min(len(processor), _CHECKED))
        if _is_text(processor, index)
    ]
    known = sum(piece in language_model for piece in pieces)
    if known < _ENOUGH * len(pieces):
        raise ValueError(
            f"model: {model!r} knows {known} of the first {len(pieces)} pieces of {tokenizer!r}; "
            "give two files that were trained together"
        )


_CHECKED: Final = 1000
"""Pieces stand in order of frequency: a model trained on them knows nearly all of the first ones, one of words or
of another language's pieces little more than letters and signs."""
_ENOUGH: Final = 0.2


def _is_text(processor: Any, index: int) -> bool:
    return not (processor.is_control(index) or processor.is_unknown(index) or processor.is_byte(index))
