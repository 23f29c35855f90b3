"""What mapped files take of a process's memory."""

from __future__ import annotations

from pathlib import Path


def mapped_bytes(part: str) -> tuple[int, int]:
    """Of files with ``part`` in their path: bytes in the memory of this process, and its share of them.

    A page of memory that n processes have counts 1/n of its size in the share (Linux: Rss and Pss).
    """
    mine, sizes = False, {"Rss": 0, "Pss": 0}
    for line in Path("/proc/self/smaps").read_text().splitlines():
        name, _, value = line.partition(":")
        if "-" in name:  # the first line of a mapping
            mine = part in line
        elif mine and name in sizes:
            sizes[name] += 1024 * int(value.split()[0])
    return sizes["Rss"], sizes["Pss"]
