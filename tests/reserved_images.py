"""Image files whose metadata reserve them: XMP in each format, and the assertion of Content Credentials."""

from __future__ import annotations

import io

from PIL import Image
from PIL.PngImagePlugin import PngInfo

VOCABULARY = "http://ns.useplus.org/ldf/vocab/"


def xmp(value: str = "DMI-PROHIBITED-AIMLTRAINING", extra: str = "") -> bytes:
    return (
        '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        '<rdf:Description xmlns:plus="http://ns.useplus.org/ldf/xmp/1.0/">'
        f"<plus:DataMining>{VOCABULARY}{value}</plus:DataMining>{extra}</rdf:Description></rdf:RDF></x:xmpmeta>"
    ).encode()


def picture(kind: str, packet: bytes | None = None) -> bytes:
    """A small picture with an XMP packet, as Pillow writes it."""
    stream = io.BytesIO()
    given = {} if packet is None else {"xmp": packet}
    if kind == "PNG" and packet is not None:
        info = PngInfo()
        info.add_itxt("XML:com.adobe.xmp", packet.decode("latin-1"), zip=True)
        given = {"pnginfo": info}  # type: ignore[dict-item]
    Image.new("RGB", (16, 16), "red").save(stream, kind, **given)
    return stream.getvalue()


def credentials(entries: dict[str, str], label: str = "c2pa") -> bytes:
    """The assertion of Content Credentials as it stands in a file."""

    def text(value: str) -> bytes:
        return (
            bytes([0x60 + len(value)]) + value.encode()
            if len(value) < 24
            else b"\x78" + bytes([len(value)]) + value.encode()
        )

    uses = b"".join(
        text(f"{label}.{name}") + b"\xa1" + text("use") + text(use) for name, use in entries.items()
    )
    return (
        b"jumb"
        + bytes(8)
        + f"{label}.training-mining\0".encode()
        + b"\xa1"
        + text("entries")
        + b"\xa4"
        + uses
    )


def with_credentials(entries: dict[str, str], label: str = "c2pa") -> bytes:
    """A JPEG with the assertion where it belongs, in a JUMBF segment (APP11)."""
    body, box = picture("JPEG"), b"JP\0\1\0\0\0\1" + credentials(entries, label)
    return body[:2] + b"\xff\xeb" + (len(box) + 2).to_bytes(2) + box + body[2:]
