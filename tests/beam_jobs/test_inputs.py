"""What ``--input`` may say."""

from __future__ import annotations

from pathlib import Path

import pytest

from beam_jobs.inputs import find_archives
from obelics_pipeline.errors import InputError


@pytest.fixture
def folder(tmp_path: Path, archive: Path) -> Path:
    for name in ("b.warc.gz", "a.warc.gz", "odd[1].warc.gz"):
        (tmp_path / name).write_bytes(archive.read_bytes())
    (tmp_path / "list.txt").write_text(f"# two of them\n{tmp_path}/b.warc.gz\n\n{tmp_path}/a*\n")
    (tmp_path / "empty.txt").write_text("\n# nothing\n")
    (tmp_path / "page.html").write_text("<p>no archive</p>" * 9)
    (tmp_path / "old.arc").write_text("filedesc://old.arc 0.0.0.0 20010101000000 text/plain 76\n")
    (tmp_path / "sub").mkdir()
    return tmp_path


@pytest.mark.parametrize(
    ("arguments", "names"),
    [
        pytest.param(["b.warc.gz", "a.warc.gz"], ["b.warc.gz", "a.warc.gz"], id="files in the order given"),
        pytest.param(["[ab].warc.gz"], ["a.warc.gz", "b.warc.gz"], id="a glob in the order of names"),
        pytest.param(
            ["a.warc.gz", "*.warc.gz"], ["a.warc.gz", "b.warc.gz", "odd[1].warc.gz"], id="each once"
        ),
        pytest.param(["odd[1].warc.gz"], ["odd[1].warc.gz"], id="a name with brackets"),
        pytest.param(["@list.txt"], ["b.warc.gz", "a.warc.gz"], id="a list with a comment and a glob"),
    ],
)
def test_what_is_found(folder: Path, arguments: list[str], names: list[str]) -> None:
    mark = ["@" if argument.startswith("@") else "" for argument in arguments]
    given = [f"{m}{folder}/{argument.removeprefix('@')}" for m, argument in zip(mark, arguments, strict=True)]
    found = find_archives(given)
    assert [Path(entry.path).name for entry in found] == names
    assert all(entry.bytes == Path(entry.path).stat().st_size for entry in found)


@pytest.mark.parametrize(
    ("argument", "says"),
    [
        pytest.param("c.warc.gz", "no such file", id="missing file"),
        pytest.param("*.warc.zst", "no file matches", id="empty glob"),
        pytest.param("@none.txt", "no such list", id="missing list"),
        pytest.param("@empty.txt", "the list is empty", id="empty list"),
        pytest.param("sub", r"sub/\*\.warc\.gz", id="folder"),
        pytest.param("page.html", "no WARC record", id="no archive"),
        pytest.param("old.arc", "ARC file[^(]*$", id="an ARC file"),
        pytest.param("*", r"empty\.txt: no WARC .*and 3 more of the files", id="a glob of anything"),
    ],
)
def test_what_is_refused(folder: Path, argument: str, says: str) -> None:
    mark = "@" if argument.startswith("@") else ""
    with pytest.raises(InputError, match=says):
        find_archives([f"{mark}{folder}/{argument.removeprefix('@')}"])


def test_changed_files_are_other_inputs(folder: Path) -> None:
    path = folder / "a.warc.gz"
    before = find_archives([str(path)])
    path.write_bytes(path.read_bytes())
    assert find_archives([str(path)]) != before
