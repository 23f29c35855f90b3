"""Other projects to measure beside ours: each in an environment of its own, installed when it is first needed."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from _figures import say

ROOT = Path(__file__).parents[2]
PEERS = ROOT / ".venv/peers"
INSTALLING = 900
"""Seconds that the installation of one library may take."""


def environment(library: str, pinned: Sequence[str], *, make: bool) -> Path | None:
    """The interpreter that has ``library`` as ``pinned``; None if it is missing and cannot be installed."""
    folder = PEERS / library
    done, wanted = folder / "installed", "\n".join(pinned)
    python = folder / "bin/python"
    if done.is_file() and done.read_text() == wanted:
        return python
    if not make:
        return None
    say(f"installing {', '.join(pinned)} into {folder.relative_to(ROOT)}")
    try:
        subprocess.run([sys.executable, "-m", "venv", "--clear", folder], check=True, timeout=INSTALLING)
        install = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *pinned]
        subprocess.run(install, check=True, timeout=INSTALLING)
    except (subprocess.SubprocessError, OSError) as error:
        say(f"{library} is missing: {error}")
        return None
    done.write_text(wanted)
    return python
