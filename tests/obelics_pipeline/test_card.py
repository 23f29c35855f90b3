"""The card says what is there, and what strangers wrote in it is not Markdown."""

from __future__ import annotations

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from obelics_pipeline.accounting import Tally
from obelics_pipeline.card import card, code
from obelics_pipeline.dataset_files import (
    Build,
    DatasetManifest,
    StageCounts,
    decode_manifest,
    described,
    place_of,
    read_sums,
    sums,
)
from obelics_pipeline.errors import InputError
from obelics_pipeline.manifest import FileEntry
from obelics_pipeline.survey import Group, Survey, Total, total

HOSTILE = "a|b`c`\n# <script>alert(1)</script> ![x](http://evil.example/t.png) \u202egnp"


def entry(path: str, rows: int = 3) -> FileEntry:
    return FileEntry(path, rows, 100, "ab" * 32)


def manifest(*paths: str, build: Build = Build()) -> DatasetManifest:
    return DatasetManifest("0.1", tuple(described(entry(path), [Group(3, 90)]) for path in paths), build)


def counted(**counts: dict[str, int]) -> Total:
    return total([Survey([Group(3, 90)], counts, domains={HOSTILE: (3, 4)}, sums={"num_images": 4})], 5)


@pytest.mark.parametrize(
    ("path", "config", "split"),
    [
        ("data/train-00001-of-00064.parquet", "default", "train"),
        ("data/validation-00000-of-00001.parquet", "default", "validation"),
        ("decisions/train-00000-of-00001.parquet", "decisions", "train"),
        ("pairs/train-00000-of-00001.parquet", "pairs", "train"),
    ],
)
def test_a_path_says_what_a_table_is(path: str, config: str, split: str) -> None:
    place = place_of(path)
    assert place is not None
    assert (place.config, place.split) == (config, split)


@pytest.mark.parametrize(
    "path", ["tombstones.parquet", "data/x.parquet", "other/train-00000-of-00001.parquet"]
)
def test_other_files_are_no_tables(path: str) -> None:
    assert place_of(path) is None


def test_the_front_matter_names_the_files_that_there_are() -> None:
    paths = ("data/train-00000-of-00001.parquet", "pairs/train-00000-of-00001.parquet")
    _, front, text = card(manifest(*paths), counted(language={"en": 2, "zh-hant": 1})).split("---\n", 2)
    data = yaml.safe_load(front)
    assert data["configs"] == [
        {
            "config_name": "default",
            "default": True,
            "data_files": [{"split": "train", "path": "data/train-*.parquet"}],
        },
        {"config_name": "pairs", "data_files": [{"split": "train", "path": "pairs/train-*.parquet"}]},
    ]
    assert (data["language"], data["size_categories"], data["license"]) == (["en"], ["n<1K"], "other")
    assert "dataset_info" not in data  # `datasets` would hold the number of rows against the files
    assert "3 web documents with 4 images" in text


def test_the_funnel_is_told() -> None:
    tally = Tally()
    tally.enter("documents", 5)
    tally.keep("documents", 3)
    tally.reject("documents", "word_count", 2)
    text = card(manifest(build=Build((StageCounts("filter", tally),), lists=(HOSTILE,))), counted())
    assert "| `filter` | `documents` | 5 | 3 | `word_count 2` |" in text


def test_what_strangers_wrote_stays_in_one_cell_of_code() -> None:
    text = card(manifest(), counted(license={HOSTILE: 3}, consent={HOSTILE: 1}))
    for line in (line for line in text.splitlines() if "script" in line):
        cells = line.replace("\\|", "").strip("| ").split(" | ")
        assert cells[0].startswith("`")
        assert cells[0].endswith("`")
        assert cells[0].count("`") == 2
    assert "\u202e" not in text


@given(st.text())
def test_code_is_one_span(text: str) -> None:
    shown = code(text)
    assert shown == "(none)" or (
        shown[0] == shown[-1] == "`" and shown.count("`") == 2 and shown.isprintable()
    )


@pytest.mark.parametrize(
    ("documents", "category"), [(0, "n<1K"), (1000, "1K<n<10K"), (10**9, "1B<n<10B"), (10**13, "n>1T")]
)
def test_the_size_is_a_category_of_the_hub(documents: int, category: str) -> None:
    found = Total(documents, Survey(), 0, [])
    assert yaml.safe_load(card(manifest(), found).split("---\n")[1])["size_categories"] == [category]


def test_a_manifest_is_read_as_it_was_written() -> None:
    made = manifest("data/train-00000-of-00001.parquet", build=Build(lists=("list 1",)))
    assert decode_manifest(made.encode(), "here") == made
    with pytest.raises(InputError, match="here: no manifest"):
        decode_manifest(b"{}", "here")


def test_checksums_are_read_as_they_were_written() -> None:
    entries = [entry("data/b"), entry("a file")]
    assert sums(entries).startswith(b"ab")
    assert read_sums(sums(entries), "here") == {"a file": "ab" * 32, "data/b": "ab" * 32}
    with pytest.raises(InputError, match="here: line 2"):
        read_sums(sums(entries[:1]) + b"what\n", "here")
