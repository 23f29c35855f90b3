"""Where another engine of downloads is: options alone, for configurations that are read where nothing is downloaded."""

from __future__ import annotations

import sys

import msgspec


class Engine(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where img2dataset is, and how it runs.

    ``python`` is the interpreter of the environment that has it, by default our own. ``processes`` are those of
    one part. ``egress_is_guarded`` says that the network lets workers reach nothing but the public internet.
    """

    python: str = ""
    processes: int = 1
    egress_is_guarded: bool = False

    def __post_init__(self) -> None:
        if self.processes < 1:
            raise ValueError(f"processes is {self.processes}; it has to be 1 or more")

    @property
    def interpreter(self) -> str:
        """The program that runs it."""
        return self.python or sys.executable
