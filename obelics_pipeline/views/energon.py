"""What Energon needs beside the tar files: how a sample is made of the files of a document."""

from __future__ import annotations

from typing import Final

DATASET: Final = b"""\
sample_type:
  __module__: megatron.energon
  __class__: InterleavedSample
sample_loader: sample_loader.py:sample_loader
part_filter: sample_loader.py:part_filter
"""

SAMPLE_LOADER: Final = b'''\
"""Texts and images in the order of the document, images decoded if the task encoder has a decoder."""

import json


def sample_loader(raw: dict) -> dict:
    about = raw["json"] if isinstance(raw["json"], dict) else json.loads(raw["json"])
    sequence = []
    for name, text in zip(about["images"], about["texts"]):
        if name is not None:
            sequence.append(raw[name.partition(".")[2]])
        elif text is not None:
            sequence.append(text)
    return {"__key__": raw["__key__"], "sequence": sequence}


def part_filter(part: str) -> bool:
    return True
'''

FILES: Final = {".nv-meta/dataset.yaml": DATASET, ".nv-meta/sample_loader.py": SAMPLE_LOADER}
"""By their paths in the folder of the view."""
