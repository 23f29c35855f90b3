"""Images whose own metadata reserve them, from the server to the judgement: they are fetched, and not kept."""

from __future__ import annotations

import pytest
from faultserver import CASES, FaultServer, reply
from reserved_images import credentials, picture, with_credentials, xmp

from beam_jobs.optouts import ImageConsent
from filters.consent.policy import Policy
from obelics_pipeline.fetch import FetchOptions, FetchStatus, fetch_images

FILES = {
    "jpeg": (picture("JPEG", xmp()), True),
    "png": (picture("PNG", xmp()), True),
    "webp": (picture("WEBP", xmp()), True),
    "avif": (picture("AVIF", xmp()), True),
    "jpeg-allowed": (picture("JPEG", xmp("DMI-ALLOWED")), False),
    "credentials": (with_credentials({"ai_training": "notAllowed"}), True),
    "credentials-constrained": (with_credentials({"data_mining": "constrained"}, "cawg"), True),
    "credentials-allowed": (with_credentials({"ai_training": "allowed"}), False),
    "credentials-behind": (picture("JPEG") + credentials({"ai_training": "notAllowed"}), True),
}
"""What is served, and whether it is reserved."""


@pytest.mark.parametrize("name", FILES)
def test_a_reserved_file_is_not_kept(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    body, reserved = FILES[name]
    monkeypatch.setitem(CASES, "file", reply(200, body))
    consent = ImageConsent(Policy(), {}, ())
    with FaultServer() as server:
        options = FetchOptions(allow_private=True, ports=(), retry_wait=0)
        (answer,) = fetch_images([server.url("file")], options, consent.of_headers)
    assert (answer.status, answer.body) == (FetchStatus.OK, body)
    result = consent.of_result(answer)
    assert (result.status, result.body) == (
        (FetchStatus.OPTOUT, None) if reserved else (FetchStatus.OK, body)
    )
    assert [row.verdict for row in consent.rows] == ["opted_out"] * reserved
