"""Nobody is asked for images by somebody who cannot be reached."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec.structs import replace

from beam_jobs.cli import main
from beam_jobs.config import ImagesSection
from beam_jobs.contact import CONTACT
from beam_jobs.images import who_asks
from obelics_pipeline.engine import Engine
from obelics_pipeline.errors import ConfigError


@pytest.fixture(autouse=True)
def nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(CONTACT, raising=False)


def test_a_build_without_a_contact_is_misconfigured(
    archive: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "out"
    assert main(["build", "--input", str(archive), "--output", str(output)]) == 2
    assert "images.contact: not set" in capsys.readouterr().err
    assert not output.exists()


def test_the_contact_is_in_the_configuration_or_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    written = ImagesSection(contact="https://a.example/")
    assert who_asks(written).signature.endswith(" (+https://a.example/)")
    monkeypatch.setenv(CONTACT, "me@b.example")
    assert who_asks(ImagesSection()).contact == "me@b.example"
    assert who_asks(written).contact == "https://a.example/"


def test_a_contact_of_the_environment_is_checked_like_any_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(CONTACT, "me")
    with pytest.raises(ConfigError, match="https:// address or one for mail"):
        who_asks(ImagesSection())


def test_ones_own_servers_need_none() -> None:
    assert who_asks(ImagesSection(allow_private=True)).contact == ""


def test_another_engine_has_to_be_there_and_its_network_guarded() -> None:
    section = ImagesSection(contact="me@b.example", fetcher="img2dataset", img2dataset=Engine("/no/python"))
    with pytest.raises(ConfigError, match="egress_is_guarded: not set"):
        who_asks(section)
    with pytest.raises(ConfigError, match="/no/python: No such file"):
        who_asks(replace(section, img2dataset=Engine("/no/python", egress_is_guarded=True)))
