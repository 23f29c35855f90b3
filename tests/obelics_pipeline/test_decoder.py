"""The child process that decodes: whatever happens to it costs one image."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from faultserver import HTML, JPEG, PNG, png_of

from obelics_pipeline import decoder as module
from obelics_pipeline.decoder import Decoder, decoder
from obelics_pipeline.fetch_types import FetchStatus
from obelics_pipeline.image import inspect, thumbnail

PIXELS = 64_000_000
LARGE = png_of(7000, 7000, bits=8, colour=6)
"""It takes 200 MB and the better part of a second."""


@pytest.fixture
def child() -> Iterator[Decoder]:
    child = Decoder()
    yield child
    child.close()


@pytest.mark.parametrize("body", [JPEG, PNG, PNG[:-20], HTML, b"", png_of(9000, 9000)])
def test_the_child_says_what_is_said_here(child: Decoder, body: bytes) -> None:
    assert child.inspect(body, PIXELS) == inspect(body, PIXELS)


def test_a_large_body_passes_the_pipe(child: Decoder) -> None:
    body = JPEG + bytes(9_000_000)
    assert child.inspect(body, PIXELS) == inspect(body, PIXELS)


@pytest.mark.parametrize("body", [JPEG, PNG])
def test_the_child_makes_thumbnails(child: Decoder, body: bytes) -> None:
    expected = thumbnail(body, PIXELS, (5, 7))
    assert expected is not None
    assert np.array_equal(child.thumbnail(body, PIXELS, (5, 7)), expected)
    assert child.inspect(body, PIXELS) == inspect(body, PIXELS)


@pytest.mark.parametrize("body", [PNG[: len(PNG) // 2], HTML, b"", png_of(9000, 9000)])
def test_there_is_no_thumbnail_of_what_is_no_image(child: Decoder, body: bytes) -> None:
    assert child.thumbnail(body, PIXELS, (5, 7)) is None
    assert child.thumbnail(PNG, PIXELS, (5, 7)) is not None


def test_a_thumbnail_that_wants_too_much_memory_costs_itself() -> None:
    small = Decoder(memory=300_000_000)
    assert small.thumbnail(LARGE, PIXELS, (5, 7)) is None
    assert small.thumbnail(JPEG, PIXELS, (5, 7)) is not None
    small.close()


def pid_of(child: Decoder) -> int:
    assert child._child is not None
    return child._child.pid


def test_an_image_that_wants_too_much_memory_costs_itself() -> None:
    small = Decoder(memory=300_000_000)
    assert small.inspect(LARGE, PIXELS) is FetchStatus.UNDECODABLE
    assert small.inspect(JPEG, PIXELS) == inspect(JPEG, PIXELS)
    small.close()


def test_an_image_that_takes_too_long_costs_itself(child: Decoder) -> None:
    hasty = Decoder(seconds=0.05)
    assert hasty.inspect(LARGE, PIXELS) is FetchStatus.UNDECODABLE
    hasty.close()
    assert child.inspect(LARGE, PIXELS) == inspect(LARGE, PIXELS)


@pytest.mark.parametrize("number", [signal.SIGSEGV, signal.SIGKILL])
def test_a_child_that_dies_is_replaced(child: Decoder, number: int) -> None:
    child.inspect(JPEG, PIXELS)
    first = pid_of(child)
    os.kill(first, number)
    assert child.inspect(JPEG, PIXELS) is FetchStatus.UNDECODABLE
    assert child.inspect(JPEG, PIXELS) == inspect(JPEG, PIXELS)
    assert pid_of(child) != first


def test_decoders_are_used_again_and_never_by_two() -> None:
    with decoder() as one, decoder() as other:
        assert one is not other
    with decoder() as again:
        assert again in (one, other)


def test_no_child_outlives_its_end() -> None:
    module.close()
    with decoder() as child:
        child.inspect(JPEG, PIXELS)
        number = pid_of(child)
    module.close()
    assert not Path(f"/proc/{number}").exists()
