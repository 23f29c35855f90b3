"""Which documents were in a step, also after a restart and a kill."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from obelics_pipeline.errors import InputError
from obelics_pipeline.feed import Ledger


def test_steps_and_documents_are_found(tmp_path: Path) -> None:
    with Ledger(tmp_path / "ledger.jsonl") as ledger:
        ledger.note(0, ["a", "b"])
        ledger.note(1, ("b", "c"))
        ledger.note(2, [])
        assert ledger.documents(1) == ("b", "c")  # while it is being written
    assert ledger.documents(2) == ()
    assert ledger.steps("b") == [0, 1]
    assert ledger.steps("d") == []


def test_a_step_that_is_trained_again_counts_as_it_was_last(tmp_path: Path) -> None:
    path = tmp_path / "ledger.jsonl"
    for documents in (["a"], ["b"], ["c"]):
        with Ledger(path) as ledger:
            ledger.note(7, documents)
            ledger.note(8, ["z"])
    assert Ledger(path).documents(7) == ("c",)
    assert Ledger(path).steps("a") == []
    assert Ledger(path).steps("z") == [8]


@given(st.integers(1, 40))
def test_half_a_line_costs_its_step_alone(tmp_path_factory: pytest.TempPathFactory, cut: int) -> None:
    path = tmp_path_factory.mktemp("ledger") / "ledger.jsonl"
    with Ledger(path) as ledger:
        ledger.note(0, ["a"])
        ledger.note(1, ["a document with a long name"])
    path.write_bytes(path.read_bytes()[:-cut])
    with Ledger(path) as ledger:
        ledger.note(2, ["b"])
    assert ledger.documents(0) == ("a",)
    assert ledger.documents(2) == ("b",)
    if cut > 1:  # all but the end of the line
        with pytest.raises(InputError, match="no step 1"):
            ledger.documents(1)


def test_what_is_not_there_is_told(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger.jsonl")
    with pytest.raises(InputError, match=r"written by Ledger\.note"):
        ledger.documents(0)
    with ledger:
        ledger.note(0, ["a"])
    with pytest.raises(InputError, match="no step 3; look into the ledgers of other ranks"):
        ledger.documents(3)
