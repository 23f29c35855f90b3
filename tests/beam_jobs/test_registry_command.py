"""``obelics registry`` compiles lists, shows what they hold and tells which entry hits."""

from __future__ import annotations

from pathlib import Path

import pytest

from beam_jobs.cli import main

LIST = "kind,value,scope,source,since\ndomain,example.org,page,mail,2026-10-01\ndomain,co.uk,,,\nurl,nothing,page\n"


def test_compile_show_check(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "list.csv").write_text(LIST)
    command = ["registry", "compile", str(tmp_path / "list.csv"), "--output", str(tmp_path / "out")]
    assert main(command) == 2
    told = capsys.readouterr()
    assert (told.out, told.err.count("\n")) == ("", 1)
    assert f"{tmp_path / 'list.csv'}: line 4: 3 fields, not 5 as the header (--skip-bad" in told.err
    assert main([*command, "--skip-bad", "--name", "autumn"]) == 0
    said = capsys.readouterr().out
    assert said.splitlines() == [
        "autumn: 2 rows, 1 skipped, the newest of 2026-10-01",
        "  domain     both              1  0.0 MB",
        "  domain     page              1  0.0 MB",
        "  source (not named): 1",
        "  source mail: 1",
        "  all hosts below these public suffixes are listed: co.uk",
    ]
    assert main(["registry", "show", str(tmp_path / "out")]) == 0
    assert capsys.readouterr().out.startswith(f"{said}version ")
    assert main(["registry", "check", str(tmp_path / "out"), "http://a.Example.org", "https://b.co.uk/"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "page   domain example.org  http://a.Example.org",
        "image  not listed  http://a.Example.org",
        "page   domain co.uk  https://b.co.uk/",
        "image  domain co.uk  https://b.co.uk/",
    ]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        pytest.param(["compil", "a.csv"], "invalid choice: 'compil'", id="misspelt action"),
        pytest.param(["compile", "a.csv", "--ouput", "x"], "did you mean '--output'?", id="misspelt option"),
        pytest.param(["compile", "a.csv", "--output", "x"], "a.csv: no such file", id="no list"),
        pytest.param(["show", "nowhere"], "nowhere/manifest.json: cannot be read", id="no registry"),
        pytest.param(["show"], "required: DIR", id="no folder"),
        pytest.param([], "required: ACTION", id="no action"),
    ],
)
def test_mistakes_are_told(
    arguments: list[str], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    assert main(["registry", *arguments]) == 2
    assert said in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
