"""Images are decoded in a child process: a decoder that crashes, hangs or asks for memory costs one image.

``python -m obelics_pipeline.decoder BYTES SECONDS`` is that child. It reads requests from its standard input and
answers each on its standard output, until the input ends.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import resource
import signal
import subprocess
import sys
import warnings
from collections.abc import Iterator, Sequence
from struct import Struct
from typing import IO, Final

import msgspec
import numpy as np

from obelics_pipeline.blur import Box, blurred
from obelics_pipeline.fetch_types import FetchStatus
from obelics_pipeline.image import ImageFacts, Pixels, inspect, thumbnail

MEMORY: Final = 1_000_000_000
"""Bytes of address space of the child; 64 megapixels with transparency take 414 MB."""
SECONDS: Final = 20.0
"""What the decoding of one image may take; the largest that pass take two, on an idle machine."""

_HEAD: Final = Struct("<IIHHi")
"""The length of what follows, the most pixels of the image, the height and width of the thumbnail that is wanted
(or 0), and the number of boxes that are to be blurred (or -1), which stand before the image. Else the facts are
wanted. In an answer only the length counts."""
_BOX: Final = Struct("<4I")
_PIPE_BYTES: Final = 1 << 20
"""What a pipe takes before its writer has to wait: most images at once."""
_ALONE: Final = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
"""Threads of numpy would reserve address space and have nothing to do."""


class Decoder:
    """A child process that looks at images; it is started when it is needed, and again when it has died."""

    def __init__(self, memory: int = MEMORY, seconds: float = SECONDS) -> None:
        self._bounds = memory, seconds
        self._child: subprocess.Popen[bytes] | None = None

    def inspect(self, body: bytes, max_pixels: int) -> ImageFacts | FetchStatus:
        """``image.inspect``; ``undecodable`` also for what kills the child or takes too long."""
        answer = self._answer(body, max_pixels)
        if answer is None:
            return FetchStatus.UNDECODABLE
        return msgspec.msgpack.decode(answer, type=ImageFacts | FetchStatus)

    def thumbnail(self, body: bytes, max_pixels: int, size: tuple[int, int]) -> Pixels | None:
        """``image.thumbnail``; none also of what kills the child or takes too long."""
        answer = self._answer(body, max_pixels, *size)
        return np.frombuffer(answer, np.uint8).reshape(*size, 3) if answer else None

    def blurred(self, body: bytes, max_pixels: int, boxes: Sequence[Box]) -> bytes | None:
        """``blur.blurred``; none also of what kills the child or takes too long."""
        packed = b"".join(_BOX.pack(*box) for box in boxes)
        return self._answer(packed + body, max_pixels, 0, 0, len(boxes)) or None

    def _answer(self, body: bytes, *wanted: int) -> bytes | None:
        """What the child says; None if it dies of it."""
        child = self._child = self._child or _start(*self._bounds)
        assert child.stdin is not None
        assert child.stdout is not None
        try:
            _write(child.stdin, body, *wanted)
            return _read(child.stdout)[0]
        except (BrokenPipeError, EOFError):
            self.close()
            return None

    def close(self) -> None:
        """End the child, if there is one, and wait for its end."""
        if self._child is not None:
            for stream in (self._child.stdin, self._child.stdout):
                assert stream is not None
                with contextlib.suppress(BrokenPipeError):
                    stream.close()
            self._child.wait()
            self._child = None


_idle: Final[list[Decoder]] = []


@contextlib.contextmanager
def decoder() -> Iterator[Decoder]:
    """A decoder of this process that nobody else uses at the time; it stays for the next who wants one."""
    try:
        taken = _idle.pop()
    except IndexError:
        taken = Decoder()
    try:
        yield taken
    finally:
        _idle.append(taken)


@atexit.register
def close() -> None:
    """End all decoders that are not in use."""
    while _idle:
        _idle.pop().close()


def _start(memory: int, seconds: float) -> subprocess.Popen[bytes]:
    child = subprocess.Popen(
        [sys.executable, "-P", "-m", __name__, str(memory), str(seconds)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        bufsize=0,
        env={**os.environ, **_ALONE},
    )
    if sys.platform == "linux":
        import fcntl

        assert child.stdin is not None
        with contextlib.suppress(OSError):  # less than that is slower, not wrong
            fcntl.fcntl(child.stdin, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
    return child


def _write(
    stream: IO[bytes], body: bytes, pixels: int = 0, height: int = 0, width: int = 0, boxes: int = -1
) -> None:
    rest = memoryview(_HEAD.pack(len(body), pixels, height, width, boxes) + body)
    while rest:
        rest = rest[stream.write(rest) :]


def _read(stream: IO[bytes]) -> tuple[bytes, int, tuple[int, int], int]:
    """A message and what stands before it; ``EOFError`` if there is none, or only a part of it."""
    length, pixels, height, width, boxes = _HEAD.unpack(_exactly(stream, _HEAD.size))
    return _exactly(stream, length), pixels, (height, width), boxes


def _exactly(stream: IO[bytes], length: int) -> bytes:
    """The next ``length`` bytes of a stream without a buffer of its own."""
    data = bytearray()
    while len(data) < length:
        piece = stream.read(length - len(data))
        if not piece:
            raise EOFError
        data += piece
    return bytes(data)


def main() -> None:
    """Answer until the input ends; the kernel ends this process when an image takes too long."""
    memory, seconds = int(sys.argv[1]), float(sys.argv[2])
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    signal.signal(
        signal.SIGINT, signal.SIG_IGN
    )  # Ctrl-C is for the parent, whose end is the end of the input
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    warnings.simplefilter("ignore")  # Pillow's about sizes and damaged metadata: the answer says it all
    source, sink = (os.fdopen(number, mode, buffering=0) for number, mode in ((0, "rb"), (1, "wb")))
    with contextlib.suppress(EOFError, BrokenPipeError):
        while True:
            request = _read(source)
            signal.setitimer(signal.ITIMER_REAL, seconds)
            answer = _look(*request)
            signal.setitimer(signal.ITIMER_REAL, 0)
            _write(sink, answer)


def _look(body: bytes, max_pixels: int, size: tuple[int, int], boxes: int) -> bytes:
    if boxes >= 0:
        end = boxes * _BOX.size
        return blurred(body[end:], max_pixels, list(_BOX.iter_unpack(body[:end]))) or b""
    if not all(size):
        return msgspec.msgpack.encode(inspect(body, max_pixels))
    pixels = thumbnail(body, max_pixels, size)
    return b"" if pixels is None else pixels.tobytes()


if __name__ == "__main__":
    main()
