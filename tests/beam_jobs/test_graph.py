"""What some runner cannot do is refused by name; what our stages do is not."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator

import apache_beam as beam
import pytest
from apache_beam.coders import BytesCoder
from apache_beam.testing import test_stream
from apache_beam.transforms.userstate import BagStateSpec, TimerSpec, on_timer
from apache_beam.transforms.window import FixedWindows

from beam_jobs.graph import DATAFLOW_BYTES, check, faults, max_bytes
from beam_jobs.runner import BeamOptions, run
from obelics_pipeline.errors import Misconfigured

STATE = BagStateSpec("seen", BytesCoder())
TIMER = TimerSpec("late", beam.TimeDomain.WATERMARK)


class KeepState(beam.DoFn):
    def process(self, element: tuple[str, int], seen: object = beam.DoFn.StateParam(STATE)) -> None: ...


class SetTimer(beam.DoFn):
    def process(self, element: tuple[str, int], late: object = beam.DoFn.TimerParam(TIMER)) -> None: ...

    @on_timer(TIMER)
    def ring(self) -> None: ...


class AfterBundle(beam.DoFn):
    def process(self, element: object, end: object = beam.DoFn.BundleFinalizerParam) -> None: ...


class Splittable(beam.DoFn, beam.RestrictionProvider):
    def process(self, element: object, tracker: object = beam.DoFn.RestrictionParam()) -> Iterator[object]:
        yield element

    def create_tracker(self, restriction: object) -> object: ...
    def initial_restriction(self, element: object) -> object: ...
    def restriction_size(self, element: object, restriction: object) -> int: ...


def pairs(pipeline: beam.Pipeline) -> beam.PCollection:
    return pipeline | "Pairs" >> beam.Create([("a", 1)])


def flatten_and_group(pipeline: beam.Pipeline) -> None:
    both = pairs(pipeline), pipeline | "Others" >> beam.Create([("b", 2)])
    _ = both | beam.Flatten()
    _ = both[0] | beam.GroupByKey()


def flatten_and_reshuffle(pipeline: beam.Pipeline) -> None:
    one = pairs(pipeline) | "Same" >> beam.Map(lambda pair: pair)
    _ = (one, pairs_again(pipeline)) | beam.Flatten()
    _ = one | beam.Reshuffle()


def pairs_again(pipeline: beam.Pipeline) -> beam.PCollection:
    return pipeline | "Again" >> beam.Create([("b", 2)])


def large(pipeline: beam.Pipeline) -> None:
    _ = pipeline | "Random" >> beam.Create([os.urandom(DATAFLOW_BYTES)], reshuffle=False)


def combine_globally(pipeline: beam.Pipeline) -> None:
    _ = pairs(pipeline) | beam.Values() | beam.CombineGlobally(sum)


def side_input(pipeline: beam.Pipeline) -> None:
    all_pairs = beam.pvalue.AsList(pairs_again(pipeline))
    _ = pairs(pipeline) | "Ask" >> beam.Map(lambda pair, known: pair in known, all_pairs)


def ordinary(pipeline: beam.Pipeline) -> None:
    """Everything that stages are made of."""
    one = (
        pairs(pipeline)
        | beam.Reshuffle()
        | "Two" >> beam.ParDo(lambda pair: [pair]).with_outputs("x", main="y")
    )
    _ = (
        (one.x, one.y | "Sum" >> beam.CombinePerKey(sum))
        | beam.CoGroupByKey()
        | beam.Keys()
        | beam.Distinct()
    )
    _ = (one.x | "Map" >> beam.Map(lambda pair: pair), pairs_again(pipeline)) | beam.Flatten()
    _ = one.x | beam.GroupByKey()


GRAPHS: dict[str, tuple[Callable[[beam.Pipeline], object], list[str]]] = {
    "ordinary": (ordinary, []),
    "state": (lambda p: pairs(p) | "Bad" >> beam.ParDo(KeepState()), ["step 'Bad' keeps state"]),
    "timer": (lambda p: pairs(p) | "Bad" >> beam.ParDo(SetTimer()), ["step 'Bad' sets timers"]),
    "finalizer": (
        lambda p: pairs(p) | "Bad" >> beam.ParDo(AfterBundle()),
        ["step 'Bad' waits for the end of its bundle"],
    ),
    "splittable": (lambda p: pairs(p) | "Bad" >> beam.ParDo(Splittable()), ["step 'Bad' is splittable"]),
    "windows": (
        lambda p: pairs(p) | "Bad" >> beam.WindowInto(FixedWindows(60)),
        ["step 'Bad' has windows (beam:window_fn:fixed_windows:v1)"],
    ),
    "side input": (side_input, ["step 'Ask' has a side input"]),
    "an endless source": (lambda p: p | "Bad" >> test_stream.TestStream(), ["step 'Bad' never ends"]),
    "flatten and group": (flatten_and_group, ["is both flattened and grouped"]),
    "flatten and reshuffle": (flatten_and_reshuffle, ["is both flattened and grouped"]),
    "too large": (large, ["MB, and the runner takes 10; make fewer, larger parts"]),
    "global combine": (combine_globally, ["has a side input"]),
}


def graph_of(build: Callable[[beam.Pipeline], object]) -> object:
    pipeline = beam.Pipeline("FnApiRunner")
    build(pipeline)
    return pipeline.to_runner_api()


@pytest.mark.parametrize(("build", "told"), GRAPHS.values(), ids=GRAPHS)
def test_what_some_runner_cannot_do_is_found(
    build: Callable[[beam.Pipeline], object], told: list[str]
) -> None:
    found = list(faults(graph_of(build)))
    assert len(found) == len(told), found
    assert all(part in fault for part, fault in zip(told, found, strict=True)), found


def test_the_first_is_told_with_where_and_how_many_more() -> None:
    with pytest.raises(Misconfigured) as told:
        check(graph_of(lambda pipeline: (side_input(pipeline), flatten_and_group_again(pipeline))), "here")
    assert str(told.value) == (
        "here: step 'Ask' has a side input, which is collected in one place and sent to every worker; give a small one "
        "as an argument, and join a large one by key (and 1 more)"
    )


def flatten_and_group_again(pipeline: beam.Pipeline) -> None:
    one = pipeline | "One" >> beam.Create([("b", 2)])
    _ = (one, one | "Again2" >> beam.Keys()) | beam.Flatten()
    _ = one | beam.GroupByKey()


def test_dataflow_takes_smaller_graphs_than_others() -> None:
    graph = graph_of(large)
    assert max_bytes("DataflowRunner") == DATAFLOW_BYTES
    assert list(faults(graph, max_bytes("apache_beam.runners.DataflowRunner")))
    assert list(faults(graph, max_bytes("SparkRunner"))) == []


def test_a_job_for_a_cluster_is_refused_before_anything_is_asked_of_it() -> None:
    nobody = "--job_endpoint=127.0.0.1:1"
    with pytest.raises(Misconfigured, match="--runner=PortableRunner: step 'Ask' has a side input"):
        run(side_input, BeamOptions(("--runner=PortableRunner", nobody)))


def test_the_other_tests_hold_their_jobs_to_it() -> None:
    with pytest.raises(Misconfigured, match="a job of the tests: step 'Ask' has a side input"):
        run(side_input, BeamOptions())
