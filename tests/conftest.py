"""Where the tests find what they share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import settings

settings.register_profile("unhurried", deadline=None)  # a busy machine is no failure
settings.load_profile("unhurried")


@pytest.fixture(scope="session")
def test_data() -> Path:
    """The folder of real pages, archives and ground truth; tests that need it skip where it is absent."""
    folder = Path(os.environ.get("OBELICS_TEST_DATA", Path(__file__).parents[2] / "shared"))
    if not (folder / "data").is_dir():
        pytest.skip(f"no test data at {folder}: set OBELICS_TEST_DATA")
    return folder


@pytest.fixture(scope="session")
def img2dataset_python() -> str:
    """The Python that has img2dataset; tests that run it skip where there is none, for to install it takes minutes."""
    python = os.environ.get("OBELICS_IMG2DATASET", Path(__file__).parents[1] / ".venv/img2dataset/bin/python")
    if not Path(python).is_file():
        pytest.skip(f"no img2dataset at {python}: run scripts/setup-img2dataset or set OBELICS_IMG2DATASET")
    return str(python)
