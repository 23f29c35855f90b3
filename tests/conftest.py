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
    return _python_with("img2dataset")


@pytest.fixture(scope="session")
def gcp_python() -> str:
    """The Python that has the extra ``gcp``, with which every import of Beam is slower."""
    return _python_with("gcp")


def _python_with(extra: str) -> str:
    variable = f"OBELICS_{extra.upper()}"
    python = os.environ.get(variable, Path(__file__).parents[1] / f".venv/{extra}/bin/python")
    if not Path(python).is_file():
        pytest.skip(f"no {extra} at {python}: run scripts/setup-{extra} or set {variable}")
    return str(python)
