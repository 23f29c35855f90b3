"""SIGKILL for the processes of a cluster on this machine, while the stages of a build work on it."""

from __future__ import annotations

import os
import random
import signal
import threading
from collections import defaultdict
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final, Self

WORKER, EXECUTOR = "beam_jobs.boot", "CoarseGrainedExecutorBackend"
"""What the command of a Python worker and of Spark's executor has in it."""


def processes(folder: Path, command: str) -> set[int]:
    """The processes that work below ``folder`` and whose command line has ``command`` in it."""
    found = set()
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it may end at any moment
            below = process.joinpath("cwd").resolve().is_relative_to(folder)
            if below and command.encode() in process.joinpath("cmdline").read_bytes():
                found.add(int(process.name))
    return found


PAUSE: Final = 0.5
"""Seconds between two kills: the stage goes on meanwhile, and what died begins to be replaced."""


class Killer:
    """Kills ``victims`` in every stage, one after the other, as soon as Python workers of the stage are at work.

    ``cluster`` is the folder of the cluster, ``work`` that in which stages under way have theirs. ``killed`` tells by
    stage what has been killed.
    """

    def __init__(self, cluster: Path, work: Path, victims: Sequence[str]) -> None:
        self.killed: dict[str, list[str]] = defaultdict(list)
        self._cluster, self._work, self._victims = cluster, work, victims
        self._seen: set[int] = set()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._over.wait(0.02):
            for folder in self._work.glob("*-*"):
                stage = folder.name.rpartition("-")[0]
                if len(self.killed[stage]) < len(self._victims):
                    self._kill(stage, self._victims[len(self.killed[stage])])

    def _kill(self, stage: str, victim: str) -> None:
        workers, victims = processes(self._cluster, WORKER), processes(self._cluster, victim)
        earlier = set() if self.killed[stage] else self._seen  # those of the stage before may still be ending
        if workers - earlier and victims:
            self._seen |= workers
            with suppress(ProcessLookupError):  # it has ended by itself: the next one then
                os.kill(random.choice(sorted(victims)), signal.SIGKILL)
                self.killed[stage].append(victim)
                self._over.wait(PAUSE)
