"""The errors of the builder, by what the reader of the message has to do about them.

::

    ObelicsError
    ├── Misconfigured   the caller's mistake, found before anything runs: exit code 2
    │   ├── ConfigError     a file of the configuration, a key or a value
    │   └── InputError      an input or output path; NoSuchFile if nothing is there
    └── RunFailed       the run cannot go on or cannot account for what it did: exit code 1

Rejected and unavailable are values, not errors. ``PageFailed`` concerns one page: a row of ``failures/``.
"""

from __future__ import annotations


class ObelicsError(Exception):
    """Any error whose message is meant for the person who started the run."""


class Misconfigured(ObelicsError):
    """The run was asked for something it cannot do; nothing has been written."""


class ConfigError(Misconfigured):
    """A configuration names an unknown key or holds an unusable value."""


class InputError(Misconfigured):
    """An input cannot be read, or an output cannot be written."""


class NoSuchFile(InputError):
    """There is no file of that name."""


class RunFailed(ObelicsError):
    """The run stopped: too many failures, or counts that do not add up."""


class PageFailed(ObelicsError):
    """One page cannot be turned into a document; it becomes a row of ``failures/`` and the run goes on.

    ``error`` is a word of a closed set, fit for a counter; the message says more.
    """

    def __init__(self, error: str, message: str) -> None:
        super().__init__(message)
        self.error = error
