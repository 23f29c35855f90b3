"""What the requests for a URL and what img2dataset made of them come to."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from obelics_pipeline.answer import Answer
from obelics_pipeline.fetch import reserved
from obelics_pipeline.fetch_types import FetchResult, FetchStatus
from obelics_pipeline.img2dataset_log import Asked, Got, Log, answer_of, having_heard

BODY = b"bytes"
GOT = Got("", hashlib.sha256(BODY).hexdigest(), BODY)
FAILED = Got("HTTP Error 404: Not Found", None, None)


def hop(code: int | None, fault: str = "", url: str = "http://a.example/", **headers: str) -> Asked:
    pairs = [(name.replace("_", "-"), value) for name, value in headers.items()]
    return Asked("0", url, code, pairs, fault, 7)


def judged(hops: list[Asked], got: Got) -> Answer:
    return answer_of(hops, got, reserved("obelics-builder/1"))


MOVED = hop(302, location="http://b.example/")


@pytest.mark.parametrize(
    ("hops", "got", "status"),
    [
        pytest.param([hop(200)], GOT, FetchStatus.OK, id="whole"),
        pytest.param([MOVED, hop(200)], GOT, FetchStatus.OK, id="whole, elsewhere"),
        pytest.param([hop(206)], GOT, FetchStatus.HTTP_OTHER, id="a part, which urllib takes for success"),
        pytest.param([hop(404)], FAILED, FetchStatus.HTTP_4XX, id="gone"),
        pytest.param([hop(429)], FAILED, FetchStatus.HOST_BUSY, id="too many"),
        pytest.param([hop(503)], FAILED, FetchStatus.HTTP_5XX, id="broken"),
        pytest.param([MOVED], FAILED, FetchStatus.REDIRECT, id="a redirect that is not followed"),
        pytest.param([hop(302)], FAILED, FetchStatus.HTTP_OTHER, id="a redirect to nowhere"),
        pytest.param([MOVED, hop(None, "dns")], FAILED, FetchStatus.DNS, id="a redirect to no host"),
        pytest.param([hop(None, "blocked_address")], FAILED, FetchStatus.BLOCKED_ADDRESS, id="inside"),
        pytest.param([hop(200, "truncated")], FAILED, FetchStatus.TRUNCATED, id="cut"),
        pytest.param([hop(200, "too_large")], FAILED, FetchStatus.TOO_LARGE, id="endless"),
        pytest.param([hop(200, x_robots_tag="NoAI")], GOT, FetchStatus.OPTOUT, id="reserved"),
        pytest.param(
            [hop(302, location="/", tdm_reservation="1"), hop(200)], GOT, FetchStatus.OPTOUT, id="on the way"
        ),
        pytest.param([hop(200, content_usage="train-ai=n")], GOT, FetchStatus.OPTOUT, id="usage"),
        pytest.param([hop(200, x_robots_tag="otherbot: noai")], GOT, FetchStatus.OK, id="said to others"),
        pytest.param([hop(404, x_robots_tag="noai")], FAILED, FetchStatus.HTTP_4XX, id="gone and reserved"),
        pytest.param(
            [hop(200)],
            Got("Use of image disallowed by X-Robots-Tag directive", None, None),
            FetchStatus.OPTOUT,
            id="refused by img2dataset alone",
        ),
        pytest.param([], GOT, FetchStatus.LOST, id="asked past the opener: nobody knows its headers"),
        pytest.param([], FAILED, FetchStatus.LOST, id="never asked"),
        pytest.param([hop(200)], FAILED, FetchStatus.LOST, id="answered, and lost"),
        pytest.param(
            [hop(200)], Got("", "0" * 64, BODY), FetchStatus.LOST, id="not the bytes that were hashed"
        ),
    ],
)
def test_every_url_has_an_honest_status(hops: list[Asked], got: Got, status: FetchStatus) -> None:
    answer = judged(hops, got)
    assert answer.status is status, answer
    assert (answer.body == BODY) is (status is FetchStatus.OK)


def test_an_answer_tells_what_the_last_request_met_and_the_signals_of_all() -> None:
    hops = [
        hop(301, location="http://b.example/i.png", x_robots_tag="noindex"),
        hop(200, url="http://b.example/i.png", content_type="image/png", content_encoding="gzip"),
    ]
    assert judged(hops, GOT) == Answer(
        FetchStatus.OK,
        http_status=200,
        final_url="http://b.example/i.png",
        body=BODY,
        content_type="image/png",
        content_encoding="gzip",
        signals=("x-robots-tag:noindex",),
    )


def test_a_log_is_read_while_it_is_written(tmp_path: Path) -> None:
    path = tmp_path / "asked.jsonl"
    log = Log(path)
    log.hear()
    assert not log
    lines = [json.dumps([str(n % 2), f"http://a.example/{n}", 200, [["a", "ü"]], "", n]) for n in range(4)]
    text = "".join(f"{line}\n" for line in lines).encode()
    for cut in range(0, len(text), 7):
        path.write_bytes(text[:cut])
        log.hear()
    path.write_bytes(text)
    log.hear()
    assert log
    assert [asked.at for asked in log.take("1")] == [1, 3]
    assert [asked.at for asked in log.take("0")] == [0, 2]
    assert log.take("0") == []


SAID = FetchResult("http://b.example/", FetchStatus.OK, signals=("license:https://b.example/",))
NO = FetchResult("http://b.example/", FetchStatus.OPTOUT, signals=("robots:us",), detail="robots:us")


@pytest.mark.parametrize(
    ("answer", "said", "expected"),
    [
        pytest.param(judged([hop(200)], GOT), [], judged([hop(200)], GOT), id="nothing said"),
        pytest.param(
            Answer(FetchStatus.OK, body=BODY, signals=("noai",)),
            [SAID],
            Answer(FetchStatus.OK, body=BODY, signals=("license:https://b.example/", "noai")),
            id="a licence",
        ),
        pytest.param(
            Answer(FetchStatus.OK, body=BODY),
            [SAID, NO],
            Answer(
                FetchStatus.OPTOUT, signals=("license:https://b.example/", "robots:us"), detail="robots:us"
            ),
            id="refused where a redirect led",
        ),
        pytest.param(
            Answer(FetchStatus.HTTP_4XX),
            [NO],
            Answer(FetchStatus.HTTP_4XX, signals=("robots:us",)),
            id="gone",
        ),
    ],
)
def test_what_hosts_say_counts_also_when_the_image_is_there(
    answer: Answer, said: list[FetchResult], expected: Answer
) -> None:
    assert having_heard(answer, said) == expected
