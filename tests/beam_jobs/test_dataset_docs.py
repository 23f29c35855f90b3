"""docs/dataset.md names every column, every status and every option of the dataset, and none that is not."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec
import pytest

from beam_jobs.config import ExportSection
from filters.rules import PictureRules
from obelics_pipeline import dataset, dataset_decisions
from obelics_pipeline.fetch_types import FetchStatus
from obelics_pipeline.release import Withheld

PAGE = (Path(__file__).parents[2] / "docs/dataset.md").read_text()
NAMED = set(re.findall(r"`([a-z0-9_]+)`", PAGE))

NAMES = {
    "columns": set(dataset.SCHEMA.names),
    "facts of images": {field.name for field in dataset.SCHEMA.field("image_info").type.value_type},
    "columns of decisions": set(dataset_decisions.SCHEMA.names),
    "statuses": {*FetchStatus, *Withheld},
}


@pytest.mark.parametrize("names", NAMES.values(), ids=NAMES)
def test_everything_is_named(names: set[str]) -> None:
    assert names - NAMED == set()


def table(heading: str) -> set[str]:
    """The names in the first column of the table under ``heading``."""
    section = PAGE.partition(f"{heading}\n")[2].partition("\n#")[0]
    cells = re.findall(r"(?m)^\|([^|]*)\|", section)[1:]
    return {name for cell in cells for name in re.findall(r"`(\w+)`", cell)}


def test_no_status_is_named_that_is_none() -> None:
    assert table("### Why a place is empty") - NAMES["statuses"] <= set(PictureRules.table)


def test_options_are_named_with_their_defaults() -> None:
    known = {field.name: field.default for field in msgspec.structs.fields(ExportSection)}
    found = table("## How it is cut")
    assert found <= set(known)
    assert {"shards", "validation", "images", "text", "max_document_bytes", "decisions"} <= found
    assert f"| {known['validation']} |" in PAGE
    assert f"| {known['max_document_bytes'] // 10**6} MB |" in PAGE
