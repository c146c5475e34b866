"""What somebody meets who asks for help, or says something that no command takes."""

from __future__ import annotations

import gc
import json
import os
import sys
from collections.abc import Iterator

import pytest
from typer.testing import CliRunner

from orchestrator import cli
from orchestrator.cli import app
from orchestrator.cli_panels import PANELS, command_name


@pytest.fixture
def entered() -> Iterator[None]:
    """What an entry point sets for its process is set back."""
    umask, thresholds = os.umask(0o077), gc.get_threshold()
    yield
    os.umask(umask)
    gc.set_threshold(*thresholds)
    gc.unfreeze()


def told(*words: str, width: int = 80) -> str:
    done = CliRunner(env={"COLUMNS": str(width), "TERMINAL_WIDTH": str(width)}).invoke(app, words)
    assert done.exit_code == 0, done.stdout
    return done.stdout


def test_every_command_stands_under_one_heading() -> None:
    infos = [*app.registered_commands, *app.registered_groups]
    listed = [name for names in PANELS.values() for name in names]
    assert sorted(map(command_name, infos)) == sorted(listed)
    shown = told("--help")
    places = [shown.index(heading) for heading in PANELS]
    assert places == sorted(places)


def test_the_paragraphs_of_a_command_are_filled_and_lose_no_word() -> None:
    shown = " ".join(told("shadow", "--help").split())
    assert "starts a new run and keeps the former log under shadow_logs/RUN/." in shown
    assert "HIVE/chaos/" in told("chaos", "--help")


@pytest.mark.usefixtures("entered")
@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["shadow", "--limit", "0", "--json"], "--limit"),
        (["explain", "--json"], "id"),
        (["nonsense", "--json"], "nonsense"),
        (["stop", "--json"], "nothing was stopped"),
    ],
)
def test_a_script_is_told_of_a_wrong_command_in_json(
    words: list[str],
    message: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.delenv("STOP_SWARM", raising=False)
    monkeypatch.setattr(sys, "argv", ["swarm", *words])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    said = capsys.readouterr()
    failure = json.loads(said.out)["error"]
    assert (ended.value.code, failure["code"], said.err) == (2, "bad_input", "")
    assert message in failure["message"]
    assert failure["remedy"]
