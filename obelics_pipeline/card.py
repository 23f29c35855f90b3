"""The card of a dataset, ``README.md``: a function of how it was built and of what is counted in its files.

Names of domains, licences and lists are written by strangers: they stand as code, where Markdown means nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

import yaml

from obelics_pipeline.dataset_files import Build, DataFile, DatasetManifest
from obelics_pipeline.manifest import digest_of
from obelics_pipeline.report import losses
from obelics_pipeline.survey import DEFAULT, Spread, Total

TOP: Final = 50
"""Domains that the card names."""
_ROWS: Final = 30
"""Rows of the tables of languages and licences."""
_CELL: Final = 120
"""Characters of a name."""
_LOSSES: Final = 10_000
"""Characters of a list of rules with numbers, which are our own words."""
PAPER: Final = (
    "Laurençon et al.: OBELICS: An Open Web-Scale Filtered Dataset of Interleaved Image-Text Documents. NeurIPS 2023, "
    "Datasets and Benchmarks. arXiv:2306.16527"
)
"""Where the method is described."""
_SHARES: Final = (0.05, 0.25, 0.5, 0.75, 0.95)
_LANGUAGE: Final = re.compile(r"[a-z]{2,3}")
_WHAT: Final = {
    DEFAULT: "documents",
    "decisions": "what was decided about documents, and why",
    "pairs": "single images with texts of theirs",
}


def card(manifest: DatasetManifest, total: Total) -> str:
    """The card of the dataset that ``manifest`` describes and whose documents are counted in ``total``."""
    configs, build = manifest.configs(), manifest.build
    sections = (
        _front_matter(configs, total),
        f"# Interleaved image-text documents\n\n{counts(total.documents, total.survey.sums.get('num_images', 0))}, as "
        "they stood in the pages.",
        _loading(configs),
        _columns(build),
        _funnel(build),
        _texts(total),
        _domains(total),
        _measures(total),
        _images(total),
        _consent(total, build),
        _rights(total),
        _LIMITS,
        _citing(manifest, total),
    )
    return "\n\n".join(sections) + "\n"


def counts(documents: int, images: int) -> str:
    """What the card says of the size of a dataset."""
    return f"{documents:,} web documents with {images:,} images"


def code(text: object, length: int = _CELL) -> str:
    """``text`` as a span of code in a cell of a table: in one line, of bounded ``length``, and nothing but itself."""
    shown = "".join(char if char.isprintable() else " " for char in str(text))[:length]
    shown = shown.replace("`", "'").replace("|", "\\|").strip().rstrip("\\")
    return f"`{shown}`" if shown else "(none)"


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A table; numbers, which are all columns but the first, stand to the right."""
    lines = [head, ["---", *("---:" for _ in head[1:])], *rows]
    return "\n".join(f"| {' | '.join(_cell(cell) for cell in line)} |" for line in lines)


def _cell(value: object) -> str:
    return f"{value:,}" if isinstance(value, int) else str(value)


def _front_matter(configs: Mapping[str, Mapping[str, Sequence[DataFile]]], total: Total) -> str:
    data: dict[str, Any] = {
        "pretty_name": "Interleaved image-text documents",
        "license": "other",
        "language": sorted(filter(_LANGUAGE.fullmatch, total.survey.counts.get("language", {}))),
        "task_categories": ["image-text-to-text"],
        "size_categories": [_size(total.documents)],
        "tags": ["image-text", "interleaved", "web"],
        "configs": [
            {
                "config_name": config,
                **({"default": True} if config == DEFAULT else {}),
                "data_files": [{"split": split, "path": _pattern(files)} for split, files in splits.items()],
            }
            for config, splits in configs.items()
        ],
    }
    told = {name: value for name, value in data.items() if value}
    return f"---\n{yaml.safe_dump(told, sort_keys=False)}---"


def _pattern(files: Sequence[DataFile]) -> str:
    return files[0].path.partition("-")[0] + "-*.parquet"


def _size(rows: int) -> str:
    """The category of the Hub."""
    names = ("1K", "10K", "100K", "1M", "10M", "100M", "1B", "10B", "100B", "1T")
    for power, name in enumerate(names):
        if rows < 10 ** (power + 3):
            return f"{names[power - 1]}<n<{name}" if power else f"n<{name}"
    return f"n>{names[-1]}"


def _loading(configs: Mapping[str, Mapping[str, Sequence[DataFile]]]) -> str:
    rows = [
        (code(config), code(split), len(files), sum(f.rows for f in files), sum(f.bytes for f in files))
        for config, splits in configs.items()
        for split, files in splits.items()
    ]
    about = "\n".join(f"- `{config}`: {_WHAT[config]}." for config in configs)
    return (
        "## How to load it\n\n"
        "    from datasets import load_dataset\n"
        '    documents = load_dataset("path/to/this/folder", split="train", streaming=True)\n\n'
        f"{about}\n\n{table(('config', 'split', 'files', 'rows', 'bytes'), rows)}\n\n"
        "The name of a config is the second argument of `load_dataset`. `manifest.json` lists the files with SHA-256 "
        "and their row groups with rows, bytes, images and estimated tokens; `croissant.json` describes them for "
        "machines. `sha256sum --check SHA256SUMS` tells whether a copy is whole, `obelics verify` whether it is "
        "true: that every image decodes and every count holds."
    )


def _columns(build: Build) -> str:
    return (
        "## What is in it\n\n"
        "One row is one document. `texts`, `images` and `image_info` are lists of equal length: each place holds a "
        "text or an image. Where `images` is null and `image_info` is not, the page has an image that is not in the "
        f"dataset: `image_info.status` says why. {build.image_bytes}\n\n"
        "`image_info.sha256` is the hash of the bytes here, `image_info.sha256_original` of those that the server "
        "sent. Documents come from the archives in `warc_filename`; `warc_offset` and `warc_length` lead to the "
        "capture. `_MANIFEST.json` has the counts of the build."
    )


def _funnel(build: Build) -> str:
    rows = [
        (code(stage.stage), code(name), level.entered, level.kept, code(losses(level), _LOSSES))
        for stage in build.stages
        for name, level in stage.tally.levels.items()
    ]
    shown = table(("stage", "items", "in", "kept", "the rest"), rows) if rows else "Not known."
    return (
        f"## How it was made\n\n{shown}\n\n"
        "In is kept and the rest, exactly. The rest is named by the rule that rejected it, by why it was unavailable "
        "(~) or by how it failed (!)."
    )


def _texts(total: Total) -> str:
    languages = _top(total.survey.counts.get("language", {}))
    sums = total.survey.sums
    return (
        "## Languages\n\n"
        f"{table(('language', 'documents', 'share'), _shares(languages, total.documents))}\n\n"
        f"{sums.get('num_words', 0):,} words in {sums.get('num_texts', 0):,} texts, some "
        f"{sums.get('num_tokens_est', 0):,} tokens (a quarter of the bytes)."
    )


def _domains(total: Total) -> str:
    rows = [
        (code(domain.name), domain.documents, domain.images, _share(domain.documents, total.documents))
        for domain in total.top
    ]
    said = f"{total.domains:,} registrable domains" + (
        f"; the {TOP} with the most documents:" if total.domains > TOP else ":"
    )
    return f"## Domains\n\n{said}\n\n{table(('domain', 'documents', 'images', 'share'), rows)}"


def _measures(total: Total) -> str:
    rows = [
        (code(name), spread.count, *_quantiles(spread, whole=name.startswith("num_")))
        for name, spread in total.survey.spreads.items()
        if not name.startswith("image_")
    ]
    head = ("measure", "documents", "5 %", "25 %", "median", "75 %", "95 %")
    return f"## Measures\n\nQuantiles, within 1 %; they are the columns `num_…` and `quality`.\n\n{table(head, rows)}"


def _images(total: Total) -> str:
    """Of all places of images: what became of them, and what those that are shown are like."""
    found, slots = total.survey.counts, total.survey.sums.get("num_image_slots", 0)
    statuses = table(("status", "images", "share"), _shares(_top(found.get("status", {})), slots))
    formats = table(("format", "images"), [(code(name), n) for name, n in _top(found.get("format", {}))])
    sizes = [(name, *_quantiles(spread, whole=True)) for name, spread in _sides(total.survey.spreads)]
    return (
        f"## Images\n\n{slots:,} places of images in the documents; whether the image could be had and is shown:\n\n"
        f"{statuses}\n\n{formats}\n\n{table(('of an image', '5 %', '25 %', 'median', '75 %', '95 %'), sizes)}"
    )


def _sides(spreads: Mapping[str, Spread]) -> Iterable[tuple[str, Spread]]:
    names = {"image_width": "width", "image_height": "height", "image_num_bytes": "bytes"}
    return [(shown, spreads[name]) for name, shown in names.items() if name in spreads]


def _consent(total: Total, build: Build) -> str:
    captured = (
        f"The pages were captured from {_day(total.survey.first)} to {_day(total.survey.last)} (UTC)."
        if total.survey.first is not None
        else "When the pages were captured is not known."
    )
    asked = ", ".join(map(code, build.lists)) or "none"
    spawning = "was asked" if build.spawning else "was not asked"
    actions = [(code(name), action) for name, action in build.signals.items()]
    seen = [(code(name), n) for name, n in _top(total.survey.counts.get("consent", {}))]
    parts = [
        f"## Consent\n\n{captured}"
        + (f" The dataset was written on {build.made_at}." if build.made_at else ""),
        f"Lists of opt-outs and robots.txt that were asked, with versions: {asked}. The service of Spawning "
        f"{spawning}. What has opted out since is removed by `obelics recheck`, without building again.",
    ]
    if build.agents:
        parts.append(
            f"What is said to all, or to one of these agents, counts: {', '.join(map(code, build.agents))}."
        )
    if actions:
        parts.append(
            f"What followed from each signal of an opt-out:\n\n{table(('signal', 'action'), actions)}"
        )
    if seen:
        parts.append(
            "Signals on pages that are in the dataset, where no action followed:\n\n"
            + table(("signal", "documents"), seen)
        )
    return "\n\n".join(parts)


def _rights(total: Total) -> str:
    found = _top(total.survey.counts.get("license", {}))
    shown = (
        "Pages that name one (column `license`):\n\n"
        + table(("licence", "documents"), [(code(name), count) for name, count in found])
        if found
        else "No page names one in a form that is read (column `license`)."
    )
    return (
        "## Licences\n\nThe rights in texts and images are their authors'; this dataset grants none. What a page says "
        f"of its text need not hold for its images. {shown}"
    )


_LIMITS: Final = """\
## Known limits

- The web is not the world: some languages, places and groups write much of it, and its prejudices are in it.
- Rules for quality and safety let some things through that they should not, and reject others that they need not.
- Texts may name and images may show persons. Whoever trains on them answers for what the model repeats.
- `num_tokens_est` is an estimate by bytes; `language` and the measures are estimates by programs."""


def _citing(manifest: DatasetManifest, total: Total) -> str:
    digest = digest_of([(file.path, file.sha256) for file in manifest.files])
    return (
        "## How to cite it\n\n"
        f"Name this dataset with its digest {code(digest)} and the builder {code(manifest.builder)}. "
        f"The method is that of\n\n> {PAPER}"
    )


def _top(found: Mapping[str, int]) -> list[tuple[str, int]]:
    return sorted(found.items(), key=lambda item: (-item[1], item[0]))[:_ROWS]


def _shares(found: Iterable[tuple[str, int]], of: int) -> list[tuple[str, int, str]]:
    return [(code(name), n, _share(n, of)) for name, n in found]


def _share(n: int, of: int) -> str:
    return f"{n / of:.1%}" if of else "–"


def _quantiles(spread: Spread, *, whole: bool) -> list[str]:
    """Three significant digits of each, or whole numbers."""
    values = [spread.quantile(share) for share in _SHARES]
    return [f"{value:,.0f}" if whole or value >= 100 else f"{value:.3g}" for value in values]


def _day(milliseconds: int | None) -> str:
    return datetime.fromtimestamp((milliseconds or 0) / 1000, UTC).date().isoformat()
