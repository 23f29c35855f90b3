from __future__ import annotations

import gzip
import json
import random
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from filters.base import Breach
from filters.language import shipped_model
from filters.lexicon import lexicon
from filters.profile import TextOptions
from filters.quality import MAX_CHARACTERS, Quality, line_of, quality
from filters.subjects import Block, blocks_of
from obelics_pipeline.document import Document, TextNode
from obelics_pipeline.tables import documents_schema, documents_to_batch

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
SMALL = ("--buckets", "2000", "--held-back", "0.3")
"""So that a model has 100 kB."""

NOUNS = ("ferry", "harbour", "letter", "garden", "teacher", "winter", "bridge", "mountain", "violin")
VERBS = ("carried", "watched", "forgot", "painted", "followed", "described", "repaired", "remembered")
PLACES = ("by the river", "after the storm", "in the old town", "before dawn", "near the station")
BUTTONS = (
    "home",
    "login",
    "add to cart",
    "free shipping",
    "contact us",
    "sitemap",
    "best price",
    "click here",
)
PROSE = (
    "Nobody had repaired the bridge. The teacher remembered the winter and painted a garden in the old town."
)
MENU = "Home Login Contact us\nAdd to cart Free shipping\nBest price Click here Sitemap"


def prose(chance: random.Random) -> str:
    sentences = [
        f"The {chance.choice(NOUNS)} that we {chance.choice(VERBS)} was there {chance.choice(PLACES)}."
        f" Later the {chance.choice(NOUNS)} {chance.choice(VERBS)} a {chance.choice(NOUNS)}."
        for _ in range(chance.randint(2, 6))
    ]
    return "\n".join(sentences)


def menu(chance: random.Random) -> str:
    return "\n".join(chance.choices(BUTTONS, k=chance.randint(5, 30)))


def write_rows(path: Path, texts: list[str]) -> Path:
    rows = ({"text": text, "url": f"https://host{n}.example/"} for n, text in enumerate(texts))
    with gzip.open(path, "wt", encoding="utf-8") as file:
        file.writelines(json.dumps(row) + "\n" for row in rows)
    return path


def write_documents(path: Path, texts: list[str]) -> Path:
    documents = [
        Document(
            id=str(n),
            url="https://host.example/",
            host=f"host{n}.example",
            domain="",
            nodes=tuple(TextNode("paragraph", line) for line in text.split("\n")),
        )
        for n, text in enumerate(texts)
    ]
    path.parent.mkdir()
    pq.write_table(pa.Table.from_batches([documents_to_batch(documents, documents_schema(()))]), path)
    return path.parent


def trainer(*arguments: object) -> subprocess.CompletedProcess[str]:
    pytest.importorskip("floret", reason="the trainer needs floret (extra: train)")
    command = [sys.executable, str(BENCHMARKS / "train_quality.py"), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


@pytest.fixture(scope="module")
def texts(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Good texts as rows, bad ones as a build has documents."""
    folder, chance = tmp_path_factory.mktemp("texts"), random.Random(5)
    good = write_rows(folder / "good.jsonl.gz", [prose(chance) for _ in range(150)])
    bad = write_documents(folder / "documents/part-00000.parquet", [menu(chance) for _ in range(150)])
    return good, bad


@pytest.fixture(scope="module")
def trained(texts: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """The path of a model, and what the trainer says of it."""
    good, bad = texts
    model = tmp_path_factory.mktemp("model") / "model.bin"
    run = trainer("--good", good, "--bad", bad, "--output", model, *SMALL)
    assert run.returncode == 0, run.stderr
    return str(model), run.stdout


@pytest.fixture(scope="module")
def model(trained: tuple[str, str]) -> str:
    return trained[0]


def block(text: str) -> Block:
    return blocks_of([TextNode("paragraph", text)], lexicon(TextOptions()))[0]


def test_prose_is_good_and_a_menu_is_bad(model: str) -> None:
    rule = Quality(model=model, min=0.5)
    good, bad = rule.measure(block(PROSE)), rule.measure(block(MENU))
    assert good is not None
    assert bad is not None
    assert good > 0.9 > 0.1 > bad
    assert rule.judge(good) is None
    assert rule.judge(bad) == Breach(bad, 0.5, "<")


def test_the_trainer_tells_what_the_model_does_on_texts_held_back(trained: tuple[str, str]) -> None:
    model, said = trained
    first, second, *table, rule = said.splitlines()
    numbers = [int(word) for word in first.replace(",", "").split() if word.isdigit()]
    assert sum(numbers) == 300
    assert 60 < sum(numbers[1:]) < 120
    assert second == "AUC 1.000"
    assert len(table) == 13
    assert rule == f"quality: {{model: {model}, min: 0.95}}"


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="empty"),
        pytest.param(" \n\t\0", id="blank"),
        pytest.param("12 – 34 …", id="no letter"),
    ],
)
def test_without_a_letter_the_rule_does_not_apply(model: str, text: str) -> None:
    assert Quality(model=model, min=0.5).measure(block(text)) is None


def test_the_labels_share_a_probability_of_1(model: str) -> None:
    good, bad = quality(PROSE, model), quality(PROSE, model, "__label__bad")
    assert good is not None
    assert bad is not None
    assert good + bad == pytest.approx(1, abs=1e-4)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        pytest.param(MENU, MENU.upper(), id="case"),
        pytest.param(MENU, MENU.replace(" ", "\n\n\xa0"), id="whitespace"),
        pytest.param(MENU, MENU.replace(" ", " \0 "), id="NUL"),
        pytest.param(MENU, MENU.replace(" ", " \udc80 "), id="lone surrogate"),
        pytest.param(MENU, MENU.replace("\n", " </s> "), id="fastText's end of a line"),
        pytest.param((PROSE + MENU) * 6000, ((PROSE + MENU) * 6000)[:MAX_CHARACTERS], id="1 MB"),
    ],
)
def test_what_makes_no_difference(model: str, one: str, other: str) -> None:
    assert quality(one, model) == quality(other, model) is not None


@given(st.text(st.characters(codec=None)))
def test_a_line_is_one_line_of_words_for_fasttext(text: str) -> None:
    words = line_of(text).split(" ")
    assert " ".join(words).split() == [word for word in words if word]
    assert not any(word == "</s>" or word.startswith("__label__") for word in words)
    line_of(text).encode()


def test_any_text_has_the_same_value_twice(model: str) -> None:
    @given(st.text(st.characters(codec=None)))
    def check(text: str) -> None:
        value = quality(text, model)
        assert value is None or 0 <= value <= 1
        assert quality(text, model) == value

    check()


@pytest.mark.parametrize(
    ("text", "line"),
    [
        pytest.param("Hello,\n  World!", "hello, world!", id="lines"),
        pytest.param("在東京で one", "在 東 京 で one", id="scripts without spaces"),
        pytest.param("a__LABEL__good\0b</S>c", "a good b c", id="marks of fastText"),
        pytest.param("x" * (MAX_CHARACTERS + 1), "x" * MAX_CHARACTERS, id="long"),
    ],
)
def test_line_of(text: str, line: str) -> None:
    assert line_of(text) == line


@pytest.mark.parametrize(
    ("label", "message"),
    [
        pytest.param("god", "label: no label 'god'; did you mean 'good'? known: bad, good", id="misspelt"),
        pytest.param("__label__hq", "label: no label 'hq'; known: bad, good", id="of another model"),
    ],
)
def test_unknown_labels_are_refused(model: str, label: str, message: str) -> None:
    with pytest.raises(ValueError, match=r"^label: ") as caught:
        Quality(model=model, label=label, min=0.5)
    assert str(caught.value) == message


def test_labels_may_be_written_as_fasttext_does(model: str) -> None:
    written = Quality(model=model, label="__label__good", min=0.5)
    assert written.measure(block(PROSE)) == Quality(model=model, min=0.5).measure(block(PROSE))


def broken_models(folder: Path) -> Iterator[tuple[Path, str]]:
    whole = Path(shipped_model()).read_bytes()
    yield folder / "missing.bin", "no file"
    for size in (0, 4, 60, 100, len(whole) // 2, len(whole) - 1):
        path = folder / f"{size}.bin"
        path.write_bytes(whole[:size])
        yield path, "is no fastText classifier"
    (folder / "text.bin").write_text(PROSE * 3)
    yield folder / "text.bin", "is no fastText classifier"


def test_unusable_models_are_refused(tmp_path: Path) -> None:
    for path, message in broken_models(tmp_path):
        with pytest.raises(ValueError, match=rf"^model: .*{message}.*; give ") as caught:
            Quality(model=str(path), min=0.5)
        assert repr(str(path)) in str(caught.value)


def test_any_fasttext_classifier_will_do() -> None:
    rule = Quality(model=shipped_model(), label="en", min=0.5)
    value = rule.measure(block(PROSE))
    assert value is not None
    assert value > 0.5


def test_the_same_texts_in_any_order_give_the_same_model(
    model: str, texts: tuple[Path, Path], tmp_path: Path
) -> None:
    good, bad = texts
    lines = gzip.decompress(good.read_bytes()).decode().splitlines()
    (tmp_path / "good.jsonl").write_text("\n".join(lines[::-1] + lines[:20]) + "\n")
    again, other = tmp_path / "again.bin", tmp_path / "other.bin"
    for path, seed in ((again, 0), (other, 2)):
        run = trainer(
            "--good", tmp_path, "--bad", bad, "--output", path, "--seed", seed, *SMALL
        )  # fmt: skip
        assert run.returncode == 0, run.stderr
    assert again.read_bytes() == Path(model).read_bytes() != other.read_bytes()


def test_a_quantized_model_is_smaller_and_as_sure(
    model: str, texts: tuple[Path, Path], tmp_path: Path
) -> None:
    good, bad = texts
    path = tmp_path / "models" / "model.ftz"
    run = trainer("--good", good, "--bad", bad, "--output", path, "--quantize", *SMALL)
    assert run.returncode == 0, run.stderr
    assert path.stat().st_size < Path(model).stat().st_size / 2
    assert quality(PROSE, str(path)) == pytest.approx(quality(PROSE, model), abs=0.1)
    assert quality(MENU, str(path)) == pytest.approx(quality(MENU, model), abs=0.1)
    assert [file.name for file in path.parent.iterdir()] == ["model.ftz"]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        pytest.param("absent.txt", None, "no file or folder", id="missing"),
        pytest.param("a.csv", b"a,b\n", "is none of .txt, .txt.gz", id="another format"),
        pytest.param("a.jsonl", b'{"text": "a"}\n{"body": "b"}\n', 'a.jsonl:2 is no row {"text"', id="row"),
        pytest.param("a.parquet", b"PAR1", "a.parquet cannot be read", id="broken table"),
        pytest.param("a.txt", b"\n12\n", "no good text to train on", id="no text"),
        pytest.param("a.txt.gz", b"\x1f\x8b12", "a.txt.gz cannot be read", id="broken gzip"),
    ],
)
def test_unusable_input_is_refused(
    texts: tuple[Path, Path], tmp_path: Path, name: str, content: bytes | None, message: str
) -> None:
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    run = trainer("--good", path, "--bad", texts[1], "--output", tmp_path / "model.bin")
    assert run.returncode == 2
    assert run.stderr.startswith("train_quality: ")
    assert message in run.stderr
    assert "Traceback" not in run.stderr
    assert not (tmp_path / "model.bin").exists()


def test_a_table_of_something_else_is_refused(texts: tuple[Path, Path], tmp_path: Path) -> None:
    pq.write_table(pa.table({"url": ["a"]}), tmp_path / "a.parquet")
    run = trainer("--good", tmp_path, "--bad", texts[1], "--output", tmp_path / "model.bin")
    assert run.returncode == 2
    assert "a.parquet is no table of documents" in run.stderr


@pytest.fixture
def module(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(BENCHMARKS)
    import train_quality

    return train_quality


def test_texts_of_a_host_are_on_one_side_and_each_text_once(module: ModuleType) -> None:
    groups = [f"host{n % 40}" for n in range(400)]
    found = [module.Sample(f"text {n % 391}", n % 3 > 0, group) for n, group in enumerate(groups)]
    samples = module.gather(found)
    assert samples == module.gather(found[::-1])
    assert len(samples) == 391 - 6  # six of the nine that come twice are called good once, bad once
    training, held_back = module.split(samples, 0.3)
    assert sorted(training + held_back) == sorted(samples)
    assert {sample.group for sample in training}.isdisjoint(sample.group for sample in held_back)


scored = st.lists(st.tuples(st.sampled_from([0.0, 0.1, 0.5, 0.7, 1.0]), st.booleans()), max_size=30)


def test_figures_are_what_they_say(module: ModuleType) -> None:
    @given(scored)
    def check(pairs: list[tuple[float, bool]]) -> None:
        found = [module.Score(*pair) for pair in [*pairs, (0.5, True), (0.7, False)]]
        good, bad = ([s.value for s in found if s.good is kind] for kind in (True, False))
        wins = sum((a > b) + (a == b) / 2 for a in good for b in bad)
        assert module.auc(found) == pytest.approx(wins / len(good) / len(bad))
        for cut in module.cuts(found):
            kept = [s for s in found if s.value >= cut.min]
            assert cut.recall == pytest.approx(sum(s.good for s in kept) / len(good))
            assert cut.rejected == pytest.approx(sum(value < cut.min for value in bad) / len(bad))
            assert cut.precision * len(kept) == pytest.approx(sum(s.good for s in kept))

    check()


def test_a_model_is_like_that_of_fasttext_itself(
    module: ModuleType, texts: tuple[Path, Path], tmp_path: Path
) -> None:
    program = shutil.which("fasttext") or pytest.skip("no program fasttext (of the Debian package fasttext)")
    pytest.importorskip("floret", reason="the trainer needs floret (extra: train)")
    samples = module.gather([*module.texts([texts[0]], True), *module.texts([texts[1]], False)])
    module.train(samples, tmp_path / "ours.bin", module.Options(buckets=2000, epochs=3, seed=7))
    module.write_lines(samples, tmp_path / "lines.txt")
    options = "-dim 16 -epoch 3 -wordNgrams 2 -lr 0.3 -bucket 2000 -minCount 2 -seed 7 -thread 1 -verbose 0"
    command = [program, "supervised", "-input", tmp_path / "lines.txt", "-output", tmp_path / "theirs"]
    subprocess.run([*command, *options.split()], check=True, capture_output=True, timeout=60)
    ours, theirs = tmp_path / "ours.bin", tmp_path / "theirs.bin"
    assert ours.stat().st_size == theirs.stat().st_size
    for sample in samples[:50]:
        expected = quality(sample.line, str(theirs))
        assert quality(sample.line, str(ours)) == pytest.approx(expected, abs=1e-3)
