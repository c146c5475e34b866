"""The ground: hive, database, bank, record, locks, clock, cap, monitor, button, copies."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select

from guardrails.brakes.stop_raise import record_stop
from guardrails.errors import StoreUnavailable, SwarmError
from guardrails.heartbeats import Beating, ended_word, put
from guardrails.model import Mode
from guardrails.store.tables import documents
from orchestrator.preflight import ground as looks
from orchestrator.preflight import sleep
from orchestrator.preflight.ground import Ground
from orchestrator.preflight.model import SPECS, Findings, fail, ok, warn
from tests.orchestrator.preflight.conftest import Yard

pytestmark = pytest.mark.anyio


def owned(path: Path) -> None:
    """As the command line's umask would have left it."""
    for one in path.rglob("*"):
        one.chmod(0o700 if one.is_dir() else 0o600)


def test_a_hive_that_others_may_read_is_named(yard: Yard) -> None:
    ground = yard.ground()
    owned(ground.hive.path)
    assert looks.check_hive(ground).result == "ok"
    key = ground.hive.keys_dir / "permit.key"
    key.write_text("x")
    key.chmod(0o640)
    found = looks.check_hive(ground)
    assert (found.result, found.seen) == ("fail", "open to others: permit.key (0640)")
    assert found.do == f"chmod -R go-rwx {ground.hive.path}"


def test_the_database_is_written_to_and_nothing_stays(yard: Yard) -> None:
    ground = yard.ground()
    assert looks.check_database(ground).seen == "sqlite, writable, schema 5"
    with ground.store.read() as conn:
        assert conn.execute(select(func.count()).select_from(documents)).scalar_one() == 0


def test_a_database_that_is_away_is_an_answer_and_the_rest_is_still_asked(yard: Yard) -> None:
    away: SwarmError = StoreUnavailable("database: locked")
    here = yard.ground()
    ground = Ground(here.hive, here.config, here.environment, away, here.clock, here.versions)
    assert looks.no_database(away).result == "fail"
    assert looks.check_disk(ground).holds
    with pytest.raises(StoreUnavailable):
        looks.check_audit(ground)


async def test_a_torn_bank_and_a_broken_record_are_named(yard: Yard) -> None:
    await yard.decided(0)
    ground = yard.ground()
    assert looks.check_bank(ground).result == "ok"
    assert looks.check_audit(ground).result == "ok"
    [file] = ground.hive.audit_dir.glob("*.jsonl")
    file.write_bytes(file.read_bytes().replace(b'"review"', b'"revieW"'))
    found = looks.check_audit(ground)
    assert (found.result, "line 1, record 1" in found.seen) == ("fail", True)
    ground.hive.bank_file.write_text("{")
    with pytest.raises(SwarmError):
        looks.check_bank(ground)


def test_locks_hold_on_this_disk(yard: Yard) -> None:
    assert looks.check_machine(yard.ground()).holds
    assert not list(yard.desk.hive.path.glob(".preflight-*"))


def test_failure_injection_is_not_for_earning_a_mode(yard: Yard) -> None:
    assert looks.check_config(yard.ground()).result == "ok"
    config = yard.desk.config
    chaos = config.production.failure_injection.model_copy(update={"enabled": True})
    production = config.production.model_copy(update={"failure_injection": chaos})
    yard.desk.config = config.model_copy(update={"production": production})
    assert looks.check_config(yard.ground()).result == "fail"


def test_a_clock_that_nobody_confirms_is_unknown(yard: Yard) -> None:
    yard.environment = {"SLACK_BASE_URL": "http://127.0.0.1:9"}  # nobody listens there
    assert looks.check_clock(yard.ground()).result == "unknown"


@pytest.mark.parametrize(
    ("cap", "clay", "result"),
    [(50_000_000, 50_000_000, "ok"), (50_000_001, 1, "fail"), (0, 1, "warn"), (1, 0, "warn")],
)
def test_the_cap_is_set_and_sane(yard: Yard, cap: int, clay: int, result: str) -> None:
    config = yard.desk.config
    caps = {"clay": clay, "rb2b": 1}
    spend = config.production.spend.model_copy(
        update={"daily_cap_micros": cap, "vendor_daily_cap_micros": caps}
    )
    production = config.production.model_copy(update={"spend": spend})
    yard.desk.config = config.model_copy(update={"production": production})
    found = sleep.check_spend_cap(yard.ground())
    assert found.result == result
    assert "Clay's own limit cannot be relied on" in found.seen


def test_the_monitor_counts_while_it_is_heard(yard: Yard) -> None:
    now = yard.desk.clock
    assert sleep.check_monitor(yard.ground(), now).seen == "it has never run here"

    def beat(word: Any = None) -> None:
        row = Beating(None, "monitor", now, 30, host="here").row(word)
        with yard.desk.store.transaction() as conn:
            put(conn, row)

    beat()
    assert sleep.check_monitor(yard.ground(), now).result == "ok"
    now.step(91)
    assert sleep.check_monitor(yard.ground(), now).seen.endswith("silent")
    beat(ended_word(now))
    assert sleep.check_monitor(yard.ground(), now).seen.endswith("it has ended")


async def test_the_red_button_counts_when_all_of_it_was_verified_lately(yard: Yard) -> None:
    desk = yard.desk
    assert "not tried in the last 30 days" in sleep.check_red_button(yard.ground()).seen

    async def press(*, verified: bool) -> None:
        body = {"verified": verified, "residue": [] if verified else ["campaigns"]}
        await record_stop(desk.audit, "pressed", "person:ops", {"reason": "drill"})
        await record_stop(desk.audit, "result", "person:ops", {"reason": "drill"} | body)

    await press(verified=False)
    found = sleep.check_red_button(yard.ground())
    assert (found.result, "not verified: campaigns" in found.seen) == ("fail", True)
    desk.clock.step(60)
    await press(verified=True)
    assert sleep.check_red_button(yard.ground()).result == "ok"
    desk.clock.step(days=29)
    assert sleep.check_red_button(yard.ground()).result == "ok"
    desk.clock.step(days=2)
    assert sleep.check_red_button(yard.ground()).result == "fail"


def test_copies_of_the_hive_are_looked_for_where_config_says(yard: Yard, tmp_path: Path) -> None:
    place = tmp_path / "copies"
    assert sleep.check_backup(yard.ground()).result == "warn"
    assert sleep.check_backup(yard.ground(backup_dir=str(place))).result == "unknown"
    place.mkdir()
    assert sleep.check_backup(yard.ground(backup_dir=str(place))).result == "fail"
    (place / "hive.tar").write_text("x")
    assert sleep.check_backup(yard.ground(backup_dir=str(place))).result == "ok"
    old = (datetime.now(UTC) - timedelta(days=3)).timestamp()
    os.utime(place / "hive.tar", (old, old))
    assert sleep.check_backup(yard.ground(backup_dir=str(place))).result == "fail"


def test_what_nobody_answered_is_unknown_and_keeps_the_mode_shut() -> None:
    found = Findings.of([ok("spf", "v=spf1 -all"), warn("rb2b_key", "", "")], None)
    assert [check.name for check in found.checks] == list(SPECS)
    assert "audit" in {check.name for check in found.missing(Mode.SHADOW)}
    assert "spf" not in {check.name for check in found.missing(Mode.ASSISTED)}
    with pytest.raises(KeyError):
        Findings.of([fail("no_such_check", "", "")], None)


def test_a_named_command_means_this_hive(yard: Yard) -> None:
    ground = yard.ground()
    assert ground.flags == f" --sandbox --hive {ground.hive.path}"
