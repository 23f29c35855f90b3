"""The golden matrix: every runner writes the same bytes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from archives import first_pages
from runner_matrix import LOCAL, RUNNERS, NotSetUp, Started, obelics, told

ROOT = Path(__file__).parents[2]
OTHERS = [name for name in RUNNERS if name != LOCAL]
pytestmark = pytest.mark.timeout(1200)


@pytest.fixture(scope="module", params=OTHERS)
def runner(request: pytest.FixtureRequest) -> Iterator[Started]:
    try:
        with RUNNERS[request.param]() as started:
            yield started
    except NotSetUp as missing:
        pytest.skip(str(missing))


def test_the_demo_is_the_same_on_every_runner(
    runner: Started, demo_built: tuple[Path, str], tmp_path: Path
) -> None:
    output = tmp_path / "demo"
    obelics(["demo", "--output", str(output)], runner, timeout=900)
    found, wanted = told(output), told(demo_built[0])
    assert sum(name.startswith("dataset/") for name in wanted) >= 8
    assert {name for name in wanted if name.startswith("_work")} == set()
    assert found == wanted


@pytest.fixture(scope="module")
def pages(test_data: Path, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The start of the archive of real pages, and a configuration that cuts it into parts: options of a command."""
    folder = tmp_path_factory.mktemp("pages")
    config = yaml.safe_load((ROOT / "configs/default.yaml").read_text())
    config["extract"]["range_bytes"] = 250_000
    (folder / "config.yaml").write_text(yaml.safe_dump(config, sort_keys=False))
    archive = first_pages(test_data / "data/pages/pages.warc.gz", 60, folder / "pages.warc.gz")
    return ["--config", str(folder / "config.yaml"), "--input", str(archive)]


@pytest.fixture(scope="module")
def pages_filtered(pages: list[str], tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("local")
    with RUNNERS[LOCAL]() as started:
        extract_and_filter(pages, folder, started)
    return told(folder)


def extract_and_filter(pages: list[str], output: Path, runner: Started) -> None:
    obelics(["extract", *pages, "--output", str(output)], runner, timeout=300)
    obelics(["filter", *pages[:2], "--output", str(output)], runner, timeout=300)


def test_real_pages_are_the_same_on_every_runner(
    runner: Started, pages: list[str], pages_filtered: dict[str, str], tmp_path: Path
) -> None:
    extract_and_filter(pages, tmp_path, runner)
    assert len([name for name in pages_filtered if name.startswith("filtered/part-")]) > 2
    assert told(tmp_path) == pages_filtered
