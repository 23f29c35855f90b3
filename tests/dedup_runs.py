"""Runs of the stage ``dedup`` on made documents, and what they leave."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
from dedup_corpus import write_run
from dedup_rules import Item, Removed
from dedup_truth import Truth, expected, recheck
from msgspec.structs import replace

from beam_jobs import stages
from beam_jobs.build import build
from beam_jobs.config import Config
from beam_jobs.parts import counting
from beam_jobs.rows import documents as documents_in
from beam_jobs.runner import BeamOptions
from beam_jobs.stages import DEDUP, Session
from filters.decisions import DOCUMENT_REJECTED
from obelics_pipeline.accounting import Tally
from obelics_pipeline.config import convert
from obelics_pipeline.document import Document, ImageNode
from obelics_pipeline.manifest import Manifest

BYTES = ("deduplicated", "decisions/dedup", "signatures", "superseded")
"""All folders that the stage writes."""


class Found:
    """What the stage left in ``folder``."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @cached_property
    def manifest(self) -> Manifest:
        return stages.read_manifest(str(self.folder), DEDUP)

    @cached_property
    def kept(self) -> dict[str, Document]:
        """The documents that stay, by id."""
        paths = [str(self.folder / entry.path) for entry in self.manifest.under("deduplicated")]
        return {document.id: document for path in paths for document in documents_in(path)}

    def rows(self, table: str) -> list[dict[str, Any]]:
        """All rows of a flat table."""
        files = (self.folder / entry.path for entry in self.manifest.under(table))
        return [row for file in files for row in pq.read_table(file).to_pylist()]

    @cached_property
    def decisions(self) -> list[dict[str, Any]]:
        return self.rows("decisions/dedup")

    @cached_property
    def removed(self) -> dict[Item, Removed]:
        """What each decision row says, as the truth says it."""
        return {item_of(row): _removed(row) for row in self.decisions}

    @cached_property
    def clusters(self) -> list[list[str]]:
        """The ids of the documents that ``near_text`` puts together, where it drops all but the first."""
        found: dict[str, list[str]] = defaultdict(list)
        for (_, id, _), why in self.removed.items():
            if why.rule == "near_text":
                assert why.of is not None
                found[why.of].append(id)
        return [[first, *rest] for first, rest in found.items()]

    @property
    def files(self) -> dict[str, bytes]:
        """All files of the stage, with its manifest."""
        paths = (path for folder in BYTES for path in (self.folder / folder).rglob("*") if path.is_file())
        return {str(path.relative_to(self.folder)): path.read_bytes() for path in paths}


def item_of(row: Mapping[str, Any]) -> Item:
    """What a decision row is about."""
    return row["level"], row["id"], row["index"]


MEASURED = ("image_set", "shared_passage", "repeated_paragraph", "image_frequency")
"""The rules whose values the truth tells, too."""


def _removed(row: Mapping[str, Any]) -> Removed:
    _, copy, of = row["excerpt"].partition("duplicate of ")
    if row["level"] != "document":
        of = of.partition(": ")[0]
    return Removed(row["rule"], of if copy else None, row["value"] if row["rule"] in MEASURED else None)


def config_of(section: Mapping[str, Any], document: Mapping[str, Any] = {}) -> Config:
    """The sections ``dedup`` and ``filter.document`` of a configuration."""
    return convert({"dedup": dict(section), "filter": {"document": dict(document)}}, Config, "test")


def deduplicate(
    source: Path, output: Path, config: Config, *, against: Iterable[Path] = (), workers: int = 1
) -> Found:
    """Run the stage on the run in ``source``."""
    earlier = tuple(map(str, against))
    beam = BeamOptions(workers=workers)
    build(Session(config, str(output), str(source), (), earlier, beam, say=lambda line: None), ["dedup"])
    return Found(output)


def run_on(
    documents: Iterable[Document], folder: Path, config: Config, *, parts: int = 3, **options: Any
) -> Found:
    """Write documents as a run in ``folder``, and run the stage there."""
    write_run(folder, documents, parts)
    return deduplicate(folder, folder, config, **options)


# Against the truth


def truth_of(
    documents: Sequence[Document], section: Mapping[str, Any], config: Config, **options: Any
) -> Truth:
    """What ``section``, which is that of ``config``, removes from ``documents``."""
    return expected(documents, section, recheck(config.filter.document, config.text), **options)


def assert_true(found: Found, documents: Sequence[Document], config: Config, truth: Truth) -> None:
    """That a run removed from ``documents`` what the truth says, told it once, and left the rest as it was."""
    assert len(found.decisions) == len(found.removed), "something has two rows"
    assert found.removed == truth.removed
    assert found.kept.keys() == truth.kept
    for document in documents:
        if document.id in found.kept:
            assert_rest(document, found)
    assert clusters_of(found) == {id: size for id, size in truth.sizes.items() if id in truth.kept}
    assert found.manifest.tally.levels == tally_of(found, documents).levels


def assert_rest(document: Document, found: Found) -> None:
    """That a document which stays has lost just the nodes that rows tell of; its measures are those of what is left."""
    kept = found.kept[document.id]
    left = [
        node
        for place, node in enumerate(document.nodes)
        if not {("paragraph", document.id, place), ("image", document.id, place)} & found.removed.keys()
    ]
    assert list(kept.nodes) == left
    changed = {"nodes": kept.nodes, "cluster": kept.cluster, "measures": kept.measures}
    assert replace(document, **changed) == kept
    if len(left) == len(document.nodes):
        assert kept.measures == document.measures


def clusters_of(found: Found) -> dict[str, int]:
    """For how many documents each of those that stay stands, if it is more than itself."""
    sizes = {}
    for id, document in found.kept.items():
        if document.cluster is not None and document.cluster.id == id:
            sizes[id] = document.cluster.size
    return sizes


def tally_of(found: Found, documents: Iterable[Document]) -> Tally:
    """What the rows come to: what has none, in a document that is dropped, falls with it."""
    tally = counting("documents", "paragraphs", "images")
    for document in documents:
        nodes = [
            ("image" if isinstance(node, ImageNode) else "paragraph", document.id, place)
            for place, node in enumerate(document.nodes)
        ]
        whole = ("document", document.id, None)
        for item in (whole, *nodes):
            tally.enter(f"{item[0]}s")
            if item in found.removed:
                tally.reject(f"{item[0]}s", found.removed[item].rule)
            elif whole in found.removed:
                tally.reject(f"{item[0]}s", DOCUMENT_REJECTED)
            else:
                tally.keep(f"{item[0]}s")
    return tally
