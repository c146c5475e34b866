"""`swarm inbox`: what needs a person is shown to one, and taken up anew."""

import json

import pytest
from typer.testing import CliRunner, Result

from guardrails.hive import Hive
from guardrails.store import Store
from orchestrator.cli import app
from orchestrator.inbox import Source, store
from tests.conftest import SteppableClock


@pytest.fixture
def filled(hive: Hive, sqlite_store: Store, clock: SteppableClock) -> Hive:
    with sqlite_store.transaction() as conn:
        store(conn, "rb2b:1", Source.RB2B, "visitor", '{"First Name": "Ana"}', clock())
        clock.step(1)
        store(conn, "rb2b:2", Source.RB2B, "junk", "[bold]hello", clock(), junk="no JSON")
    return hive


def swarm(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["inbox", *arguments])


def test_what_is_not_done_is_listed_and_junk_asks_for_a_person(filled: Hive) -> None:
    listed = swarm("list", "--hive", str(filled.path), "--json")
    found = json.loads(listed.stdout)["deliveries"]
    assert ([row["id"] for row in found], listed.exit_code) == (["rb2b:2", "rb2b:1"], 1)
    assert "Ana" not in listed.stdout
    only = swarm("list", "--state", "new", "--hive", str(filled.path))
    assert only.exit_code == 0
    assert "rb2b:1" in only.stdout
    assert "rb2b:2" not in only.stdout


def test_what_needs_a_person_is_told_though_it_is_not_among_the_latest(
    filled: Hive, sqlite_store: Store, clock: SteppableClock
) -> None:
    clock.step(1)
    with sqlite_store.transaction() as conn:
        store(conn, "rb2b:3", Source.RB2B, "visitor", "{}", clock())
    listed = swarm("list", "--limit", "1", "--hive", str(filled.path), "--json")
    assert json.loads(listed.stdout)["counts"] == {"junk": 1, "new": 2}
    shown = swarm("list", "--limit", "1", "--hive", str(filled.path))
    assert "3 in all (1 junk, 2 new)" in shown.stdout
    assert (listed.exit_code, shown.exit_code) == (1, 1)


def test_a_body_is_shown_as_it_is_to_who_asks_for_it(filled: Hive) -> None:
    shown = swarm("show", "rb2b:2", "--hive", str(filled.path))
    assert shown.exit_code == 0
    assert "[bold]hello" in shown.stdout
    assert swarm("show", "rb2b:9", "--hive", str(filled.path)).exit_code == 2


def test_junk_is_taken_up_anew_and_what_waits_is_left_as_it_is(filled: Hive) -> None:
    both = swarm("again", "rb2b:2", "rb2b:1", "--hive", str(filled.path), "--json")
    assert json.loads(both.stdout)["taken_up"] == {"rb2b:2": True, "rb2b:1": False}
    assert both.exit_code == 1
    assert swarm("list", "--hive", str(filled.path)).exit_code == 0
    none = swarm("again", "rb2b:2", "rb2b:9", "--hive", str(filled.path))
    assert (none.exit_code, "rb2b:9" in none.stderr) == (2, True)
