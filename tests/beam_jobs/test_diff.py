"""Two runs side by side: every document that came, went or changed, with the reason the runs themselves gave."""

from __future__ import annotations

import json
import shutil
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from beam_jobs.cli import main
from beam_jobs.diff.differences import (
    KEY_BYTES,
    NO_IMAGE,
    Difference,
    Loss,
    Side,
    explain,
    node_keys,
    only_in,
    same,
)
from beam_jobs.diff.job import compare
from beam_jobs.diff.report import choose
from beam_jobs.diff.runs import Trail
from beam_jobs.diff.tables import sides
from beam_jobs.rows import DOCUMENTS
from obelics_pipeline.document import Document, ImageNode, TextNode
from obelics_pipeline.tables import documents_to_batch

CONFIG = """
extract: {{main_content: false, range_bytes: 1500, max_failed_share: 1}}
filter:
  paragraph: {{word_count: {paragraph}}}
  document: {{word_count: {document}}}
  sample_share: 1
dedup: {dedup}
images: {{allow_private: true, hosts: {{img.example: "{server}"}}}}
assemble:
  image: {{size: {{min: {size}}}}}
  document: {{image_count: {{min: 1}}}}
  sample_share: 1
"""
BASE = {
    "paragraph": "{min: 2, max: 100}",
    "document": "{min: 10, max: 300}",
    "dedup": "{url: {}}",
    "size": 100,
}
OTHER = {"paragraph": "{min: 8}", "document": "{min: 30}", "dedup": "{}", "size": 125}

PICTURE, SMALL = "300x200-7.png", "120x130-9.png"
PAGES: dict[str, tuple[list[int], list[str]]] = {
    **{f"same{n}": ([20, 25], [PICTURE]) for n in range(8)},
    "nothing": ([], []),
    "few": ([12, 10], [PICTURE]),
    "many": ([80, 80, 80, 80], [PICTURE]),
    "short-paragraph": ([20, 5, 25], [PICTURE]),
    "long-paragraph": ([20, 120], [PICTURE]),
    "small-image": ([20, 25], [PICTURE, SMALL]),
    "only-small-image": ([20, 25], [SMALL]),
    "gone-image": ([20, 25], ["gone.png", PICTURE]),
    "page?utm_source=x": ([20, 25], [PICTURE]),
    "page": ([20, 25], [PICTURE]),
}
"""By name of the page: the words of its paragraphs, and its images."""

Build = Callable[..., Path]
Row = dict[str, Any]


def record(number: int, name: str) -> bytes:
    words, images = PAGES[name]
    texts = [f"<p>{name} {place} {'word ' * (n - 2)}</p>" for place, n in zip("abcd", words, strict=False)]
    pictures = [f'<img src="http://img.example/{image}">' for image in images]
    html = f"<html><body><article>{''.join(texts + pictures)}</article></body></html>"
    payload = f"HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\n\r\n{html}".encode()
    head = (
        "WARC/1.0\r\nWARC-Type: response\r\n"
        f"WARC-Record-ID: <urn:uuid:00000000-0000-0000-0000-{number:012d}>\r\n"
        f"WARC-Date: 2024-03-01T00:00:{number:02d}Z\r\nWARC-Target-URI: http://a.example/{name}\r\n"
        f"Content-Type: application/http; msgtype=response\r\nContent-Length: {len(payload)}\r\n\r\n"
    )
    return head.encode() + payload + b"\r\n\r\n"


@pytest.fixture(scope="module")
def archives(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    folder = tmp_path_factory.mktemp("archives")
    records = [record(number, name) for number, name in enumerate(PAGES)]
    for name, some in (("first.warc", records[:9]), ("second.warc", records[9:])):
        (folder / name).write_bytes(b"".join(some))
    return [str(folder / "first.warc"), str(folder / "second.warc")]


@pytest.fixture(scope="module")
def build(tmp_path_factory: pytest.TempPathFactory, archives: list[str], image_server: str) -> Build:
    def run(config: dict[str, Any], *commands: str, inputs: list[str] = archives) -> Path:
        folder = tmp_path_factory.mktemp("run")
        path = folder / "config.yaml"
        path.write_text(CONFIG.format(**config, server=image_server))
        for command in commands or ("build",):
            given = ["--input", *inputs] if command in ("build", "extract") else []
            assert main([command, "--config", str(path), *given, "--output", str(folder / "out")]) == 0
        return folder / "out"

    return run


@pytest.fixture(scope="module")
def runs(build: Build) -> tuple[Path, Path]:
    return build(BASE), build(OTHER)


def diff(a: Path, b: Path, output: Path, *options: str) -> tuple[list[Row], dict[str, tuple[int, int]]]:
    """The rows of the table, and (in, kept) of each level of the counts."""
    assert main(["diff", str(a), str(b), "--output", str(output), *options]) == 0
    manifest = json.loads((output / "diff/_MANIFEST.json").read_bytes())
    rows = [row for entry in manifest["files"] for row in pq.read_table(output / entry["path"]).to_pylist()]
    assert len(rows) == sum(entry["rows"] for entry in manifest["files"])
    levels = manifest["tally"]["levels"]
    return rows, {name: (level["in"], level["kept"]) for name, level in levels.items()}


def told(row: Row) -> tuple[Any, ...]:
    why = f"{row['stage']}/{row['rule']}"
    if row["threshold"] is not None:
        why += f" {row['value']:g} {row['op']} {row['threshold']:g}"
    return (
        row["url"].removeprefix("http://a.example/"),
        row["change"],
        row["level"],
        row["run"],
        why,
        row["index"],
    )


def documents(run: Path, folder: str) -> dict[str, Row]:
    files = sorted((run / folder).glob("*.parquet"))
    return {row["id"]: row for file in files for row in pq.read_table(file).to_pylist()}


DIFFERENCES = {
    ("few", "went", "document", "B", "filter/word_count 22 < 30", None),
    ("many", "came", "document", "A", "filter/word_count 320 > 300", None),
    ("page?utm_source=x", "came", "document", "A", "dedup/url", None),
    ("only-small-image", "went", "document", "B", "assemble/image_count 0 < 1", None),
    ("short-paragraph", "changed", "paragraph", "B", "filter/word_count 5 < 8", 1),
    ("long-paragraph", "changed", "paragraph", "A", "filter/word_count 120 > 100", 1),
    ("small-image", "changed", "image", "B", "assemble/size 120 < 125", 3),
}


def test_every_difference_has_the_reason_that_its_run_gave(runs: tuple[Path, Path], tmp_path: Path) -> None:
    rows, counts = diff(*runs, tmp_path)
    assert sorted(map(told, rows)) == sorted(DIFFERENCES)
    assert counts == {
        "unchanged": (10, 10),
        "came": (2, 2),
        "went": (2, 2),
        "changed": (3, 3),
        "documents of A": (15, 15),
        "documents of B": (15, 15),
    }
    excerpts = {row["url"].rpartition("/")[2]: row["excerpt"] for row in rows}
    assert excerpts["short-paragraph"] == "short-paragraph b word word word"
    assert excerpts["small-image"] == f"http://img.example/{SMALL}"
    (kept,) = [row["id"] for row in documents(runs[0], "assembled").values() if row["url"].endswith("/page")]
    assert excerpts["page?utm_source=x"] == f"duplicate of {kept}"


@pytest.mark.parametrize(
    ("stage", "folder"), [("filter", "filtered"), ("dedup", "deduplicated"), ("assemble", "assembled")]
)
def test_what_comes_one_way_goes_the_other(
    runs: tuple[Path, Path], stage: str, folder: str, tmp_path: Path
) -> None:
    a, b = runs
    there, counts = diff(a, b, tmp_path / "ab", "--stage", stage)
    back, _ = diff(b, a, tmp_path / "ba", "--stage", stage)
    swapped = {"came": "went", "went": "came", "changed": "changed"}
    other = {"A": "B", "B": "A"}
    assert sorted(map(told, back)) == sorted(
        told({**row, "change": swapped[row["change"]], "run": other[row["run"]]}) for row in there
    )
    kept = {name: set(documents(run, folder)) for name, run in (("A", a), ("B", b))}
    by_change = {change: {row["id"] for row in there if row["change"] == change} for change in swapped}
    assert by_change["came"] == kept["B"] - kept["A"]
    assert by_change["went"] == kept["A"] - kept["B"]
    assert by_change["changed"] <= kept["A"] & kept["B"]
    assert counts["documents of B"][1] == counts["documents of A"][1] + counts["came"][1] - counts["went"][1]
    assert counts["unchanged"][1] == len(kept["A"] & kept["B"] - by_change["changed"])


def test_a_run_does_not_differ_from_itself(runs: tuple[Path, Path], tmp_path: Path, capsys: Any) -> None:
    rows, counts = diff(runs[0], runs[0], tmp_path)
    assert rows == []
    assert counts["unchanged"] == (15, 15)
    assert "not the same: nothing" in capsys.readouterr().out


@pytest.mark.timeout(300)
def test_two_workers_write_the_same_bytes(runs: tuple[Path, Path], tmp_path: Path) -> None:
    outputs = tmp_path / "one", tmp_path / "two"
    for output, workers in zip(outputs, "12", strict=True):
        diff(*runs, output, "--workers", workers)
    one, two = ({path.name: path.read_bytes() for path in (output / "diff").iterdir()} for output in outputs)
    assert one == two
    assert len(one) > 3


def test_it_is_printed_without_leaving_a_trace(
    runs: tuple[Path, Path], tmp_path: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    assert main(["diff", *map(str, runs), "--examples", "4"]) == 0
    printed = capsys.readouterr().out
    assert "not the same: configuration of filter, dedup, assemble\n" in printed
    assert "A  " in printed
    assert "15 documents after assemble" in " ".join(printed.split())  # wherever a long path is wrapped
    assert [line.split()[0] for line in printed.splitlines() if "http://a.example/" in line] == [
        "came",
        "came",
        "changed",
        "changed",
    ]
    assert list(tmp_path.iterdir()) == []


def test_what_was_not_read_is_told_from_what_had_nothing(
    build: Build,
    archives: list[str],
    runs: tuple[Path, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from beam_jobs import extract
    from obelics_pipeline.errors import PageFailed
    from obelics_pipeline.page import Page

    sound = extract.extract_document

    def hostile(page: Page, options: Any) -> Any:
        if page.url.endswith("/same1"):
            raise PageFailed("too_deep", "a tower of elements")
        return sound(
            msgspec.structs.replace(page, body=b"<p>") if page.url.endswith("/same2") else page, options
        )

    monkeypatch.setattr("beam_jobs.extract.extract_document", hostile)
    less = build(BASE, "extract", "filter", "dedup", inputs=archives[:1])
    monkeypatch.undo()
    rows, counts = diff(runs[0], less, tmp_path)
    assert Counter((row["change"], row["stage"], row["rule"]) for row in rows) == {
        ("went", "extract", "too_deep"): 1,
        ("went", "extract", "no_nodes"): 1,
        ("went", "extract", "not_in_input"): 7,
    }
    (failed,) = [row for row in rows if row["rule"] == "too_deep"]
    assert (failed["url"], failed["excerpt"]) == ("http://a.example/same1", "a tower of elements")
    assert counts["unchanged"] == (6, 6)


def test_a_run_that_begins_later_knows_nothing_of_before(
    build: Build, archives: list[str], runs: tuple[Path, Path], tmp_path: Path
) -> None:
    whole = build(BASE, "extract", "filter", "dedup")
    less = build(BASE, "extract", "filter", inputs=archives[1:])
    config = str(less.parent / "config.yaml")
    alone = tmp_path / "alone"
    assert main(["dedup", "--config", config, "--input", str(less), "--output", str(alone)]) == 0
    rows, _ = diff(whole, alone, tmp_path / "out")
    assert {(row["change"], row["stage"], row["rule"]) for row in rows} == {("went", "dedup", "not_in_input")}
    assert len(rows) == 8


def test_mistakes_end_with_2(runs: tuple[Path, Path], build: Build, tmp_path: Path, capsys: Any) -> None:
    a = str(runs[0])
    only_extracted = str(build(BASE, "extract"))
    stale = tmp_path / "stale"
    shutil.copytree(a, stale)
    config = str(runs[1].parent / "config.yaml")
    assert main(["filter", "--config", config, "--output", str(stale)]) == 0
    cut = tmp_path / "cut"
    shutil.copytree(a, cut)
    (cut / "decisions/filter/part-00000.parquet").write_bytes(b"cut")
    capsys.readouterr()
    mistakes = {
        (a, str(tmp_path / "none")): "none: no run is there; name a folder that 'obelics build' wrote",
        (a, only_extracted): f"({a} has filter, dedup, assemble; {only_extracted} has none of them)",
        (a, only_extracted, "--stage", "dedup"): "run 'obelics dedup' first, to its end",
        (a, a, "--stage", "filtr"): "no stage 'filtr'; did you mean 'filter'?",
        (a, a, "--stage", "export"): "no stage 'export'; known: filter, dedup, assemble",
        (a, a, "--examples", "-1"): "--examples",
        (a,): "RUN_B",
        (a, str(stale)): "deduplicated: was not made from the filtered/ beside it; run 'obelics dedup' again",
        (a, str(cut)): "decisions/filter/part-00000.parquet: missing or cut",
        (a, a, "--outptu", "x"): "did you mean '--output'?",
        (a, a, "--", "--runner=FlinkRunner"): "needs --output DIR",
    }
    for arguments, says in mistakes.items():
        assert main(["diff", *arguments]) == 2, arguments
        printed = capsys.readouterr()
        assert (printed.out, printed.err.count("\n")) == ("", 1)
        assert says in printed.err


def test_a_stage_before_a_stale_one_can_be_compared(runs: tuple[Path, Path], tmp_path: Path) -> None:
    stale = tmp_path / "stale"
    shutil.copytree(runs[0], stale)
    config = str(runs[1].parent / "config.yaml")
    assert main(["filter", "--config", config, "--output", str(stale)]) == 0
    rows, _ = diff(runs[1], stale, tmp_path / "out", "--stage", "filter")
    assert rows == []


# Without tables.


def side(run: str, *only: tuple[str, str], losses: tuple[Loss, ...] = (), first: str = "extract") -> Side:
    return Side(run, first, True, "http://a.example/", losses, only)


def loss(words: str, index: int, rule: str = "word_count") -> Loss:
    return Loss("filter", rule, 1.0, 2.0, "<", "paragraph", index, words)


P, Q = ("paragraph", "p"), ("paragraph", "q")
SIDES = [
    pytest.param(
        [side("A", P), side("B")], {("B", "not_extracted", None)}, id="extraction does not yield it"
    ),
    pytest.param(
        [side("A", P), side("B", first="dedup")],
        {("B", "not_in_input", None)},
        id="unknown before the first stage",
    ),
    pytest.param([side("A"), side("B")], {(None, "order", None)}, id="other order"),
    pytest.param([side("A", P), side("B", P)], {(None, "edited", None)}, id="the same beginning"),
    pytest.param(
        [side("A", P), side("B", Q)],
        {("B", "not_extracted", None), ("A", "not_extracted", None)},
        id="other nodes",
    ),
    pytest.param(
        [side("A", P, losses=(loss("p", 1),)), side("B", losses=(loss("p", 1), loss("p", 4, "punctuation")))],
        {("B", "punctuation", 4)},
        id="of two alike, both refused one",
    ),
    pytest.param(
        [side("A", P), side("B", Q, losses=(loss("p", 7),))],
        {("B", "word_count", 7), ("A", "not_extracted", None)},
        id="extracted elsewhere and refused",
    ),
]


@pytest.mark.parametrize(("sides", "rows"), SIDES)
def test_a_changed_document_is_explained(sides: list[Side], rows: set[tuple[Any, ...]]) -> None:
    found = explain("id", sides)
    assert {(row.run, row.rule, row.index) for row in found} == rows
    assert len(found) == len(rows)
    assert {row.change for row in found} == {"changed"}


def test_many_equal_nodes_are_explained_in_order_and_in_linear_time() -> None:
    n = 400_000
    losses = tuple(loss("p", index) for index in range(n))
    started = time.process_time()
    found = explain("id", [side("A", *[P] * n), side("B", losses=losses)])
    assert time.process_time() - started < 8
    assert [row.index for row in found] == list(range(n))


keys = st.lists(st.sampled_from([bytes([n]) * KEY_BYTES for n in range(4)]), max_size=8).map(b"".join)


@given(keys, keys)
def test_nodes_are_counted(mine: bytes, others: bytes) -> None:
    def count(joined: bytes) -> Counter[bytes]:
        cut = (joined[start : start + KEY_BYTES] for start in range(0, len(joined), KEY_BYTES))
        return Counter(key for key in cut if key != NO_IMAGE)

    places = only_in(mine, others)
    assert count(b"".join(mine[n * KEY_BYTES :][:KEY_BYTES] for n in places)) == count(mine) - count(others)
    if same(mine, others):
        assert places == only_in(others, mine) == ()


def test_documents_are_found_in_whatever_row_group(tmp_path: Path) -> None:
    found = [
        Document(str(n), f"http://a.example/{n}", "", "", (TextNode("paragraph", f"{n}"),)) for n in range(9)
    ]
    batch = documents_to_batch(found, DOCUMENTS)
    path = str(tmp_path / "part-00000.parquet")
    pq.write_table(pa.Table.from_batches([batch]), path, row_group_size=2)
    trails = Trail("A", str(tmp_path), ("extract",)), Trail("B", str(tmp_path), ("extract",))
    asks = [("7", 7, True, (0,)), ("2", 2, True, ()), ("3", 3, False, ())]
    told = {id: (side.run, side.url[-1], side.only) for id, side in sides(4, path, asks, trails, 4)}
    assert told == {"7": ("B", "7", (("paragraph", "7"),)), "2": ("B", "2", ()), "3": ("B", "3", ())}


def test_an_empty_slot_is_no_node_and_words_about_an_image_are() -> None:
    image = ImageNode("http://a.example/x.png", alt="a harbour")
    document = Document("id", "", "", "", (TextNode("paragraph", "p"), image))
    bare = Document("id", "", "", "", document.nodes[:1])
    assert same(node_keys(document, (None, "http_4xx")), node_keys(bare))
    assert not same(node_keys(document, (None, "ok")), node_keys(bare))
    silent = Document("id", "", "", "", (document.nodes[0], ImageNode(image.url)))
    assert only_in(node_keys(document), node_keys(silent)) == (1,)


states = st.lists(
    st.tuples(st.sampled_from("AB"), st.integers(0, 3), st.integers(-1, 3), st.sampled_from([b"", b"k" * 8])),
    max_size=6,
)


@given(states, st.randoms())
def test_a_document_is_one_however_often_it_was_captured(found: list[Any], chance: Any) -> None:
    asks, counts = compare("id", found)
    kept = {run for run, _, row, _ in found if row >= 0}
    assert sum(row >= 0 for _, (_, row, _, _) in asks) == (0 if "unchanged" in counts else len(kept))
    assert all((run in kept) == (counts[run] > 0) for run in "AB") if kept else not asks
    chance.shuffle(found)
    assert compare("id", found) == (asks, counts)


def test_examples_are_of_every_reason() -> None:
    rows = [
        Difference(id=str(n), url="", change="went", run="B", stage="filter", rule="word_count")
        for n in range(9)
    ]
    rows.append(Difference(id="x", url="", change="came", run="A", stage="dedup", rule="url"))
    assert [row.id for row in choose(rows, 3)] == ["x", "0", "1"]
    assert len(choose(rows, 99)) == 10
