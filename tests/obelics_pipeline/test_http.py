"""Transfer- and content-encodings: undone, bounded, and not believed where they lie."""

from __future__ import annotations

import gzip
import zlib

import brotli
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from obelics_pipeline.http import undo_encodings

PAGE = b"<!DOCTYPE html><p>" + b"interleaved text and images " * 400
LIMIT = 1 << 20


def raw_deflate(data: bytes) -> bytes:
    encoder = zlib.compressobj(wbits=-15)
    return encoder.compress(data) + encoder.flush()


def chunked(data: bytes, size: int = 1000) -> bytes:
    pieces = [data[i : i + size] for i in range(0, len(data), size)]
    return (
        b"".join(b"%x;x=y\r\n%b\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\nTrailer: x\r\n\r\n"
    )


ENCODERS = {
    "gzip": gzip.compress,
    "deflate": zlib.compress,
    "br": brotli.compress,
    "zstd": zstandard.ZstdCompressor().compress,
}


@pytest.mark.parametrize(
    ("headers", "payload"),
    [
        pytest.param([], PAGE, id="not encoded"),
        pytest.param([("content-encoding", "identity")], PAGE, id="identity"),
        pytest.param([("content-encoding", "gzip")], gzip.compress(PAGE), id="gzip"),
        pytest.param([("content-encoding", "X-GZIP ")], gzip.compress(PAGE), id="old name, other case"),
        pytest.param(
            [("content-encoding", "gzip")],
            gzip.compress(PAGE[:50]) + gzip.compress(PAGE[50:]),
            id="two gzip members",
        ),
        pytest.param([("content-encoding", "gzip")], gzip.compress(PAGE) + b"\n\n", id="gzip and more"),
        pytest.param([("content-encoding", "gzip")], gzip.compress(PAGE)[:-4], id="gzip without its end"),
        pytest.param([("content-encoding", "deflate")], zlib.compress(PAGE), id="deflate"),
        pytest.param([("content-encoding", "deflate")], raw_deflate(PAGE), id="raw deflate"),
        pytest.param([("content-encoding", "br")], brotli.compress(PAGE), id="br"),
        pytest.param([("content-encoding", "zstd")], zstandard.compress(PAGE), id="zstd"),
        pytest.param(
            [("content-encoding", "zstd")],
            zstandard.compress(PAGE[:50]) + zstandard.compress(PAGE[50:]),
            id="two zstd frames",
        ),
        pytest.param([("transfer-encoding", "chunked")], chunked(PAGE), id="chunked"),
        pytest.param(
            [("transfer-encoding", "chunked")], chunked(PAGE).replace(b"\r\n", b"\n"), id="bare newlines"
        ),
        pytest.param([("transfer-encoding", "chunked")], chunked(PAGE)[:-15], id="chunked without its end"),
        pytest.param(
            [("content-encoding", "gzip"), ("transfer-encoding", "chunked")],
            chunked(gzip.compress(PAGE), 7),
            id="chunked gzip",
        ),
        pytest.param(
            [("transfer-encoding", "gzip, chunked")],
            chunked(gzip.compress(PAGE)),
            id="transfer gzip, chunked",
        ),
        pytest.param(
            [("content-encoding", "br"), ("content-encoding", "gzip")],
            gzip.compress(brotli.compress(PAGE)),
            id="two encodings in two headers",
        ),
        *(
            pytest.param([("content-encoding", name)], PAGE, id=f"{name} that is not there")
            for name in (*ENCODERS, "chunked", "utf-8", "")
        ),
        pytest.param([("transfer-encoding", "chunked")], PAGE, id="chunks that are not there"),
        pytest.param(
            [("content-encoding", "gzip"), ("transfer-encoding", "chunked")],
            gzip.compress(PAGE),
            id="gzip without the chunks",
        ),
    ],
)
def test_what_was_meant(headers: list[tuple[str, str]], payload: bytes) -> None:
    assert undo_encodings(payload, headers, LIMIT) == PAGE


@pytest.mark.parametrize("coding", ENCODERS)
def test_a_bomb_is_cut(coding: str) -> None:
    bomb = ENCODERS[coding](bytes(1 << 22))
    assert undo_encodings(bomb, [("content-encoding", coding)], 1000) == bytes(1000)


@pytest.mark.parametrize("coding", ENCODERS)
def test_a_bomb_in_a_bomb_is_cut(coding: str) -> None:
    bomb = ENCODERS[coding](ENCODERS[coding](bytes(1 << 22)))
    assert len(undo_encodings(bomb, [("content-encoding", f"{coding}, {coding}")], 5000)) <= 5000


@pytest.mark.parametrize("coding", ENCODERS)
def test_a_body_that_breaks_off_is_kept_so_far(coding: str) -> None:
    text = b"".join(b"%d " % (i * i * 7919) for i in range(40_000))
    encoded = ENCODERS[coding](text)
    body = undo_encodings(encoded[: len(encoded) // 2], [("content-encoding", coding)], 1 << 24)
    assert len(text) // 5 < len(body) < len(text)
    assert text.startswith(body)


def test_a_body_that_breaks_down_is_kept_so_far() -> None:
    text = b"".join(b"%d " % (i * i * 7919) for i in range(40_000))
    encoded = gzip.compress(text)
    broken = encoded[: len(encoded) // 2] + bytes(100) + encoded[len(encoded) // 2 + 100 :]
    body = undo_encodings(broken, [("content-encoding", "gzip")], 1 << 24)
    assert text.startswith(body[: len(text) // 5])


@pytest.mark.parametrize(
    "payload",
    [
        pytest.param(b"ffffffffffff\r\nabc", id="size beyond the body"),
        pytest.param(b"3\r\nabc", id="last chunk missing"),
        pytest.param(b"3\r\nabc\r\nzz\r\ndef", id="size that is no number"),
        pytest.param(b"3\r\nabc\r\n\r\n", id="empty size"),
    ],
)
def test_broken_chunks(payload: bytes) -> None:
    assert undo_encodings(payload, [("transfer-encoding", "chunked")], LIMIT) == b"abc"


def test_no_body() -> None:
    for coding in (*ENCODERS, "chunked"):
        assert undo_encodings(b"", [("content-encoding", coding)], LIMIT) == b""
    assert undo_encodings(gzip.compress(b""), [("content-encoding", "gzip")], LIMIT) == b""


@given(st.binary(max_size=200), st.lists(st.sampled_from([*ENCODERS, "chunked", "deflate", "?"]), max_size=6))
def test_anything_is_bounded_and_never_raises(payload: bytes, codings: list[str]) -> None:
    headers = [("content-encoding", ", ".join(codings))]
    assert len(undo_encodings(payload, headers, 100)) <= 100


@given(st.binary(max_size=5000), st.sampled_from(sorted(ENCODERS)), st.integers(1, 3000))
def test_round_trip(body: bytes, coding: str, size: int) -> None:
    headers = [("content-encoding", coding), ("transfer-encoding", "chunked")]
    assert undo_encodings(chunked(ENCODERS[coding](body), size), headers, LIMIT) == body
