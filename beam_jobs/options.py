"""What the command line of ``obelics`` may say. Mistakes in it are ``Misconfigured``, with what was meant."""

from __future__ import annotations

import argparse
import contextlib
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from difflib import get_close_matches
from functools import partial
from typing import Any, Final, NoReturn

import obelics_pipeline
from beam_jobs.diff.runs import JUDGES
from beam_jobs.events import FORMATS
from obelics_pipeline import compiled
from obelics_pipeline.columnar_index import SUBSETS
from obelics_pipeline.errors import Misconfigured
from obelics_pipeline.selection import ARCHIVES
from obelics_pipeline.views.writing import VIEWS

STAGES: Final = {
    "build": "run all stages; what is complete is skipped",
    "extract": "WARC files to documents/",
    "filter": "documents/ to filtered/ and decisions/filter/",
    "dedup": "filtered/ to deduplicated/ and decisions/dedup/",
    "images": "fetch the images of deduplicated/ to images/ and image_results/",
    "assemble": "join deduplicated/ and image_results/ to assembled/",
    "export": "assembled/ and images/ to dataset/",
}

SELECT_LISTS: Final = {
    "languages": "main languages of pages, as ISO 639-3: eng deu …",
    "hosts": "hosts, or @list.txt",
    "domains": "registered domains with all their hosts, or @list.txt",
    "tlds": "top-level domains, or @list.txt; hosts, domains and tlds are alternatives",
    "statuses": "of HTTP, or any (200 for pages, any for others)",
    "mimes": "types as the crawler detected them, or any (HTML and XHTML for pages, any for others)",
}
"""Lists that ``obelics select`` takes."""


class Parser(argparse.ArgumentParser):
    """Strict: no abbreviations, and errors that name what was probably meant."""

    def __init__(self, **options: Any) -> None:
        super().__init__(allow_abbrev=False, **options)

    def error(self, message: str) -> NoReturn:
        """Raise instead of printing the usage."""
        raise Misconfigured(f"{message}; see '{self.prog} --help'")

    def parse_strictly(self, arguments: Sequence[str], commands: dict[str, Parser]) -> argparse.Namespace:
        """Parse, or raise ``Misconfigured`` with the nearest valid name."""
        words = [argument for argument in arguments if not argument.startswith("-")]
        command = " ".join(words[:2]) if " ".join(words[:2]) in commands else next(iter(words), None)
        if command is not None and command not in commands:
            raise Misconfigured(f"no command {_suggest(command, commands)}")
        if command is not None:  # before argparse, which would complain of what is missing instead
            known = commands[command]._option_string_actions
            for argument in arguments:
                name = argument.partition("=")[0]
                if name.startswith("--") and name not in known:
                    raise Misconfigured(f"obelics {command}: no option {_suggest(name, known)}")
        return self.parse_args(arguments)


def _suggest(name: str, known: Sequence[str] | dict[str, Any]) -> str:
    close = get_close_matches(name, list(known), n=1)
    hint = f"did you mean {close[0]!r}?" if close else f"known: {', '.join(known)}"
    return f"{name!r}; {hint}"


def parser() -> tuple[Parser, dict[str, Parser]]:
    """The parser of the command line, and those of its commands."""
    top = Parser(prog="obelics", description="Interleaved image-text datasets from web archives.")
    version = f"obelics {obelics_pipeline.__version__} (compiled: {compiled.state()})"
    top.add_argument("--version", action="version", version=version)
    commands = top.add_subparsers(dest="command", metavar="COMMAND", required=True)
    made: dict[str, Parser] = {}
    for name, what in STAGES.items():
        made[name] = commands.add_parser(
            name, help=what, epilog="What follows a bare -- goes to Apache Beam."
        )
        _stage_options(made[name], name)
    made["explain"] = commands.add_parser("explain", help="one page: each node, and which rule rejected it")
    _explain_options(made["explain"])
    made["measure"] = commands.add_parser("measure", help="the measures of any texts, and what refuses each")
    _measure_options(made["measure"])
    made["retune"] = commands.add_parser("retune", help="what another configuration would keep of a run")
    _retune_options(made["retune"])
    made["diff"] = commands.add_parser(
        "diff",
        help="which documents came, went and changed between two runs, and why",
        epilog="What follows a bare -- goes to Apache Beam.",
    )
    _diff_options(made["diff"])
    made["recheck"] = commands.add_parser(
        "recheck", help="a finished dataset without what has opted out since"
    )
    _recheck_options(made["recheck"])
    made["verify"] = commands.add_parser("verify", help="whether a finished dataset is whole and true")
    _verify_options(made["verify"])
    registry = commands.add_parser("registry", help="lists of opt-outs: compile, show, check")
    made |= _registry_commands(registry)
    robots = commands.add_parser("robots", help="robots.txt of the hosts of a crawl: compile, show, check")
    made |= _robots_commands(robots)
    made["select"] = commands.add_parser("select", help="which captures of a crawl are wanted, by its index")
    _select_options(made["select"])
    made["view"] = commands.add_parser("view", help="a dataset in the format of another library")
    _view_options(made["view"])
    made["demo"] = commands.add_parser(
        "demo",
        help="the built-in sample site, end to end",
        epilog="What follows a bare -- goes to Apache Beam.",
    )
    made["demo"].add_argument("--output", metavar="DIR", default="demo", help="the folder to build in (demo)")
    made["demo"].add_argument("--workers", type=_workers, default=1, metavar="N", help="local processes (1)")
    return top, made


def _stage_options(command: Parser, name: str) -> None:
    archives = name in ("build", "extract")
    meaning = (
        "WARC files, Wikimedia's dumps or a selection.parquet, globs, URLs, or @list.txt"
        if archives
        else "the folder to read from (--output)"
    )
    command.add_argument(
        "--config", default="default", metavar="FILE", help="YAML, or a shipped name (default)"
    )
    command.add_argument(
        "--input", nargs="+", action="extend", required=archives, metavar="PATH", help=meaning
    )
    command.add_argument("--output", required=True, metavar="DIR", help="the folder to build in")
    if name in ("build", "dedup"):
        command.add_argument(
            "--against",
            action="append",
            default=[],
            metavar="RUN",
            help="an earlier run, whose documents come before those of this one; may be given again",
        )
    if name in ("build", "images"):
        command.add_argument(
            "--earlier",
            action="append",
            default=[],
            metavar="RUN",
            help="an earlier run, whose images are not asked for again (images.earlier); may be given again",
        )
    command.add_argument("--workers", type=_workers, default=1, metavar="N", help="local processes (1)")
    command.add_argument(
        "--dry-run", action="store_true", help="print what would run, how long it takes and what it costs"
    )
    command.add_argument(
        "--log-format",
        choices=FORMATS,
        default="text",
        help="what stderr says: json is an event a line (text)",
    )
    command.add_argument("--log-file", metavar="FILE", help="add the events to a file, as lines of JSON")
    command.add_argument("--debug", action="store_true", help="show the traceback of a job that fails")


def _explain_options(command: Parser) -> None:
    command.add_argument("page", metavar="PAGE", help="an HTML file, or WARC#offset")
    command.add_argument(
        "--config", default="default", metavar="FILE", help="YAML, or a shipped name (default)"
    )
    command.add_argument("--url", help="the address of an HTML file, for what it links to")


def _measure_options(command: Parser) -> None:
    command.add_argument(
        "texts", metavar="TEXTS", help="lines of {level, text}: a file, .gz, or - for standard input"
    )
    _rules_options(command)


def _retune_options(command: Parser) -> None:
    command.add_argument("run", metavar="RUN", help="the folder of a run; it is only read")
    _rules_options(command)
    command.add_argument(
        "--share", type=_share, metavar="X", help="of the documents (sample_share of the config)"
    )
    command.add_argument("--json", action="store_true", help="the same for machines")


def _recheck_options(command: Parser) -> None:
    command.add_argument("dataset", metavar="DATASET", help="the folder that export wrote; it is only read")
    command.add_argument(
        "--registry",
        action="append",
        default=[],
        metavar="DIR",
        help="a compiled registry; may be given again",
    )
    command.add_argument(
        "--config", metavar="FILE", help="whose section consent says what else is asked, and what follows"
    )
    command.add_argument(
        "--output", required=True, metavar="DIR", help="a new folder for the trimmed dataset"
    )


def _verify_options(command: Parser) -> None:
    command.add_argument("dataset", metavar="DATASET", help="the folder that export or recheck wrote")
    command.add_argument(
        "--quick", action="store_true", help="all but the bytes of images and the checksums of tables"
    )
    command.add_argument(
        "--tombstones", metavar="FILE", help="what must not be in it (tombstones.parquet beside it)"
    )
    command.add_argument("--workers", type=_workers, default=1, metavar="N", help="local processes (1)")


def _view_options(command: Parser) -> None:
    command.add_argument("dataset", metavar="DATASET", help="the folder that export wrote; it is only read")
    told = ", ".join(f"{name} ({view.what})" for name, view in VIEWS.items()).replace("%", "%%")
    command.add_argument(
        "--as", dest="view", type=_one_of(*VIEWS, what="view"), required=True, metavar="VIEW", help=told
    )
    command.add_argument("--output", required=True, metavar="DIR", help="a new folder")
    command.add_argument(
        "--split", action="append", default=[], metavar="NAME", help="only this one; may be given again"
    )
    command.add_argument(
        "--missing",
        type=_one_of("drop", "keep", what="way"),
        default="drop",
        metavar="HOW",
        help="what becomes of places whose image is not in the dataset: drop or keep (drop)",
    )
    command.add_argument(
        "--shard-bytes", type=_size, metavar="N", help="of tar files (512000000) and of mds (67108864)"
    )
    command.add_argument("--no-image-bytes", action="store_true", help="mmc4 without image_base64")
    command.add_argument(
        "--tombstones", metavar="FILE", help="what is not shown (tombstones.parquet of the dataset, if there)"
    )
    command.add_argument("--workers", type=_workers, default=1, metavar="N", help="local processes (1)")


def _select_options(command: Parser) -> None:
    add = partial(command.add_argument, metavar="X")
    add("--crawl", required=True, help="its name, such as CC-MAIN-2026-30")
    add("--subset", type=_one_of(*SUBSETS, what="subset"), default="warc", help=", ".join(SUBSETS))
    add("--index", default=ARCHIVES, help=f"the folder or address that has cc-index/ ({ARCHIVES})")
    add("--archives", help="the one that has the archives (--index if remote, else Common Crawl's)")
    for name, what in SELECT_LISTS.items():
        add(f"--{name}", nargs="+", action="extend", default=[], help=what)
    add("--since", type=_time, help="captured at this time or later: 2026-07-01 or 2026-07-01T12:00:00 (UTC)")
    add("--until", type=_time, help="captured before this time")
    add("--share", type=_share, help="of the addresses, by their hash: the same ones in every crawl")
    add("--limit", type=_number_of("captures", 1), help="at most so many, drawn from all by the same hash")
    add("--parts", type=_number_of("files", 1), help="look into so many files of the index, evenly spread")
    command.add_argument("--whole", action="store_true", help="only what the crawler did not cut off")
    command.add_argument("--output", required=True, metavar="DIR", help="the folder for the table")


def _registry_commands(registry: Parser) -> dict[str, Parser]:
    made = _compiled_commands(registry, "registry", "registry", "which entry each URL falls under")
    made["registry compile"].add_argument(
        "--joined", action="store_true", help="in pieces, for consent.joined: no worker needs the whole"
    )
    make = made["registry compile"]
    make.add_argument("lists", nargs="+", metavar="LIST", help=".csv, .csv.gz or .parquet: kind, value …")
    make.add_argument("--skip-bad", action="store_true", help="count rows that are not understood")
    return made


def _robots_commands(robots: Parser) -> dict[str, Parser]:
    made = _compiled_commands(robots, "robots", "store", "what speaks against the use of each URL")
    make, check = made["robots compile"], made["robots check"]
    make.add_argument("archives", nargs="+", metavar="WARC", help="WARC files, globs, URLs, or @list.txt")
    check.add_argument(
        "--config", default="default", metavar="FILE", help="whose agents are asked for (default)"
    )
    return made


def _compiled_commands(parent: Parser, name: str, what: str, checked: str) -> dict[str, Parser]:
    """The parser of ``name``, and those of what it does with folders that are compiled, by what is typed."""
    actions = parent.add_subparsers(dest="action", metavar="ACTION", required=True)
    make = actions.add_parser("compile", help=f"a {what} that processes map into memory and share")
    make.add_argument("--output", required=True, metavar="DIR", help="a new folder")
    make.add_argument("--name", default="", help=f"what evidence calls the {what} (the last part of DIR)")
    show = actions.add_parser("show", help=f"what a {what} holds, after all of it has been verified")
    check = actions.add_parser("check", help=checked)
    for command in (show, check):
        command.add_argument("folder", metavar="DIR", help=f"a compiled {what}")
    check.add_argument("urls", nargs="+", metavar="URL", help="of a page or an image")
    return {name: parent, f"{name} compile": make, f"{name} show": show, f"{name} check": check}


def _rules_options(command: Parser) -> None:
    command.add_argument(
        "--config", default="default", metavar="FILE", help="YAML, or a shipped name (default)"
    )
    command.add_argument(
        "--stage",
        type=_one_of("filter", "assemble"),
        default="filter",
        metavar="NAME",
        help="whose rules: filter or assemble (filter)",
    )


def _share(text: str) -> float:
    with contextlib.suppress(ValueError):
        if 0 < float(text) <= 1:
            return float(text)
    raise argparse.ArgumentTypeError(f"{text!r} is no share; write a number above 0, up to 1")


def _diff_options(command: Parser) -> None:
    command.add_argument("a", metavar="RUN_A", help="the folder of a run")
    command.add_argument("b", metavar="RUN_B", help="the folder of another")
    command.add_argument(
        "--stage",
        type=_one_of(*(layout.stage for layout in JUDGES)),
        metavar="NAME",
        help="compare after filter, dedup or assemble (the last of both)",
    )
    command.add_argument("--output", metavar="DIR", help="keep the table of all differences in DIR/diff")
    command.add_argument("--examples", type=_examples, default=10, metavar="N", help="print so many (10)")
    command.add_argument("--workers", type=_workers, default=1, metavar="N", help="local processes (1)")
    command.add_argument("--debug", action="store_true", help="show the traceback of a job that fails")


def _one_of(*names: str, what: str = "stage") -> Callable[[str], str]:
    def known(text: str) -> str:
        if text not in names:
            raise argparse.ArgumentTypeError(f"no {what} {_suggest(text, names)}")
        return text

    return known


def _number_of(what: str, least: int) -> Callable[[str], int]:
    def number(text: str) -> int:
        if not text.isdigit() or int(text) < least:
            raise argparse.ArgumentTypeError(f"{text!r} is no number of {what}; write {least} or more")
        return int(text)

    return number


_examples = _number_of("examples", 0)
_size = _number_of("bytes", 1)
_workers = _number_of("processes", 1)


def _time(text: str) -> datetime:
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"{text!r} is no time; write 2026-07-01 or 2026-07-01T12:00:00 (UTC)"
        ) from None
    return time.astimezone(UTC) if time.tzinfo else time.replace(tzinfo=UTC)


def parser_of(arguments: Sequence[str]) -> argparse.Namespace:
    """The options that ``arguments`` (without Beam's) give."""
    top, commands = parser()
    return top.parse_strictly(arguments, commands)
