"""What operators hear of a run: events as lines of JSON, with the stage, the part, counts and the place of a failure.

``tell`` is standard logging; nobody listens unless ``listen`` was called (``--log-format``, ``--log-file``).
"""

from __future__ import annotations

import logging
import time
import traceback
from typing import Any, Final

import msgspec

from obelics_pipeline.accounting import Tally
from obelics_pipeline.errors import InputError

FORMATS: Final = ("text", "json")

_LOGGER: Final = logging.getLogger("obelics.events")


class _Lines(logging.Formatter):
    """One object a line: ``time`` (UTC), ``level``, ``event`` and what is told of it."""

    def format(self, record: logging.LogRecord) -> str:
        seconds = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        head = {"time": f"{seconds}.{int(record.msecs):03d}Z", "level": record.levelname.lower()}
        facts: dict[str, Any] = getattr(record, "facts", {})
        return msgspec.json.encode(head | {"event": record.msg} | facts).decode()


def tell(event: str, level: int = logging.INFO, /, **facts: Any) -> None:
    """Log ``event`` with ``facts``, which JSON can hold; those that are None are left out."""
    if _LOGGER.isEnabledFor(level):
        known = {name: fact for name, fact in facts.items() if fact is not None}
        _LOGGER.log(level, event, extra={"facts": known})


def listen(format: str, file: str | None) -> None:
    """Write events to stderr if ``format`` is ``json``, and add them to ``file`` if there is one.

    ``InputError`` if it cannot be written. What an earlier call asked for ends.
    """
    for handler in list(_LOGGER.handlers):
        _LOGGER.removeHandler(handler)
        handler.close()
    handlers: list[logging.Handler] = [logging.StreamHandler()] if format == "json" else []
    if file is not None:
        try:
            handlers.append(logging.FileHandler(file, encoding="utf-8"))
        except OSError as error:
            raise InputError(f"--log-file {file}: cannot be written: {error.strerror}") from None
    for handler in handlers:
        handler.setFormatter(_Lines())
        _LOGGER.addHandler(handler)
    _LOGGER.propagate = False
    _LOGGER.setLevel(logging.INFO if handlers else logging.CRITICAL + 1)


def on_stderr() -> bool:
    """Whether stderr has events, and hence nothing else."""
    return any(type(handler) is logging.StreamHandler for handler in _LOGGER.handlers)


def place_of(error: BaseException) -> str:
    """The line of code that raised ``error``, as ``file:number``; empty if it was never raised."""
    frames = traceback.extract_tb(error.__traceback__)
    return f"{frames[-1].filename}:{frames[-1].lineno}" if frames else ""


def counts(tally: Tally) -> dict[str, Any]:
    """The levels of a tally, without what is 0."""
    levels: dict[str, dict[str, Any]] = msgspec.to_builtins(tally.levels)
    return {name: {what: n for what, n in level.items() if n} for name, level in levels.items()}


_LOGGER.setLevel(logging.CRITICAL + 1)
