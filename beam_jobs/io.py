"""Files wherever they are: paths by the system, ``s3://`` by boto3, ``gs://`` by Beam, ``https://`` to read.

Beam is imported when a remote path is first touched, so that a mistake in the command line is told at once.
"""

from __future__ import annotations

import contextlib
import glob
import os
import shutil
import tempfile
import uuid
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, cast
from urllib.parse import urlsplit

from beam_jobs import ranged, s3
from beam_jobs.http_file import HttpSource, Manners, is_http
from beam_jobs.ranged import Stat
from obelics_pipeline.errors import InputError, NoSuchFile


def is_local(path: str) -> bool:
    """Whether ``path`` is one of the operating system (no ``scheme://``)."""
    return "://" not in path


def join(*parts: str) -> str:
    """``parts`` as one path, for whatever storage."""
    return "/".join([parts[0].rstrip("/"), *parts[1:]]) if parts[0] != "/" else "/" + "/".join(parts[1:])


def name_of(path: str) -> str:
    """How documents name the archive at ``path``: as its publisher does, not by where it was read."""
    return path.rpartition("/")[2] if is_local(path) else urlsplit(path).path.lstrip("/")


def _remote() -> Any:
    from apache_beam.io.filesystems import FileSystems

    return FileSystems


def _source(path: str, manners: Manners | None) -> ranged.Source | None:
    """What is read by ranges of bytes: a file of a web server, or an object of S3."""
    if is_http(path):
        return HttpSource(path, manners)
    return s3.S3Source(path) if s3.is_s3(path) else None


def open_read(path: str, manners: Manners | None = None) -> BinaryIO:
    """A seekable stream over the bytes of ``path`` as stored, never decompressed.

    ``manners`` are for web servers.
    """
    if is_local(path):
        return open(path, "rb")
    if source := _source(path, manners):
        return ranged.buffered(source)
    from apache_beam.io.filesystem import CompressionTypes

    stream = _remote().open(path, compression_type=CompressionTypes.UNCOMPRESSED)
    return cast(BinaryIO, stream)


def read_range(path: str, start: int, stop: int, manners: Manners | None = None) -> bytes:
    """The bytes of ``[start, stop)`` of ``path``, and no others; fewer if it ends before.

    ``NoSuchFile`` if there is none.
    """
    if source := _source(path, manners):
        return ranged.read_range(source, start, stop)
    if is_local(path) and not os.path.isfile(path):
        raise NoSuchFile(f"{path}: no such file")
    with open_read(path) as stream:
        stream.seek(start)
        return stream.read(stop - start)


def open_write(path: str) -> BinaryIO:
    """A stream that creates or replaces ``path`` and the folders above it."""
    if is_local(path):
        os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
        return open(path, "wb")
    if s3.is_s3(path):
        return s3.open_write(path)
    from apache_beam.io.filesystem import CompressionTypes

    return cast(BinaryIO, _remote().create(path, compression_type=CompressionTypes.UNCOMPRESSED))


def discard(stream: BinaryIO, path: str) -> None:
    """Close a stream to the file ``path``, of which nothing is left then."""
    if isinstance(stream, s3.Upload) and not stream.closed:
        stream.discard()
        return
    with contextlib.suppress(OSError):  # what cannot be written is not wanted either
        stream.close()
    remove([path])


def read_bytes(path: str, manners: Manners | None = None) -> bytes:
    """All bytes of ``path``."""
    if s3.is_s3(path):
        return ranged.read_range(s3.S3Source(path), 0, None)
    with open_read(path, manners) as stream:
        return stream.read()


def move(source: str, target: str) -> None:
    """Rename ``source``, replacing ``target``; a reader sees the old file or the new one, never a part."""
    if is_local(target):
        os.makedirs(os.path.dirname(target) or ".", exist_ok=True)
        os.replace(source, target)
        return
    if s3.is_s3(target):
        s3.move(source, target)
        return
    if _remote().exists(target):  # object stores: copy and delete; a rerun writes equal bytes
        _remote().delete([target])
    _remote().rename([source], [target])


@contextlib.contextmanager
def replacing(path: str) -> Iterator[BinaryIO]:
    """A stream whose bytes are those of ``path`` once the block has ended well: the file is whole or not there."""
    if s3.is_s3(path):
        with s3.open_write(path) as stream:
            yield stream
        return
    temporary = f"{path}.{uuid.uuid4().hex}.tmp"
    try:
        with open_write(temporary) as stream:
            yield stream
    except BaseException:
        remove([temporary])
        raise
    move(temporary, path)


def write_atomically(path: str, data: bytes) -> None:
    """Write ``data`` to ``path`` so that the file is whole or not there."""
    with replacing(path) as stream:
        stream.write(data)


def sizes(pattern: str) -> dict[str, int]:
    """The files that match ``pattern`` (``*`` within one folder), in order, with their lengths in bytes."""
    if is_local(pattern):
        found = (path for path in glob.glob(pattern) if os.path.isfile(path))
        return {path: os.path.getsize(path) for path in sorted(found)}
    if s3.is_s3(pattern):
        return s3.sizes(pattern)
    (result,) = _remote().match([pattern])
    return {entry.path: entry.size_in_bytes for entry in sorted(result.metadata_list, key=lambda e: e.path)}


def sizes_below(folder: str, pattern: str) -> dict[str, int]:
    """``sizes`` of the files below ``folder``, whose own name may hold any characters, that match."""
    return sizes(join(glob.escape(folder), pattern))


def size(path: str, manners: Manners | None = None) -> int | None:
    """The length of the file ``path`` in bytes; None if there is no such file."""
    found = stat(path, manners)
    return None if found is None else found.length


def stat(path: str, manners: Manners | None = None) -> Stat | None:
    """What is known of the file ``path`` without reading it; None if there is no such file."""
    if is_local(path):
        if not os.path.isfile(path):
            return None
        known = os.stat(path)
        return Stat(known.st_size, str(known.st_mtime_ns))
    if is_http(path):
        return ranged.stat(HttpSource(path, manners))
    if s3.is_s3(path):
        return s3.stat(path)
    (result,) = _remote().match([glob.escape(path)])
    found = (entry for entry in result.metadata_list if entry.path == path)
    return next((Stat(e.size_in_bytes, str(e.last_updated_in_seconds or "")) for e in found), None)


def remove(paths: Iterable[str]) -> None:
    """Remove files; one that is gone already does not matter."""
    objects = []
    for path in paths:
        if is_local(path):
            Path(path).unlink(missing_ok=True)
        elif s3.is_s3(path):
            objects.append(path)
        elif _remote().exists(path):
            _remote().delete([path])
    s3.remove(objects)


def remove_tree(folder: str) -> None:
    """Remove ``folder``, which is one of ours, with all it holds, and the one above if that is then empty."""
    if is_local(folder):
        shutil.rmtree(folder, ignore_errors=True)
        with contextlib.suppress(OSError):
            os.rmdir(os.path.dirname(folder))
    else:
        remove(sizes_below(folder, "**"))


@contextlib.contextmanager
def reaching(what: str) -> Iterator[None]:
    """Raise ``InputError`` for whatever a server or storage raises that cannot be reached."""
    try:
        yield
    except (OSError, ValueError, ImportError) as error:
        raise InputError(f"{what}: cannot be reached: {error}") from error


def check_writable(folder: str) -> None:
    """Raise ``InputError`` unless files can be created in ``folder``; leaves no trace.

    Of a remote folder only this is asked: whether its storage answers.
    """
    if not is_local(folder):
        ranged.check_address(folder)
        with reaching(f"--output {folder}"):
            sizes_below(folder, "report.json")
        return
    place = Path(folder).absolute()
    while not place.exists() and place != place.parent:
        place = place.parent
    if not place.is_dir():
        raise InputError(f"--output {folder}: {place} is a file; name a folder")
    try:
        tempfile.TemporaryFile(dir=place).close()
    except OSError as error:
        why = error.strerror or str(error)
        raise InputError(f"--output {folder}: cannot write to {place} ({why}); name another folder") from None
