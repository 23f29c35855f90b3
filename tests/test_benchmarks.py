"""The benchmarks run, on few pages; how fast they find the project is not tested here."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from obelics_pipeline.rates import RATES

BENCHMARKS = Path(__file__).parent / "benchmarks"


def test_extract_measures_every_requirement(test_data: Path) -> None:
    command = [sys.executable, BENCHMARKS / "extract.py", "--quick", "--json"]
    environment = {**os.environ, "OBELICS_TEST_DATA": str(test_data)}
    run = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=240)
    assert run.returncode in {0, 1}, run.stderr
    assert run.stdout, run.stderr
    figures = {figure["name"]: figure for figure in json.loads(run.stdout)["figures"]}
    assert {name: figure["required"] for name, figure in figures.items() if figure["required"]} == {
        "read + charset + extract": "≤ 4",
        "extract job, start-up excluded": "≤ 6",
        "gain of a second process": "≥ 1.7",
        "largest process, 1": "≤ 500",
        "memory with 4 × the pages, 1": "≤ 1.1",
        "largest process, 2": "≤ 500",
        "memory with 4 × the pages, 2": "≤ 1.1",
    }
    assert figures["largest process, 2"]["value"] > 20
    assert figures["floor"]["value"] > 0
    assert run.returncode == int(any(figure["passed"] is False for figure in figures.values()))


def test_wikimedia_measures_every_container() -> None:
    command = [sys.executable, BENCHMARKS / "wikimedia.py", "--quick", "--json"]
    run = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert run.stdout, run.stderr
    figures = {figure["name"]: figure for figure in json.loads(run.stdout)["figures"]}
    assert all(figures[f"read and extract, {name}"]["value"] > 0 for name in ("warc.gz", "tar.gz", "ndjson"))
    assert figures["read and extract, tar.gz / warc.gz"]["required"] == "≥ 0.7"


def test_dedup_measures_what_is_installed() -> None:
    command = [sys.executable, BENCHMARKS / "dedup.py", "--quick", "--json"]
    run = subprocess.run(command, capture_output=True, text=True, timeout=240)
    assert run.returncode in {0, 1}, run.stderr
    assert run.stdout, run.stderr
    figures = {figure["name"]: figure for figure in json.loads(run.stdout)["figures"]}
    assert figures["ours"]["value"] > 0
    missing = {name for name, figure in figures.items() if figure["how"].startswith("missing")}
    assert all(figures[name]["value"] is None for name in missing)
    bars = {"rensa RMinHash": ("ours / rensa, its best", "≥ 0.9"), "datatrove": ("ours / datatrove", "≥ 30")}
    required = {name: figure["required"] for name, figure in figures.items() if figure["required"]}
    assert required == dict(bar for name, bar in bars.items() if name not in missing)


def test_images_arrive_whole_in_the_benchmark() -> None:
    command = [sys.executable, BENCHMARKS / "images.py", "--quick", "--json"]
    run = subprocess.run(command, capture_output=True, text=True, timeout=240)
    assert run.returncode in {0, 1}, run.stderr
    assert run.stdout, run.stderr
    figures = {figure["name"]: figure for figure in json.loads(run.stdout)["figures"]}
    required = {name: figure["required"] for name, figure in figures.items() if figure["required"]}
    bars = {"https: ours": "≥ 250", "https: ours, CPU": "≤ 4"}
    if not figures["https: img2dataset"]["how"].startswith("missing"):
        bars["https: ours / img2dataset"] = "≥ 8"
    assert required == bars
    assert figures["http: ours, CPU"]["value"] > 0


def test_memory_is_bounded_and_stuck_urls_are_few_seconds() -> None:
    command = [sys.executable, BENCHMARKS / "images_memory.py", "--quick", "--json"]
    run = subprocess.run(command, capture_output=True, text=True, timeout=240)
    figures = {figure["name"]: figure for figure in json.loads(run.stdout)["figures"]}
    assert figures["memory, 256 in flight"]["passed"], run.stdout
    assert figures["memory of the child"]["passed"], run.stdout
    assert figures["URLs without exactly one status"]["value"] == 0
    assert figures["images other than served"]["value"] == 0
    assert figures["longest gap between results"]["passed"], run.stdout
    assert figures["worst single URL"]["passed"], run.stdout
    assert figures["worst single URL"]["value"] > 2, "some never answer"


def test_registry_measures_look_ups_and_memory() -> None:
    command = [sys.executable, BENCHMARKS / "registry.py", "--quick", "--json"]
    run = subprocess.run(command, capture_output=True, text=True, timeout=240)
    assert run.returncode in {0, 1}, run.stderr
    figures = {figure["name"]: figure for figure in json.loads(run.stdout)["figures"]}
    required = {name: figure["required"] for name, figure in figures.items() if figure["required"]}
    assert required == {"look-up": "≤ 5", "of both / files": "≤ 1.02"}
    assert figures["of both / files"]["passed"]


def test_registry_joined_measures_time_and_memory() -> None:
    command = [sys.executable, BENCHMARKS / "registry_joined.py", "--quick", "--json"]
    run = subprocess.run(command, capture_output=True, text=True, timeout=240)
    assert run.returncode in {0, 1}, run.stderr
    figures = {figure["name"]: figure for figure in json.loads(run.stdout)["figures"]}
    assert figures["memory / with the short list"]["passed"], run.stdout


def test_robots_measures_stores_and_look_ups() -> None:
    command = [sys.executable, BENCHMARKS / "robots.py", "--quick", "--json"]
    run = subprocess.run(command, capture_output=True, text=True, timeout=240)
    assert run.returncode == 0, run.stderr
    figures = {figure["name"]: figure["value"] for figure in json.loads(run.stdout)["figures"]}
    assert figures["store, a host"] < 200
    assert all(value > 0 for value in figures.values())


def test_scores_are_measured() -> None:
    command = [sys.executable, BENCHMARKS / "scores.py", "--quick", "--json"]
    run = subprocess.run(command, capture_output=True, text=True, timeout=240)
    assert run.returncode == 0, run.stderr
    figures = {figure["name"]: figure["value"] for figure in json.loads(run.stdout)["figures"]}
    assert figures["thumbnail"] > 0
    assert figures["classifier"] > 0


def test_export_measures_the_writer_of_a_shard() -> None:
    command = [sys.executable, BENCHMARKS / "export.py", "--quick", "--json"]
    run = subprocess.run(command, capture_output=True, text=True, timeout=240)
    assert run.returncode in {0, 1}, run.stderr
    figures = {figure["name"]: figure for figure in json.loads(run.stdout)["figures"]}
    assert figures["sink"]["required"] == "≥ 200"
    assert figures["different files"]["passed"]
    assert figures["pyarrow alone"]["value"] > 0


def test_feed_is_measured_beside_others() -> None:
    command = [sys.executable, BENCHMARKS / "feed.py", "--quick", "--json"]
    run = subprocess.run(command, capture_output=True, text=True, timeout=240)
    assert run.returncode in {0, 1}, run.stderr
    assert run.stdout, run.stderr
    figures = {figure["name"]: figure for figure in json.loads(run.stdout)["figures"]}
    assert {name for name, figure in figures.items() if figure["required"]} >= {
        "ours",
        "ours / datasets",
        "packing",
        "padding",
        "resuming, sequences",
        "row groups in a worker",
    }
    for name in ("padding", "state, documents", "state, sequences", "row groups in a worker"):
        assert figures[name]["passed"], run.stdout


def test_selection_measures_every_place() -> None:
    command = [sys.executable, BENCHMARKS / "selection.py", "--quick", "--json"]
    run = subprocess.run(command, capture_output=True, text=True, timeout=240)
    assert run.stdout, run.stderr
    figures = {figure["name"]: figure for figure in json.loads(run.stdout)["figures"]}
    assert {name for name, figure in figures.items() if figure["required"] == "≤ 5"} == {
        "three hosts, local",
        "three hosts, HTTP",
    }
    assert all(figure["value"] > 0 for figure in figures.values())


def test_growth_measures_time_and_memory(test_data: Path) -> None:
    command = [sys.executable, BENCHMARKS / "growth.py", "--quick", "--json"]
    environment = {**os.environ, "OBELICS_TEST_DATA": str(test_data)}
    run = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=400)
    assert run.returncode in {0, 1}, run.stderr
    assert run.stdout, run.stderr
    figures = {figure["name"]: figure for figure in json.loads(run.stdout)["figures"]}
    required = {name: figure["required"] for name, figure in figures.items() if figure["required"]}
    assert required == {
        "all: time, against linear": "≤ 1.1",
        "extract: memory, last / middle": "≤ 1.1",
        "filter: memory, last / middle": "≤ 1.1",
    }
    assert figures["extract: an item"]["value"] > 0
    assert 0 < figures["filter: kept"]["value"] <= 1


def test_shares_that_are_kept_are_measured(test_data: Path) -> None:
    command = [sys.executable, BENCHMARKS / "kept.py", "--quick", "--json"]
    environment = {**os.environ, "OBELICS_TEST_DATA": str(test_data)}
    run = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=240)
    assert run.returncode == 0, run.stderr
    figures = {figure["name"]: figure["value"] for figure in json.loads(run.stdout)["figures"]}
    assert figures.keys() == {name for name, rate in RATES.items() if rate.source == "scripts/bench kept"}
    assert all(value > 0 for value in figures.values())


def test_the_tables_of_the_docs_are_those_that_rates_make() -> None:
    run = subprocess.run(
        [sys.executable, BENCHMARKS / "crawl_cost.py"], capture_output=True, text=True, timeout=240
    )
    assert run.returncode == 0, run.stderr
    assert run.stdout.count("|---|---:|") == 3


def test_simulated_workers_lose_and_take_over_parts() -> None:
    command = [sys.executable, BENCHMARKS / "simulation.py", "--quick", "--json"]
    environment = {
        **os.environ,
        "OBELICS_TEST_DATA": "/nonexistent",
    }  # no measuring: all of it is the same each time
    runs = [
        subprocess.run(command, env=environment, capture_output=True, text=True, timeout=240)
        for _ in range(2)
    ]
    first, again = (json.loads(run.stdout)["figures"] for run in runs)
    assert first == again
    over = {figure["name"]: figure["value"] for figure in first}
    assert 1 <= over["parts of 64 MB"] < 1.05
    assert over["2% of workers 3 × slower"] > over["parts of 64 MB"]
    assert over["whole archives, late ones twice"] < over["whole archives, slow and dying"]
