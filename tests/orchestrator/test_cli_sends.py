"""`swarm sends`: what was written, what nobody can tell, and a person's word that is on record."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update
from typer.testing import CliRunner

from guardrails.audit import AuditLog
from guardrails.clock import iso, utc_now
from guardrails.config import load_config
from guardrails.hive import Hive
from guardrails.ledger import Ledger
from guardrails.model import WriteAction, WriteIntent
from guardrails.store import Store, open_store
from guardrails.store.write_tables import deliveries, writes
from orchestrator.cli import app
from orchestrator.deliveries import queue

KEY = "send:A-1"
WORD = ("--reason", "seen in the conversation")


@pytest.fixture
def opened(hive: Hive) -> Iterator[Store]:
    """A hive with one e-mail of unknown fate and one tag that was written."""
    store = open_store(hive)
    ledger = Ledger.of(load_config().production, store, utc_now, hive.salt())
    mail = WriteIntent(vendor="ghl", action=WriteAction.SEND_EMAIL, recipient="a@b.example",
                       content={})  # fmt: skip
    tag = WriteIntent(vendor="ghl", action=WriteAction.ADD_TAGS, recipient="contact:1", content={})
    with store.transaction() as conn:
        queue(conn, "A-1", "L-1", "R-1", 1, iso(utc_now()))
        whose = {"lead_id": "L-1", "run_id": "R-1"}
        entry = ledger.entry(KEY, mail, mailbox="m@us.example", to="a@b.example", tier=1, **whose)
        ledger.claim(conn, entry)
        ledger.claim(conn, ledger.entry("tags:A-1", tag, **whose))
        for key, status in ((KEY, "unknown"), ("tags:A-1", "sent")):
            conn.execute(update(writes).where(writes.c.key == key).values(status=status))
        conn.execute(update(deliveries).values(state="unknown"))
    yield store
    store.close()


def sends(hive: Hive, *arguments: str) -> tuple[int, dict[str, Any]]:
    done = CliRunner().invoke(app, ["sends", *arguments, "--hive", str(hive.path), "--json"])
    return done.exit_code, json.loads(done.stdout)


def state(store: Store) -> tuple[str, str | None]:
    with store.read() as conn:
        row = conn.execute(deliveries.select()).one()
        return row.state, row.not_before


def test_the_list_says_by_its_exit_code_that_something_is_unknown(
    hive: Hive, opened: Store
) -> None:
    code, found = sends(hive, "list")
    assert (code, found["unknown"]) == (1, 1)
    assert {write["key"]: write["status"] for write in found["writes"]} == {
        KEY: "unknown", "tags:A-1": "sent",
    }  # fmt: skip
    assert "a@b.example" not in json.dumps(found)
    code, found = sends(hive, "list", "--status", "sent")
    assert [write["key"] for write in found["writes"]] == ["tags:A-1"]
    assert sends(hive, "list", "--status", "lost")[0] == 2


def test_what_happened_by_a_persons_word_is_sent_and_its_follow_ups_are_open(
    hive: Hive, opened: Store
) -> None:
    code, done = sends(hive, "resolve", KEY, "--happened", *WORD)
    assert (code, done["status"]) == (0, "sent")
    now, not_before = state(opened)
    assert (now, not_before is not None) == ("sent", True)
    assert sends(hive, "unknown") == (0, {"writes": [], "unknown": 0})
    record = AuditLog(hive, opened, utc_now).find(done["audit_id"])
    assert record is not None
    assert record["actor"].startswith("person:")
    assert record["body"] == {
        "send_resolved": KEY, "happened": True, "reason": "seen in the conversation",
    }  # fmt: skip


def test_what_did_not_happen_has_failed_for_good(hive: Hive, opened: Store) -> None:
    code, done = sends(hive, "resolve", KEY, "--did-not-happen", *WORD)
    assert (code, done["status"]) == (0, "failed")
    assert state(opened)[0] == "failed"
    assert sends(hive, "resolve", KEY, "--happened", *WORD)[0] == 2


@pytest.mark.parametrize(
    "arguments",
    [
        ("tags:A-1", "--happened", *WORD),
        ("send:A-9", "--happened", *WORD),
        (KEY, "--happened", "--reason", " "),
    ],
)
def test_without_a_reason_or_an_unknown_fate_nothing_is_recorded(
    hive: Hive, opened: Store, arguments: tuple[str, ...]
) -> None:
    assert sends(hive, "resolve", *arguments)[0] == 2
    assert AuditLog(hive, opened, utc_now).head().seq == 0
    assert state(opened)[0] == "unknown"


def test_new_twins_are_not_asked_what_others_were_sent(hive: Hive, opened: Store) -> None:
    code, told = sends(hive, "reconcile", "--sandbox")
    assert (code, told["error"]["code"]) == (2, "config_invalid")


def test_a_hive_that_is_not_there_is_not_created_by_looking(tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    done = CliRunner().invoke(app, ["sends", "--hive", str(gone), "--json"])
    assert done.exit_code == 2
    assert not gone.exists()
