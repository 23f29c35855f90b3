"""The passes that need nothing but keys: addresses, equal texts, sets of images; paragraphs and images."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from hashlib import blake2b
from typing import Any, Final, TypeAlias

import msgspec

from beam_jobs.dedup.job import Job, columns, lists, ranks
from beam_jobs.shared_keys import Answers, Held, Source
from filters.dedup.edits import WHOLE, Edit, Edits
from filters.dedup.rank import id_of
from filters.dedup.shingles import KEY_BYTES

DOCUMENT, PARAGRAPH, IMAGE = b"d", b"p", b"i"
"""Kinds of keys."""

Keyed: TypeAlias = Callable[[Job, Source], Iterator[tuple[int, bytes, bytes]]]
"""Row, key and rank of each document of a part that has a key."""


def url_keys(job: Job, source: Source) -> Iterator[tuple[int, bytes, bytes]]:
    """Canonical addresses of all documents."""
    return _column_keys(source, "url_key", set())


def text_keys(job: Job, source: Source) -> Iterator[tuple[int, bytes, bytes]]:
    """The texts of the documents that ``url`` leaves."""
    return _column_keys(source, "text_key", job.gone(source.number, job.done("same_text")))


def _column_keys(source: Source, column: str, gone: set[int]) -> Iterator[tuple[int, bytes, bytes]]:
    table = columns(source.path, ("id", "order", column))
    for row, (own, key) in enumerate(
        zip(ranks(source, table), table.column(column).to_pylist(), strict=True)
    ):
        if key is not None and row not in gone:
            yield row, key, own


def set_keys(job: Job, source: Source) -> Iterator[tuple[int, bytes, bytes]]:
    """The sets of images of the documents that are left, without the images that are used too often."""
    gone, dropped = set[int](), set[tuple[int, int]]()
    for found in job.edits(source.number, job.done("image_set")):
        gone |= found.gone
        dropped |= {(edit.row, edit.node) for edit in found.edits if edit.rule == "image_frequency"}
    table = columns(source.path, ("id", "order", "image_nodes", "image_keys"))
    for row, (own, (nodes, keys)) in enumerate(
        zip(ranks(source, table), lists(table, "image_nodes", "image_keys"), strict=True)
    ):
        left = {key for node, key in zip(nodes, keys, strict=True) if (row, node) not in dropped}
        if left and row not in gone:
            yield row, blake2b(b"".join(sorted(left)), digest_size=KEY_BYTES).digest(), own


class OneStays(msgspec.Struct, frozen=True):
    """The pass of a rule by which one of the documents with a key stays."""

    rule: str
    keyed: Keyed

    def least(self, job: Job) -> dict[bytes, int]:
        """From how many documents on a key matters."""
        return {DOCUMENT: 2}

    def held(self, job: Job, source: Source) -> Held:
        """The keys of a part."""
        return ((DOCUMENT + key, own) for _, key, own in self.keyed(job, source))

    def decide(self, job: Job, source: Source, answers: Answers) -> Edits:
        """All but the first of each key go."""
        result = Edits()
        for row, key, own in self.keyed(job, source):
            answer = answers.get(DOCUMENT + key)
            if answer is None:
                continue
            if answer.first == own:
                result.copies[row] = answer.documents
            else:
                result.edits.append(Edit(row, WHOLE, self.rule, id_of(answer.first)))
        return result


class Nodes(msgspec.Struct, frozen=True):
    """The pass of the rules on single paragraphs and images.

    Pages are counted as ``url`` leaves them; the one that stays is one of those that ``url``, ``same_text`` and
    ``near_text`` leave (``image_set`` needs to know which images go, so it comes after).
    """

    def least(self, job: Job) -> dict[bytes, int]:
        """From how many documents on a paragraph or an image matters."""
        paragraph, image = job.options.repeated_paragraph, job.options.image_frequency
        never = 1 << 62
        return {
            PARAGRAPH: paragraph.min_pages if paragraph else never,
            IMAGE: image.max_documents + 1 if image else never,
        }

    def held(self, job: Job, source: Source) -> Held:
        """The paragraphs and images of a part, each once for a document."""
        gone = job.gone(source.number, job.done("nodes"))
        for row, own, paragraphs, images in _nodes(job, source):
            stays = b"" if row in gone else own
            counted = images if job.options.image_frequency else []
            for key in {key for _, key in paragraphs} | {key for _, key in counted}:
                yield key, stays

    def decide(self, job: Job, source: Source, answers: Answers) -> Edits:
        """Which nodes of the documents that stay go."""
        gone = job.gone(source.number, job.done("nodes"))
        edits: list[Edit] = []
        for row, own, paragraphs, images in _nodes(job, source):
            if row not in gone:
                edits += _paragraph_edits(job, row, own, paragraphs, answers)
                edits += _image_edits(job, row, own, images, answers)
        return Edits(edits)


def _nodes(job: Job, source: Source) -> Iterator[tuple[int, bytes, list[Any], list[Any]]]:
    """Row, rank, paragraphs and images (node, key with its kind) of the documents that ``url`` leaves."""
    names = ("paragraph_nodes", "paragraph_keys", "image_nodes", "image_keys")
    table = columns(source.path, ("id", "order", *names))
    older = job.gone(source.number, ("url",) if job.options.url else ())
    wants_paragraphs = job.options.repeated_paragraph
    wants_images = job.options.image_frequency or job.options.repeated_image
    for row, (own, found) in enumerate(zip(ranks(source, table), lists(table, *names), strict=True)):
        if row in older:
            continue
        paragraphs = _with_kind(PARAGRAPH, found[0], found[1]) if wants_paragraphs else []
        yield row, own, paragraphs, _with_kind(IMAGE, found[2], found[3]) if wants_images else []


def _with_kind(kind: bytes, nodes: list[int], keys: list[bytes]) -> list[tuple[int, bytes]]:
    return [(node, kind + key) for node, key in zip(nodes, keys, strict=True)]


def _paragraph_edits(
    job: Job, row: int, own: bytes, paragraphs: Iterable[tuple[int, bytes]], answers: Answers
) -> Iterator[Edit]:
    rule = job.options.repeated_paragraph
    seen: set[bytes] = set()
    for node, key in paragraphs:
        answer = answers.get(key)
        if answer is None or rule is None:
            continue
        stays = rule.keep == "one" and answer.first == own and key not in seen
        seen.add(key)
        if not stays:
            of = id_of(answer.first) if rule.keep == "one" and answer.first else None
            yield Edit(row, node, "repeated_paragraph", of, answer.documents, rule.min_pages, ">=")


def _image_edits(
    job: Job, row: int, own: bytes, images: Iterable[tuple[int, bytes]], answers: Answers
) -> Iterator[Edit]:
    frequency, repeated = job.options.image_frequency, job.options.repeated_image
    seen: set[bytes] = set()
    for node, key in images:
        answer = answers.get(key)
        if answer is not None and frequency is not None:
            yield Edit(row, node, "image_frequency", None, answer.documents, frequency.max_documents, ">")
        elif repeated is not None and key in seen:
            yield Edit(row, node, "repeated_image", id_of(own))
        seen.add(key)


URL: Final = OneStays("url", url_keys)
SAME_TEXT: Final = OneStays("same_text", text_keys)
IMAGE_SET: Final = OneStays("image_set", set_keys)
NODES: Final = Nodes()
KeyPass: TypeAlias = OneStays | Nodes
