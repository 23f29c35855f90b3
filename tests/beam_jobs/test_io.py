"""Files in a folder and files in an object store behave alike."""

from __future__ import annotations

import fnmatch
import io as memory
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from apache_beam.io.filesystem import BeamIOError, FileMetadata, FileSystem

from beam_jobs import io
from obelics_pipeline.errors import InputError

STORE: dict[str, bytes] = {}


class Upload(memory.BytesIO):
    """An object is there when its stream is closed."""

    def __init__(self, path: str) -> None:
        super().__init__()
        self._path = path

    def close(self) -> None:
        if not self.closed:
            STORE[self._path] = self.getvalue()
        super().close()


class StoreFileSystem(FileSystem):  # type: ignore[misc]
    """An object store in memory, as Beam sees ``s3://`` and ``gs://``: no folders, no renaming in place."""

    @classmethod
    def scheme(cls) -> str:
        return "store"

    def join(self, base: str, *parts: str) -> str:
        return "/".join([base.rstrip("/"), *parts])

    def split(self, path: str) -> tuple[str, str]:
        head, _, tail = path.rpartition("/")
        return head, tail

    def mkdirs(self, path: str) -> None:
        raise NotImplementedError

    def has_dirs(self) -> bool:
        return False

    def _list(self, dir_or_prefix: str) -> Iterator[FileMetadata]:
        for path, data in STORE.items():
            if path.startswith(dir_or_prefix):
                yield FileMetadata(path, len(data))

    def create(self, path: str, mime_type: str = "", compression_type: str = "") -> Any:
        return Upload(path)

    def open(self, path: str, mime_type: str = "", compression_type: str = "") -> Any:
        return memory.BytesIO(STORE[path])

    def copy(self, source: list[str], destination: list[str]) -> None:
        raise NotImplementedError

    def rename(self, source: list[str], destination: list[str]) -> None:
        for old, new in zip(source, destination, strict=True):
            if new in STORE:
                raise BeamIOError(f"{new} is there")
            STORE[new] = STORE.pop(old)

    def exists(self, path: str) -> bool:
        return path in STORE

    def size(self, path: str) -> int:
        return len(STORE[path])

    def last_updated(self, path: str) -> float:
        raise NotImplementedError

    def checksum(self, path: str) -> str:
        raise NotImplementedError

    def metadata(self, path: str) -> FileMetadata:
        return FileMetadata(path, len(STORE[path]))

    def delete(self, paths: list[str]) -> None:
        for path in paths:
            del STORE[path]


@pytest.fixture(params=["folder", "store", "s3"])
def root(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    STORE.clear()
    if request.param == "s3":
        request.getfixturevalue("bucket")
        return f"s3://bucket/{tmp_path.name}"
    return str(tmp_path) if request.param == "folder" else "store://bucket/build"


def test_what_is_written_is_read(root: str) -> None:
    path = io.join(root, "a", "b.json")
    assert io.size(path) is None
    io.write_atomically(path, b"first")
    io.write_atomically(path, b"second")
    assert (io.read_bytes(path), io.size(path)) == (b"second", 6)
    assert io.sizes(io.join(root, "a", "*")) == {path: 6}


def test_patterns_stay_in_their_folder(root: str) -> None:
    paths = [
        io.join(root, *place) for place in (("x", "1", "r"), ("x", "2", "r"), ("x", "r"), ("y", "1", "r"))
    ]
    for path in paths:
        io.write_atomically(path, b"")
    assert list(io.sizes(io.join(root, "x", "*", "*"))) == paths[:2]
    assert list(io.sizes(io.join(root, "x", "*"))) == [paths[2]]


def test_removing_what_is_gone_does_not_matter(root: str) -> None:
    path = io.join(root, "a", "b")
    io.write_atomically(path, b"")
    io.remove([path, path, io.join(root, "c")])
    assert io.sizes(io.join(root, "a", "*")) == {}


def test_a_tree_is_removed_and_its_neighbour_stays(root: str) -> None:
    inside = [io.join(root, "work", "one", name) for name in ("a", "b/c")]
    outside = io.join(root, "work", "one-more", "a")
    for path in [*inside, outside]:
        io.write_atomically(path, b"")
    io.remove_tree(io.join(root, "work", "one"))
    assert [io.size(path) for path in [*inside, outside]] == [None, None, 0]


def test_a_stored_file_is_never_decompressed(root: str) -> None:
    path = io.join(root, "a.warc.gz")
    io.write_atomically(path, b"\x1f\x8b\x08 not really")
    assert io.read_bytes(path) == b"\x1f\x8b\x08 not really"


@pytest.mark.parametrize(
    ("parts", "joined"),
    [
        pytest.param(("a", "b"), "a/b", id="relative"),
        pytest.param(("/", "b"), "/b", id="the root"),
        pytest.param(("gs://x/", "b", "c"), "gs://x/b/c", id="remote"),
    ],
)
def test_paths_are_joined(parts: tuple[str, ...], joined: str) -> None:
    assert io.join(*parts) == joined


def test_writable_is_what_takes_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    io.check_writable(str(tmp_path / "new" / "folder"))
    io.check_writable("store://bucket/build")
    with pytest.raises(InputError, match="is a file; name a folder"):
        io.check_writable(str(tmp_path / "file" / "x"))
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_build_into_an_object_store_is_the_same_dataset(
    archive: Path, config_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from beam_jobs.cli import main

    STORE.clear()
    given = ["build", "--config", str(config_file), "--input", str(archive), "--output"]
    assert main([*given, "store://bucket/build"]) == 0
    assert main([*given, "store://bucket/build"]) == 0
    assert capsys.readouterr().out.count(": done before") == 6
    assert main([*given, str(tmp_path)]) == 0
    files = {
        str(path.relative_to(tmp_path)): path.read_bytes()
        for path in (tmp_path / "dataset").rglob("*")
        if path.is_file()
    }
    stored = {path.removeprefix("store://bucket/build/"): data for path, data in STORE.items()}
    assert {path: data for path, data in stored.items() if path.startswith("dataset/")} == files
    assert not fnmatch.filter(stored, "_work/*")
