"""What deduplication knows of a document: keys under which duplicates meet. Later passes read nothing else."""

from __future__ import annotations

from hashlib import blake2b
from typing import Final

import msgspec
import numpy as np
import numpy.typing as npt

from filters.dedup.minhash import MinHash, sketch
from filters.dedup.options import DedupOptions
from filters.dedup.rank import order_of
from filters.dedup.shingles import KEY_BYTES, Words, shingles, text_key
from filters.ngrams import Hashes
from obelics_pipeline.document import Document, ImageNode, TextNode
from obelics_pipeline.url import canonical, page_key

_NONE: Final = np.empty(0, np.uint32)


class Signature(msgspec.Struct, frozen=True):
    """A row of ``signatures/``. ``…_nodes`` are places of nodes in the document, beside their keys.

    ``order`` is a number by which documents come one before the other. ``bands`` and ``sketch`` are there if texts are
    compared; ``words`` (hashes of all words in order, ``text_words`` of each text node) if passages are looked for.
    ``text_key`` is None without words.
    """

    id: str
    url: str
    domain: str
    order: int
    url_key: bytes
    text_key: bytes | None
    bands: Hashes
    sketch: npt.NDArray[np.uint32]
    words: npt.NDArray[np.uint32]
    text_nodes: list[int]
    text_words: list[int]
    paragraph_nodes: list[int]
    paragraph_keys: list[bytes]
    image_nodes: list[int]
    image_keys: list[bytes]


def key_of(text: str) -> bytes:
    """``KEY_BYTES`` that only equal texts share."""
    return blake2b(text.encode("utf-8", "replace"), digest_size=KEY_BYTES).digest()


class Signer:
    """Signs documents for the rules that are on."""

    def __init__(self, options: DedupOptions) -> None:
        self._options = options
        self._minhash = MinHash(options.near.bands, options.near.rows) if options.near else None

    def sign(self, document: Document) -> Signature:
        """The signature of a document."""
        texts = [(i, node) for i, node in enumerate(document.nodes) if type(node) is TextNode]
        images = [(i, node) for i, node in enumerate(document.nodes) if type(node) is ImageNode]
        words = Words([node.text for _, node in texts])
        bands, sketched = self._compared(words)
        passages = self._options.shared_passage is not None
        paragraphs = self._paragraphs(document, texts)
        return Signature(
            id=document.id,
            url=document.url,
            domain=document.domain,
            order=order_of(document, self._options.keep),
            url_key=key_of(page_key(document)),
            text_key=text_key(words) if len(words) else None,
            bands=bands,
            sketch=sketched,
            words=(words.hashes >> np.uint64(32)).astype(np.uint32) if passages else _NONE,
            text_nodes=[i for i, _ in texts] if passages else [],
            text_words=words.counts if passages else [],
            paragraph_nodes=[i for i, _ in paragraphs],
            paragraph_keys=[key for _, key in paragraphs],
            image_nodes=[i for i, _ in images],
            image_keys=[key_of(canonical(node.url)) for _, node in images],
        )

    def _compared(self, words: Words) -> tuple[Hashes, npt.NDArray[np.uint32]]:
        near = self._options.near
        if near is None or self._minhash is None:
            return np.empty(0, np.uint64), _NONE
        found = shingles(words.hashes, near.ngram)
        return self._minhash.bands(found), sketch(found, near.sketch)

    def _paragraphs(self, document: Document, texts: list[tuple[int, TextNode]]) -> list[tuple[int, bytes]]:
        """The text nodes that may be repeated, and for each a key of its text and its site.

        The key is never that of the site alone: so a large site is no large group.
        """
        rule = self._options.repeated_paragraph
        if rule is None:
            return []
        site = document.host if rule.scope == "host" else document.domain
        return [
            (index, key_of(f"{site}\n{' '.join(node.text.split())}"))
            for index, node in texts
            if node.kind not in rule.spare
        ]
