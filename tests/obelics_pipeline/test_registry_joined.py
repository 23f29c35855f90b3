"""A registry in pieces answers as the mapped one of the same list, however it is asked."""

from __future__ import annotations

import csv
import tempfile
from collections.abc import Sequence
from pathlib import Path
from unittest.mock import patch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from obelics_pipeline.errors import InputError
from obelics_pipeline.registry import JoinedRegistry, Registry, hashes
from obelics_pipeline.registry.compiling import compile_registry

HOSTS = [f"{label}.{above}" for label in ("a", "b", "img") for above in ("x.org", "y.co.uk", "z.example")]
URLS = [f"http://{host}{path}" for host in HOSTS for path in ("/", "/p", "/p/1.jpg", "/q?r=1")]
ENTRIES = st.one_of(
    st.tuples(st.just("domain"), st.sampled_from([*HOSTS, "x.org", "y.co.uk", "example"])),
    st.tuples(st.just("host"), st.sampled_from(HOSTS)),
    st.tuples(st.just("url_prefix"), st.sampled_from([f"{host}/p" for host in HOSTS])),
    st.tuples(st.just("url"), st.sampled_from(URLS)),
)
SCOPED = st.tuples(ENTRIES, st.sampled_from(["page", "image", ""]))


def write_list(path: Path, rows: Sequence[tuple[tuple[str, str], str]]) -> Path:
    with path.open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["kind", "value", "scope"])
        writer.writerows((kind, value, scope) for (kind, value), scope in rows)
    return path


def both(folder: Path, rows: Sequence[tuple[tuple[str, str], str]]) -> tuple[Registry, JoinedRegistry]:
    """The same list, mapped and in pieces of a few hashes."""
    listed = write_list(folder / "list.csv", rows)
    compile_registry([listed], folder / "mapped", name="list")
    with patch.object(hashes, "PIECE", 2):
        compile_registry([listed], folder / "joined", name="list", joined=True)
    return Registry.open(folder / "mapped"), JoinedRegistry.open(str(folder / "joined"))


@settings(max_examples=40)
@given(st.lists(SCOPED, min_size=1, max_size=40), st.lists(st.sampled_from(URLS)))
def test_the_answers_are_those_of_the_mapped_registry(
    rows: list[tuple[tuple[str, str], str]], foreseen: list[str]
) -> None:
    with tempfile.TemporaryDirectory() as place:
        mapped, joined = both(Path(place), rows)
        pages, images = joined.asked("page", foreseen), joined.asked("image", foreseen)
        for url in URLS:
            assert joined.page(url) == pages.page(url) == mapped.page(url)
            assert joined.image(url) == images.image(url) == mapped.image(url)


def test_only_the_pieces_that_are_asked_for_are_read(tmp_path: Path) -> None:
    _, joined = both(tmp_path, [(("url", f"{url}/{n}"), "") for n, url in enumerate(URLS)])
    read: list[str] = []
    opened = JoinedRegistry.open(joined.path, lambda path: (read.append(path), Path(path).read_bytes())[1])
    del read[:]
    pieces = list(opened.keys_of("page", URLS[:1]))
    view = opened.view("page", URLS[:1], {})
    assert (len(pieces), read) == (1, [])  # nothing is read to ask, nor to be told
    assert view.page(URLS[0]) is None
    assert read == []
    assert view.page(f"{URLS[1]}/1") is not None  # not foreseen: looked up
    assert len(read) == 1


def damaged(folder: Path, damage: str) -> Path:
    both(folder, [(("url", url), "") for url in URLS])
    piece = sorted((folder / "joined").glob("*.u64"))[3]
    data = piece.read_bytes()
    if damage == "missing":
        piece.unlink()
    else:
        piece.write_bytes(data[:-8] if damage == "cut" else bytes(len(data)))
    return folder / "joined"


@pytest.mark.parametrize("damage", ["missing", "cut", "other bytes"])
def test_a_damaged_piece_is_no_answer(damage: str, tmp_path: Path) -> None:
    folder = damaged(tmp_path, damage)
    opened = JoinedRegistry.open(str(folder))
    with pytest.raises(InputError, match=r"url\.both\.000003\.u64.*copy it again"):
        opened.verify()
    with pytest.raises(InputError, match=r"url\.both\.000003\.u64.*copy it again"):
        opened.asked("page", URLS)
    if damage != "other bytes":
        with pytest.raises(InputError, match="missing or cut"):
            opened.check_lengths({path.name: path.stat().st_size for path in folder.glob("*.u64")})


def test_each_kind_of_registry_says_where_it_belongs(tmp_path: Path) -> None:
    both(tmp_path, [(("url", URLS[0]), "")])
    with pytest.raises(InputError, match=r"name it under consent\.joined"):
        Registry.open(tmp_path / "joined")
    with pytest.raises(InputError, match=r"name it under consent\.registries"):
        JoinedRegistry.open(str(tmp_path / "mapped"))


@pytest.mark.parametrize("skip_bad", [False, True])
def test_hashes_of_content_are_not_joined(skip_bad: bool, tmp_path: Path) -> None:
    listed = write_list(tmp_path / "list.csv", [(("url", URLS[0]), ""), (("md5", "0" * 32), "")])
    with pytest.raises(InputError, match=r"line 3: md5 .* without --joined"):
        compile_registry([listed], tmp_path / "out", joined=True, skip_bad=skip_bad)
    assert not (tmp_path / "out").exists()
