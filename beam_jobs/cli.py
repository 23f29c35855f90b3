"""The command ``obelics``.

What can be wrong with a command line is told before Beam is imported, in one line, with exit code 2.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import sys
from collections.abc import Callable, Sequence
from difflib import get_close_matches
from typing import Any, Final, NoReturn

import obelics_pipeline
from beam_jobs import inputs, io, runner, stages
from beam_jobs.config import Config, load
from beam_jobs.diff.runs import JUDGES
from beam_jobs.runner import BeamOptions
from beam_jobs.stages import LAYOUTS, Session
from obelics_pipeline import compiled
from obelics_pipeline.errors import InputError, Misconfigured, ObelicsError
from obelics_pipeline.manifest import InputEntry

STAGES: Final = {
    "build": "run all stages; what is complete is skipped",
    "extract": "WARC files to documents/",
    "filter": "documents/ to filtered/ and decisions/filter/",
    "dedup": "filtered/ to deduplicated/ and decisions/dedup/",
    "images": "fetch the images of deduplicated/ to images/ and image_results/",
    "assemble": "join deduplicated/ and image_results/ to assembled/",
    "export": "assembled/ and images/ to dataset/",
}


class Parser(argparse.ArgumentParser):
    """Strict: no abbreviations, and errors that name what was probably meant."""

    def __init__(self, **options: Any) -> None:
        super().__init__(allow_abbrev=False, **options)

    def error(self, message: str) -> NoReturn:
        """Raise instead of printing the usage."""
        raise Misconfigured(f"{message}; see '{self.prog} --help'")

    def parse_strictly(self, arguments: Sequence[str], commands: dict[str, Parser]) -> argparse.Namespace:
        """Parse, or raise ``Misconfigured`` with the nearest valid name."""
        command = next((argument for argument in arguments if not argument.startswith("-")), None)
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
    made["demo"] = commands.add_parser("demo", help="the built-in sample site, end to end")
    made["demo"].add_argument("--output", metavar="DIR", default="demo", help="the folder to build in (demo)")
    made["demo"].add_argument("--workers", type=_workers, default=1, metavar="N", help="local processes (1)")
    return top, made


def _stage_options(command: Parser, name: str) -> None:
    archives = name in ("build", "extract")
    meaning = "WARC files, globs, URLs, or @list.txt" if archives else "the folder to read from (--output)"
    command.add_argument(
        "--config", default="default", metavar="FILE", help="YAML, or a shipped name (default)"
    )
    command.add_argument(
        "--input", nargs="+", action="extend", required=archives, metavar="PATH", help=meaning
    )
    command.add_argument("--output", required=True, metavar="DIR", help="the folder to build in")
    command.add_argument("--workers", type=_workers, default=1, metavar="N", help="local processes (1)")
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


def _rules_options(command: Parser) -> None:
    command.add_argument(
        "--config", default="default", metavar="FILE", help="YAML, or a shipped name (default)"
    )
    command.add_argument(
        "--stage", choices=("filter", "assemble"), default="filter", help="whose rules (filter)"
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
        type=_judge,
        metavar="NAME",
        help="compare after filter, dedup or assemble (the last of both)",
    )
    command.add_argument("--output", metavar="DIR", help="keep the table of all differences in DIR/diff")
    command.add_argument("--examples", type=_examples, default=10, metavar="N", help="print so many (10)")
    command.add_argument("--workers", type=_workers, default=1, metavar="N", help="local processes (1)")
    command.add_argument("--debug", action="store_true", help="show the traceback of a job that fails")


def _judge(text: str) -> str:
    known = [layout.stage for layout in JUDGES]
    if text not in known:
        raise argparse.ArgumentTypeError(f"no stage {_suggest(text, known)}")
    return text


def _examples(text: str) -> int:
    if not text.isdigit():
        raise argparse.ArgumentTypeError(f"{text!r} is no number of examples; write 0 or more")
    return int(text)


def _workers(text: str) -> int:
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of processes; write 1 or more")
    return int(text)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command line; the exit code is 0 if done, 1 if failed, 2 if it asks for what cannot be done."""
    before = signal.signal(signal.SIGINT, _stop)
    try:
        _run(list(sys.argv[1:] if arguments is None else arguments))
    except Misconfigured as error:
        return _told(error, 2)
    except ObelicsError as error:
        return _told(error, 1)
    finally:
        signal.signal(signal.SIGINT, before)
    return 0


def _stop(number: int, frame: object) -> None:
    """End at once: Beam would wait for its workers, and what they leave the next run clears."""
    _told("stopped; the same command goes on where it was", 130)
    os._exit(130)


def _told(message: object, code: int) -> int:
    sys.stdout.flush()
    print(f"obelics: {' '.join(str(message).split())}", file=sys.stderr, flush=True)
    return code


def _run(arguments: list[str]) -> None:
    ours, separator, beam = _split(arguments)
    options = parser_of(ours)
    if separator and options.command not in (*STAGES, "diff"):
        raise Misconfigured(f"obelics {options.command} runs no job of its own; leave out what follows --")
    if options.command in STAGES:
        _run_stages(options, tuple(beam))
    elif options.command == "diff":
        _diff(options, tuple(beam))
    else:
        OTHERS[options.command](options)


def _explain(options: argparse.Namespace) -> None:
    from beam_jobs.explain import explain

    explain(options.page, load(options.config), options.url)


def _measure(options: argparse.Namespace) -> None:
    from beam_jobs.measure import measure

    measure(options.texts, load(options.config), options.stage)


def _retune(options: argparse.Namespace) -> None:
    runner.quiet()
    from rich.console import Console

    from beam_jobs.retune import retune
    from beam_jobs.retuned import render

    found = retune(options.run, load(options.config), options.stage, options.share)
    if options.json:
        print(found.encode().decode())
    else:
        render(found, Console())


def _diff(options: argparse.Namespace, beam: tuple[str, ...]) -> None:
    from beam_jobs.diff.command import DiffOptions, diff

    runner.quiet(debug=options.debug)
    job = BeamOptions(beam, options.workers)
    diff(DiffOptions(options.a, options.b, options.stage, options.output, options.examples, job))


def _demo(options: argparse.Namespace) -> None:
    from beam_jobs.demo import demo

    io.check_writable(options.output)
    demo(options.output, options.workers)


OTHERS: Final[dict[str, Callable[[argparse.Namespace], None]]] = {
    "explain": _explain,
    "measure": _measure,
    "retune": _retune,
    "demo": _demo,
}
"""The commands that are no stages."""


def parser_of(arguments: Sequence[str]) -> argparse.Namespace:
    """The options that ``arguments`` (without Beam's) give."""
    top, commands = parser()
    return top.parse_strictly(arguments, commands)


def _split(arguments: list[str]) -> tuple[list[str], bool, list[str]]:
    if "--" not in arguments:
        return arguments, False, []
    at = arguments.index("--")
    return arguments[:at], True, arguments[at + 1 :]


def _run_stages(options: argparse.Namespace, beam: tuple[str, ...]) -> None:
    runner.quiet(debug=options.debug)
    session = session_of(options, load(options.config), BeamOptions(beam, options.workers))
    from rich.console import Console

    from beam_jobs.build import PLANS, build
    from obelics_pipeline.report import ending, render

    report = build(session, PLANS if options.command == "build" else [options.command])
    console = Console()
    render(report, console)
    if said := ending(report, io.join(options.output, "dataset")):
        console.print(f"\n{said}", highlight=False, markup=False, soft_wrap=True)


def session_of(options: argparse.Namespace, config: Config, beam: BeamOptions) -> Session:
    """What is asked for, with everything checked that can be checked before a job runs."""
    archives: tuple[InputEntry, ...] = ()
    source = options.output
    if options.command in ("build", "extract"):
        archives = inputs.find_archives(options.input)
    else:
        if options.input and len(options.input) > 1:
            raise InputError(f"--input {' '.join(options.input)}: {options.command} reads from one folder")
        source = options.input[0] if options.input else options.output
        with io.reaching(source):
            for layout in needed(options.command):
                stages.read_manifest(source, layout)
    runner.check_options(beam)
    io.check_writable(options.output)
    return Session(config, options.output, source, archives, beam)


def needed(command: str) -> list[stages.Layout]:
    """The stages whose tables a command reads."""
    reads = {
        "filter": ("extract",),
        "dedup": ("filter",),
        "images": ("dedup",),
        "assemble": ("dedup", "images"),
        "export": ("assemble", "images"),
    }
    return [layout for layout in LAYOUTS if layout.stage in reads[command]]


if __name__ == "__main__":
    sys.exit(main())
