"""Manifests: stable bytes, clear errors, and fingerprints that change with what they name."""

from __future__ import annotations

import pytest

from obelics_pipeline.accounting import Tally
from obelics_pipeline.errors import InputError
from obelics_pipeline.manifest import FileEntry, InputEntry, Manifest, code_version, decode, fingerprint


def manifest(*files: FileEntry) -> Manifest:
    tally = Tally()
    tally.enter("documents", 2)
    tally.keep("documents", 2)
    return Manifest("extract", "f", code_version(), "c", (InputEntry("a.warc.gz", 5, "7"),), files, tally)


A = FileEntry("documents/part-00000.parquet", 2, 100, "aa")
LOG = FileEntry("fetch_log/part-00000.parquet", 2, 100, "bb")


def test_a_manifest_survives_its_bytes() -> None:
    data = manifest(A, LOG).encode()
    back = decode(data, "here")
    assert back == manifest(A, LOG)
    assert back.encode() == data
    assert back.tally.levels["documents"].entered == 2
    assert back.under("documents") == [A]


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"{", id="cut"),
        pytest.param(b"[]", id="of another shape"),
        pytest.param(b'{"stage": 3}', id="of other types"),
    ],
)
def test_what_is_no_manifest_is_named(data: bytes) -> None:
    with pytest.raises(InputError, match=r"out/documents/_MANIFEST\.json: no manifest"):
        decode(data, "out/documents/_MANIFEST.json")


def test_the_digest_is_of_content_and_not_of_clock_times() -> None:
    assert manifest(A, LOG).digest == manifest(A).digest
    assert manifest(A).digest != manifest(FileEntry(A.path, 2, 100, "ab")).digest


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(("filter", "c", [InputEntry("a", 5, "7")]), id="another stage"),
        pytest.param(("extract", "d", [InputEntry("a", 5, "7")]), id="another configuration"),
        pytest.param(("extract", "c", [InputEntry("b", 5, "7")]), id="another input path"),
        pytest.param(("extract", "c", [InputEntry("a", 6, "7")]), id="another input size"),
        pytest.param(("extract", "c", [InputEntry("a", 5, "8")]), id="another input content"),
    ],
)
def test_a_fingerprint_names_all_that_matters(other: tuple[str, str, list[InputEntry]]) -> None:
    mine = ("extract", "c", [InputEntry("a", 5, "7")])
    assert fingerprint(*mine) == fingerprint(*mine)
    assert fingerprint(*mine) != fingerprint(*other)
