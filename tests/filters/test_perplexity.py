from __future__ import annotations

import gzip
import json
import pickle
import random
import re
import shutil
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from filters import perplexity as module
from filters.base import Breach
from filters.perplexity import Perplexity, lines, perplexity

TRAINER = Path(__file__).parents[1] / "benchmarks" / "train_perplexity.py"
WORDS = {
    "adjective": ("small", "old", "quiet", "green", "heavy", "bright", "distant", "patient"),
    "noun": ("ferry", "harbour", "painter", "lamp", "garden", "river", "letter", "sailor"),
    "verb": ("follows", "paints", "watches", "repairs", "remembers", "crosses", "finds"),
    "when": ("at noon", "after the storm", "every morning", "in winter", "for years"),
}


class Said(NamedTuple):
    text: str


class Paths(NamedTuple):
    model: str
    tokenizer: str


def paragraphs(seed: int, count: int) -> list[str]:
    """Paragraphs of a small grammar."""
    draw = random.Random(seed)
    return ["\n".join(sentence(draw) for _ in range(5)) for _ in range(count)]


def sentence(draw: random.Random) -> str:
    adjective, noun, verb, when = (lambda kind=kind: draw.choice(WORDS[kind]) for kind in WORDS)
    start = f"{when().capitalize()} the" if draw.random() < 0.3 else "The"
    year = f" of {draw.randint(1800, 2000)}" if draw.random() < 0.2 else ""
    return f"{start} {adjective()} {noun()} {verb()} the {adjective()} {noun()}{year} {when()}."


def shuffled(text: str) -> str:
    words = text.split()
    random.Random(3).shuffle(words)
    return " ".join(words)


def train(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, TRAINER, *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.fixture(scope="module")
def needs_lm() -> None:
    pytest.importorskip("kenlm", reason="needs kenlm: scripts/setup-lm")
    pytest.importorskip("sentencepiece", reason="needs sentencepiece: scripts/setup-lm")


@pytest.fixture(scope="module")
def needs_trainer(needs_lm: None) -> None:
    if not (shutil.which("lmplz", path=str(Path(sys.executable).parent)) or shutil.which("lmplz")):
        pytest.skip("needs KenLM's lmplz: scripts/setup-lm")


@pytest.fixture(scope="module")
def trained(needs_trainer: None, tmp_path_factory: pytest.TempPathFactory) -> tuple[Paths, str]:
    """Models of the small grammar, and what the trainer said."""
    folder = tmp_path_factory.mktemp("text")
    texts = paragraphs(1, 600)
    (folder / "a.txt").write_text("\n\n".join(texts[:200]), encoding="utf-8")
    (folder / "b.jsonl").write_text("".join(json.dumps({"text": text}) + "\n" for text in texts[200:400]))
    with gzip.open(folder / "c.jsonl.gz", "wt") as file:
        file.writelines(json.dumps({"text": text, "id": 1}) + "\n" for text in texts[400:])
    (folder / "notes.md").write_text("No text to train on.")
    out = folder / "models"
    run = train(folder, out, "--vocabulary", 200, "--order", 3)
    assert run.returncode == 0, run.stderr
    assert sorted(path.name for path in out.iterdir()) == ["model.binary", "tokenizer.model"]
    return Paths(str(out / "model.binary"), str(out / "tokenizer.model")), run.stdout


@pytest.fixture(scope="module")
def models(trained: tuple[Paths, str]) -> Paths:
    return trained[0]


ARPA = """\\data\\
ngram 1=6
ngram 2=2

\\1-grams:
-1.0\t<unk>\t0
-99\t<s>\t-0.3
-0.5\t</s>\t0
-0.6\t▁\t-0.2
-0.7\ta\t-0.1
{b}\tb\t0

\\2-grams:
-0.05\t<s> ▁
-0.15\t▁ a

\\end\\
"""


WORD_ARPA = re.sub(r"(?<=\s)[▁ab](?=\s)", lambda piece: f"word-{piece[0]}", ARPA.format(b=-0.8))


@pytest.fixture(scope="module")
def by_hand(needs_lm: None, tmp_path_factory: pytest.TempPathFactory) -> Paths:
    """A model of single characters, of which it knows a and b; all its numbers are in ``ARPA``."""
    import sentencepiece

    folder = tmp_path_factory.mktemp("by_hand")
    (folder / "model.arpa").write_text(ARPA.format(b=-0.8), encoding="utf-8")
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(["ab ba"] * 10),
        model_prefix=str(folder / "characters"),
        model_type="char",
        vocab_size=6,
        minloglevel=2,
    )
    return Paths(str(folder / "model.arpa"), str(folder / "characters.model"))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param(
            "It ends here.\nSecond.", ["It ends here.", "Second."], id="B31: line ends are not deleted"
        ),
        pytest.param("here.\r\n\n \n\x85Second\u2028third", ["here.", "Second", "third"], id="all line ends"),
        pytest.param(
            "here.\x00\x07Second\x9f.", ["here. Second ."], id="B31: control characters do not glue"
        ),
        pytest.param("１ and ２", ["0 and 0"], id="B31: a full-width one is a digit"),
        pytest.param("In 1999, ٣ of ４.", ["In 0000, 0 of 0."], id="digits"),
        pytest.param("„a” “b” «c» 「d」 《e》", ['"a" "b" "c" "d" "e"'], id="quotation marks"),
        pytest.param("，。、´∶：？！（）；～’〈〉【】％", [",.,'::?!();~'<>[]%"], id="signs"),
        pytest.param("a–b—c━d►e．f…", ["a-b - c-d-e. f..."], id="dashes and dots"),
        pytest.param("ÉTÉ à la Mer", ["ÉTÉ à la Mer"], id="case and accents are kept"),
        pytest.param("a\u00a0\t b\u3000c\ufffcd", ["a b c d"], id="white space"),
        pytest.param("a\ud800b\udfff", ["a b"], id="lone surrogates"),
        pytest.param(" \n\x00\u3000\n", [], id="blank"),
        pytest.param("", [], id="empty"),
    ],
)
def test_lines(text: str, expected: list[str]) -> None:
    assert lines(text) == expected


@given(st.text())
def test_lines_are_clean_and_stay_as_they_are(text: str) -> None:
    found = lines(text)
    assert lines("\n".join(found)) == found
    for line in found:
        assert line == " ".join(line.split())
        assert not re.search(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]|(?!0)\d", line)
        line.encode()


@pytest.mark.parametrize(
    ("text", "score", "length"),
    [
        pytest.param("ab", -0.05 - 0.15 - (0.1 + 0.8) - 0.5, 4, id="one line"),
        pytest.param("ab\nb", -1.6 - 0.05 - (0.2 + 0.8) - 0.5, 4 + 3, id="every line has an end"),
        pytest.param("b?", -0.05 - (0.2 + 0.8) - 1.0 - 0.5, 4, id="unknown"),
        pytest.param("😀😀", -0.05 - (0.2 + 1.0) - 0.5, 3, id="nothing known"),
        pytest.param("<s>", -0.05 - (0.2 + 1.0) - 0.5, 3, id="no mark of the model"),
        pytest.param("＜ｓ＞", -0.05 - (0.2 + 1.0) - 0.5, 3, id="no mark in disguise"),
        pytest.param("</s>", -0.05 - (0.2 + 1.0) - 0.5, 3, id="no other mark"),
    ],
)
def test_perplexity_by_hand(by_hand: Paths, text: str, score: float, length: int) -> None:
    assert perplexity(text, *by_hand) == pytest.approx(10 ** (-score / length), rel=1e-6)


def test_a_text_that_cannot_be_has_a_finite_perplexity(by_hand: Paths, tmp_path: Path) -> None:
    model = tmp_path / "model.arpa"
    model.write_text(ARPA.format(b="-inf"), encoding="utf-8")
    assert perplexity("b", str(model), by_hand.tokenizer) == 1e300


def reference(text: str, paths: Paths) -> float | None:
    """Perplexity from the scores of single tokens."""
    import kenlm
    import sentencepiece

    tokenizer = sentencepiece.SentencePieceProcessor(model_file=paths.tokenizer)
    model = kenlm.Model(paths.model)
    scores = []
    for line in lines(text):
        if pieces := tokenizer.encode(line, out_type=str):
            scores += [score for score, *_ in model.full_scores(" ".join(pieces))]
    return 10 ** (-sum(scores) / len(scores)) if scores else None


ODD = st.text(st.sampled_from("The ferry.\n\t\x00１２34…—“”é😀渡<s>/"), max_size=60)


@given(
    st.lists(st.one_of(st.sampled_from(paragraphs(4, 20)), ODD, st.text(max_size=20)), max_size=4).map(
        "\n".join
    )
)
def test_perplexity_equals_the_plain_sum_of_scores(models: Paths, text: str) -> None:
    value, expected = perplexity(text, *models), reference(text, models)
    assert (value is None) == (expected is None)
    assert value is None or value == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("text", paragraphs(2, 20))
def test_prose_is_less_perplexing_than_its_words_shuffled(models: Paths, text: str) -> None:
    text = text.replace("\n", " ")
    value, salad = perplexity(text, *models), perplexity(shuffled(text), *models)
    assert value is not None
    assert salad is not None
    assert 1 < value < 4 < 3 * value < salad


def test_lines_are_not_glued(models: Paths) -> None:
    """B31: the original deletes line ends, and so measures words that nobody wrote."""
    [text] = paragraphs(8, 1)
    value, glued = perplexity(text, *models), perplexity(text.replace("\n", ""), *models)
    assert value is not None
    assert glued is not None
    assert value < 0.9 * glued


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("The old ferry leaves the harbour. " * 30_000, id="one line of a megabyte"),
        pytest.param("x" * 1_000_000, id="one word of a megabyte"),
        pytest.param("a\n" * 100_000, id="many lines"),
        pytest.param("\x00The\x00ferry\x00", id="NULs"),
        pytest.param("\ud800ferry\udc00", id="lone surrogates"),
        pytest.param("😀" * 10_000, id="emoji"),
        pytest.param("渡轮中午离开小港口" * 1000, id="another script"),
        pytest.param("<unk> <s> </s>", id="marks"),
    ],
)
def test_any_text_has_a_finite_perplexity(models: Paths, text: str) -> None:
    value = perplexity(text, *models)
    assert value is not None
    assert 1 < value < 1e9


@pytest.mark.parametrize("text", ["", " \n\t", "\x00\x00", "\u3000\u2028"], ids=ascii)
def test_a_blank_text_has_none(models: Paths, text: str) -> None:
    assert Perplexity(max=10, **models._asdict()).measure(Said(text)) is None


def test_the_rule_judges_by_its_limits_and_travels(models: Paths) -> None:
    rule = msgspec.convert({"min": 1, "max": 4, **models._asdict()}, Perplexity)
    assert pickle.loads(pickle.dumps(rule)) == rule
    [text] = paragraphs(5, 1)
    value, salad = rule.measure(Said(text)), rule.measure(Said(shuffled(text)))
    assert value is not None
    assert salad is not None
    assert rule.judge(value) is None
    assert rule.judge(salad) == Breach(salad, 4, ">")


def test_models_are_loaded_once(models: Paths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    copy = shutil.copyfile(models.model, tmp_path / "model.binary")
    loaded: list[tuple[str, str]] = []
    load = module._load

    def slowly(*paths: str) -> module.Models:
        loaded.append(paths)  # type: ignore[arg-type]
        time.sleep(0.05)
        return load(*paths)

    monkeypatch.setattr(module, "_load", slowly)
    texts = paragraphs(6, 40)
    with ThreadPoolExecutor(8) as pool:
        values = list(pool.map(lambda text: perplexity(text, str(copy), models.tokenizer), texts))
    assert loaded == [(str(copy), models.tokenizer)]
    assert values == [perplexity(text, *models) for text in texts]


def refused(**fields: Any) -> str:
    with pytest.raises(ValueError, match=r"[;:]") as caught:
        Perplexity(**{"max": 1000, **fields})
    return str(caught.value)


def test_missing_files_are_named(tmp_path: Path) -> None:
    model = tmp_path / "model.arpa"
    model.touch()
    assert refused(model="lost.arpa", tokenizer="lost.model") == (
        "model: no file 'lost.arpa'; give the path of a KenLM model (.binary or .arpa)"
    )
    assert refused(model=str(model), tokenizer=str(tmp_path)) == (
        f"tokenizer: no file '{tmp_path}'; give the path of a SentencePiece model (.model)"
    )
    assert "no limit given" in refused(model="lost.arpa", tokenizer="lost.model", max=None)


@pytest.mark.parametrize("package", ["kenlm", "sentencepiece"])
def test_missing_packages_are_named(package: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    model = tmp_path / "model.arpa"
    model.write_text(ARPA.format(b=-0.8), encoding="utf-8")
    assert refused(model=str(model), tokenizer=str(model)) == (
        "perplexity needs kenlm and sentencepiece: pip install 'obelics-builder[lm]'"
    )


def test_wrong_models_are_refused(by_hand: Paths, tmp_path: Path) -> None:
    model, tokenizer = by_hand
    words = tmp_path / "words.arpa"
    words.write_text(WORD_ARPA, encoding="utf-8")
    empty = tmp_path / "empty.binary"
    empty.touch()
    assert refused(model=tokenizer, tokenizer=tokenizer).startswith(
        f"model: '{tokenizer}' is no KenLM model: "
    )
    assert refused(model=str(empty), tokenizer=tokenizer).startswith(f"model: '{empty}' is no KenLM model: ")
    junk = tmp_path / "junk.arpa"
    junk.write_bytes(b"ARPA \xc3\n" * 100)
    assert refused(model=str(junk), tokenizer=tokenizer).startswith(f"model: '{junk}' is no KenLM model")
    assert refused(model=model, tokenizer=model).startswith(
        f"tokenizer: '{model}' is no SentencePiece model: "
    )
    assert refused(model=str(words), tokenizer=tokenizer) == (
        f"model: '{words}' knows 0 of the first 3 pieces of '{tokenizer}'; give two files that were trained together"
    )


def test_the_trainer_prints_a_rule_to_use(trained: tuple[Paths, str]) -> None:
    models, said = trained
    first, held_back, rule = said.splitlines()
    words = re.fullmatch(r"trained on 2,970 lines, ([\d,]+) words: (\d+) pieces", first)
    assert words is not None
    assert int(words[2]) <= 200
    assert re.fullmatch(
        r"perplexity of 6 documents held back: half up to [\d.]+, 90 % up to [\d.]+, 99 % up to [\d.]+",
        held_back,
    )
    fields = yaml.safe_load(rule)["perplexity"]
    assert msgspec.convert(fields, Perplexity) == Perplexity(max=fields["max"], **models._asdict())
    assert 1 < fields["max"] < 4


@pytest.mark.usefixtures("needs_trainer")
def test_the_trainer_says_what_is_wrong(tmp_path: Path) -> None:
    text, wrong, row = tmp_path / "a.txt", tmp_path / "a.csv", tmp_path / "a.jsonl"
    text.write_text("\n".join(paragraphs(7, 50)))
    wrong.write_text("a,b")
    row.write_text('{"text": "Good."}\n{"texts": "Bad."}\n')
    out = tmp_path / "out"
    for arguments, message in [
        ((tmp_path / "lost", out), f"no file or folder {tmp_path / 'lost'}"),
        ((wrong, out), f"{wrong} is not one of .txt, .jsonl, .txt.gz, .jsonl.gz"),
        ((row, out), f'{row}:2 is no row {{"text": "…"}}'),
        ((tmp_path / "out", out), "found no text; give files"),
        ((text, out, "--vocabulary", "3"), "SentencePiece: "),
        ((text, out, "--memory", "much"), "lmplz: "),
    ]:
        run = train(*arguments)
        assert (run.returncode, run.stdout) == (2, ""), run.stderr
        assert run.stderr.splitlines()[-1].startswith(f"train_perplexity: {message}")
        assert list(out.iterdir()) == [], "nothing half-done is left"
