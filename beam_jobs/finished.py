"""Where a finished dataset is: what is said where there is none."""

from __future__ import annotations

from beam_jobs import io
from obelics_pipeline.errors import InputError


def no_dataset(folder: str) -> InputError:
    """What to raise of a folder without tables of documents; of that of a run it names the dataset below."""
    below = io.join(folder, "dataset")
    name = below if io.sizes_below(below, "data/*.parquet") else "the folder that 'export' wrote"
    return InputError(f"{folder}: no dataset (no file data/*.parquet); name {name}")
