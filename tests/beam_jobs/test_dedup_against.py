"""``dedup --against``: what a build of both crawls finds, without a look at the documents of the first."""

from __future__ import annotations

import random
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml
from dedup_corpus import corpus, write_run
from dedup_pages import on, page
from dedup_runs import Found, config_of, deduplicate, item_of, run_on
from dedup_truth import expected
from msgspec.structs import replace

from beam_jobs.cli import main
from obelics_pipeline.document import Document, Node

SECTION: dict[str, Any] = {
    "keep": "oldest",
    "url": {},
    "same_text": {},
    "near_text": {},
    "shared_passage": {},
    "repeated_paragraph": {"spare": ["code"]},
    "image_frequency": {},
    "repeated_image": {},
    "image_set": {"similarity": 0.5},
}
LIMITS = {"word_count": {"min": 30}}
CONFIG = config_of(SECTION, LIMITS)


def in_time(documents: list[Document]) -> list[Document]:
    return sorted(documents, key=lambda document: document.source.timestamp or 0)


@pytest.fixture(scope="module")
def documents() -> list[Document]:
    return in_time(corpus(2000, seed=5).documents)


@pytest.fixture(scope="module")
def older(documents: list[Document], tmp_path_factory: pytest.TempPathFactory) -> Found:
    """The first crawl, whose documents are no longer where they were."""
    folder = tmp_path_factory.mktemp("older")
    found = run_on(documents[:1200], folder, CONFIG, parts=3)
    (folder / "filtered").rename(folder / "gone")
    return found


@pytest.fixture(scope="module")
def newer(documents: list[Document], older: Found, tmp_path_factory: pytest.TempPathFactory) -> Found:
    """The second crawl, compared with the first."""
    folder = tmp_path_factory.mktemp("newer")
    return run_on(documents[1200:], folder, CONFIG, parts=2, against=[older.folder])


@pytest.fixture(scope="module")
def whole(documents: list[Document], tmp_path_factory: pytest.TempPathFactory) -> Found:
    """Both crawls in one build."""
    return run_on(documents, tmp_path_factory.mktemp("whole"), CONFIG, parts=4)


def joined(documents: list[Document], older: Found, newer: Found) -> dict[str, tuple[Node, ...]]:
    """The nodes of the documents that both runs keep, by id, without what the second says the first would lose.

    Places of nodes are those in ``filtered/``, in both tables.
    """
    lost = {item_of(row) for found, table in TABLES for row in (older, newer)[found].rows(table)}
    return {
        document.id: tuple(
            node
            for place, node in enumerate(document.nodes)
            if not {("paragraph", document.id, place), ("image", document.id, place)} & lost
        )
        for document in documents
        if ("document", document.id, None) not in lost
    }


TABLES = ((0, "decisions/dedup"), (1, "decisions/dedup"), (1, "superseded"))


def test_two_runs_keep_what_a_build_of_both_keeps(
    documents: list[Document], older: Found, newer: Found, whole: Found
) -> None:
    """But for clusters: the first run does not know of the documents of the second that its own stand for."""
    assert joined(documents, older, newer) == {id: document.nodes for id, document in whole.kept.items()}
    lost = newer.rows("superseded")
    assert {row["level"] for row in lost} == {"document", "paragraph", "image"}
    assert {row["id"] for row in lost} <= older.kept.keys()
    assert not any(row["kept"] for row in lost)
    told = [item_of(row) for row in (*older.decisions, *lost)]
    assert len(told) == len(set(told)), "what the first run has dropped already is not told again"


def test_the_later_run_decides_as_a_build_of_both(
    newer: Found, whole: Found, documents: list[Document]
) -> None:
    ids = {document.id for document in documents[1200:]}
    assert newer.removed == {item: why for item, why in whole.removed.items() if item[1] in ids}
    assert {id: replace(document, cluster=None) for id, document in newer.kept.items()} == {
        id: replace(document, cluster=None) for id, document in whole.kept.items() if id in ids
    }


def test_an_earlier_run_comes_first_whatever_is_newer(
    documents: list[Document], older: Found, tmp_path: Path
) -> None:
    section = {**SECTION, "keep": "newest"}
    config = config_of(section, LIMITS)
    first = run_on(documents[:600:2], tmp_path / "a", config)
    second = run_on(documents[1:600:2], tmp_path / "b", config, against=[first.folder])
    clusters = [[row.of, id] for (_, id, _), row in second.removed.items() if row.rule == "near_text"]
    truth = expected(documents[1:600:2], section, against=documents[:600:2])
    exact = {item: why for item, why in truth.removed.items() if why.rule != "near_text"}
    assert exact.items() <= second.removed.items()
    assert all(second.removed.get(item, why).rule == why.rule for item, why in truth.removed.items())
    assert clusters
    assert any(why.of in first.kept for why in second.removed.values())


def test_pairs_are_found_whichever_run_their_documents_are_from(tmp_path: Path) -> None:
    """A chain, with so few bands that all depends on which documents are compared."""
    chance, words = random.Random(1), [f"w{number}" for number in range(1600)]
    chain = [
        page(f"{chance.getrandbits(64):016x}", " ".join(words[5 * n : 5 * n + 60]), time=n)
        for n in range(300)
    ]
    config = config_of({"keep": "oldest", "near_text": {"bands": 3, "rows": 1}})
    older = run_on(chain[:150], tmp_path / "a", config, parts=2)
    newer = run_on(chain[150:], tmp_path / "b", config, parts=2, against=[older.folder])
    whole = run_on(chain, tmp_path / "c", config, parts=2)
    assert joined(chain, older, newer).keys() == whole.kept.keys()
    assert 1 < len(whole.kept) < 250


def test_what_an_earlier_run_has_dropped_stays_dropped(tmp_path: Path) -> None:
    """The limit of comparing without documents: a build of both would have no set of images here."""
    section = {"keep": "oldest", "image_frequency": {"max_documents": 2}, "image_set": {}}
    texts = ("one two three", "four five six", "seven eight nine")
    documents = [
        page(id, text, images=("p",), time=n) for n, (id, text) in enumerate(zip("abc", texts, strict=True))
    ]
    config = config_of(section)
    older = run_on(documents[:2], tmp_path / "a", config, parts=1)
    newer = run_on(documents[2:], tmp_path / "b", config, parts=1, against=[older.folder])
    whole = run_on(documents, tmp_path / "c", config, parts=1)
    assert whole.kept.keys() == {"a", "b", "c"}
    assert joined(documents, older, newer).keys() == {"a", "c"}
    assert [item_of(row) for row in newer.rows("superseded")] == [("image", "a", 1)]


def test_runs_of_runs(tmp_path: Path) -> None:
    """A third crawl is compared with both before it, each of which tells what it would lose."""
    config = config_of({"keep": "oldest", "url": {}, "repeated_paragraph": {"min_pages": 3}})
    crawls = [[on("x.example", id, "a footer on all pages", id)] for id in "abc"]
    crawls[2].append(on("x.example", "a", "a capture"))
    folders = [tmp_path / str(n) for n in range(3)]
    found = [
        run_on(crawl, folders[n], config, parts=1, against=folders[:n]) for n, crawl in enumerate(crawls)
    ]
    assert [item_of(row) for row in found[2].rows("superseded")] == [
        ("paragraph", "a", 0),
        ("paragraph", "b", 0),
    ]
    assert list(found[2].kept) == ["c"]


# Mistakes


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Runs of one document: ``a``; ``b`` that was compared with it; ``c`` that is to be."""
    root = tmp_path_factory.mktemp("small")
    config = config_of({"near_text": {}})
    run_on([page("a", "some text")], root / "a", config, parts=1)
    run_on([page("b", "another text")], root / "b", config, parts=1, against=[root / "a"])
    write_run(root / "c", [page("c", "a third text")], 1)
    return {name: root / name for name in "abc"}


MISTAKES: dict[str, tuple[dict[str, Any], list[str], str]] = {
    "no run": (
        {},
        ["{root}/none"],
        "{root}/none/deduplicated/_MANIFEST.json: not there; run 'obelics dedup' first",
    ),
    "no signatures": (
        {},
        ["{root}/cut"],
        "{root}/cut/signatures/part-00000.parquet: missing or cut; run 'obelics dedup' again",
    ),
    "other bands": (
        {"near_text": {"rows": 6}},
        ["{root}/a"],
        "{root}/a/signatures/part-00000.parquet: its signatures were made with near_text [5, 16, 7, 1024], these would "
        "be with [5, 16, 6, 1024]; use the settings of dedup.near_text that the earlier run had",
    ),
    "another order": (
        {"keep": "oldest"},
        ["{root}/a"],
        "made with keep newest, these would be with oldest; use the settings of dedup.keep",
    ),
    "paragraphs that nobody signed": (
        {"repeated_paragraph": {}},
        ["{root}/a"],
        "made with repeated_paragraph None, these would be with ['host', []]; use the settings of",
    ),
    "a run twice": (
        {},
        ["{root}/a", "{root}/../{name}/a"],
        "is the same run as {root}/a; name it once",
    ),
    "the output": (
        {},
        ["{output}"],
        "--against {output}: is the output of this run; name the folder of an earlier one",
    ),
    "a run that was compared with another": (
        {},
        ["{root}/b"],
        "--against {root}/b: was itself compared with {root}/a; name that, too",
    ),
}


@pytest.mark.parametrize(("section", "against", "says"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_told(
    section: dict[str, Any],
    against: list[str],
    says: str,
    small: dict[str, Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    root = small["a"].parent
    if not (root / "cut").exists():
        shutil.copytree(root / "a", root / "cut")
        shutil.rmtree(root / "cut/signatures")
    config = tmp_path / "config.yaml"
    config.write_text(yaml.safe_dump({"dedup": {"near_text": {}} | section}))
    command = [
        "dedup",
        "--config",
        str(config),
        "--input",
        str(root / "c"),
        "--output",
        str(tmp_path / "out"),
    ]
    for run in against:
        command += ["--against", run.format(root=root, name=root.name, output=tmp_path / "out")]
    assert main(command) == 2
    told = capsys.readouterr().err
    assert says.format(root=root, output=tmp_path / "out") in told
    assert told.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_both_runs_named_it_is_no_mistake(small: dict[str, Path], tmp_path: Path) -> None:
    found = deduplicate(small["c"], tmp_path, config_of({"near_text": {}}), against=[small["b"], small["a"]])
    assert list(found.kept) == ["c"]
    assert [entry.path for entry in found.manifest.inputs[1:]] == [str(small["a"]), str(small["b"])]


def test_what_earlier_runs_share_stays_in_the_first_of_them(tmp_path: Path) -> None:
    """Though another has a newer copy: it has dropped that for the older one, and would else lose both."""
    config = config_of({"same_text": {}})
    runs: dict[str, Found] = {}
    for age, name in enumerate("abc"):
        text = "another text" if name == "c" else "one and the same text"
        documents = [page(name, text, time=1000 * (age + 1)), page(f"{name}-own", f"only in {name}")]
        before = [tmp_path / other for other in "abc"[:age]]
        runs[name] = run_on(documents, tmp_path / name, config, parts=1, against=before[::-1])
    kept = {name: set(found.kept) for name, found in runs.items()}
    assert kept == {"a": {"a", "a-own"}, "b": {"b-own"}, "c": {"c", "c-own"}}
    assert not any(runs[name].rows("superseded") for name in "bc")
