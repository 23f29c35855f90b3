"""Scores of a classifier in the stages: made where images are fetched, and asked for where they are judged."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Final, TypeAlias

import pyarrow as pa
import pyarrow.parquet as pq

from beam_jobs import io
from beam_jobs.config import ImagesSection
from beam_jobs.spool import Spool
from filters.rules import PictureRules
from obelics_pipeline.config import suggestion
from obelics_pipeline.decoder import decoder
from obelics_pipeline.errors import ConfigError
from obelics_pipeline.fetch_types import FetchResult, FetchStatus
from obelics_pipeline.images_table import IMAGE_RESULTS
from obelics_pipeline.scorer import described, onnx_scorer, scores_of

Scores: TypeAlias = dict[str, dict[str, float] | None]
"""Scores by label of each picture, by the SHA-256 of its bytes; ``None`` of one that cannot be scored."""

_LABELS: Final = b"obelics:labels"


def check_scorer(section: ImagesSection) -> None:
    """Raise ``ConfigError`` if there is to be a classifier and it, or what computes it, cannot be used."""
    if section.scorer is not None:
        try:
            onnx_scorer(section.scorer)
        except ConfigError as error:
            raise ConfigError(f"images.scorer: {error}") from error


def score_pictures(
    fetched: Iterable[tuple[FetchResult, int]], spool: Spool, section: ImagesSection
) -> Scores:
    """The scores of all images that are ``ok``, each picture once; nothing if there is no classifier.

    Bodies are at their places in ``spool``. Thumbnails are made where images are decoded: what kills that process
    costs one picture its scores.
    """
    if section.scorer is None:
        return {}
    scorer = onnx_scorer(section.scorer)
    places = {
        result.sha256: (position, result.num_bytes or 0)
        for result, position in fetched
        if result.status is FetchStatus.OK and result.sha256 is not None
    }
    with decoder() as child:
        thumbnails = (
            child.thumbnail(spool.body(*place), section.max_pixels, scorer.size) for place in places.values()
        )
        return dict(zip(places, scores_of(scorer, thumbnails), strict=True))


def results_schema(section: ImagesSection) -> pa.Schema:
    """The schema of ``image_results``, which says what the images were scored by."""
    labels = () if section.scorer is None else described(section.scorer).labels
    return IMAGE_RESULTS.with_metadata({_LABELS: json.dumps(labels)})


def check_scores(results: Sequence[str], rules: PictureRules) -> None:
    """Raise ``ConfigError`` if ``rules`` ask for scores that the files ``results`` of ``image_results`` do not have."""
    if (rule := rules.nsfw) is None or not results:
        return
    with io.open_read(results[0]) as stream:
        found = pq.read_schema(stream).metadata or {}
    labels = json.loads(found.get(_LABELS, b"[]"))
    for label in rule.limits or ():
        if label not in labels:
            raise ConfigError(
                f"assemble.image.nsfw: {results[0]} has no scores of {suggestion(label, labels)}; "
                "set images.scorer and run 'obelics images' again, or leave the rule out"
            )
