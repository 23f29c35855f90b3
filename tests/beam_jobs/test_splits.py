"""Which file of the dataset a document is in."""

from __future__ import annotations

import pytest

from beam_jobs.config import ExportSection
from beam_jobs.splits import TEXT_BYTES, Splits, file_count, splits_for

COUNTS = {
    "nothing is one file": (0, 1),
    "one file full": (10, 1),
    "a byte more": (11, 2),
    "a power of two": (21, 4),
    "up to 64": (640, 64),
    "a multiple of it beyond": (641, 128),
    "far beyond": (64_010, 6_464),
}


@pytest.mark.parametrize(("size", "files"), COUNTS.values(), ids=COUNTS)
def test_the_number_of_files_is_one_that_readers_share(size: int, files: int) -> None:
    assert file_count(size, 10) == files


def test_each_split_has_the_files_of_its_share() -> None:
    assert splits_for(400, 600, ExportSection(shard_bytes=10, validation=0.1)) == Splits(128, 16, 0.1)
    assert splits_for(400, 600, ExportSection(shard_bytes=10, validation=0.1, shards=3)) == Splits(3, 16, 0.1)
    assert splits_for(400, 600, ExportSection(shard_bytes=10, validation=0)) == Splits(128, 1, 0)


def test_files_of_texts_alone_are_smaller() -> None:
    section = ExportSection(shard_bytes=400_000_000, validation=0)
    assert splits_for(TEXT_BYTES * 8, 0, section) == Splits(8, 1, 0)
    assert splits_for(TEXT_BYTES * 8, 400_000_000 * 30, section) == Splits(32, 1, 0)


IDS = [f"{number:032x}" for number in range(4000)]


def test_a_document_is_in_the_same_split_whatever_the_number_of_files() -> None:
    few, many = Splits(1, 1, 0.1), Splits(64, 4, 0.1)
    validation = {id for id in IDS if few.of(id) == 1}
    assert validation == {id for id in IDS if many.of(id) >= 64}
    assert 300 < len(validation) < 500
    assert {many.of(id) for id in IDS} == set(range(68))


@pytest.mark.parametrize(("share", "validation"), [(0.0, False), (1.0, True)])
def test_a_split_may_have_all_or_nothing(share: float, validation: bool) -> None:
    splits = Splits(4, 2, share)
    assert all((splits.of(id) >= 4) is validation for id in IDS[:200])


def test_documents_that_are_alike_are_in_one_split() -> None:
    splits = Splits(8, 8, 0.5)
    assert len({splits.of(id, "cluster") >= 8 for id in IDS[:50]}) == 1
    assert len({splits.of(id, "cluster") for id in IDS[:50]}) > 4, "in any of its files"


def test_names_are_those_that_datasets_knows() -> None:
    splits = Splits(64, 2, 0.01)
    assert splits.total == 66
    assert splits.name(63) == "train-00063-of-00064.parquet"
    assert splits.name(65) == "validation-00001-of-00002.parquet"
    assert not any(map(splits.may_be_absent, range(66)))
    assert [Splits(2, 1, 0).may_be_absent(number) for number in range(3)] == [False, False, True]
