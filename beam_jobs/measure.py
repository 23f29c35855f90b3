"""``obelics measure``: what the rules on texts measure in texts of any origin, and which rule refuses each."""

from __future__ import annotations

import gzip
import os
import sys
import zlib
from codecs import BOM_UTF8
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Annotated, Any, BinaryIO, Final, cast

import msgspec
from msgspec import UNSET, UnsetType

from beam_jobs import io
from beam_jobs.config import Config
from filters.base import Chain, Trial, refusal_of
from filters.image import ImageCount
from filters.language import Identified
from filters.lexicon import Lexicon, lexicon
from filters.rules import DocumentRules
from filters.subjects import Block, batches, blocks_of_each, content_of
from obelics_pipeline.config import suggestion
from obelics_pipeline.document import TEXT_KINDS, TextNode
from obelics_pipeline.errors import InputError

LEVELS: Final = ("paragraph", "document")
SEPARATOR: Final = "\n\n"
"""What stands between the blocks of a document."""

ROW_CHARACTERS: Final = 100
"""What a row counts for in a batch beside its text, so that empty texts do not gather without end."""

EXAMPLE: Final = '{"level": "paragraph", "text": "…"}'


class Row(msgspec.Struct, frozen=True):
    """A text to measure; other keys of its line are ignored.

    ``kind`` is that of a paragraph, whose text is one block. The blocks of a document stand between blank
    lines; ``images`` is how many it shows.
    """

    level: str
    text: str
    kind: str = "paragraph"
    images: Annotated[int, msgspec.Meta(ge=0)] | None = None
    id: msgspec.Raw | UnsetType = UNSET

    @property
    def nodes(self) -> list[TextNode]:
        """The blocks of the text: together they are all of it."""
        if self.level == "paragraph":
            return [TextNode(self.kind, self.text)]
        return [TextNode("paragraph", text) for text in self.text.split(SEPARATOR)]


_DECODER: Final = msgspec.json.Decoder(Row)


class Measured(msgspec.Struct, frozen=True):
    """A line of output: every measure, the first rule that refuses the text, and the others that would.

    A measure is null if its rule does not apply. ``value``, ``threshold`` and ``op`` are those of ``rejected_by``.
    """

    id: msgspec.Raw | UnsetType
    level: str
    measures: dict[str, Any]
    rejected_by: str | None = None
    value: float | None = None
    threshold: float | None = None
    op: str | None = None
    also: Sequence[str] = ()


def measure(place: str, config: Config, stage: str = "filter", out: BinaryIO | None = None) -> None:
    """Print a line of JSON for each line of the file ``place`` (``-`` is standard input), in order.

    Raises ``InputError`` that names the line for the first that is not understood.
    """
    out = out or sys.stdout.buffer
    encode = msgspec.json.Encoder().encode
    with _opened(place) as lines:
        rows = read_rows(lines, "standard input" if place == "-" else place)
        try:
            for measured in measure_rows(rows, config, stage):
                out.write(encode(measured) + b"\n")
            out.flush()
        except (
            BrokenPipeError
        ):  # who reads the output has seen enough; Python must not flush the rest at its end
            os.dup2(os.open(os.devnull, os.O_WRONLY), out.fileno())


@contextmanager
def _opened(place: str) -> Iterator[Iterable[bytes]]:
    if place == "-":
        yield sys.stdin.buffer
        return
    with io.reaching(place):
        if io.size(place) is None:
            raise InputError(f"{place}: no such file; name a file of lines such as {EXAMPLE}")
        stream = io.open_read(place)
    with stream:
        yield cast(BinaryIO, gzip.GzipFile(fileobj=stream)) if place.endswith(".gz") else stream


def read_rows(lines: Iterable[bytes], place: str) -> Iterator[Row]:
    """The rows in ``lines``; ``InputError`` naming ``place`` and the line.

    Blank lines are skipped, and the mark that some programs put before UTF-8.
    """
    for number, line in _numbered(lines, place):
        try:
            row = _row(line)
        except ValueError as error:
            raise InputError(f"{place}: line {number}: {error}; write {EXAMPLE}") from None
        yield row


def _numbered(lines: Iterable[bytes], place: str) -> Iterator[tuple[int, bytes]]:
    try:
        for number, line in enumerate(lines, 1):
            told = line.removeprefix(BOM_UTF8) if number == 1 else line
            if told.strip():
                yield number, told
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(f"{place}: cannot be read to its end: {error}") from error


def _row(line: bytes) -> Row:
    try:
        row = _DECODER.decode(line)
    except msgspec.ValidationError:
        raise
    except ValueError as error:
        raise ValueError(f"not JSON: {error}") from error
    if row.level not in LEVELS:
        raise ValueError(f"no level {suggestion(row.level, LEVELS)}")
    if row.kind not in TEXT_KINDS:
        raise ValueError(f"no kind of text {suggestion(row.kind, TEXT_KINDS)}")
    return row


def measure_rows(rows: Iterable[Row], config: Config, stage: str = "filter") -> Iterator[Measured]:
    """What the rules of ``stage`` (``filter`` or ``assemble``) measure in each row, and say to it."""
    section = getattr(config, stage)
    words = lexicon(config.text)
    for batch in batches(rows, lambda row: ROW_CHARACTERS + len(row.text)):
        blocks_of_all = blocks_of_each([row.nodes for row in batch], words)
        for row, mine in zip(batch, blocks_of_all, strict=True):
            if row.level == "paragraph":
                yield _measured(row, section.paragraph, section.paragraph.trials(mine[0], every=True))
            else:
                yield _measured(row, section.document, _document(row, mine, section.document, words))


def _document(row: Row, blocks: list[Block], rules: DocumentRules, words: Lexicon) -> list[Trial]:
    asked = rules
    if row.images is None:
        told = {name: rule for name, rule in rules.rules.items() if not isinstance(rule, ImageCount)}
        asked = DocumentRules(told)
    return asked.trials(content_of(blocks, words, row.images or 0), every=True)


def _measured(row: Row, chain: Chain[Any], trials: list[Trial]) -> Measured:
    rules: dict[str, Any] = chain.rules
    measures: dict[str, Any] = {rule.measures: None for rule in rules.values()}
    for trial in trials:
        value = trial.value
        if isinstance(value, Identified):
            measures["language"], value = value.language, value.score
        measures[rules[trial.rule].measures] = value
    others = [trial.rule for trial in trials if trial.breach is not None][1:]
    if (why := refusal_of(trials)) is None:
        return Measured(row.id, row.level, measures)
    return Measured(row.id, row.level, measures, why.rule, why.value, why.threshold, why.op, others)
