"""The configuration of a build: one section per stage, read from YAML."""

from __future__ import annotations

from collections.abc import Iterable
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec

from beam_jobs.contact import with_contact
from beam_jobs.http_file import CONNECTIONS, Manners
from beam_jobs.lists import versions
from filters.apply import AssembleOptions, FilterOptions, Share
from filters.consent.policy import Policy
from filters.dedup.options import DedupOptions
from filters.pairs import PairsOptions
from filters.profile import TextOptions
from filters.rules import check_lists
from obelics_pipeline.config import convert, read_yaml, read_yaml_file, section_hash, suggestion
from obelics_pipeline.dataset_rows import TextForm
from obelics_pipeline.dom.extract import ExtractOptions
from obelics_pipeline.engine import Engine
from obelics_pipeline.errors import ConfigError
from obelics_pipeline.estimate import CostOptions
from obelics_pipeline.faces import identity as detector_identity
from obelics_pipeline.fetch_types import FetchOptions
from obelics_pipeline.registry import Registry
from obelics_pipeline.release import ReleaseOptions
from obelics_pipeline.robots_store import RobotsStore
from obelics_pipeline.scorer import described
from obelics_pipeline.scorer import identity as scorer_identity

__all__ = ["Config", "load", "section_hash", "shipped"]

Positive = Annotated[int, msgspec.Meta(ge=1)]


class ExtractSection(ExtractOptions, frozen=True, forbid_unknown_fields=True):
    """How pages become documents, and how the work is cut. Sizes are bytes."""

    range_bytes: Positive = 64_000_000
    """What one task reads of a WARC file or of plain NDJSON. Part of the result: it decides which document is in
    which file."""
    max_failed_share: Share = 0.01
    """The job fails if more pages than this share cannot be turned into documents. No part of the result: asked when
    all parts are done, so that they stay done when it is raised."""
    gap_bytes: Annotated[int, msgspec.Meta(ge=0)] = 16_384
    """Between two selected records, up to which both are read in one request: the rest of a capture (its request and
    metadata) is about as long; what is read in vain stays below a fifth in any case. No part of the result."""
    connections: Annotated[int, msgspec.Meta(ge=1, le=64)] = CONNECTIONS
    """Connections of a process to a web server or an object store that archives are read from. No part of the
    result."""

    @property
    def result(self) -> dict[str, Any]:
        """What the result depends on: not how fast archives are read, nor how many failures are too many."""
        others = {"connections", "gap_bytes", "max_failed_share"}
        return {name: value for name, value in msgspec.structs.asdict(self).items() if name not in others}


class ImagesSection(FetchOptions, frozen=True, forbid_unknown_fields=True):
    """How images are fetched: the limits of a download, and how the work is cut."""

    fetcher: Literal["builtin", "img2dataset"] = "builtin"
    """Who downloads. What comes of it differs (docs/images.md), so this is part of the result."""
    img2dataset: Engine = Engine()
    """How the other one runs."""
    shard_images: Positive = 2_000
    """Images in a part; the URLs are hashed into as many parts as that takes. Part of the result, too."""
    candidates: Annotated[int, msgspec.Meta(ge=0, le=10)] = 3
    """Other addresses of a picture (``srcset``) that are asked, one after the other, when nothing is at its own."""

    earlier: tuple[str, ...] = ()
    """Folders of earlier runs: what they know about an address is not asked again."""
    known_days: Annotated[float, msgspec.Meta(ge=0)] = 90
    """For how many days after an address was asked its answer is known."""

    scorer: str | None = None
    """The file that describes the classifier by which images are scored (docs/nsfw.md); without it none is."""

    @property
    def result(self) -> dict[str, Any]:
        """What the result depends on: not how fast or by whom images are asked for, nor where names of ``hosts`` lead.

        So work stays done when a server that stands in for others moves to another port.
        """
        pace = {
            "concurrency",
            "per_host",
            "max_bytes_in_flight",
            "contact",
            "scorer",
            "earlier",
            "img2dataset",
        }
        values = {name: value for name, value in msgspec.structs.asdict(self).items() if name not in pace}
        scorer = {"scorer": scorer_identity(self.scorer)} if self.scorer else {}
        return values | {"hosts": sorted(self.hosts)} | scorer


class ExportSection(ReleaseOptions, frozen=True, forbid_unknown_fields=True):
    """How the dataset is written, and what is done to images before."""

    shard_bytes: Positive = 400_000_000
    """About the size of one Parquet file, at most."""
    shards: Annotated[int, msgspec.Meta(ge=1, le=100_000)] | None = None
    """Files of the split ``train``, instead of as many as ``shard_bytes`` takes."""
    validation: Share = 0.005
    """The share of documents in the split ``validation``."""
    images: Literal["bytes", "none"] = "bytes"
    """``none``: texts and the addresses of images, without their bytes."""
    text: TextForm = "markdown"
    """``markdown``: lists, tables, code, headings and quotes look like it; ``plain``: no marks that tell a heading
    from a paragraph."""
    max_document_bytes: Annotated[int, msgspec.Meta(ge=1, le=1_000_000_000)] = 16_000_000
    """Of texts and images. Images that do not fit are left out; a document whose texts do not is rejected. Readers hold
    a row in memory, and Arrow's lists end at 2 GB."""
    pairs: PairsOptions | Literal["off"] = PairsOptions()
    """The images once more, with texts that are said of them; ``off`` saves their room, about twice that of the
    documents."""
    decisions: bool = True
    """Whether the dataset tells what was decided on the documents of the inspection sample."""
    timestamps: bool = False
    """Write when images were fetched and opt-outs checked; two builds are then no longer the same bytes."""


class Config(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What texts are measured by, what consent is, one section per stage, and what ``--dry-run`` takes things to cost.

    What is not written has its default; rules that are not named are off.
    """

    text: TextOptions = TextOptions()
    consent: Policy = Policy()
    extract: ExtractSection = ExtractSection()
    filter: FilterOptions = FilterOptions()
    dedup: DedupOptions = DedupOptions()
    images: ImagesSection = ImagesSection()
    assemble: AssembleOptions = AssembleOptions()
    export: ExportSection = ExportSection()
    cost: CostOptions = CostOptions()

    @property
    def unsafe_labels(self) -> tuple[str, ...]:
        """The labels that make a picture unsafe, whose highest score the dataset tells; none without a classifier."""
        if self.images.scorer is None:
            return ()
        rule = self.assemble.image.nsfw
        return tuple(sorted((rule and rule.limits) or described(self.images.scorer).limits))

    @property
    def manners(self) -> Manners:
        """How web servers are asked for archives: under the name by which they are asked for images."""
        return Manners(with_contact(self.images).signature, self.extract.connections)

    def with_earlier(self, runs: Iterable[str]) -> Config:
        """The configuration with ``runs`` among those whose images are known, each once."""
        earlier = tuple(dict.fromkeys((*self.images.earlier, *runs)))
        return msgspec.structs.replace(self, images=msgspec.structs.replace(self.images, earlier=earlier))

    def result_of(self, stage: str) -> Any:
        """What the tables of ``stage`` depend on besides its input, for ``section_hash``."""
        section = getattr(self, stage)
        if stage == "extract":
            return section.result
        if stage == "dedup":  # asks the rules on documents once more if it takes something out of them
            return [section, self.filter.document, self.text.as_data()] if section.prunes else section
        if stage == "assemble":
            return [section, self.text.as_data(), self.export.timestamps]
        policy, lists = self.consent, self.consent.registries
        if stage == "images":
            lists += policy.deny
        else:  # deny-lists are asked of images alone
            policy = msgspec.structs.replace(policy, deny=())
        listed = [Registry.open(path).version for path in lists]
        joined = versions(policy)
        captured = [RobotsStore.open(path).version for path in policy.robots]
        consent = [policy, listed, joined, captured]
        if stage == "images":
            return [section.result, *consent]
        exported: list[Any] = []
        if stage == "export":
            exported += [self.unsafe_labels] if self.unsafe_labels else []
            exported += [detector_identity(self.export.faces.detector)] if self.export.faces else []
        return [section, self.text.as_data(), *consent, *exported]


def shipped() -> tuple[str, ...]:
    """The names of the configurations that come with the builder."""
    files = resources.files("configs").iterdir()
    return tuple(sorted(file.name.removesuffix(".yaml") for file in files if file.name.endswith(".yaml")))


def load(source: str) -> Config:
    """The configuration in the file ``source``, or the shipped one of that name.

    Raises ``ConfigError`` if there is none, or it is not usable.
    """
    names = shipped()
    if source in names:
        source = f"{source}.yaml"
        data = read_yaml((resources.files("configs") / source).read_bytes(), source)
    elif Path(source).exists():
        data = read_yaml_file(source)
    else:
        raise ConfigError(f"{source}: no such file, and no shipped configuration {suggestion(source, names)}")
    config = convert(data, Config, source)
    for name, section in (("filter", config.filter), ("assemble", config.assemble)):
        for level in ("paragraph", "document"):
            check_lists(getattr(section, level), config.text, f"{source}: {name}.{level}")
    if config.export.pairs != "off":
        check_lists(config.export.pairs.text, config.text, f"{source}: export.pairs.text")
    return _with_limits(config, source)


def _with_limits(config: Config, source: str) -> Config:
    """The configuration with the classifier's limits for the rule on scores if it names none; ``ConfigError`` if both
    do not fit together.
    """
    images, rules = config.images, config.assemble.image
    if images.scorer is None:
        if rules.nsfw is not None:
            raise ConfigError(
                f"{source}: assemble.image.nsfw: nothing scores the images; name the file that describes a classifier "
                "as images.scorer (docs/nsfw.md), or leave the rule out"
            )
        return config
    try:
        about = described(images.scorer)
    except ConfigError as error:
        raise ConfigError(f"{source}: images.scorer: {error}") from error
    for label in (rules.nsfw and rules.nsfw.limits) or ():
        if label not in about.labels:
            where = f"{source}: assemble.image.nsfw.limits"
            raise ConfigError(f"{where}: {images.scorer} has no label {suggestion(label, about.labels)}")
    assemble = msgspec.structs.replace(config.assemble, image=rules.with_limits(about.limits))
    return msgspec.structs.replace(config, assemble=assemble)
