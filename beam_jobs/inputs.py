"""From what ``--input`` says to the archives it means, with every mistake told before anything is written."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from io import BytesIO
from typing import BinaryIO

from beam_jobs import io
from beam_jobs.http_file import Manners, is_http
from obelics_pipeline.errors import InputError
from obelics_pipeline.manifest import InputEntry
from obelics_pipeline.records import is_gzipped
from obelics_pipeline.url import without_credentials
from obelics_pipeline.wikimedia import dump


def find_archives(
    arguments: Sequence[str], option: str = "--input", manners: Manners | None = None
) -> tuple[InputEntry, ...]:
    """The archives that ``arguments`` (paths, globs, URLs, ``@list.txt``) of ``option`` name, each once, in order.

    Archives are WARC files and, by their names, Wikimedia's dumps and tables of selected records. Raises ``InputError``
    for a file that is not there or is none of these, a glob that matches nothing, a list that is empty or not there.
    ``manners`` are for web servers.
    """
    with io.reaching(option):
        paths = list(dict.fromkeys(_expand(arguments, option, manners)))
    with ThreadPoolExecutor(16) as pool:
        found = list(pool.map(partial(_entry_or_why_not, option, manners), paths))
    unusable = [entry for entry in found if isinstance(entry, InputError)]
    if unusable:
        others = f" (and {len(unusable) - 1} more of the files)" if len(unusable) > 1 else ""
        raise InputError(f"{unusable[0]}{others}")
    return tuple(entry for entry in found if isinstance(entry, InputEntry))


def _entry_or_why_not(option: str, manners: Manners | None, path: str) -> InputEntry | InputError:
    try:
        return _entry(option, manners, path)
    except InputError as error:
        return error


def _expand(arguments: Iterable[str], where: str, manners: Manners | None) -> Iterator[str]:
    for argument in arguments:
        if argument.startswith("@"):
            listed = f"{where} {without_credentials(argument)}"
            yield from _expand(lines_of(argument[1:], listed, manners=manners), listed, manners)
        elif not is_http(argument) and any(character in argument for character in "*?["):
            yield from _matches(argument, where)
        else:
            yield argument


def lines_of(
    path: str, where: str, what: str = "path, glob or URL", manners: Manners | None = None
) -> list[str]:
    """The lines of a list, without what is empty or a comment; ``InputError`` if there are none."""
    if io.size(path, manners) is None:
        raise InputError(f"{where}: no such list; write one {what} a line")
    lines = [line.strip() for line in io.read_bytes(path, manners).decode("utf-8", "replace").splitlines()]
    lines = [line for line in lines if line and not line.startswith(("#", "@"))]
    if not lines:
        raise InputError(f"{where}: the list is empty; write one {what} a line")
    return lines


def _matches(pattern: str, where: str) -> list[str]:
    if io.size(pattern) is not None:  # a name with brackets is a name first
        return [pattern]
    if found := list(io.sizes(pattern)):
        return found
    raise InputError(f"{where} {pattern}: no file matches; is the folder right?")


def _entry(option: str, manners: Manners | None, path: str) -> InputEntry:
    if io.is_local(path) and os.path.isdir(path):
        raise InputError(f"{option} {path}: it is a folder; write '{path.rstrip('/')}/*.warc.gz'")
    where = f"{option} {without_credentials(path)}"
    with io.reaching(where):
        known = io.stat(path, manners)
    if known is None:
        raise InputError(f"{where}: no such file")
    if is_selection(path):
        return InputEntry(path, known.length, _digest_of_selection(where, path, manners))
    entry = InputEntry(path, known.length, known.version)
    if not io.is_local(path):
        return entry
    try:
        with io.open_read(path) as stream:
            _check(stream, path)
    except OSError as error:
        raise InputError(f"{where}: cannot be read: {error.strerror}") from None
    return entry


def is_selection(path: str) -> bool:
    """Whether ``path`` has the name of a selection table: no archive is a Parquet file."""
    return path.endswith(".parquet")


def _digest_of_selection(where: str, path: str, manners: Manners | None) -> str:
    from obelics_pipeline.selection import open_selection  # slow to import: most inputs are archives

    data = io.read_bytes(path, manners)
    if not open_selection(BytesIO(data), where).rows:
        raise InputError(f"{where}: nothing is selected; ask for more with 'obelics select'")
    return hashlib.blake2b(data, digest_size=16).hexdigest()


def _check(stream: BinaryIO, path: str) -> None:
    """Raise ``InputError`` if a file is not what its name says: a dump of Wikimedia's, or else a WARC file."""
    if dump.is_dump(path):
        dump.check(stream, path)
    elif ".warc" not in path and dump.looks_like(stream):
        raise InputError(
            f"{path}: looks like a dump of Wikimedia's; give it a name in {', '.join(dump.SUFFIXES)}"
        )
    else:
        is_gzipped(stream, path)
