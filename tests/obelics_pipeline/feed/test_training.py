"""The script in docs/training.md trains, and goes on where it was."""

from __future__ import annotations

import os
import random
import re
import subprocess
import sys
from importlib.util import find_spec
from io import BytesIO
from pathlib import Path

import feed_data
import pytest
from PIL import Image
from view_libraries import LIBRARIES

from obelics_pipeline.feed import Feed, Ledger

ROOT = Path(__file__).parents[3]
MOST_LINES = 40


def script() -> str:
    """The program in the docs."""
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "docs/training.md").read_text(), re.DOTALL)
    [found] = [block for block in blocks if "IdeficsConfig(" in block]
    return str(found)


def picture(draw: random.Random, size: int) -> bytes:
    """A small JPEG of one colour."""
    body = BytesIO()
    Image.new("RGB", (40, 30), tuple(draw.randbytes(3))).save(body, "JPEG")
    return body.getvalue()


def test_the_script_is_short() -> None:
    assert len([line for line in script().splitlines() if line]) <= MOST_LINES


def test_ten_steps_with_a_break(tmp_path: Path) -> None:
    here = find_spec("torch") and find_spec("transformers")
    if not here and not LIBRARIES.is_file():
        pytest.skip("neither PyTorch and transformers nor .venv/views: run scripts/setup-views")
    python = sys.executable if here else LIBRARIES
    folder = feed_data.write(tmp_path / "dataset", list(feed_data.illustrated(60, 150, 0, picture)))
    program, ledger = tmp_path / "train_tiny.py", tmp_path / "ledger.jsonl"
    program.write_text(script())
    run = subprocess.run(
        [python, program, folder, ledger],
        env={**os.environ, "PYTHONPATH": str(ROOT), "HF_HUB_OFFLINE": "1"},
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert run.returncode == 0, run.stderr
    losses = [float(line.split()[-1]) for line in run.stdout.splitlines()]
    assert len(losses) == 10
    assert losses[-1] < losses[0] < 10
    noted = [id for step in range(10) for id in Ledger(ledger).documents(step)]
    packed = Feed(str(folder), seed=17).pack(
        lambda text: [4] * len(text.split()), "idefics1", image_id=3, begin=(1,), end=(2,)
    )
    whole = [id for sequence in packed for id in sequence.documents]
    assert noted == whole[: len(noted)]
