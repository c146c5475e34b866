"""The steps of an emergency stop: each says what it came to, and none needs another to have worked.

The servers that hold campaigns are real processes in `test_p05_stop_means_stop`; here everything
else, over a hive of a sandbox without twins.
"""

from __future__ import annotations

import contextlib
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update

from guardrails.audit import AuditLog
from guardrails.brakes.stop import StopSwitch
from guardrails.brakes.stop_file import place
from guardrails.brakes.stop_raise import raise_row
from guardrails.clock import iso, utc_now
from guardrails.errors import StoreUnavailable
from guardrails.hive import Hive
from guardrails.ledger import Ledger
from guardrails.model import WriteAction, WriteIntent
from guardrails.store import Store, open_store
from guardrails.store.tables import stop_state
from orchestrator.emergency import Emergency
from orchestrator.emergency_press import Press
from orchestrator.emergency_report import Line, Told, last_word
from orchestrator.emergency_tell import Messenger
from orchestrator.emergency_vendors import CampaignStep
from orchestrator.environment import Environment
from tests.servers.permits import PermitOffice, permit_office

pytestmark = pytest.mark.anyio
NOTE = WriteIntent(
    vendor="ghl", action=WriteAction.ADD_NOTE, recipient="contact:c1", content={"text": "x"}
)


@pytest.fixture
def opened(hive: Hive) -> Iterator[Store]:
    store = open_store(hive)
    yield store
    store.close()


def pressed(hive: Hive, **changes: Any) -> Press:
    press = Press(
        hive.path, place(hive.path, "drill"), "drill", None, utc_now, 0.0, wait_s=0.2,
        database_s=0.3,
    )  # fmt: skip
    return replace(press, **changes)


async def stopped(
    press: Press,
    variables: dict[str, str] | None = None,
    *,
    sandbox: bool = True,
    seen: Callable[[Line], None] = lambda _line: None,
) -> Told:
    shown: list[Line] = []

    def show(line: Line) -> None:
        shown.append(line)
        seen(line)

    told = Told(str(press.hive), utc_now().timestamp(), show)
    environment = Environment(variables or {})

    async def helpers() -> tuple[Messenger, CampaignStep]:
        return (
            Messenger(environment.for_server("stop"), "here", sandbox=sandbox),
            CampaignStep(press.hive, sandbox, None, environment, 0.0),
        )

    await Emergency(press, told, helpers).run()
    assert shown == told.lines
    return told


def step(told: Told, name: str) -> str:
    return " | ".join(line.text for line in told.lines if line.step == name)


def records(hive: Hive, store: Store) -> list[dict[str, Any]]:
    audit = AuditLog(hive, store, utc_now)
    found = [record for record in audit.iter_records() if record["kind"] == "stop"]
    audit.close()
    return found


async def test_all_is_well_is_said_only_of_what_was_looked_at(hive: Hive, opened: Store) -> None:
    told = await stopped(pressed(hive))
    assert told.residue == []
    assert told.verified
    assert (told.facts["row"], told.facts["epoch"]) == (True, 1)
    assert "no write was on its way" in step(told, "in flight")
    assert "skipped" in step(told, "campaigns")
    said = [record["body"] for record in records(hive, opened)]
    assert [body["stop"] for body in said] == ["pressed", "result"]
    assert said[1] | {"reason": ""} == {
        "stop": "result", "verified": True, "residue": [], "epoch": 1, "reason": "",
    }  # fmt: skip
    assert "STOPPED, and verified" in last_word(told)
    assert "Not looked at, since this is a sandbox: campaigns, Slack" in last_word(told)


async def test_in_a_real_hive_nothing_is_passed_over_for_want_of_a_key(tmp_path: Path) -> None:
    hive = Hive.open(tmp_path / "real", sandbox=False)
    open_store(hive).close()
    told = await stopped(pressed(hive), sandbox=False)
    assert {one.what for one in told.residue} == {"campaigns", "Slack"}
    assert "INSTANTLY_API_KEY is not set" in step(told, "campaigns")
    assert "skipped" not in told.facts


async def test_where_its_helpers_cannot_be_loaded_the_rest_is_done(
    hive: Hive, opened: Store
) -> None:
    async def helpers() -> tuple[Messenger, CampaignStep]:
        raise ModuleNotFoundError("No module named 'slack_sdk'")

    told = Told(str(hive.path), utc_now().timestamp(), lambda _line: None)
    await Emergency(pressed(hive), told, helpers).run()
    assert told.facts["row"]
    assert {one.what for one in told.residue} == {"campaigns", "Slack"}
    assert "no write was on its way" in step(told, "in flight")
    assert len(records(hive, opened)) == 2


async def test_pressing_again_verifies_again_and_voids_nothing_more(
    hive: Hive, opened: Store
) -> None:
    await stopped(pressed(hive))
    told = await stopped(pressed(hive))
    assert told.verified
    assert (told.facts["epoch"], told.facts["already"]) == (1, True)
    assert "was stopped already" in step(told, "database")
    assert len(records(hive, opened)) == 4


async def test_without_its_database_file_this_machine_is_stopped_and_the_rest_is_not_verified(
    hive: Hive, opened: Store
) -> None:
    opened.close()
    for file in hive.path.glob("swarm.db*"):
        file.unlink()
    told = await stopped(pressed(hive))
    assert (told.machine_stopped, told.verified) == (True, False)
    assert {one.what for one in told.residue} == {"database", "in flight", "record"}
    assert "alone holds this machine" in step(told, "database")
    assert not hive.database_file.exists(), "a new, empty one would know nothing of anything"
    assert "NOT VERIFIED" in last_word(told)
    assert str(hive.stop_file.exists())


@pytest.mark.parametrize("begin", ["BEGIN IMMEDIATE", "BEGIN EXCLUSIVE"])
async def test_a_database_that_somebody_holds_is_waited_for_and_then_left(
    hive: Hive, opened: Store, begin: str
) -> None:
    with contextlib.closing(sqlite3.connect(hive.database_file, isolation_level=None)) as other:
        other.execute(begin)
        told = await stopped(pressed(hive))
        other.execute("ROLLBACK")
    assert not told.verified
    assert "database" in {one.what for one in told.residue}
    assert (await stopped(pressed(hive))).verified


async def test_a_server_that_is_away_leaves_the_other_machines_unverified(hive: Hive) -> None:
    told = await stopped(pressed(hive, database_url="postgresql://u:p@127.0.0.1:9/none"))
    assert (told.machine_stopped, told.verified) == (True, False)
    assert "other machines of this swarm are not known to have stopped" in step(told, "database")
    assert "every machine" in next(o.remedy for o in told.residue if o.what == "database")


async def test_one_that_is_lifted_while_it_is_verified_is_not_called_a_stop(
    hive: Hive, opened: Store
) -> None:
    def resumed(line: Line) -> None:
        if line.step == "in flight":
            hive.stop_file.unlink()
            with opened.transaction() as conn:
                conn.execute(update(stop_state).values(stopped=False))

    told = await stopped(pressed(hive), seen=resumed)
    assert (told.machine_stopped, told.verified) == (False, False)
    assert "somebody resumed" in last_word(told)


async def test_who_stands_still_with_the_database_is_ended(hive: Hive, opened: Store) -> None:
    with holding(hive) as holder:
        holder.send_signal(signal.SIGSTOP)
        told = await stopped(pressed(hive))
        assert holder.wait(10) == -signal.SIGKILL
    assert told.verified
    assert f"pid {holder.pid} stood still" in step(told, "processes")


@pytest.mark.postgres
async def test_a_session_that_stands_still_with_the_stop_on_another_machine_is_ended(
    hive: Hive, migrated_postgres_url: str
) -> None:
    with contextlib.closing(open_store(hive, migrated_postgres_url)) as elsewhere:
        standing = elsewhere.transaction()
        conn = standing.__enter__()
        StopSwitch(hive, elsewhere).state_in(conn, hold=True)  # and not one step further
        press = pressed(hive, database_url=migrated_postgres_url, database_s=2.0)
        told = await stopped(press)
        with pytest.raises(StoreUnavailable):  # what it had begun is undone
            standing.__exit__(None, None, None)
    assert told.verified
    assert "1 idle sessions held the database: ended" in step(told, "processes")


@contextlib.contextmanager
def holding(hive: Hive) -> Iterator[subprocess.Popen[bytes]]:
    """A process with the database's write lock."""
    code = (
        "import sqlite3, sys, time\n"
        "conn = sqlite3.connect(sys.argv[1], isolation_level=None)\n"
        "conn.execute('BEGIN IMMEDIATE')\n"
        "print(flush=True)\n"
        "time.sleep(600)\n"
    )
    with process(code, str(hive.database_file)) as holder:
        yield holder


@pytest.fixture
def office(hive: Hive, opened: Store) -> Iterator[PermitOffice]:
    with permit_office(hive, opened, utc_now) as made:
        yield made


async def in_flight(office: PermitOffice, key: str = "note:1") -> None:
    """A note whose request may be on its way."""
    token = await office.permit(NOTE, key)
    ledger: Ledger = office.ledger
    await office.check.verify_and_spend(
        token,
        office.bound(NOTE, key),
        also=lambda conn, permit: ledger.dispatch(conn, key, permit),
    )


@pytest.mark.parametrize("key", ["note:1", "stop:by-note"])  # a key is its caller's choice
async def test_a_write_whose_process_died_is_of_unknown_fate_at_once(
    hive: Hive, office: PermitOffice, key: str
) -> None:
    await in_flight(office, key)
    told = await stopped(pressed(hive, wait_s=60.0))
    assert told.facts["in_flight"] == {"at_first": 1, "ended": {"unknown": 1}, "left": 0}
    assert [one.what for one in told.residue] == ["in flight"]
    assert office.status(key) == "unknown"


async def test_a_write_that_ends_meanwhile_leaves_nothing_to_verify(
    hive: Hive, office: PermitOffice
) -> None:
    await in_flight(office)
    with running(hive, "ghl"):

        def end(line: Line) -> None:
            if line.step == "record":  # it is waited for from here on
                with office.store.transaction() as conn:
                    row = office.ledger.find(conn, "note:1")
                    assert row is not None
                    office.ledger.end(conn, "note:1", "sent", permit_id=row.permit_id)

        told = await stopped(pressed(hive, wait_s=60.0), seen=end)
    assert told.verified


async def test_a_write_that_does_not_end_in_time_is_named(hive: Hive, office: PermitOffice) -> None:
    with running(hive, "ghl"):
        await in_flight(office)
        told = await stopped(pressed(hive))
    assert told.facts["in_flight"]["left"] == 1
    assert "1 writes had begun and have not ended" in told.residue[0].text
    assert office.status("note:1") == "dispatching"


async def test_a_server_that_stands_still_is_ended_and_one_of_another_hive_is_not(
    hive: Hive, opened: Store, tmp_path: Path
) -> None:
    other = Hive.open(tmp_path / "other", sandbox=True)
    with running(hive, "instantly") as ours, running(other, "instantly") as theirs:
        for process in (ours, theirs):
            process.send_signal(signal.SIGSTOP)
        told = await stopped(pressed(hive))
        assert ours.wait(10) == -signal.SIGKILL
        assert theirs.poll() is None
    assert f"instantly (pid {ours.pid}) stood still: ended" in step(told, "processes")
    assert told.verified


async def test_one_that_runs_is_left_alone(hive: Hive, opened: Store) -> None:
    with running(hive, "ghl") as server:
        await stopped(pressed(hive))
        assert server.poll() is None


async def test_slack_that_is_down_is_told_of_and_stops_nothing(hive: Hive, opened: Store) -> None:
    nobody = {
        "SLACK_BOT_TOKEN": "xoxb-test", "SLACK_CHANNEL_ID": "C1",
        "SLACK_BASE_URL": "http://127.0.0.1:9/api/",
    }  # fmt: skip
    told = await stopped(pressed(hive), nobody)
    assert [one.what for one in told.residue] == ["Slack"]
    assert "nobody was told" in told.residue[0].text
    assert told.facts["row"]


async def test_a_stop_that_nothing_could_hold_says_so_first(hive: Hive, opened: Store) -> None:
    opened.close()
    for file in hive.path.glob("swarm.db*"):
        file.unlink()
    unplaced = replace(pressed(hive).placed, present=False, problem="read-only file system")
    with running(hive, "ghl") as server:
        told = await stopped(pressed(hive, placed=unplaced))
        assert server.wait(10) == -signal.SIGKILL, "it holds a key that writes"
    assert not told.machine_stopped
    assert last_word(told).strip().startswith("NOT STOPPED")


@contextlib.contextmanager
def running(hive: Hive, server: str) -> Iterator[subprocess.Popen[bytes]]:
    """A process that looks like this hive's server, to whoever lists processes."""
    code = "import time; print(flush=True); time.sleep(600)"
    with process(code, f"servers.{server}", HIVE_MIND_DIR=str(hive.path)) as server_:
        yield server_


@contextlib.contextmanager
def process(code: str, argument: str, **env: str) -> Iterator[subprocess.Popen[bytes]]:
    """Python that has said that it is ready; it ends with the block."""
    command = [sys.executable, "-c", code, argument]
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=env) as started:
        assert started.stdout is not None
        started.stdout.readline()
        try:
            yield started
        finally:
            started.kill()


def test_the_row_alone_is_a_stop_of_this_machine_as_well(hive: Hive, opened: Store) -> None:
    told = Told(str(hive.path), 0.0, lambda _line: None)
    with opened.transaction() as conn:
        raised = raise_row(conn, "x", "person:a", iso(utc_now()))
    told.facts |= {"file": False, "row": True, "epoch": raised.epoch}
    assert told.machine_stopped
