"""Count what Beam's grouping steps shuffle, in the process of the local runner."""

from __future__ import annotations

import pickle
from collections import Counter
from functools import partial
from typing import Any

import apache_beam as beam

BYTES: Counter[str] = Counter()
COUNTED: list[Any] = []


def count_everything() -> None:
    """Let every grouping step of pipelines to come count the bytes of its keys and values under its name.

    What is not bytes counts as it is pickled.
    """
    plain = beam.Pipeline.apply

    def apply(self: beam.Pipeline, transform: Any, rows: Any = None, label: str | None = None) -> Any:
        if isinstance(transform, beam.GroupByKey) and rows not in COUNTED:
            counting = beam.Map(partial(_count, rows.producer.full_label)).with_output_types(
                rows.element_type
            )
            rows = plain(self, counting, rows, f"Count{len(COUNTED)}")
            COUNTED.append(rows)
        return plain(self, transform, rows, label)

    beam.Pipeline.apply = apply


def _count(name: str, row: tuple[Any, Any]) -> tuple[Any, Any]:
    BYTES[name] += sum(len(x) if isinstance(x, bytes) else len(pickle.dumps(x, 5)) for x in row)
    return row
