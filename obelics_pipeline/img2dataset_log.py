"""What img2dataset asked and what it got, URL by URL, from the log of its runner and the files that it wrote."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import msgspec

from obelics_pipeline.answer import Answer, status_of
from obelics_pipeline.consent import signals
from obelics_pipeline.fetch_types import FetchResult, FetchStatus
from obelics_pipeline.hosts import Refuse

_REFUSED: Final = "Use of image disallowed by X-Robots-Tag directive"
"""Its message for what it refuses by itself."""


class Asked(msgspec.Struct, frozen=True, array_like=True):
    """One request, as the runner logs it: a line for every hop of a URL."""

    number: str
    url: str
    code: int | None
    headers: list[tuple[str, str]]
    fault: str
    at: int

    @property
    def leads_on(self) -> bool:
        """Whether the answer has a body that is wanted, or leads to one."""
        return self.code is not None and (
            status_of(self.code) is FetchStatus.OK or self.header("location") is not None
        )

    @property
    def signals(self) -> tuple[str, ...]:
        """The consent signals of the answer."""
        return signals(self.headers, ())

    def header(self, name: str) -> str | None:
        """All values of a header; None if the answer has none, or there is no answer."""
        values = [value for header, value in self.headers if header == name]
        return ",".join(values) if values else None


class Got(msgspec.Struct, frozen=True):
    """What img2dataset wrote of one URL; the body is None if it has none."""

    error: str
    sha256: str | None
    body: bytes | None


class Log:
    """The requests in a log that is being written, by the numbers of the URLs."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._read = 0
        self._asked: defaultdict[str, list[Asked]] = defaultdict(list)

    def __bool__(self) -> bool:
        """Whether anything was asked."""
        return self._read > 0

    def hear(self) -> None:
        """Read the lines that were written since."""
        with suppress(FileNotFoundError), self._path.open("rb") as file:
            file.seek(self._read)
            whole = file.read().rpartition(b"\n")[0]
            self._read += len(whole) + bool(whole)
            for line in whole.splitlines():
                asked = msgspec.json.decode(line, type=Asked)
                self._asked[asked.number].append(asked)

    def led_to(self) -> set[str]:
        """The addresses to which redirects led, of all URLs that are not taken yet."""
        return {asked.url for hops in self._asked.values() for asked in hops[1:]}

    def take(self, number: str) -> list[Asked]:
        """The requests for a URL, in their order; they are forgotten here."""
        return self._asked.pop(number, [])


def answer_of(hops: list[Asked], got: Got, refuse: Refuse) -> Answer:
    """What the requests for a URL, in their order, and what img2dataset made of them come to.

    The requests decide; img2dataset is believed only that it refuses.
    """
    if not hops:
        return Answer(FetchStatus.LOST, detail=f"not asked for: {got.error or 'img2dataset says nothing'}")
    last = hops[-1]
    said = {signal for hop in hops for signal in hop.signals}
    answer = Answer(
        FetchStatus.OK if last.code is None else status_of(last.code),
        http_status=last.code,
        final_url=last.url,
        via=tuple(hop.url for hop in hops[1:-1]),
        content_type=last.header("content-type"),
        content_encoding=last.header("content-encoding") or "",
        signals=tuple(sorted(said)),
        detail=got.error[:200],
    )
    forbidding = {signal for hop in hops if hop.leads_on for signal in hop.signals}
    reason = refuse(tuple(sorted(forbidding))) or (got.error if got.error == _REFUSED else None)
    if reason:
        return msgspec.structs.replace(answer, status=FetchStatus.OPTOUT, detail=reason)
    return msgspec.structs.replace(answer, **_outcome(last, got, answer))


def _outcome(last: Asked, got: Got, answer: Answer) -> dict[str, Any]:
    if last.fault:
        return {"status": FetchStatus(last.fault)}
    if answer.status is FetchStatus.HTTP_OTHER and last.header("location") is not None:
        return {"status": FetchStatus.REDIRECT}
    if answer.status is not FetchStatus.OK:
        return {}
    if got.body is None or hashlib.sha256(got.body).hexdigest() != got.sha256:
        return {"status": FetchStatus.LOST}
    return {"body": got.body, "detail": ""}


def having_heard(answer: Answer, said: Iterable[FetchResult]) -> Answer:
    """``answer`` with what hosts ``said`` of the addresses on its way; without its image if one is refused."""
    for heard in said:
        words = tuple(sorted({*answer.signals, *heard.signals}))
        answer = msgspec.structs.replace(answer, signals=words)
        if answer.status is FetchStatus.OK and heard.status is not FetchStatus.OK:
            answer = msgspec.structs.replace(answer, status=heard.status, detail=heard.detail, body=b"")
    return answer
