"""A server for tests/benchmarks/images.py: photographs of about 97 kB, each over a new connection.

``python images_server.py FOLDER [tls]`` makes the images, and with ``tls`` a certificate that ``FOLDER/trusted.pem``
vouches for beside those of the system. It prints where and what the images are, and ends with its standard input.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import random
import ssl
import sys
from io import BytesIO
from pathlib import Path

import trustme
from PIL import Image, ImageChops

sys.path.append(str(Path(__file__).parents[1]))
from faultserver import CASES, FaultServer, Request, reply

SIZE = (1200, 800)
BYTES = 97_000
IMAGES = 20


def photograph(seed: int) -> bytes:
    """A JPEG of about ``BYTES``: noise in which each octave has half the strength of the next coarser, as in nature."""
    chance = random.Random(seed)
    picture = Image.new("L", SIZE, 128)
    for octave in range(3, 9):
        width, height = SIZE[0] >> (9 - octave), SIZE[1] >> (9 - octave)
        noise = Image.frombytes("L", (width, height), chance.randbytes(width * height))
        strength = 2.0 ** (2 - octave)
        layer = noise.resize(SIZE, Image.Resampling.BICUBIC).point(
            lambda value, s=strength: round(128 + (value - 128) * s)
        )
        picture = ImageChops.add(picture, layer, 1, -128)
    colours = Image.merge("RGB", (picture, picture.transpose(Image.Transpose.ROTATE_180), picture))
    qualities = (encoded(colours, quality) for quality in range(20, 100, 2))
    return min(qualities, key=lambda body: abs(len(body) - BYTES))


def encoded(picture: Image.Image, quality: int) -> bytes:
    """``picture`` as a JPEG."""
    file = BytesIO()
    picture.save(file, "JPEG", quality=quality)
    return file.getvalue()


def certificate(folder: Path) -> ssl.SSLContext:
    """A context for 127.0.0.1; what the system trusts is trusted too, for to read that is a part of the work."""
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    system = ssl.get_default_verify_paths().openssl_cafile
    known = Path(system).read_bytes() if os.path.isfile(system) else b""
    (folder / "trusted.pem").write_bytes(known + authority.cert_pem.bytes())
    return context


def main() -> None:
    """Serve until the standard input ends."""
    folder = Path(sys.argv[1])
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    bodies = {hashlib.sha256(body).hexdigest(): body for body in map(photograph, range(IMAGES))}
    answers = {name: reply(200, body, "image/jpeg", Connection="close") for name, body in bodies.items()}

    async def photo(request: Request, writer: asyncio.StreamWriter) -> None:
        await answers[request.path.rsplit("/", 1)[1].partition("?")[0]](request, writer)
        writer.close()

    CASES["photo"] = photo
    with FaultServer(certificate(folder) if sys.argv[2:] else None) as server:
        mean = sum(map(len, bodies.values())) / len(bodies)
        print(json.dumps({"url": server.url("photo"), "names": list(bodies), "mean": mean}), flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main()
