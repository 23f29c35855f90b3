"""A dataset of 400 documents in 40 row groups."""

from __future__ import annotations

from typing import Any

import feed_data
import pytest


@pytest.fixture(scope="session")
def documents() -> list[dict[str, Any]]:
    """The rows of ``dataset``."""
    return feed_data.rows(400)


@pytest.fixture(scope="session")
def dataset(tmp_path_factory: pytest.TempPathFactory, documents: list[dict[str, Any]]) -> str:
    """The folder of a dataset."""
    return str(feed_data.write(tmp_path_factory.mktemp("feed"), documents))
