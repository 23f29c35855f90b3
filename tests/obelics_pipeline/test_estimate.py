"""What a stage would take: from the rates, and from nothing else."""

from __future__ import annotations

import pytest

from obelics_pipeline.estimate import Contents, CostOptions, Flow, Work, archives, estimate
from obelics_pipeline.rates import RATES

ROUND = {
    "extract_seconds": 200,
    "pages": 50_000,
    "unpacked": 5,
    "extracted": 0.5,
    "extracted_bytes": 4_000,
    "filter_seconds": 0.01,
    "filtered": 0.4,
    "filtered_bytes": 5_000,
    "decided_bytes": 1_000,
    "filtered_images": 5,
    "dedup_seconds": 0.01,
    "deduplicated": 0.5,
    "signature_bytes": 2_000,
    "deduplicated_images": 0.4,
    "image_seconds": 0.004,
    "image_rate": 200,
    "fetched": 0.5,
    "image_bytes": 100_000,
    "assemble_seconds": 0.01,
    "assembled": 0.5,
    "assembled_bytes": 6_000,
    "export_seconds": 5,
    "export_document_seconds": 0.01,
    "pairs": 2,
}


@pytest.fixture
def round_rates(monkeypatch: pytest.MonkeyPatch) -> None:
    """Figures to reckon with in the head, whatever was measured last."""
    assert ROUND.keys() == RATES.keys()
    for name, value in ROUND.items():
        monkeypatch.setitem(RATES, name, type(RATES[name])(value, "", "a command", "a day"))


STAGES = [
    ("extract", Flow(100_000, 2e9, packed=2e9), Work(400, 2e9, 2e8, Flow(50_000, 2e8), moved=2e9)),
    ("filter", Flow(50_000, 2e8), Work(500, 2e8, 1.5e8, Flow(20_000, 1e8, 100_000))),
    (
        "dedup",
        Flow(20_000, 1e8, 100_000),
        Work(200, 2.8e8, 9e7, Flow(10_000, 5e7, 40_000)),
    ),
    (
        "images",
        Flow(10_000, 5e7, 40_000),
        Work(160, 2.05e9, 2e9, Flow(10_000, 5e7, 20_000, 2e9), moved=2e9, waiting=200),
    ),
    ("assemble", Flow(10_000, 5e7, 20_000, 2e9), Work(100, 5e7, 3e7, Flow(5_000, 3e7, 10_000, 1e9))),
    ("export", Flow(5_000, 3e7, 10_000, 1e9), Work(65, 3.03e9, 3.03e9, Flow(5_000, 3.03e9, 10_000, 1e9))),
]


@pytest.mark.usefixtures("round_rates")
@pytest.mark.parametrize(("stage", "given", "work"), STAGES, ids=[case[0] for case in STAGES])
def test_a_stage_takes_what_the_rates_say_of_what_it_is_given(stage: str, given: Flow, work: Work) -> None:
    assert estimate(stage, given) == work


@pytest.mark.usefixtures("round_rates")
def test_archives_hold_pages_by_their_size_unless_they_are_counted() -> None:
    assert archives(2e9) == Flow(100_000, 2e9, packed=2e9)
    assert archives(2e9, 7) == Flow(7, 2e9, packed=2e9)


@pytest.mark.usefixtures("round_rates")
def test_archives_that_are_not_compressed_hold_fewer_pages() -> None:
    plain = archives(1e10, compressed=False)
    assert plain == Flow(100_000, 1e10, packed=2e9)
    assert estimate("extract", plain) == Work(400, 1e10, 2e8, Flow(50_000, 2e8), moved=1e10)


@pytest.mark.usefixtures("round_rates")
@pytest.mark.parametrize(
    ("contents", "size", "seconds"),
    [
        (Contents(), 3.03e9, 65),
        (Contents(pairs=False), 1.03e9, 55),
        (Contents(images=False), 3e7, 50),
        (Contents(images=False, pairs=False), 3e7, 50),
    ],
)
def test_a_dataset_without_pairs_or_images_has_fewer_copies(
    contents: Contents, size: float, seconds: float
) -> None:
    work = estimate("export", Flow(5_000, 3e7, 10_000, 1e9), contents)
    assert (work.reads, work.writes, work.seconds) == (size, size, seconds)


def test_work_is_shared_and_priced() -> None:
    work = Work(7200, 4e9, 2e9, Flow(1, 1), moved=3e9, waiting=9000)
    assert (work.wall(1), work.wall(10)) == (9000, 900)
    assert work.share(0.5) == Work(3600, 2e9, 1e9, Flow(1, 1), moved=1.5e9, waiting=4500)
    assert work.cost(CostOptions(core_hour=1, gb_month=0.5, months=3, gb_moved=0.25)) == 2 + 3 + 0.75


def test_every_rate_says_where_it_is_from() -> None:
    for name, rate in RATES.items():
        assert rate.value > 0, name
        assert rate.source, name
        assert rate.unit, name
        assert len(rate.date) == len("2026-11-21"), name
