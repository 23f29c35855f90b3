"""Tallies as Beam counters: ``<stage>`` is the namespace, ``<level>/<reason>`` the name, of closed sets."""

from __future__ import annotations

from obelics_pipeline.accounting import Tally


def count(stage: str, tally: Tally) -> None:
    """Add a tally to the counters of the running job.

    The counters are for the runner's own pages; the funnel is made of the tallies, which every runner keeps.
    """
    from apache_beam.metrics import Metrics

    for name, n in sorted(counters(tally).items()):
        Metrics.counter(stage, name).inc(n)


def counters(tally: Tally) -> dict[str, int]:
    """The counts of ``tally`` by counter name."""
    named = dict(tally.notes)
    for name, level in tally.levels.items():
        named[f"{name}/in"] = level.entered
        named[f"{name}/kept"] = level.kept
        for outcome in (level.rejected, level.unavailable, level.failed):
            named.update({f"{name}/{reason}": n for reason, n in outcome.items()})
    return named
