"""The one door: what it records, what it returns, and that it decides once."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from guardrails.audit import AuditLog
from guardrails.bank import Bank, Lesson
from guardrails.bank.file import backup_of
from guardrails.bootstrap_hive import ensure_hive
from guardrails.brakes.stop import StopSwitch
from guardrails.config import Config, load_config
from guardrails.errors import AuditBroken, NotFound, Stopped
from guardrails.gate import Gate
from guardrails.hive import Hive
from guardrails.identity import subject_hash
from guardrails.model import (
    Decision,
    Dossier,
    Draft,
    LeadState,
    Mode,
    Qualification,
    Reason,
    Recollection,
    Verdict,
)
from guardrails.replay import replay
from guardrails.store import Store, insert_if_absent
from guardrails.store.tables import documents, suppressions
from tests.conftest import SteppableClock
from tests.decision_samples import (
    BODY,
    CONFIG,
    DOSSIER,
    DRAFT,
    QUALIFICATION,
    SENDER,
    dossier,
    draft,
    new_bank,
)

pytestmark = pytest.mark.anyio


@dataclass(frozen=True)
class Request:
    """What the gate is asked; any object with these attributes will do."""

    run_id: str = "run-1"
    dossier: Dossier = DOSSIER
    qualification: Qualification | None = QUALIFICATION
    draft: Draft | None = DRAFT
    notes: tuple[Reason, ...] = ()


@dataclass(frozen=True)
class Row:
    """A rejected row."""

    row: int
    lead_id: str = "L-0000000000000000000f"
    state: str = "invalid"
    reasons: tuple[Reason, ...] = field(
        default=(Reason(code="no_email", text="no address in a.b@firm.example", field="email"),)
    )


@pytest.fixture(scope="module")
def config() -> Config:
    return load_config(CONFIG)


@pytest.fixture
def audit(hive: Hive, sqlite_store: Store, clock: SteppableClock) -> Iterator[AuditLog]:
    log = AuditLog(hive, sqlite_store, clock)
    yield log
    log.close()


@pytest.fixture
def bank(hive: Hive, clock: SteppableClock) -> Bank:
    return new_bank(hive, clock)


def in_mode(config: Config, mode: Mode) -> Config:
    production = config.production.model_copy(update={"mode": mode})
    return config.model_copy(update={"production": production})


@pytest.fixture
def gate(
    config: Config,
    hive: Hive,
    sqlite_store: Store,
    audit: AuditLog,
    bank: Bank,
    clock: SteppableClock,
) -> Gate:
    stop = StopSwitch(hive, sqlite_store)
    return Gate(config, hive, sqlite_store, audit, bank, stop, clock, sender=SENDER)


def lines(hive: Hive) -> list[dict[str, Any]]:
    """Every audit record in the files."""
    found = []
    for file in sorted(hive.audit_dir.glob("*.jsonl")):
        found += [json.loads(line) for line in file.read_text("utf-8").splitlines()]
    return found


async def test_a_clean_draft_is_shadow_logged_with_everything_on_record(
    gate: Gate, hive: Hive, audit: AuditLog
) -> None:
    decision = await gate.review(Request())
    assert (decision.verdict, decision.state) == (Verdict.PASS, LeadState.SHADOW_LOGGED)
    assert decision.reasons == ()
    (record,) = lines(hive)
    assert record["audit_id"] == decision.audit_id
    assert record["hash"] == decision.audit_hash
    assert record["decision_id"] == decision.decision_id
    assert record["body"]["content_hash"] == DRAFT.content_hash(str(DOSSIER.lead.email))
    assert [check["rule"] for check in record["body"]["checks"]] == [
        check.rule for check in decision.checks
    ]
    assert audit.verify().ok


async def test_the_record_names_nobody_and_holds_no_text_of_the_draft(
    gate: Gate, hive: Hive
) -> None:
    notes = dossier({"do_not_contact": "Ana Reyes said no to ana.reyes@northwind.example"})
    await gate.review(Request(dossier=notes))
    await gate.record_intake("run-1", [Row(1)])
    text = json.dumps(lines(hive))
    for secret in ("@", "Ana", "Reyes", DRAFT.subject, "I saw that"):
        assert secret not in text


@pytest.mark.parametrize(
    ("mode", "state"),
    [
        (Mode.SHADOW, LeadState.SHADOW_LOGGED),
        (Mode.ASSISTED, LeadState.AWAITING_APPROVAL),
        (Mode.LIVE, LeadState.READY),
    ],
)
async def test_the_mode_decides_what_a_pass_means(
    config: Config,
    hive: Hive,
    sqlite_store: Store,
    audit: AuditLog,
    bank: Bank,
    clock: SteppableClock,
    mode: Mode,
    state: LeadState,
) -> None:
    stop = StopSwitch(hive, sqlite_store)
    gate = Gate(in_mode(config, mode), hive, sqlite_store, audit, bank, stop, clock, sender=SENDER)
    assert (await gate.review(Request())).state is state
    blocked = await gate.review(Request(draft=draft(subject="Re: you")))
    assert blocked.state is LeadState.BLOCKED


async def test_asking_again_gives_the_same_decision_and_one_record(
    gate: Gate, hive: Hive, clock: SteppableClock
) -> None:
    first = await gate.review(Request())
    clock.step(days=200)  # by now the evidence is stale: what was decided stands
    assert await gate.review(Request()) == first
    assert len(lines(hive)) == 1


async def test_many_asking_at_once_get_one_decision(gate: Gate, hive: Hive) -> None:
    decisions = await asyncio.gather(*(gate.review(Request()) for _ in range(12)))
    assert len({decision.model_dump_json() for decision in decisions}) == 1
    assert len(lines(hive)) == 1


async def test_another_text_lead_or_run_is_another_decision(gate: Gate) -> None:
    asked = [
        Request(),
        Request(draft=draft(body=BODY + "\n.")),
        Request(run_id="run-2"),
        Request(dossier=dossier({"email": "bo.lind@northwind.example"})),
        Request(draft=None),
    ]
    decisions = [await gate.review(request) for request in asked]
    assert len({decision.decision_id for decision in decisions}) == len(asked)


async def test_a_lead_without_a_draft_waits_with_the_reasons_given(gate: Gate) -> None:
    note = Reason(code="no_template", text="Nothing fits.")
    decision = await gate.review(Request(draft=None, notes=(note,)))
    assert decision.state is LeadState.DEFERRED
    assert [reason.code for reason in decision.reasons] == ["no_template"]
    assert decision.bank is None


async def test_reasons_stand_with_the_most_severe_first(gate: Gate) -> None:
    spoiled = dossier({"title": "Intern", "customer": True}, crm=None)
    decision = await gate.review(Request(dossier=spoiled, draft=draft(subject="short")))
    severities = [
        next(c.verdict.severity for c in decision.checks if c.code == reason.code)
        for reason in decision.reasons
    ]
    assert severities == sorted(severities, reverse=True)
    assert decision.reasons[0].code == "customer"
    assert decision.state is LeadState.DISQUALIFIED


@pytest.mark.parametrize(
    "listed",
    ["ana.reyes@northwind.example", "northwind.example", "ANA.REYES@Northwind.EXAMPLE"],
)
async def test_a_suppressed_person_or_company_is_disqualified(
    gate: Gate, hive: Hive, sqlite_store: Store, listed: str
) -> None:
    values = {
        "subject_hash": subject_hash(hive.salt(), listed),
        "kind": "email" if "@" in listed else "domain",
        "reason": "unsubscribe",
        "source": "instantly",
        "created_at": "2026-01-01T00:00:00.000000Z",
    }
    await sqlite_store.run(lambda conn: insert_if_absent(conn, suppressions, values))
    tagged = dossier({"email": "ana.reyes+tag@mail.northwind.example"})
    same_company = "@" not in listed
    exact = await gate.review(Request())
    related = await gate.review(Request(dossier=tagged))
    assert exact.state is LeadState.DISQUALIFIED
    assert (related.state is LeadState.DISQUALIFIED) is same_company


async def test_a_plus_tag_does_not_escape_a_suppression(
    gate: Gate, hive: Hive, sqlite_store: Store
) -> None:
    values = {
        "subject_hash": subject_hash(hive.salt(), "ana.reyes@northwind.example"),
        "kind": "email",
        "reason": "unsubscribe",
        "source": "reply",
        "created_at": "2026-01-01T00:00:00.000000Z",
    }
    await sqlite_store.run(lambda conn: insert_if_absent(conn, suppressions, values))
    tagged = dossier({"email": "Ana.Reyes+news@northwind.example"})
    assert (await gate.review(Request(dossier=tagged))).state is LeadState.DISQUALIFIED


async def test_a_stopped_swarm_decides_nothing_and_goes_on_after_it(
    gate: Gate, hive: Hive, audit: AuditLog
) -> None:
    hive.stop_file.write_text("fire drill\n")
    with pytest.raises(Stopped, match="fire drill"):
        await gate.review(Request())
    assert audit.head().seq == 0
    hive.stop_file.unlink()
    assert (await gate.review(Request())).state is LeadState.SHADOW_LOGGED


async def test_a_rejection_blocks_the_same_template_to_the_same_lead(
    gate: Gate, bank: Bank, clock: SteppableClock
) -> None:
    bank.learn(
        Lesson(
            event_id="e-1",
            at=clock(),
            outcome="rejection",
            reason_code="tone",
            actor="approver 1",
            trust="human",
            lead_id=DOSSIER.lead.lead_id,
            scope=DRAFT.scope,
            template_hash=DRAFT.template_hash,
        )
    )
    decision = await gate.review(Request())
    assert decision.state is LeadState.BLOCKED
    assert [reason.code for reason in decision.reasons] == ["bank_hard_rule"]
    assert decision.bank is not None
    assert decision.bank.citations[0].evidence == ("e-1",)


async def test_the_sending_time_lies_in_the_recipients_hours(
    gate: Gate, clock: SteppableClock
) -> None:
    inside = await gate.review(Request())
    assert inside.would_send_at == clock()
    clock.step(days=4)  # Saturday
    weekend = await gate.review(Request(run_id="run-2"))
    assert weekend.would_send_at is not None
    assert weekend.would_send_at - clock() == timedelta(days=1, hours=22)  # Monday, 08:00 there
    blocked = await gate.review(Request(draft=draft(subject="Re: you")))
    assert blocked.would_send_at is None


async def test_rejected_rows_are_on_record_once(gate: Gate, hive: Hive) -> None:
    rows = [Row(1), Row(2, state="duplicate")]
    first = await gate.record_intake("run-1", rows)
    again = await gate.record_intake("run-1", [*rows, Row(3)])
    assert [ref.audit_id for _, ref in again[:2]] == [ref.audit_id for _, ref in first]
    assert [line["body"]["row"] for line in lines(hive)] == [1, 2, 3]
    assert await gate.record_intake("run-1", []) == []


async def test_a_replay_gives_the_recorded_verdict_long_after_everything_changed(
    gate: Gate, audit: AuditLog, sqlite_store: Store, bank: Bank, clock: SteppableClock
) -> None:
    decided = [
        await gate.review(Request()),
        await gate.review(Request(draft=draft(subject="Re: you"))),
        await gate.review(Request(draft=None)),
        await gate.review(Request(dossier=dossier({"title": "Intern"}))),
        *[
            await gate.review(Request(run_id=f"memory-{number}", dossier=dossier(memory=memory)))
            for number, memory in enumerate(
                (
                    Recollection(answered=False, why="no answer within 1.5 s"),
                    Recollection(answered=True, suppressed="opt_out"),
                )
            )
        ],
    ]
    assert [one.state for one in decided[-2:]] == [LeadState.SHADOW_LOGGED, LeadState.BLOCKED]
    for n in range(5):  # the bank learns to block this pattern
        bank.learn(
            Lesson(
                event_id=f"e-{n}",
                at=clock(),
                outcome="rejection",
                reason_code="tone",
                actor="approver 1",
                trust="human",
                lead_id=f"L-{n}",
                scope=DRAFT.scope,
                template_hash=DRAFT.template_hash,
            )
        )
    clock.step(days=400)
    for decision in decided:
        found = replay(audit, sqlite_store, decision.decision_id)
        assert found.same, found.differences
        assert found.recorded == f"{decision.verdict.value} ({decision.state.value})"


async def test_a_replay_notices_tampered_and_erased_inputs(
    gate: Gate, audit: AuditLog, sqlite_store: Store
) -> None:
    decision = await gate.review(Request())
    change = documents.update().where(documents.c.digest == decision.inputs_digest)
    with sqlite_store.transaction() as conn:
        conn.execute(change.values(document="{}"))
    with pytest.raises(AuditBroken):
        replay(audit, sqlite_store, decision.audit_id)
    with sqlite_store.transaction() as conn:
        conn.execute(change.values(document=None))
    with pytest.raises(NotFound, match="erased"):
        replay(audit, sqlite_store, decision.audit_id)


async def test_inputs_are_kept_by_digest_and_the_policy_once(
    gate: Gate, sqlite_store: Store
) -> None:
    first = await gate.review(Request())
    await gate.review(Request(run_id="run-2"))
    with sqlite_store.read() as conn:
        rows = conn.execute(select(documents.c.kind, documents.c.lead_id, documents.c.digest)).all()
    kinds = sorted(row.kind for row in rows)
    assert kinds == ["decision_inputs", "decision_inputs", "policy"]
    kept = {row.digest: row.lead_id for row in rows}
    assert kept[first.inputs_digest] == DOSSIER.lead.lead_id


async def test_both_databases_decide_and_replay_alike(
    config: Config, hive: Hive, store: Store, bank: Bank, clock: SteppableClock
) -> None:
    audit = AuditLog(hive, store, clock)
    gate = Gate(config, hive, store, audit, bank, StopSwitch(hive, store), clock, sender=SENDER)
    try:
        first, again = await asyncio.gather(gate.review(Request()), gate.review(Request()))
        assert first == again == await gate.review(Request())
        assert first.state is LeadState.SHADOW_LOGGED
        assert replay(audit, store, first.audit_id).same
    finally:
        audit.close()


def test_a_new_hive_gets_a_bank_and_a_robbed_one_does_not(
    tmp_path: Path, config: Config, clock: SteppableClock
) -> None:
    hive = ensure_hive(tmp_path / "h", True, config, clock)
    assert hive.bank_file.exists()
    before = hive.bank_file.read_bytes()
    ensure_hive(tmp_path / "h", True, config, clock)
    assert hive.bank_file.read_bytes() == before
    hive.database_file.touch()
    hive.bank_file.unlink()
    ensure_hive(tmp_path / "h", True, config, clock)
    assert not hive.bank_file.exists()


def test_a_crash_while_the_first_bank_is_made_is_mended(
    tmp_path: Path, config: Config, clock: SteppableClock
) -> None:
    hive = ensure_hive(tmp_path / "h", True, config, clock)
    whole = hive.bank_file.read_bytes()
    hive.bank_file.rename(backup_of(hive.bank_file))  # killed between backup and bank
    ensure_hive(tmp_path / "h", True, config, clock)
    assert hive.bank_file.read_bytes() == whole


def test_a_hive_with_an_audit_and_a_database_elsewhere_is_not_new(
    tmp_path: Path, config: Config, clock: SteppableClock
) -> None:
    hive = Hive.open(tmp_path / "h", sandbox=True)
    (hive.audit_dir / "2026-03-10.jsonl").write_text("{}\n")
    ensure_hive(tmp_path / "h", True, config, clock)
    assert not hive.bank_file.exists()


def test_decisions_are_frozen() -> None:
    assert Decision.model_config["frozen"] is True
