"""`swarm approvals` without Slack: the same word, the same record, the same answers."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import select
from typer.testing import CliRunner

from guardrails.approval_model import Approval
from guardrails.audit import AuditLog
from guardrails.clock import utc_now
from guardrails.hive import Hive
from guardrails.model import Mode
from guardrails.store import open_store
from guardrails.store.people_tables import approvals
from orchestrator.approvals.desk import split_text
from orchestrator.cli import app
from tests.conftest import SteppableClock
from tests.decision_samples import DRAFT, new_bank
from tests.guardrails.approval_samples import Assisted, Waiting
from tests.guardrails.authorize_samples import EMAIL, in_mode

ADA = ("--as", "Ana Approver")


@pytest.fixture
def asked(hive: Hive, monkeypatch: pytest.MonkeyPatch) -> Iterator[Approval]:
    """One e-mail that waits, in a hive that nobody works on."""
    monkeypatch.chdir(hive.path)  # no .env of the developer's
    for name in ("SWARM_DATABASE_URL", "SLACK_APPROVER_IDS", "SWARM_APPROVER"):
        monkeypatch.delenv(name, raising=False)
    clock = SteppableClock()
    clock.now = utc_now()
    store = open_store(hive)
    audit = AuditLog(hive, store, clock)
    desk = Assisted(hive, store, clock, audit, new_bank(hive, clock), in_mode(Mode.ASSISTED))
    yield asyncio.run(Waiting(desk).asked())
    audit.close()
    store.close()


def said(hive: Hive, *words: str, code: int = 0) -> dict[str, object]:
    result = CliRunner().invoke(app, ["approvals", *words, "--hive", str(hive.path), "--json"])
    assert result.exit_code == code, result.output
    found: dict[str, object] = json.loads(result.stdout)
    return found


def shown(hive: Hive, *words: str, code: int = 0) -> str:
    result = CliRunner().invoke(app, ["approvals", *words, "--hive", str(hive.path)])
    assert result.exit_code == code, result.output
    return result.stdout


def answer(document: dict[str, object]) -> str:
    (one,) = document["answers"]  # type: ignore[misc]
    return str(one["answer"])


def test_the_queue_and_one_case_show_all_that_is_needed_to_decide(
    hive: Hive, asked: Approval
) -> None:
    (row,) = said(hive, "list")["approvals"]  # type: ignore[misc]
    assert (row["approval_id"], row["state"]) == (asked.approval_id, "waiting")
    assert "first of" in shown(hive, "list").replace("\n", " ")
    told = shown(hive, "show", asked.approval_id)
    for needed in (EMAIL, DRAFT.subject, "a Data Analyst", "checks passed", "northwind.example"):
        assert needed in told
    case = said(hive, "show", asked.approval_id)
    assert (case["body"], case["to"]) == (DRAFT.body, EMAIL)


def test_a_queue_that_is_not_shown_whole_says_so(hive: Hive, asked: Approval) -> None:
    store = open_store(hive)
    with store.transaction() as conn:
        row = dict(conn.execute(select(approvals)).mappings().one())
        other = row | {"approval_id": "AP-2", "decision_audit_id": "A-2"}
        conn.execute(approvals.insert().values(other))
    store.close()
    told = said(hive, "list", "--limit", "1")
    assert (len(told["approvals"]), told["waiting"]) == (1, 2)  # type: ignore[arg-type]
    assert "2 wait in all" in shown(hive, "list", "--limit", "1")
    assert "in all" not in shown(hive, "list")


def test_a_yes_is_a_yes_once(hive: Hive, asked: Approval) -> None:
    assert answer(said(hive, "approve", asked.approval_id, *ADA)) == "done"
    assert answer(said(hive, "approve", asked.approval_id, *ADA, code=1)) == "already"
    assert said(hive, "list") == {"approvals": [], "waiting": 0}
    (row,) = said(hive, "list", "--all")["approvals"]  # type: ignore[misc]
    assert (row["state"], row["ended_via"]) == ("approved", "cli")


def test_a_no_is_in_the_bank_when_the_command_returns(hive: Hive, asked: Approval) -> None:
    no = ("reject", asked.approval_id, *ADA, "--reason", "tone", "--text", "Too familiar.")
    assert answer(said(hive, *no)) == "done"
    bank = json.loads(hive.bank_file.read_text())
    learned = [
        item["kind"]
        for item in bank["items"]
        if any(e["event_id"] == f"rejection:{asked.approval_id}" for e in item["evidence"])
    ]
    assert sorted(learned) == ["hard_rule", "hard_rule", "learned_failure"]


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("approve", "AP-none", *ADA), 2),
        (("approve", "{id}", "--as", "Nobody"), 2),
        (("reject", "{id}", *ADA, "--reason", "dislike"), 2),
        (("reject", "{id}", *ADA, "--reason", "other"), 2),
        (("show", "AP-none"), 2),
    ],
)
def test_what_cannot_be_done_is_said_with_its_remedy_and_changes_nothing(
    hive: Hive, asked: Approval, words: tuple[str, ...], code: int
) -> None:
    told = said(hive, *(word.format(id=asked.approval_id) for word in words), code=code)
    assert told["error"]["remedy"]  # type: ignore[index]
    assert len(said(hive, "list")["approvals"]) == 1  # type: ignore[arg-type]


def test_several_at_once_leave_out_what_needs_a_look(hive: Hive, asked: Approval) -> None:
    told = said(hive, "approve", asked.approval_id, "AP-none", *ADA, code=3)
    kinds = [one["answer"] for one in told["answers"]]  # type: ignore[attr-defined]
    assert kinds == ["not_permitted", "not_found"]


def test_an_edit_is_handed_to_the_queen(hive: Hive, asked: Approval, tmp_path: Path) -> None:
    text = tmp_path / "new.txt"
    text.write_text("Subject: Hiring, and AI\n\nHi Ana,\n\nAnother text.\n")
    handed = said(hive, "edit", asked.approval_id, *ADA, "--file", str(text))
    assert str(handed["edit"]).startswith("edit:")
    store = open_store(hive)
    with store.read() as conn:
        row = conn.exec_driver_sql("SELECT id, source, state, body FROM inbox").one()
    store.close()
    assert (row.id, row.source, row.state) == (handed["edit"], "edit", "new")
    assert json.loads(row.body)["subject"] == "Hiring, and AI"


def test_an_edited_file_is_a_subject_and_a_body() -> None:
    assert split_text("Subject: A\n\nHi,\n\nB\n") == ("A", "Hi,\n\nB\n")
    assert split_text("A\r\nB") == ("A", "B\n")
    for torn in ("", "only a subject", "Subject:\n\nbody"):
        with pytest.raises(Exception, match="subject and body"):
            split_text(torn)
