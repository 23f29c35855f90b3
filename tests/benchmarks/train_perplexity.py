"""Train what perplexity is measured with: a SentencePiece tokenizer and a KenLM model of its pieces.

Text is normalised as the filter does it. What is trained is what CCNet trains (Wenzek et al. 2019): unigram
pieces, at most 65,536, and an unpruned 5-gram model with modified Kneser-Ney smoothing. Every hundredth document is
held back to tell how perplexity is spread, for the choice of a limit.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import shutil
import subprocess
import sys
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from statistics import quantiles
from tempfile import TemporaryDirectory
from typing import NamedTuple

import sentencepiece

from filters.perplexity import lines, perplexity

SUFFIXES = (".txt", ".jsonl", ".txt.gz", ".jsonl.gz")
MAX_PIECES = 65_536
WORDS_PER_PIECE = 50  # a model of little text would know most of 65,536 pieces from one place
HELD_BACK, MAX_HELD_BACK = 100, 2000  # one document of so many, and how many at most
SAMPLED_LINES, LONGEST_LINE = 1_000_000, 20_000  # what the pieces are chosen by; bytes
TOKENIZER, MODEL = "tokenizer.model", "model.binary"
WORK = ".train_perplexity-"  # folders of half-done work, which may stand among the texts


class Refused(Exception):
    """What is wrong with the input or the machine, and what to do."""


class Corpus(NamedTuple):
    """The normalised lines of a file, what is in them, and the documents held back."""

    path: Path
    lines: int
    words: int
    characters: int
    held_back: list[str]


def main() -> None:
    """Train, then print the figures and the rule that uses the models."""
    options = arguments()
    try:
        options.out.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(prefix=WORK, dir=options.out) as folder:
            corpus = gather(documents(options.texts), Path(folder) / "lines.txt")
            train(corpus, options, Path(folder))
    except (Refused, OSError, EOFError, zlib.error) as error:  # the last two: a damaged .gz
        print(f"train_perplexity: {error}", file=sys.stderr)
        sys.exit(2)
    report(corpus, options.out)


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="scripts/train_perplexity", description=__doc__.partition("\n")[0])
    parser.add_argument(
        "texts", nargs="+", type=Path, help=f"files ({', '.join(SUFFIXES)}), or folders of them"
    )
    parser.add_argument("out", type=Path, help=f"folder for {TOKENIZER} and {MODEL}")
    parser.add_argument("--vocabulary", type=int, help="pieces (default: as many as the text is enough for)")
    parser.add_argument("--order", type=int, choices=range(2, 7), default=5, help="length of n-grams (5)")
    parser.add_argument("--memory", default="2G", help="for sorting n-grams: 500M, 8G, 50%% (2G)")
    return parser.parse_args()


def documents(paths: Iterable[Path]) -> Iterator[str]:
    """Texts: the rows ``{"text": …}`` of .jsonl; in .txt, what stands between blank lines."""
    for path in paths:
        if not path.exists():
            raise Refused(f"no file or folder {path}")
        files = sorted(path.rglob("*")) if path.is_dir() else [path]
        for file in files:
            if any(part.startswith(WORK) for part in file.parts):
                continue
            if file.name.endswith(SUFFIXES) and file.is_file():
                yield from read(file)
            elif not path.is_dir():
                raise Refused(f"{path} is not one of {', '.join(SUFFIXES)}")


def read(path: Path) -> Iterator[str]:
    """The texts of one file."""
    opened = gzip.open if path.suffix == ".gz" else open
    with opened(path, "rt", encoding="utf-8", errors="replace") as file:
        yield from rows(file, path) if ".jsonl" in path.suffixes else paragraphs(file)


def rows(file: Iterable[str], path: Path) -> Iterator[str]:
    """The texts of a file of JSON rows."""
    for number, line in enumerate(file, 1):
        try:
            text = json.loads(line)["text"]
        except (ValueError, KeyError, TypeError):
            text = None
        if not isinstance(text, str):
            raise Refused(f'{path}:{number} is no row {{"text": "…"}}')
        yield text


def paragraphs(file: Iterable[str]) -> Iterator[str]:
    """The texts of a file of plain text."""
    gathered: list[str] = []
    for line in file:
        if line.strip():
            gathered.append(line)
        elif gathered:
            yield "".join(gathered)
            gathered = []
    if gathered:
        yield "".join(gathered)


def gather(texts: Iterable[str], path: Path) -> Corpus:
    """Write the lines of most texts to ``path``."""
    count = words = 0
    characters: set[str] = set()
    held_back = []
    with path.open("w", encoding="utf-8") as file:
        for index, text in enumerate(texts, 1):
            if index % HELD_BACK == 0 and len(held_back) < MAX_HELD_BACK:
                held_back.append(text)
                continue
            for line in lines(text):
                file.write(f"{line}\n")
                count += 1
                words += line.count(" ") + 1
                characters.update(line)
    if not count:
        raise Refused(f"found no text; give files ({', '.join(SUFFIXES)}) or folders of them")
    return Corpus(path, count, words, len(characters), held_back)


def train(corpus: Corpus, options: argparse.Namespace, folder: Path) -> None:
    """Train both models in ``folder``, and move them to where they are wanted when all went well."""
    lmplz, build_binary = program("lmplz"), program("build_binary")
    enough = max(corpus.words // WORDS_PER_PIECE, 2 * corpus.characters, 500)
    processor = train_tokenizer(corpus, options.vocabulary or min(enough, MAX_PIECES), folder / "tokenizer")
    arpa = folder / "model.arpa"
    command = [
        lmplz,
        "--order",
        str(options.order),
        "--memory",
        options.memory,
        "--temp_prefix",
        str(folder / "sort"),
    ]
    command += [
        "--vocab_estimate",
        str(len(processor)),
        "--discount_fallback",
        "--skip_symbols",
        "--arpa",
        str(arpa),
    ]
    with corpus.path.open(encoding="utf-8") as file:
        pieces = (processor.encode_as_pieces(line.rstrip("\n")) for line in file)
        run(command, (" ".join(found) for found in pieces if found))
    run([build_binary, "-T", str(folder / "sort"), "trie", str(arpa), str(folder / MODEL)])
    for name in (TOKENIZER, MODEL):
        os.replace(folder / name, options.out / name)


def train_tokenizer(corpus: Corpus, pieces: int, prefix: Path) -> sentencepiece.SentencePieceProcessor:
    """Choose ``pieces`` or fewer, if the text has not so many."""
    try:
        sentencepiece.SentencePieceTrainer.train(
            input=str(corpus.path),
            model_prefix=str(prefix),
            model_type="unigram",
            vocab_size=pieces,
            hard_vocab_limit=False,
            character_coverage=0.9995,
            input_sentence_size=SAMPLED_LINES,
            shuffle_input_sentence=True,
            max_sentence_length=LONGEST_LINE,
            minloglevel=2,
        )
    except (OSError, RuntimeError) as error:
        raise Refused(f"SentencePiece: {error}; give more text or another --vocabulary") from error
    return sentencepiece.SentencePieceProcessor(model_file=f"{prefix}.model")


def program(name: str) -> str:
    """The path of a program of KenLM: beside Python, else as the shell finds it."""
    places = [str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)]
    path = shutil.which(name, path=os.pathsep.join(places))
    if path is None:
        raise Refused(f"no program {name} of KenLM; scripts/setup-lm builds it")
    return path


def run(command: list[str], lines: Iterable[str] = ()) -> None:
    """Run ``command`` with ``lines`` as its input."""
    with TemporaryDirectory() as folder, open(Path(folder) / "log", "w+", errors="replace") as log:
        process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=log, stderr=log, text=True, encoding="utf-8"
        )
        assert process.stdin is not None
        try:
            with process.stdin as file:
                file.writelines(f"{line}\n" for line in lines)
        except BrokenPipeError:
            pass  # it has ended, and says why
        if process.wait():
            log.seek(0)
            said = log.read().split("\n")
            reason = next(
                (line for line in reversed(said) if line.strip()), f"exit code {process.returncode}"
            )
            raise Refused(f"{Path(command[0]).name}: {reason}")


def report(corpus: Corpus, out: Path) -> None:
    """What was trained, how it sees texts of the same kind, and how to use it."""
    model, tokenizer = str(out / MODEL), str(out / TOKENIZER)
    pieces = len(sentencepiece.SentencePieceProcessor(model_file=tokenizer))
    print(f"trained on {corpus.lines:,} lines, {corpus.words:,} words: {pieces:,} pieces")
    values = [value for text in corpus.held_back if (value := perplexity(text, model, tokenizer)) is not None]
    limit = 1500.0  # that of OBELICS, for a model of English Wikipedia
    if len(values) > 1:
        cuts = quantiles(values, n=100, method="inclusive")
        limit = cuts[98]
        print(
            f"perplexity of {len(values)} documents held back: half up to {cuts[49]:.4g}, 90 % up to", end=" "
        )
        print(f"{cuts[89]:.4g}, 99 % up to {limit:.4g}")
    quoted = json.dumps({"model": model, "tokenizer": tokenizer}, ensure_ascii=False)  # is YAML, too
    print(f'perplexity: {quoted[:-1]}, "max": {limit:.4g}}}')


if __name__ == "__main__":
    main()
