"""`swarm bank`: what it shows, and that acts need a reason and are on record."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from guardrails.audit import AuditLog
from guardrails.bank import Bank, Lesson, create_bank
from guardrails.clock import iso, utc_now
from guardrails.config import load_config
from guardrails.hive import Hive
from guardrails.lessons import record_lesson
from guardrails.model import Scope
from guardrails.store import Store, open_store
from orchestrator.cli import app

SCOPE = Scope(segment="saas", angle="hiring", persona="founder")
WHY = ("--reason", "I looked at it")


@pytest.fixture
def store(hive: Hive) -> Iterator[Store]:
    """A hive whose bank learned four bounces and one rejection."""
    config = load_config()
    create_bank(hive.bank_file, config.golden_set, clock=utc_now)
    bank = Bank.open(hive.bank_file, config.policy.bank, utc_now)
    bank.learn(*(lesson(number) for number in range(4)))
    bank.learn(
        lesson(9, outcome="rejection", reason_code="tone", actor="U-1", trust="human",
               text="Too pushy.")
    )  # fmt: skip
    opened = open_store(hive)
    yield opened
    opened.close()


def lesson(number: int, **changed: Any) -> Lesson:
    fields: dict[str, Any] = {
        "event_id": f"e-{number}", "at": utc_now(), "outcome": "hard_bounce",
        "actor": "instantly", "trust": "system", "lead_id": f"L-{number}", "scope": SCOPE,
        "template_hash": "a" * 16, "content_hash": f"{number:064x}",
    }  # fmt: skip
    return Lesson(**(fields | changed))


def bank(hive: Hive, *arguments: str) -> tuple[int, dict[str, Any]]:
    done = CliRunner().invoke(app, ["bank", *arguments, "--hive", str(hive.path), "--json"])
    return done.exit_code, json.loads(done.stdout)


def shown(hive: Hive, *arguments: str) -> str:
    done = CliRunner().invoke(app, ["bank", *arguments, "--hive", str(hive.path)])
    assert done.exit_code == 0, done.output
    return done.stdout


def failing(hive: Hive) -> str:
    _, found = bank(hive, "show")
    (item,) = (row for row in found["items"] if row["kind"] == "learned_failure")
    return str(item["id"])


def test_show_and_explain_tell_the_same_numbers(hive: Hive, store: Store) -> None:
    code, found = bank(hive, "show")
    (row,) = (row for row in found["items"] if row["kind"] == "learned_failure")
    assert (code, row["effect"]) == (0, "block")
    code, told = bank(hive, "explain", row["id"])
    assert (code, told["row"]) == (0, row)
    assert told["citation"]["probability"] == row["probability"]
    assert len(told["counted"]) == 5
    text = shown(hive, "explain", row["id"][:6])
    assert "Too pushy." in text
    assert "Would pass if" in text
    assert "HR-" in shown(hive, "show")
    for kind in ("hard_rule", "golden"):
        name = next(one["id"] for one in found["items"] if one["kind"] == kind)
        assert name in shown(hive, "explain", name)


def test_an_act_is_done_once_it_is_on_record(hive: Hive, store: Store) -> None:
    name = failing(hive)
    code, done = bank(hive, "release", name, *WHY)
    assert (code, done["row"]["effect"]) == (0, "review")
    record = AuditLog(hive, store, utc_now).find(done["audit_id"])
    assert record is not None
    assert record["actor"].startswith("person:")
    assert record["body"]["reason"] == "I looked at it"
    code, done = bank(hive, "retire", name, *WHY)
    assert (code, done["item"]["status"]) == (0, "retired")


@pytest.mark.parametrize(
    "arguments",
    [
        ("retire", "LF-", "--reason", " "),
        ("retire", "LF-nothing", *WHY),
        ("promote", "LF-", *WHY),
        ("explain", "GS-"),
        ("label", "A-nothing", "--would-send", *WHY),
        ("promote-success", "send:A-nothing", *WHY),
        ("learned", "--since", "soon"),
    ],
)
def test_what_cannot_be_meant_is_refused_with_a_remedy(
    hive: Hive, store: Store, arguments: tuple[str, ...]
) -> None:
    code, told = bank(hive, *arguments)
    assert code == 2
    assert told["error"]["remedy"]
    assert AuditLog(hive, store, utc_now).head().seq == 0


def test_learned_says_when_and_from_whom_and_what_still_waits(hive: Hive, store: Store) -> None:
    code, found = bank(hive, "learned", "--since", "1h")
    assert (code, len(found["learned"]), found["waiting"]) == (0, 5, 0)
    rejected = next(one for one in found["learned"] if one["outcome"] == "rejection")
    assert (rejected["who"], rejected["text"], rejected["trust"]) == ("U-1", "Too pushy.", "human")
    assert {item[0][:2] for item in rejected["items"]} == {"HR", "LF"}
    with store.transaction() as conn:
        record_lesson(conn, lesson(20), iso(utc_now()))
    assert bank(hive, "learned")[1]["waiting"] == 1
    with store.transaction() as conn:
        conn.exec_driver_sql("UPDATE lessons SET document = '{}'")
    code, found = bank(hive, "learned")
    assert (code, found["unreadable"]) == (1, ["e-20"])
    assert "Too pushy." in CliRunner().invoke(
        app, ["bank", "learned", "--hive", str(hive.path)]
    ).stdout  # fmt: skip


def test_precision_is_unknown_until_somebody_says_something(hive: Hive, store: Store) -> None:
    assert "unknown" in shown(hive, "precision")
    code, found = bank(hive, "precision")
    assert (code, found["share"], found["interval"], found["blocked"]) == (0, None, None, 0)


def test_golden_lists_patterns_with_their_source(hive: Hive, store: Store) -> None:
    _, found = bank(hive, "golden")
    assert {item["kind"] for item in found["items"]} == {"golden"}
    text = shown(hive, "golden")
    assert all(item["id"] in text for item in found["items"])
    assert {one["actor"] for item in found["items"] for one in item["evidence"]} == {
        "config/golden_set.json"
    }


def test_an_unreadable_bank_is_said_and_never_an_empty_one(hive: Hive, store: Store) -> None:
    hive.bank_file.write_bytes(b"{")
    for command in (("show",), ("learned",), ("golden",), ("retire", "x", *WHY)):
        code, told = bank(hive, *command)
        assert (code, told["error"]["code"]) == (1, "bank_unreadable")


def test_a_hive_that_is_not_there_is_not_created_by_looking(tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    done = CliRunner().invoke(app, ["bank", "show", "--hive", str(gone), "--json"])
    assert done.exit_code == 2
    assert not gone.exists()
