"""Nobody is asked for images by somebody who cannot be reached."""

from __future__ import annotations

from pathlib import Path

import pytest

from beam_jobs.cli import main
from beam_jobs.config import ImagesSection
from beam_jobs.images import CONTACT, who_asks
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
