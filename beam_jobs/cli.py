"""The command ``obelics``.

What can be wrong with a command line is told before Beam is imported, in one line, with exit code 2.
"""

from __future__ import annotations

import argparse
import logging
import os
import signal
import sys
import traceback
from collections.abc import Callable, Sequence
from typing import Final

from beam_jobs import events, inputs, io, ranged, runner, stages
from beam_jobs.config import Config, load
from beam_jobs.options import STAGES, parser_of
from beam_jobs.runner import BeamOptions, WorkerDied
from beam_jobs.stages import LAYOUTS, Session
from obelics_pipeline.errors import InputError, Misconfigured, ObelicsError
from obelics_pipeline.manifest import InputEntry, code_version


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command line; the exit code is 0 if done, 1 if failed, 2 if it asks for what cannot be done."""
    before = signal.signal(signal.SIGINT, _stop)
    ranged.FIRST_CHECKS.set()
    try:
        _run(list(sys.argv[1:] if arguments is None else arguments))
    except Misconfigured as error:
        return _told(error, 2 if ranged.FIRST_CHECKS.is_set() else 1)  # 2 says that nothing is written
    except WorkerDied as error:
        os._exit(_told(error, 1))
    except ObelicsError as error:
        return _told(error, 1)
    except Exception as error:
        return _told_of_nobody(error)
    finally:
        ranged.FIRST_CHECKS.clear()
        signal.signal(signal.SIGINT, before)
        events.listen("text", None)
    return 0


def _stop(number: int, frame: object) -> None:
    """End at once: Beam would wait for its workers, and what they leave the next run clears."""
    _told("stopped; the same command goes on where it was", 130)
    os._exit(130)


def _told(message: object, code: int, error: Exception | None = None) -> int:
    sys.stdout.flush()
    line = " ".join(str(message).split())
    error = message if isinstance(message, Exception) else error
    kind = type(error).__name__ if error else None
    events.tell("ended", logging.ERROR, error=kind, message=line, exit_code=code)
    if not events.on_stderr():
        print(f"obelics: {line}", file=sys.stderr, flush=True)
    return code


def _told_of_nobody(error: Exception) -> int:
    """Tell an error that nobody thought of: of the system in a line, any other with where it came from."""
    if isinstance(error, OSError) and error.errno in runner.FULL:
        return _told(runner.no_room(error), 1, error)
    if not isinstance(error, OSError) and not events.on_stderr():
        traceback.print_exception(error)
    return _told(f"{type(error).__name__}: {error} ({events.place_of(error)})", 1, error)


def _run(arguments: list[str]) -> None:
    ours, separator, beam = _split(arguments)
    options = parser_of(ours)
    if separator and options.command not in (*STAGES, "diff", "demo"):
        raise Misconfigured(f"obelics {options.command} runs no job of its own; leave out what follows --")
    if options.command in STAGES:
        _run_stages(options, tuple(beam))
    elif options.command == "diff":
        _diff(options, tuple(beam))
    elif options.command == "demo":
        _demo(options, tuple(beam))
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


def _recheck(options: argparse.Namespace) -> None:
    runner.quiet()
    from beam_jobs.recheck import recheck, with_registries

    io.check_writable(options.output)
    config = load(options.config) if options.config else Config()
    recheck(options.dataset, with_registries(config.consent, options.registry), options.output)


def _verify(options: argparse.Namespace) -> None:
    runner.quiet()
    from beam_jobs.verify import VerifyOptions, verify

    verify(VerifyOptions(options.dataset, options.quick, options.tombstones, options.workers))


def _view(options: argparse.Namespace) -> None:
    from beam_jobs.view import view
    from obelics_pipeline.views.writing import ViewOptions

    asked = ViewOptions(options.view, options.missing, options.shard_bytes, not options.no_image_bytes)
    io.check_writable(options.output)
    view(options.dataset, options.output, asked, options.split, options.tombstones, options.workers)


def _registry(options: argparse.Namespace) -> None:
    from beam_jobs import registry_command

    registry_command.ACTIONS[options.action](options)


def _robots(options: argparse.Namespace) -> None:
    from beam_jobs import robots_command

    robots_command.ACTIONS[options.action](options)


def _select(options: argparse.Namespace) -> None:
    from beam_jobs import select_command

    select_command.run(options)


def _demo(options: argparse.Namespace, beam: tuple[str, ...]) -> None:
    from beam_jobs.demo import demo

    job = BeamOptions(beam, options.workers)
    runner.check_options(job)
    io.check_writable(options.output)
    demo(options.output, job)


OTHERS: Final[dict[str, Callable[[argparse.Namespace], None]]] = {
    "explain": _explain,
    "measure": _measure,
    "retune": _retune,
    "recheck": _recheck,
    "verify": _verify,
    "view": _view,
    "registry": _registry,
    "robots": _robots,
    "select": _select,
}
"""The commands that are no stages."""


def _split(arguments: list[str]) -> tuple[list[str], bool, list[str]]:
    if "--" not in arguments:
        return arguments, False, []
    at = arguments.index("--")
    return arguments[:at], True, arguments[at + 1 :]


def _run_stages(options: argparse.Namespace, beam: tuple[str, ...]) -> None:
    events.listen(options.log_format, options.log_file)
    runner.quiet(debug=options.debug)
    config = load(options.config).with_earlier(getattr(options, "earlier", ()))
    session = session_of(options, config, BeamOptions(beam, options.workers))
    from rich.console import Console

    from beam_jobs.build import PLANS, build
    from obelics_pipeline.report import ending, render

    console, names = Console(), list(PLANS) if options.command == "build" else [options.command]
    if options.dry_run:
        from beam_jobs.dry_run import dry_run

        dry_run(session, names, console)
        return
    events.tell("started", command=options.command, output=options.output, version=code_version())
    report = build(session, names)
    events.tell("ended", exit_code=0)
    render(report, console)
    if said := ending(report, io.join(options.output, "dataset")):
        console.print(f"\n{said}", highlight=False, markup=False, soft_wrap=True)


def session_of(options: argparse.Namespace, config: Config, beam: BeamOptions) -> Session:
    """What is asked for, with everything checked that can be checked before a job runs."""
    runner.check_options(beam)  # first: they may say where an object store is
    archives: tuple[InputEntry, ...] = ()
    source = options.output
    if options.command in ("build", "extract"):
        archives = inputs.find_archives(options.input, manners=config.manners)
        if options.command == "build":
            config.result_of("filter")  # opens what the policy names, which would else be done hours later
    else:
        if options.input and len(options.input) > 1:
            raise InputError(f"--input {' '.join(options.input)}: {options.command} reads from one folder")
        source = options.input[0] if options.input else options.output
        with io.reaching(source):
            for layout in needed(options.command):
                stages.read_manifest(source, layout)
    against = tuple(getattr(options, "against", ()))
    if against:
        from beam_jobs.dedup.earlier import earlier_runs

        earlier_runs(against, options.output, config.dedup)
    io.check_writable(options.output)
    say: Callable[[str], None] = (lambda line: None) if events.on_stderr() else print
    return Session(config, options.output, source, archives, against, beam, say)


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
