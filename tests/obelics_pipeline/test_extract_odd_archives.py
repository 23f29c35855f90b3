"""Every page of every odd archive becomes a document or a named failure, in bounded time."""

from __future__ import annotations

import os
import time
from pathlib import Path

from obelics_pipeline.dom.extract import extract_document
from obelics_pipeline.errors import InputError, PageFailed
from obelics_pipeline.page import Page
from obelics_pipeline.warc import read_pages

SECONDS = 2 * float(os.environ.get("OBELICS_TEST_SLACK", "3"))


def test_every_page_of_the_odd_archives_is_extracted_or_fails_by_name(test_data: Path) -> None:
    pages = refused = 0
    errors: set[str] = set()
    for path in filter(Path.is_file, sorted((test_data / "data/odd_warcs").rglob("*.*"))):
        with path.open("rb") as stream:
            try:
                items = [item for item in read_pages(stream, path.name) if isinstance(item, Page)]
            except InputError:
                refused += 1
                continue
        for page in items:
            pages += 1
            start = time.process_time()
            try:
                extract_document(page)
            except PageFailed as failure:
                errors.add(failure.error)
            assert time.process_time() - start < SECONDS, (path, page.url)
    assert pages > 200
    assert refused < 30
    assert errors <= {"not_parsed"}
