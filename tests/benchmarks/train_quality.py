"""Train what quality is measured with: a fastText classifier of good texts and bad ones.

Inputs are .txt (one text a line), .jsonl (rows of ``{"text": ...}``, with ``"url"`` if known), both also as .gz,
documents/ or filtered/ of a build (Parquet), and folders of such files. A fifth of the texts, of hosts that
training does not see, is held back to tell how well the model does. The same texts, options and seed give the
same model, byte for byte.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import struct
import sys
import zlib
from collections.abc import Iterable, Iterator, Sequence
from hashlib import blake2b
from itertools import chain
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq
from _ranking import MINIMA, Score, auc, cuts, print_cuts

from filters.fasttext_model import classifier
from filters.quality import line_of
from obelics_pipeline.tables import documents_of
from obelics_pipeline.url import host_of, registrable_domain

SUFFIXES = (".txt", ".txt.gz", ".jsonl", ".jsonl.gz", ".parquet")
LABELS = {True: "good", False: "bad"}
ENOUGH = 250_000  # texts looked at in training, the same one each epoch anew
KEPT = 0.95  # share of the good texts that the proposed minimum keeps


class Refused(Exception):
    """What is wrong with the input or the machine, and what to do."""


class Sample(NamedTuple):
    """A text as the model sees it, whether it is good, and what is never in training and test alike."""

    line: str
    good: bool
    group: str


class Options(NamedTuple):
    """How to train; meanings are those of fastText."""

    dim: int = 16
    epochs: int | None = None
    word_ngrams: int = 2
    lr: float = 0.3
    buckets: int = 200_000
    min_count: int = 2
    seed: int = 0
    quantize: bool = False


def main() -> None:
    """Train, then print how the model does on the texts held back, and the rule that uses it."""
    arguments = parse()
    options = Options(*(getattr(arguments, field) for field in Options._fields))
    try:
        samples = gather(chain(texts(arguments.good, True), texts(arguments.bad, False)))
        training, held_back = split(samples, arguments.held_back)
        train(training, arguments.output, options)
        report(len(training), scores(held_back, arguments.output), arguments.output)
    except (Refused, OSError) as error:
        print(f"train_quality: {error}", file=sys.stderr)
        sys.exit(2)


def parse() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="scripts/train_quality",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add, default = parser.add_argument, Options()
    add("--good", nargs="+", type=Path, required=True, metavar="PATH", help="texts to keep")
    add("--bad", nargs="+", type=Path, required=True, metavar="PATH", help="texts to reject")
    add("--output", type=Path, required=True, metavar="MODEL", help="where to write the model (.bin)")
    add("--held-back", type=between_0_and_1, default=0.2, metavar="SHARE", help="not trained on (0.2)")
    add("--dim", type=positive, default=default.dim, help=f"size of vectors ({default.dim})")
    add(
        "--epochs",
        type=positive,
        help="passes over the texts (25, of more than 10,000 texts fewer, down to 5)",
    )
    add("--word-ngrams", type=positive, default=default.word_ngrams, help=f"({default.word_ngrams})")
    add("--lr", type=between_0_and_1, default=default.lr, help=f"learning rate ({default.lr})")
    add("--buckets", type=positive, default=default.buckets, help=f"vectors for n-grams ({default.buckets})")
    add("--min-count", type=positive, default=default.min_count, help=f"of a word ({default.min_count})")
    add("--seed", type=int, default=default.seed, help=f"of chance ({default.seed}; the same as 1)")
    add("--quantize", action="store_true", help="a model of about a fifth of the size, a little less exact")
    return parser.parse_args()


def positive(argument: str) -> int:
    """A whole number from 1."""
    if (number := int(argument)) < 1:
        raise argparse.ArgumentTypeError(f"{number} is too small; give 1 or more")
    return number


def between_0_and_1(argument: str) -> float:
    """A number greater than 0 and less than 1."""
    if not 0 < (number := float(argument)) < 1:
        raise argparse.ArgumentTypeError(f"{number:g} is not between 0 and 1")
    return number


def texts(paths: Iterable[Path], good: bool) -> Iterator[Sample]:
    """The texts at ``paths``."""
    for path in paths:
        if not path.exists():
            raise Refused(f"no file or folder {path}")
        files = sorted(path.rglob("*")) if path.is_dir() else [path]
        usable = [file for file in files if file.name.endswith(SUFFIXES) and file.is_file()]
        if not usable:
            raise Refused(f"{path} is none of {', '.join(SUFFIXES)}, and no folder of them")
        for text, host in chain.from_iterable(map(read, usable)):
            line = line_of(text)
            if any(map(str.isalpha, line)):
                yield Sample(line, good, registrable_domain(host) if host else line)


def read(path: Path) -> Iterator[tuple[str, str]]:
    """The texts of one file with their hosts, where known."""
    try:
        if path.suffix == ".parquet":
            yield from documents(path)
            return
        opened = gzip.open if path.suffix == ".gz" else open
        with opened(path, "rt", encoding="utf-8", errors="replace") as file:
            yield from rows(file, path) if ".jsonl" in path.suffixes else ((line, "") for line in file)
    except (OSError, EOFError, zlib.error, pa.ArrowInvalid) as error:
        raise Refused(f"{path} cannot be read: {error}") from error


def rows(file: Iterable[str], path: Path) -> Iterator[tuple[str, str]]:
    """The texts of a file of JSON rows."""
    for number, line in enumerate(file, 1):
        try:
            row = json.loads(line)
            text, url = row["text"], row.get("url") or ""
        except (ValueError, KeyError, TypeError, AttributeError):
            text = url = None
        if not isinstance(text, str) or not isinstance(url, str):
            raise Refused(f'{path}:{number} is no row {{"text": "…"}}')
        yield text, host_of(url)


def documents(path: Path) -> Iterator[tuple[str, str]]:
    """The texts of a table of documents, as the rule sees them: blocks with blank lines between."""
    with pq.ParquetFile(path) as file:
        if not {"nodes", "host"} <= set(file.schema_arrow.names):
            raise Refused(f"{path} is no table of documents; give documents/ or filtered/ of a build")
        for batch in file.iter_batches(batch_size=200):
            for document in documents_of(batch):
                yield "\n\n".join(node.text for node in document.texts), document.host


def gather(found: Iterable[Sample]) -> list[Sample]:
    """Each text once, in an order that has nothing to do with where it stood: fastText does not shuffle.

    A text that is called both good and bad says nothing, and is left out.
    """
    samples: dict[bytes, Sample] = {}
    both = set()
    for sample in found:
        key = blake2b(sample.line.encode(), digest_size=16).digest()
        other = samples.setdefault(key, sample)
        if other.good != sample.good:
            both.add(key)
        samples[key] = min(other, sample)
    return [samples[key] for key in sorted(samples.keys() - both)]


def split(samples: Sequence[Sample], share: float) -> tuple[list[Sample], list[Sample]]:
    """What to train on, and ``share`` or so to hold back; all texts of a host (or equal ones) on one side."""
    sides: tuple[list[Sample], list[Sample]] = ([], [])
    for sample in samples:
        place = int.from_bytes(blake2b(sample.group.encode(), digest_size=8).digest())
        sides[place < share * 2**64].append(sample)
    for side, name in zip(sides, ("to train on", "held back"), strict=True):
        for good, label in LABELS.items():
            if not any(sample.good is good for sample in side):
                raise Refused(f"no {label} text {name} of {len(samples)}; give more, or another --held-back")
    return sides


def train(samples: Sequence[Sample], output: Path, options: Options) -> None:
    """Write a model to ``output``, in the order of ``samples`` and by one thread: reproducible."""
    try:
        import floret
    except ImportError as error:
        raise Refused("needs the package floret: pip install 'obelics-builder[train]'") from error
    output.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix=".training-", dir=output.parent) as folder:
        lines, model_file = Path(folder) / "lines.txt", Path(folder) / "model"
        write_lines(samples, lines)
        try:
            model = floret.train_supervised(
                input=str(lines),
                mode="fasttext",
                dim=options.dim,
                epoch=options.epochs or min(25, max(5, ENOUGH // len(samples))),
                wordNgrams=options.word_ngrams,
                lr=options.lr,
                bucket=options.buckets,
                minCount=options.min_count,
                seed=options.seed,
                thread=1,
                verbose=0,
            )
            if options.quantize:
                model.quantize(input=str(lines), qnorm=True)
        except (ValueError, RuntimeError) as error:
            raise Refused(f"fastText: {error}; give more texts or other options") from error
        model.save_model(str(model_file))
        as_fasttext(model_file)
        os.replace(model_file, output)


def write_lines(samples: Iterable[Sample], path: Path) -> None:
    """Write what fastText trains on."""
    with path.open("w", encoding="utf-8", newline="\n") as file:
        file.writelines(f"__label__{LABELS[sample.good]} {sample.line}\n" for sample in samples)


def as_fasttext(path: Path) -> None:
    """Turn a file of floret into one of fastText, which has no mode and no count of hashes behind its options.

    Otherwise the two are alike: in this mode floret trains as fastText does.
    """
    start, added = struct.calcsize("<13i"), struct.pack("<2i", 1, 1)
    whole = path.read_bytes()
    if whole[start:].startswith(added):
        path.write_bytes(whole[:start] + whole[start + len(added) :])
        return
    raise Refused("this version of the package floret writes files of an unknown kind; install 0.10.5")


def scores(samples: Iterable[Sample], model: Path) -> list[Score]:
    """What the model at ``model`` makes of ``samples``."""
    found = classifier(str(model))
    return [Score(dict(found.predict(sample.line)).get("good", 0.0), sample.good) for sample in samples]


def report(trained: int, found: Sequence[Score], output: Path) -> None:
    """Print the figures."""
    goods = sum(score.good for score in found)
    print(f"trained on {trained:,} texts; held back: {goods:,} good, {len(found) - goods:,} bad")
    print(f"AUC {auc(found):.3f}")
    print_cuts(cuts(found))
    fitting = [cut.min for cut in cuts(found) if cut.recall >= KEPT] or [MINIMA[0]]
    print(f"quality: {{model: {output}, min: {fitting[-1]:g}}}")


if __name__ == "__main__":
    main()
