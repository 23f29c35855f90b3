"""What in the graph of a job some runner cannot do, so that it is refused before anything is submitted.

The portable runners of Spark and Flink do not do all that Beam's model has, and say so late or not at all. The graph is
looked at as they get it: as Beam's protocol buffers, which name no class of Beam's Python.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import Any, Final

from apache_beam.portability.api import beam_runner_api_pb2 as api

from obelics_pipeline.errors import Misconfigured

PAR_DO: Final = "beam:transform:pardo:v1"
FLATTEN: Final = "beam:transform:flatten:v1"
GROUP: Final = "beam:transform:group_by_key:v1"
RESHUFFLE: Final = "beam:transform:reshuffle:v1"
GLOBAL_WINDOWS: Final = "beam:window_fn:global_windows:v1"

FUNCTIONS: Final = {
    "state_specs": "keeps state by key, which Spark holds in the memory of one worker; group by key instead",
    "timer_family_specs": "sets timers, which Spark has only in part; leave them out",
    "restriction_coder_id": "is splittable, which Spark never splits; make an element of each piece of work",
    "requests_finalization": "waits for the end of its bundle, which Spark and Flink never tell; write under a "
    "temporary name and rename",
    "requires_time_sorted_input": "wants its input sorted by time, which Spark and Flink do not do; sort it",
    "side_inputs": "has a side input, which is collected in one place and sent to every worker; give a small one as "
    "an argument, and join a large one by key",
}
"""Fields of a ParDo's payload that must be empty, and what it means if one is not."""

DATAFLOW_BYTES: Final = 10_000_000
"""Of a whole graph: Dataflow takes no larger one."""

MAX_BYTES: Final = 100_000_000
"""Of a whole graph elsewhere: Spark sends no message of more than 128 MiB (``spark.rpc.message.maxSize``)."""


def check(graph: api.Pipeline, where: str, max_bytes: int = DATAFLOW_BYTES) -> None:
    """Raise ``Misconfigured`` if there is anything in ``graph`` that not every runner does, or if it is too large."""
    if found := list(faults(graph, max_bytes)):
        more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
        raise Misconfigured(f"{where}: {found[0]}{more}")


def max_bytes(runner: str) -> int:
    """How large a graph ``runner`` takes."""
    return DATAFLOW_BYTES if "dataflow" in runner.lower() else MAX_BYTES


def faults(graph: api.Pipeline, max_bytes: int = DATAFLOW_BYTES) -> Iterator[str]:
    """What in ``graph`` some runner cannot do: the step, the fact, and what to do instead."""
    components = graph.components
    if (size := graph.ByteSize()) > max_bytes:
        largest = max(components.transforms.values(), key=lambda step: len(step.spec.payload))
        yield (
            f"step {largest.unique_name!r} has {len(largest.spec.payload) / 1e6:.1f} MB of a graph of {size / 1e6:.1f} "
            f"MB, and the runner takes {max_bytes / 1e6:.0f}; make fewer, larger parts (extract.range_bytes, "
            "images.shard_images)"
        )
    consumers: dict[str, set[str]] = defaultdict(set)
    for step in _steps(components, graph.root_transform_ids):
        name = f"step {step.unique_name!r}"
        if step.spec.urn == PAR_DO:
            payload = api.ParDoPayload.FromString(step.spec.payload)
            yield from (f"{name} {told}" for field, told in FUNCTIONS.items() if getattr(payload, field))
        for collection in step.inputs.values():
            consumers[collection].add(step.spec.urn)
        for collection in step.outputs.values():
            yield from _faults_of_collection(components, collection, name)
    for collection, urns in consumers.items():
        if FLATTEN in urns and urns & {GROUP, RESHUFFLE}:
            name = components.pcollections[collection].unique_name
            yield (
                f"collection {name!r} is both flattened and grouped, of which Spark and Flink lose one; "
                "put a Map before the Flatten"
            )


def _steps(components: Any, roots: Any) -> Iterator[Any]:
    """The steps that runners do: those without steps inside, and reshuffling, which each does in its own way."""
    for root in roots:
        step = components.transforms[root]
        if step.subtransforms and step.spec.urn != RESHUFFLE:
            yield from _steps(components, step.subtransforms)
        else:
            yield step


def _faults_of_collection(components: Any, id: str, name: str) -> Iterator[str]:
    collection = components.pcollections[id]
    windows = components.windowing_strategies[collection.windowing_strategy_id].window_fn.urn
    if windows != GLOBAL_WINDOWS:
        yield f"{name} has windows ({windows}), of which Spark and Flink have some only; leave them out"
    if collection.is_bounded == api.IsBounded.UNBOUNDED:
        yield f"{name} never ends, and jobs here are batches; read from what has an end"
