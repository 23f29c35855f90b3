"""The stage ``images``: every image URL of the documents once, to its bytes or to why there are none."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from itertools import chain
from typing import TypeAlias

import apache_beam as beam
import msgspec

from beam_jobs import io, stages
from beam_jobs.candidates import Fetched, Outcome, ReservedCandidates, Shown, follow, merged, shown_images
from beam_jobs.config import ImagesSection
from beam_jobs.contact import CONTACT, with_contact
from beam_jobs.denylists import deny_lists, unnamed, write_quarantine
from beam_jobs.earlier_images import Known, KnownImages, ReadKnown, earlier_runs, with_bounds
from beam_jobs.joins import join_lists, told_lists
from beam_jobs.optouts import ImageConsent, evidence_files, reserved_images
from beam_jobs.part_files import PartFiles
from beam_jobs.parts import Part, counting
from beam_jobs.rows import flat_writer
from beam_jobs.scores import Scores, results_schema, score_pictures
from beam_jobs.spool import Entry, Spool
from beam_jobs.spread import shard_of, spread
from beam_jobs.stages import DEDUP, FILTER, IMAGES, Plan, Session
from beam_jobs.transforms import DoPart, GiveToParts, Paths
from filters.consent.evidence import IMAGE
from filters.consent.policy import Policy
from obelics_pipeline import images_table as tables
from obelics_pipeline import img2dataset
from obelics_pipeline.accounting import Tally
from obelics_pipeline.denylist import DenyLists, hidden, withheld
from obelics_pipeline.errors import ConfigError
from obelics_pipeline.fetch import FetchResult, FetchStatus, fetch_images
from obelics_pipeline.images_table import FetchLog, ImageFile, ImageResult
from obelics_pipeline.tables import CONSENT
from obelics_pipeline.url import canonical

Row: TypeAlias = tuple[str, int, tuple[str, ...]]
"""A URL, the number of slots that show it, its candidates; or the key of one, 0, what a page said that reserves it."""


class UrlSlots(msgspec.Struct, frozen=True):
    """A row of ``image_urls``."""

    url: str
    slots: int


def who_asks(section: ImagesSection) -> ImagesSection:
    """The section with the contact of the environment if it has none; ``ConfigError`` if nobody can be reached.

    Where private addresses are allowed the servers are one's own, as in the demo and in tests. ``ConfigError``, too, if
    img2dataset is to ask and cannot.
    """
    section = with_contact(section)
    if not section.contact and not section.allow_private:
        raise ConfigError(
            "images.contact: not set, and the owners of servers have to be able to reach who asks; write "
            f"'images: {{contact: https://…}}' (or a mail address) in the configuration, or set {CONTACT}"
        )
    if section.fetcher == "img2dataset":
        img2dataset.require(section.img2dataset, section)
    return section


def check(session: Session) -> None:
    """Raise ``Misconfigured`` if images could not be fetched as ``session`` says."""
    config = session.config
    if config.consent.deny and config.images.fetcher != "builtin":
        raise ConfigError(
            f"consent.deny: {config.images.fetcher} writes images to disk before deny-lists can be asked about "
            "their bytes; write 'images: {fetcher: builtin}', or leave the lists out"
        )
    section = who_asks(config.images)
    deny_lists(config.consent, section.max_pixels)
    earlier_runs(section, session.output)


def plan(session: Session) -> Plan:
    """Hash the image URLs into shards whose number depends on the documents and the configuration alone."""
    found = stages.read_manifest(session.source, DEDUP)
    filtered = stages.read_manifest(session.source, FILTER)
    paths = [io.join(session.source, entry.path) for entry in found.under("deduplicated")]
    evidence = evidence_files(session.source, filtered)
    check(session)
    section, policy = who_asks(session.config.images), session.config.consent
    shards = max(1, -(-found.tally.level("images").kept // section.shard_images))
    result = session.config.result_of("images")
    runs = earlier_runs(section, session.output)
    inputs = [stages.input_of(found, DEDUP), stages.input_of(filtered, FILTER), *(run.entry for run in runs)]
    made = stages.plan(session, IMAGES, result, inputs, shards)
    files = PartFiles(made.space.folder, shards)
    work = partial(fetch_part, options=section, policy=policy)

    def first(run: stages.Run) -> None:
        join_lists(files, policy, IMAGE, paths, partial(_asked_images, shards, section.candidates), run)

    def build(pipeline: beam.Pipeline) -> None:
        shown = (
            pipeline
            | "Parts" >> Paths(paths)
            | "ReadImageUrls" >> beam.FlatMap(shown_images, section.candidates)
            | "CountSlots" >> beam.CombinePerKey(partial(merged, section.candidates))
            | "ByShard" >> beam.MapTuple(partial(_with_shard, shards))
        )
        reserved = (
            pipeline
            | "Evidence" >> Paths(evidence)
            | "ReadReserved" >> beam.FlatMap(reserved_images)
            | "SaidOnce" >> beam.CombinePerKey(min)
        )
        told = reserved | "ReservedByShard" >> beam.MapTuple(
            lambda key, said: (shard_of(key, shards), (key, 0, (said,)))
        )
        candidates = shown | "Candidates" >> beam.MapTuple(lambda shard, row: (shard, row[2]))
        others = (candidates, reserved) | ReservedCandidates()
        asking = shown | "Addresses" >> beam.MapTuple(lambda shard, row: (shard, (row[0], *row[2])))
        known = [asking | ReadKnown(runs, section, policy)] if runs else []
        _ = (
            (shown, told, others, *known)
            | beam.Flatten()
            | "GiveToShards" >> GiveToParts([""] * shards)
            | "FetchImages" >> beam.ParDo(DoPart(made.space, work))
        )

    return msgspec.structs.replace(made, first=first, build=build)


def _with_shard(shards: int, url: str, shown: Shown) -> tuple[int, Row]:
    slots, candidates = shown
    row = url, slots, tuple(candidate for _, candidate in candidates)
    return shard_of(canonical(url), shards), row  # where what pages say of it goes, too


def _asked_images(shards: int, most: int, number: int, path: str) -> Iterator[tuple[int, str]]:
    """For ``join_lists``: the images of a part of ``deduplicated/`` and their candidates, each with its shard."""
    for url, (_, candidates) in shown_images(path, most):
        shard = shard_of(canonical(url), shards)
        yield shard, url
        yield from ((shard, candidate) for _, candidate in candidates)


def fetch_part(
    part: Part, path: str, given: Sequence[Row | Known], options: ImagesSection, policy: Policy
) -> Tally:
    """Fetch the URLs of a shard that may be fetched; its tables tell what came of it, each sorted by URL."""
    known = KnownImages((row for row in given if isinstance(row, Known)), options)
    rows = [row for row in given if not isinstance(row, Known)]
    shown = {url: (slots, candidates) for url, slots, candidates in sorted(rows) if slots}
    reserved = {key: said[0] for key, slots, said in rows if not slots}
    addresses = (address for url, (_, candidates) in shown.items() for address in (url, *candidates))
    consent = ImageConsent(policy, reserved, told_lists(part, policy, IMAGE, addresses))
    lists = deny_lists(policy, options.max_pixels)
    with Spool.at(part.scratch()) as spool:
        kept = {entry.result.url: (entry, position) for entry, position in spool.kept()}
        ask = partial(
            _fetch, options=options, consent=consent, lists=lists, known=known, spool=spool, kept=kept
        )
        others = {url: candidates for url, (_, candidates) in shown.items()}
        outcomes = follow(others, ask, consent.objections)
        stored = _store(part, outcomes, spool)
        pictures = ((outcome.result, outcome.position) for outcome in outcomes)
        scores = score_pictures(pictures, spool, options)
    names = write_quarantine(part, outcomes)
    urls = part.table("image_urls", tables.IMAGE_URLS)
    with flat_writer(urls, tables.IMAGE_URLS) as writer:
        for url, (slots, _) in sorted((names.get(url, url), told) for url, told in shown.items()):
            writer.add(UrlSlots(url, slots))
    with flat_writer(part.table("consent/images", CONSENT), CONSENT) as evidence:
        for row in sorted(consent.rows, key=lambda row: (row.url, row.source, row.value)):
            if row.url not in names:
                evidence.add(row)
    tally = counting("image_urls")
    if unscored := sum(found is None for found in scores.values()):
        tally.note("pictures_unscored", unscored)
    if known.used:
        tally.note("known_from_earlier_runs", len(known.used))
    schema = with_bounds(results_schema(options), options, policy)
    with (
        flat_writer(part.table("image_results", schema), tables.IMAGE_RESULTS) as results,
        flat_writer(part.table("fetch_log", tables.FETCH_LOG), tables.FETCH_LOG) as log,
    ):
        for outcome in sorted(map(unnamed, outcomes), key=lambda outcome: outcome.url):
            result = outcome.result
            _count(result, tally)
            results.add(_row(outcome, part.number, stored, scores))
            log.add(FetchLog(outcome.url, result.fetched_at or None, result.detail, outcome.first))
    return tally


def _fetch(
    urls: list[str],
    options: ImagesSection,
    consent: ImageConsent,
    lists: DenyLists,
    known: KnownImages,
    spool: Spool,
    kept: dict[str, tuple[Entry, int]],
) -> Iterator[Fetched]:
    """The results without bodies: those go to ``spool``, at the positions returned, or are ``kept`` there already.

    Downloads end in any order; the tables are in one.
    """
    denied = {url: hit for url in urls if (hit := lists.of_url(url)) is not None}
    yield from ((hit, 0) for hit in denied.values())
    permitted = [url for url in urls if url not in denied]
    consent.ask_about(permitted)
    missing = []
    for url in permitted:
        if (refused := consent.refusal(url)) is not None:
            yield refused, 0
        elif (found := kept.get(url) or kept.get(withheld(url))) is not None:
            entry, position = found
            known.use([url])
            consent.rows += entry.evidence
            yield msgspec.structs.replace(entry.result, url=url), position
        else:
            missing.append(url)
    answered = known.use(missing)
    mixed = sorted(set(missing) - answered, key=spread)  # else the URLs of one host come together
    other = options.fetcher == "img2dataset"
    fetch = partial(img2dataset.fetch_images, engine=options.img2dataset) if other else fetch_images
    asked = fetch(mixed, options, consent.of_headers, *consent.agents)
    for answer in chain(known.answers(answered), asked):
        heard = len(consent.rows)
        result = lists.of_result(answer)  # first: nothing of a hit is written, no evidence either
        if result.status is not FetchStatus.DENYLIST:
            result = consent.of_result(result)
        position = spool.add(hidden(result), consent.rows[heard:])
        yield msgspec.structs.replace(result, body=None), position


def _store(part: Part, outcomes: Iterable[Outcome], spool: Spool) -> dict[str, int]:
    """Write the bodies to ``images/``; where each hash went."""
    images = ImageFile(part.table("images", tables.IMAGES, tables.IMAGES_OPTIONS, remember=True))
    for outcome in outcomes:
        result = outcome.result
        if result.status == FetchStatus.OK:
            assert result.sha256 is not None
            images.add(outcome.url, result.sha256, spool.body(outcome.position, result.num_bytes or 0))
    images.flush()
    return images.offsets


def _count(result: FetchResult, tally: Tally) -> None:
    tally.enter("image_urls")
    if result.status == FetchStatus.OK:
        tally.keep("image_urls")
    else:
        tally.miss("image_urls", result.status.value)


def _row(outcome: Outcome, part: int, stored: dict[str, int], scores: Scores) -> ImageResult:
    result = outcome.result
    ok = result.status == FetchStatus.OK
    return ImageResult(
        url=outcome.url,
        status=result.status.value,
        fetched_url=result.url if ok else None,
        final_url=result.final_url,
        via=result.via,
        http_status=result.http_status,
        content_type=result.content_type,
        format=result.format,
        width=result.width,
        height=result.height,
        num_bytes=result.num_bytes,
        md5=result.md5,
        sha1=result.sha1,
        sha256=result.sha256,
        phash=result.phash,
        scores=scores.get(result.sha256) if ok and result.sha256 else None,
        signals=result.signals,
        part=part if ok else None,
        offset=stored[result.sha256] if ok and result.sha256 else None,
    )
