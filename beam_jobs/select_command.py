"""``obelics select``: from the command line to what is asked of the index, and what it prints."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterable, Sequence
from typing import Final

from beam_jobs import io
from beam_jobs.http_file import is_http
from beam_jobs.inputs import lines_of
from beam_jobs.ranged import check_address
from obelics_pipeline.columnar_index import Places, Wanted
from obelics_pipeline.errors import InputError, Misconfigured
from obelics_pipeline.selection import ARCHIVES, NAME
from obelics_pipeline.url import host_of

ANY: Final = "any"
"""Stands for all values where only some are wanted by default."""

PAGES: Final = {"statuses": ("200",), "mimes": ("text/html", "application/xhtml+xml")}
"""What is wanted of pages by default; of the other subsets it is everything."""

FORMS: Final = {
    "crawl": (r"[A-Za-z0-9][A-Za-z0-9._-]*", "the name of a crawl, such as CC-MAIN-2026-30"),
    "statuses": (r"\d{3}", "a status of HTTP, such as 200"),
    "mimes": (r"[a-z0-9.+-]+/[a-z0-9.+-]+", "a type of content, such as text/html"),
    "languages": (r"[a-z]{3}", "a code of ISO 639-3, such as eng"),
}
"""What an option may say, as an expression and in words."""

HOST: Final = re.compile(r"[a-z0-9_-]+(\.[a-z0-9_-]+)*")
"""Names of hosts as they are resolved, after those in other scripts are written in ASCII."""


def run(options: argparse.Namespace) -> None:
    """Select, and say what was found."""
    wanted = wanted_of(options)
    _check("crawl", [options.crawl])
    for option in ("index", "archives"):
        _check_prefix(f"--{option}", getattr(options, option) or "")
    io.check_writable(options.output)
    archives = options.archives or (ARCHIVES if io.is_local(options.index) else options.index)
    from beam_jobs.select import SelectOptions, select

    where = SelectOptions(options.crawl, options.subset, options.index, archives, options.parts)
    found = select(where, wanted, options.output)
    print(
        f"{found.captures:,} captures, {found.bytes / 1e6:,.1f} MB of {found.archives:,} archives below {archives}"
    )
    read = "" if found.read is None else f", {found.read / 1e6:,.1f} MB of them read"
    print(f"{found.files:,} files of the index{read}")
    print(io.join(options.output, NAME))


def wanted_of(options: argparse.Namespace) -> Wanted:
    """Which captures the command line asks for; ``Misconfigured`` for what nothing can have."""
    return Wanted(
        statuses=tuple(map(int, _given(options, "statuses"))),
        mimes=_given(options, "mimes"),
        languages=_check("languages", options.languages),
        places=Places(
            *(_names(f"--{name}", getattr(options, name)) for name in ("hosts", "domains", "tlds"))
        ),
        since=options.since,
        until=options.until,
        whole=options.whole,
        share=options.share,
        limit=options.limit,
    )


def _given(options: argparse.Namespace, name: str) -> tuple[str, ...]:
    given = getattr(options, name) or (PAGES[name] if options.subset == "warc" else [ANY])
    return () if list(given) == [ANY] else _check(name, given)


def _check(name: str, given: Iterable[str]) -> tuple[str, ...]:
    """What is given, each once, in order."""
    form, meaning = FORMS[name]
    for text in given:
        if not re.fullmatch(form, text):
            raise Misconfigured(f"--{name} {text}: is not {meaning}")
    return tuple(sorted(set(given)))


def _names(option: str, given: Sequence[str]) -> tuple[str, ...]:
    """Names of hosts, domains or top-level domains as the index has them, each once, in order."""
    names: set[str] = set()
    for argument in given:
        at = argument.startswith("@")
        listed = lines_of(argument[1:], f"{option} {argument}", "name") if at else [argument]
        names.update(_name(f"{option} {argument}", name) for name in listed)
    return tuple(sorted(names))


def _name(where: str, given: str) -> str:
    """The form in which the index has a name."""
    if "*" in given:
        raise InputError(f"{where}: {given!r} has a '*'; --domains takes a domain with all its hosts")
    name = given.strip(".")
    host = host_of(f"https://{name}/") if not re.search(r"[/\\@:?#%\s]", name) else ""
    short = host.rpartition(".")[2].isdigit() and host != name  # 1.2 is another way to write 1.0.0.2
    if short or not HOST.fullmatch(host):
        raise InputError(f"{where}: {given!r} is no name; write it without scheme, user, port and path")
    return host


def _check_prefix(option: str, prefix: str) -> None:
    """Raise ``InputError`` for an address to which no names can be joined, or that is not fit for a table."""
    if not io.is_local(prefix):
        check_address(prefix)
    if is_http(prefix) and ("?" in prefix or "#" in prefix):
        bare = re.split("[?#]", prefix)[0]
        raise InputError(f"{option} {bare}: names are joined to the address; write it without '?' and '#'")
