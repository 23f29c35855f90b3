"""Objects at ``s3://``, by boto3: one client for a process, which asks a busy store again.

Beam's own client for S3 makes a new connection for every call, cannot write an empty object, and gives up a write when
the store is busy. What Beam is told (``--s3_endpoint_url`` and its like) holds here too, beside what boto3 reads.
"""

from __future__ import annotations

import io
import os
import re
import tempfile
from collections.abc import Callable, Iterable
from functools import cache, partial
from typing import Any, BinaryIO, Final, TypeVar, cast

from beam_jobs import ranged
from beam_jobs.ranged import Broken, Stat, length_stated
from beam_jobs.s3_answers import Beyond, asking, refusal
from obelics_pipeline import __version__
from obelics_pipeline.errors import InputError, NoSuchFile, RunFailed

T = TypeVar("T")

SCHEME: Final = "s3://"

ATTEMPTS: Final = 3
"""Of each request, by boto3 (mode ``standard``); then come those of ``ranged.Patience``, with longer waits."""

CONNECTIONS: Final = 16
"""Of a process: as many as threads ask at once."""

IN_MEMORY: Final = 8 << 20
"""Bytes of an object being written that are held in memory; beyond that, in a temporary file."""

BATCH: Final = 1000
"""Objects that one request may delete."""

OPTIONS: Final = {
    "s3_endpoint_url": "AWS_ENDPOINT_URL_S3",
    "s3_region_name": "AWS_DEFAULT_REGION",
    "s3_access_key_id": "AWS_ACCESS_KEY_ID",
    "s3_secret_access_key": "AWS_SECRET_ACCESS_KEY",
    "s3_session_token": "AWS_SESSION_TOKEN",
    "s3_verify": "AWS_CA_BUNDLE",
}
"""Beam's options, and the variables of the environment by which boto3, and local worker processes, learn the same."""

REFUSED: Final = {
    "s3_disable_ssl": "begin --s3_endpoint_url with http://",
    "s3_api_version": "boto3 has one",
}
"""Beam's options that could do nothing here, and what to do instead."""


def is_s3(path: str) -> bool:
    """Whether ``path`` is an object, or a pattern of objects, of S3."""
    return path.startswith(SCHEME)


@cache
def _client() -> Any:
    _adopt_options()
    try:
        import boto3
        from botocore.config import Config
    except ImportError:
        raise InputError("s3:// needs boto3; run: pip install 'obelics-builder[aws]'") from None
    config = Config(
        retries={"mode": "standard", "max_attempts": ATTEMPTS},
        max_pool_connections=CONNECTIONS,
        connect_timeout=10,
        read_timeout=60,
        user_agent_extra=f"obelics-builder/{__version__}",
    )
    return boto3.session.Session().client("s3", config=config)


def _adopt_options() -> None:
    """What Beam was told goes into the environment: in the driver for its local workers, in workers of clusters."""
    from apache_beam.io.filesystems import FileSystems
    from apache_beam.options.pipeline_options import S3Options

    told = FileSystems._pipeline_options  # there is no other way to ask for it
    values = told.view_as(S3Options).get_all_options(drop_default=True) if told is not None else {}
    for name in REFUSED.keys() & values.keys():
        raise InputError(f"--{name}: has no effect here; leave it out: {REFUSED[name]}")
    adopted = {OPTIONS[name]: str(value) for name, value in values.items() if name in OPTIONS}
    authorities = adopted.get("AWS_CA_BUNDLE", os.environ.get("AWS_CA_BUNDLE"))
    if authorities and not os.path.exists(authorities):
        raise InputError(
            f"--s3_verify (or AWS_CA_BUNDLE) {authorities}: no such file; name that of the authorities to trust, and "
            "for a server without a certificate begin the endpoint with http://"
        )
    os.environ.update(adopted)


def _patiently(path: str, ask: Callable[[], T]) -> T:
    """What ``ask`` gives, as often as it takes: boto3 makes only so many second attempts in a process."""

    def attempt() -> T:
        with asking(path):
            return ask()

    return ranged.Patience(path).ask(attempt)


def _split(path: str) -> dict[str, str]:
    ranged.check_address(path)
    bucket, _, key = path.removeprefix(SCHEME).partition("/")
    if not bucket or not key:
        raise InputError(f"{path}: names no object; write s3://bucket/key")
    return {"Bucket": bucket, "Key": key}


class S3Source:
    """An object that is read by ranges (a ``ranged.Source``)."""

    def __init__(self, path: str) -> None:
        self.name = path
        self._place = _split(path)
        self._etag: dict[str, str] = {}

    def stat(self) -> Stat:
        """Ask for the head of the object; ``NoSuchFile`` if there is none."""
        with asking(self.name):
            head = _client().head_object(**self._place)
        self._etag = {"IfMatch": head["ETag"]}
        return Stat(int(head["ContentLength"]), head["ETag"])

    def open(self, start: int, stop: int | None) -> tuple[ranged.Body | None, int]:
        """Ask for a range of the same object as before."""
        wanted = f"bytes={start}-{'' if stop is None else stop - 1}"
        try:
            with asking(self.name):
                answer = _client().get_object(**self._place, **self._etag, Range=wanted)
        except Beyond:
            return None, self.stat().length
        self._etag = {"IfMatch": answer["ETag"]}
        body = _S3Body(answer["Body"], self.name)
        try:
            if "ContentRange" not in answer:
                raise RunFailed(f"{self.name}: the store serves no ranges; use one that does")
            return body, length_stated(answer["ContentRange"], start, stop)
        except Exception:
            body.close()
            raise


class _S3Body:
    def __init__(self, body: Any, name: str) -> None:
        self._body = body
        self._name = name

    def read(self, size: int) -> bytes:
        """What has arrived, at most ``size`` bytes: the ``read`` of boto3 waits for all, however they drip."""
        import urllib3

        try:
            with asking(self._name):
                data: bytes = self._body._raw_stream.read1(size)
        except urllib3.exceptions.HTTPError as error:
            raise Broken(f"{type(error).__name__}: {error}") from error
        return data

    def close(self) -> None:
        """End the answer."""
        self._body.close()


class Upload(io.BufferedIOBase):
    """An object that is there, whole, when the stream is closed; until then nobody sees anything of it."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._place = _split(path)
        self._file = tempfile.SpooledTemporaryFile(IN_MEMORY)  # noqa: SIM115 (closed with the stream)

    def writable(self) -> bool:
        """Yes."""
        return True

    def write(self, data: Any) -> int:
        """Take ``data``."""
        return self._file.write(data)

    def tell(self) -> int:
        """The number of bytes written so far."""
        return self._file.tell()

    def close(self) -> None:
        """Send what was written."""
        if not self.closed:
            try:
                self._send()
            finally:
                self.discard()

    def discard(self) -> None:
        """Close without writing anything."""
        self._file.close()
        super().close()

    def __exit__(self, kind: object, *error: object) -> None:
        self.close() if kind is None else self.discard()

    def __del__(self) -> None:
        self.discard()  # and not ``close``, as of other streams: what nobody finished is nothing to show

    def _send(self) -> None:
        length = self._file.tell()
        self._file.seek(0)
        if length <= IN_MEMORY:
            write(self._path, self._file.read())
            return
        _patiently(self._path, self._transfer)

    def _transfer(self) -> None:
        self._file.seek(0)
        _client().upload_fileobj(_Kept(self._file), **self._place)


class _Kept(io.RawIOBase):
    """A file to read whose closing is left to its owner: the transfer would close it before it could be sent again."""

    def __init__(self, file: Any) -> None:
        self._file = file

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def read(self, size: int | None = -1) -> bytes:
        return cast(bytes, self._file.read(-1 if size is None else size))

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        return cast(int, self._file.seek(offset, whence))

    def tell(self) -> int:
        return cast(int, self._file.tell())


def open_write(path: str) -> BinaryIO:
    """A stream whose bytes are the object at ``path`` once it is closed."""
    return cast(BinaryIO, Upload(path))


def write(path: str, data: bytes) -> None:
    """Create or replace an object, at once."""
    place = _split(path)
    _patiently(path, lambda: _client().put_object(**place, Body=data))


def move(source: str, target: str) -> None:
    """Copy an object within the store, replacing the one at ``target`` at once, and remove the old one."""
    old, new = _split(source), _split(target)
    _patiently(target, lambda: _client().copy(old, **new))
    remove([source])


def stat(path: str) -> Stat | None:
    """What is known of an object without reading it; None if there is none."""
    try:
        return ranged.stat(S3Source(path))
    except NoSuchFile:
        return None


def sizes(pattern: str) -> dict[str, int]:
    """The objects that match ``pattern``, with their lengths in bytes, in order."""
    from apache_beam.io.filesystem import FileSystem

    ranged.check_address(pattern)
    matches = re.compile(FileSystem.translate_pattern(pattern))
    bucket, _, prefix = re.split(r"[*?\[]", pattern, maxsplit=1)[0].removeprefix(SCHEME).partition("/")
    if not bucket:
        raise InputError(f"{pattern}: names no bucket; write s3://bucket/pattern")
    pages = _client().get_paginator("list_objects_v2")
    entries = _patiently(
        pattern,
        lambda: [
            e for page in pages.paginate(Bucket=bucket, Prefix=prefix) for e in page.get("Contents", ())
        ],
    )
    found = {f"{SCHEME}{bucket}/{entry['Key']}": int(entry["Size"]) for entry in entries}
    return dict(sorted((path, size) for path, size in found.items() if matches.match(path)))


def remove(paths: Iterable[str]) -> None:
    """Remove objects of one bucket; one that is gone already does not matter."""
    every = list(paths)
    for start in range(0, len(every), BATCH):
        left = every[start : start + BATCH]
        _patiently(left[0], partial(_remove, left))


def _remove(left: list[str]) -> None:
    """Remove objects, of which those are ``left`` then that may be removed later; if there are any, ``Broken``."""
    keys = {_split(path)["Key"]: path for path in left}
    objects = {"Objects": [{"Key": key} for key in keys], "Quiet": True}
    answer = _client().delete_objects(Bucket=_split(left[0])["Bucket"], Delete=objects)
    errors = [(keys[told["Key"]], told) for told in answer.get("Errors", ())]
    left[:] = [path for path, _ in errors]
    if refusals := [refusal(f"{path}: not removed", told, 0) for path, told in errors]:
        raise min(refusals, key=lambda error: isinstance(error, Broken))
