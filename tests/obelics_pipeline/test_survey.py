"""Counts of files add up to those of the dataset, in any order, and quantiles are near the true ones."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from feed_data import rows, write
from hypothesis import given
from hypothesis import strategies as st

from obelics_pipeline import survey as surveys
from obelics_pipeline.survey import ACCURACY, Domain, Spread, Survey, survey, total

DOCUMENTS = rows(60)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[Survey]:
    for number, row in enumerate(DOCUMENTS):
        row |= {
            "domain": f"d{number % 7}.example",
            "language": "en" if number % 3 else "fr",
            "num_tokens_est": number,
        }
        row |= {
            "timestamp": 1000 * number,
            "num_image_slots": sum(info is not None for info in row["image_info"]),
        }
    folder = write(tmp_path_factory.mktemp("survey"), DOCUMENTS)
    return [survey(pq.ParquetFile(path), "default") for path in sorted(Path(folder).glob("data/*.parquet"))]


def test_row_groups_say_what_they_hold(files: list[Survey]) -> None:
    groups = [group for file in files for group in file.groups]
    assert [(group.rows, group.images, group.tokens) for group in groups] == [
        (
            len(some),
            sum(row["num_images"] for row in some),
            sum(row["num_tokens_est"] for row in some),
        )
        for start in range(0, 60, 15)
        for some in (DOCUMENTS[start : start + 10], DOCUMENTS[start + 10 : start + 15])
    ]
    assert all(group.bytes > 1000 for group in groups)


def test_the_sum_is_that_of_all_documents_in_any_order(files: list[Survey]) -> None:
    whole = total(files, 3)
    assert whole.documents == 60
    assert whole.survey.counts["language"] == {"fr": 20, "en": 40}
    statuses = [info["status"] for row in DOCUMENTS for info in row["image_info"] if info is not None]
    assert whole.survey.counts["status"] == {name: statuses.count(name) for name in set(statuses)}
    assert whole.survey.sums["num_images"] == sum(row["num_images"] for row in DOCUMENTS)
    assert (whole.survey.first, whole.survey.last) == (0, 59_000)
    mine = [row for row in DOCUMENTS if row["domain"] == "d0.example"]
    first = next(domain for domain in whole.top if domain.name == "d0.example")
    assert first == Domain("d0.example", 9, sum(row["num_images"] for row in mine))
    assert (whole.domains, len(whole.top)) == (7, 3)
    again = total(random.Random(5).sample(files, len(files)), 3)
    assert (again.top, again.survey.sums, again.survey.spreads) == (
        whole.top,
        whole.survey.sums,
        whole.survey.spreads,
    )


def test_domains_are_summed_while_they_are_read(files: list[Survey], monkeypatch: pytest.MonkeyPatch) -> None:
    expected = total(files, 7).top
    monkeypatch.setattr(surveys, "_PENDING", 3)
    assert total(files, 7).top == expected


def test_nothing_is_an_answer() -> None:
    assert (total([], 5).documents, total([], 5).top) == (0, [])


@given(st.lists(st.floats(0, 1e9, allow_subnormal=False), min_size=1, max_size=300), st.floats(0, 1))
def test_quantiles_are_near(values: list[float], share: float) -> None:
    spread = Spread()
    spread.add(pa.array(values))
    true = float(np.quantile(values, share, method="lower"))
    assert spread.count == len(values)
    assert spread.quantile(share) == pytest.approx(true, rel=ACCURACY * 1.001)
