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
