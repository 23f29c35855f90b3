"""Pages for examples: a few texts and images, an address, a time."""

from __future__ import annotations

from obelics_pipeline.document import Document, ImageNode, Source, TextNode


def page(
    id: str,
    *texts: str | TextNode,
    images: tuple[str, ...] = (),
    url: str = "",
    time: int | None = 0,
    canonical: str | None = None,
) -> Document:
    """A page of texts, then images; its host is that of ``url``, whose last two labels are its domain."""
    url = url or f"https://{id}.example/"
    host = url.split("/")[2]
    nodes = [TextNode("paragraph", text) if isinstance(text, str) else text for text in texts]
    pictures = [ImageNode(f"http://img.example/{image}") for image in images]
    domain = ".".join(host.split(".")[-2:])
    return Document(id, url, host, domain, (*nodes, *pictures), Source(timestamp=time), canonical=canonical)


def on(host: str, id: str, *texts: str | TextNode) -> Document:
    return page(id, *texts, url=f"https://{host}/{id}")
