"""One library that makes signatures, timed by itself: the other end of tests/benchmarks/dedup.py.

``python dedup_peers.py SUBJECT COUNT`` answers every line on its standard input with the processor seconds that
signatures of ``COUNT`` documents took. It runs in an environment that has the library and nothing of the project, so
it imports only the standard library until it knows the subject.
"""

from __future__ import annotations

import random
import sys
import time
from collections.abc import Callable
from tempfile import TemporaryDirectory

WORDS = 1250  # of a document
HASHES = 112
N = 5

Sign = Callable[[list[str]], object]


def documents(count: int, seed: int = 1) -> list[str]:
    """Documents of sentences of made-up words, of which few are frequent (Zipf 1949: 1 / rank) and those short."""
    chance = random.Random(seed)
    letters = "eeeettaaooiinnsshhrrddlucmfwgypbvkxjqz"
    words = [
        "".join(chance.choices(letters, k=chance.randint(2, 6 + rank // 3000))) for rank in range(30_000)
    ]
    weights = [1 / rank for rank in range(1, len(words) + 1)]
    made = []
    for _ in range(count):
        text = chance.choices(words, weights, k=WORDS)
        for end in range(14, WORDS, 15):
            text[end - 14] = text[end - 14].capitalize()
            text[end] += "."
        made.append(" ".join(text))
    return made


def ngrams(text: str) -> list[str]:
    """The n-grams as strings, which is what ``datasketch`` and ``rensa`` are given."""
    words = text.lower().split()
    return [" ".join(words[at : at + N]) for at in range(len(words) - N + 1)]


def ours() -> Sign:
    """Text to bands and sketch."""
    from filters.dedup.minhash import MinHash, sketch
    from filters.dedup.shingles import Words, shingles

    bands = MinHash(16, 7).bands

    def sign(text: str) -> None:
        found = shingles(Words([text]).hashes, N)
        bands(found)
        sketch(found)

    return each(sign)


def rensa(kind: str) -> Sign:
    """A signature for each document."""
    import rensa

    MinHash = getattr(rensa, kind)
    return each(lambda text: MinHash(num_perm=HASHES, seed=42).update(ngrams(text)))


def rensa_batch() -> Sign:
    """Signatures of all documents in one call, as its documentation has it."""
    from rensa import RMinHash

    return lambda texts: RMinHash.from_token_sets(map(ngrams, texts), num_perm=HASHES, seed=42)


def datasketch() -> Sign:
    """A signature for each document, all n-grams in one call."""
    from datasketch import MinHash

    return each(lambda text: MinHash(HASHES).update_batch([ngram.encode() for ngram in ngrams(text)]))


def datatrove() -> Sign:
    """The step without writing; words by its tokenizer for English, rules of spaCy that need no model."""
    from datatrove.pipeline.dedup.minhash import MinhashConfig, MinhashDedupSignature

    config = MinhashConfig(n_grams=N, num_buckets=14, hashes_per_bucket=8)
    with TemporaryDirectory() as folder:
        step = MinhashDedupSignature(folder, config)
    return each(lambda text: step.get_signature(step.get_shingles(text)))


def each(sign: Callable[[str], object]) -> Sign:
    """``sign`` for one document after the other."""

    def run(texts: list[str]) -> None:
        for text in texts:
            sign(text)

    return run


SUBJECTS: dict[str, Callable[[], Sign]] = {
    "ours": ours,
    "rensa RMinHash": lambda: rensa("RMinHash"),
    "rensa RMinHash, batch": rensa_batch,
    "rensa CMinHash": lambda: rensa("CMinHash"),
    "datasketch": datasketch,
    "datatrove": datatrove,
}


def main() -> None:
    """Answer until there are no more lines."""
    subject, count = sys.argv[1:]
    sign, texts = SUBJECTS[subject](), documents(int(count))
    for _ in sys.stdin:
        started = time.process_time()
        sign(texts)
        print(time.process_time() - started, flush=True)


if __name__ == "__main__":
    main()
