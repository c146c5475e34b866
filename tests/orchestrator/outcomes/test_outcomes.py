"""What vendors tell becomes suppression, lesson and the end of a cadence; each once."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from guardrails.bank import Pattern
from guardrails.clock import iso
from guardrails.errors import AuditUnwritable, BadInput, StoreUnavailable
from guardrails.model import Scope, Verdict
from guardrails.outcomes import RULES, OutcomeKind
from guardrails.store.people_tables import outcomes
from guardrails.suppression import is_suppressed
from tests.decision_samples import DRAFT
from tests.orchestrator.outcomes.stage import Person, Stage, instantly

SCOPE = DRAFT.scope


def trust(stage: Stage, who: Person) -> dict[str, str]:
    rows = [row for row in stage.lessons() if row["lead_id"] == who.lead_id]
    found = [json.loads(row["document"]) for row in rows]
    return {one["outcome"]: one["trust"] for one in found}


def is_out(stage: Stage, email: str) -> str | None:
    with stage.store.read() as conn:
        return is_suppressed(conn, stage.desk.hive.salt(), email)


# What each event of Instantly comes to: kind, suppression, why the cadence ends, lesson's trust.
EVENTS: list[tuple[str, dict[str, Any], str, str | None, str | None, dict[str, str]]] = [
    ("lead_unsubscribed", {}, "unsubscribe", "opt_out", "opted_out", {"unsubscribe": "system"}),
    ("email_bounced", {}, "bounce", "hard_bounce", "bounced", {"hard_bounce": "system"}),
    ("spam_complaint", {}, "complaint", "complaint", "complained", {"complaint": "system"}),
    ("lead_interested", {}, "interested", None, "replied", {"positive_reply": "system"}),
    ("lead_meeting_booked", {}, "meeting_booked", None, "meeting", {"meeting": "system"}),
    ("lead_meeting_completed", {}, "meeting_completed", None, "meeting", {"meeting": "system"}),
    ("lead_no_show", {}, "no_show", None, "meeting", {}),
    ("lead_not_interested", {}, "not_interested", None, "rejected", {}),
    ("lead_wrong_person", {}, "wrong_person", None, "wrong_person", {}),
    ("lead_closed", {}, "won", None, "won", {}),
    ("lead_out_of_office", {}, "auto_reply", None, None, {}),
    ("auto_reply_received", {"reply_text": "I am away"}, "auto_reply", None, None, {}),
    (
        "reply_received",
        {"reply_text": "Please take me off your list"},
        "unsubscribe",
        "opt_out",
        "opted_out",
        {"unsubscribe": "lead_derived"},
    ),
    (
        "reply_received",
        {"reply_text": "This is spam, I will report you"},
        "unsubscribe",
        "opt_out",
        "opted_out",
        {"unsubscribe": "lead_derived", "angry_reply": "lead_derived"},
    ),
    (
        "reply_received",
        {"reply_text": "Yes, let's talk on Friday"},
        "reply",
        None,
        "replied",
        {"positive_reply": "lead_derived"},
    ),
    ("reply_received", {"reply_text": "How much is it?"}, "reply", None, "replied", {}),
    # What nobody could read may be a wish to leave.
    ("reply_received", {}, "reply", "answer_not_understood", "replied", {}),
    (
        "reply_received",
        {"reply_text": "Colorless green ideas sleep furiously"},
        "reply",
        "answer_not_understood",
        "replied",
        {},
    ),
    # A machine by the vendor's word, and an opt-out all the same.
    (
        "auto_reply_received",
        {"reply_text": "Automated reply. Please remove this address from your lists."},
        "unsubscribe",
        "opt_out",
        "opted_out",
        {"unsubscribe": "lead_derived"},
    ),
]


def test_what_each_event_comes_to(stage: Stage) -> None:
    for number, (name, more, kind, suppressed, leaves, lessons) in enumerate(EVENTS):
        who = stage.wrote_to(f"person{number}@elm{number}.example")
        stage.waits(who)
        handled = stage.instantly(name, who, **more)
        told = f"{number}: {name} {more}"
        (row,) = (row for row in stage.rows(outcomes) if row["lead_id"] == who.lead_id)
        assert (row["kind"], row["write_key"]) == (kind, who.key), told
        assert is_out(stage, who.email) == suppressed, told
        assert stage.delivery(who)[0] == ("refused" if leaves else "queued"), told
        assert stage.withdrawn[-1:] == [(who.lead_id, leaves)] if leaves else True, told
        assert trust(stage, who) == lessons, told
        record = stage.audit.find(row["audit_id"])
        assert record is not None
        assert (record["kind"], record["body"]["kind"]) == ("outcome", kind), told
        assert more.get("reply_text", "·") not in json.dumps(record), told
        assert handled.lead_id == who.lead_id
    assert len(stage.withdrawn) == sum(row[4] is not None for row in EVENTS)
    assert stage.lessons()
    assert stage.waiting() == 0
    assert "@" not in "".join(
        path.read_text(encoding="utf-8") for path in stage.desk.hive.audit_dir.glob("*.jsonl")
    )


def test_every_kind_is_in_the_table_and_in_the_examples_or_needs_the_crm() -> None:
    shown = {row[2] for row in EVENTS}
    assert set(RULES) == set(OutcomeKind)
    assert {kind.value for kind in OutcomeKind} - shown == {"soft_bounce", "dnd", "lost"}


def test_opens_clicks_and_what_we_do_not_know_are_done_and_teach_nothing(
    stage: Stage, ana: Person
) -> None:
    before, head = stage.bank.version, stage.audit.head()
    for name in (
        "email_sent", "email_opened", "email_link_clicked", "link_clicked", "lead_neutral",
        "campaign_completed", "account_error", "something_new",
    ):  # fmt: skip
        assert stage.instantly(name, ana).outcome_id is None
    assert (stage.rows(outcomes), stage.lessons(), stage.withdrawn) == ([], [], [])
    assert (stage.bank.version, stage.audit.head()) == (before, head)


def test_a_vendors_opt_out_blocks_the_lead_from_then_on(stage: Stage, ana: Person) -> None:
    stage.instantly("lead_unsubscribed", ana)
    answer = stage.bank.consult(Pattern(lead_id=ana.lead_id, scope=SCOPE))
    assert answer.verdict is Verdict.BLOCK
    assert "opted out" in answer.citations[0].title


def test_what_an_answer_says_waits_in_quarantine_until_the_vendor_says_it_too(
    stage: Stage, ana: Person
) -> None:
    asked = Pattern(lead_id=ana.lead_id, scope=SCOPE)
    stage.instantly("reply_received", ana, reply_text="unsubscribe me")
    assert is_out(stage, ana.email) == "opt_out"  # that waits for nobody
    assert {item.status for item in stage.bank.items() if item.kind != "golden"} == {"quarantined"}
    assert stage.bank.consult(asked).verdict is Verdict.PASS
    stage.instantly("lead_unsubscribed", ana)
    assert stage.bank.consult(asked).verdict is Verdict.BLOCK
    learned = [item for item in stage.bank.items() if item.kind == "learned_failure"]
    assert [item.alpha for item in learned] == [1.0]  # one e-mail, however often it is told


def test_good_news_counts_only_about_what_the_ledger_shows_as_sent(stage: Stage) -> None:
    for status in ("sent", "unknown", "dispatching", "claimed", "pending", "failed"):
        who = stage.wrote_to(f"bob@{status}.example", status=status)
        stage.instantly("lead_interested", who)
        wanted = "system" if status == "sent" else "lead_derived"
        assert trust(stage, who) == {"positive_reply": wanted}


def test_somebody_unknown_is_recorded_without_a_lead_and_suppressed_all_the_same(
    stage: Stage, ana: Person
) -> None:
    handled = stage.instantly("lead_unsubscribed", "nobody@elsewhere.example")
    row = stage.outcome()
    assert (handled.lead_id, row["lead_id"], row["write_key"]) == (None, None, None)
    assert is_out(stage, "nobody@elsewhere.example") == "opt_out"
    assert is_out(stage, ana.email) is None
    assert (stage.lessons(), stage.withdrawn) == ([], [])


def test_an_event_cannot_speak_of_somebody_elses_email(stage: Stage, ana: Person) -> None:
    """`swarm_key` comes back through hands that are not ours."""
    handled = stage.instantly("lead_interested", "eve@evil.example", swarm_key=ana.key)
    assert handled.lead_id is None
    assert stage.lessons() == []


def test_an_opt_out_that_names_nobody_is_not_taken_as_done(stage: Stage) -> None:
    for body in ({"event_type": "lead_unsubscribed"}, {"event_type": "email_bounced", "x": 1}):
        with pytest.raises(BadInput, match="nobody is named"):
            stage.came("instantly", body)
    for body in ({}, {"event_type": 7}, {"event_type": ""}):
        with pytest.raises(BadInput):
            stage.came("instantly", body)
    with pytest.raises(BadInput):
        stage.came("smoke", {"event_type": "lead_unsubscribed"})


def test_a_stated_time_is_believed_only_if_it_can_be_true(stage: Stage, ana: Person) -> None:
    now = stage.clock()
    for said, taken in (
        ((now + timedelta(days=300)).isoformat(), now),
        ("1999-01-01T00:00:00Z", now),
        ("yesterday", now),
        (None, now),
        (10**40, now),
        ((now - timedelta(hours=2)).isoformat(), now - timedelta(hours=2)),
        ((now - timedelta(hours=3)).timestamp() * 1000, now - timedelta(hours=3)),
    ):
        handled = stage.instantly("lead_no_show", ana, timestamp=said)
        row = next(r for r in stage.rows(outcomes) if r["outcome_id"] == handled.outcome_id)
        assert row["at"] == iso(taken)


def test_an_automatic_answer_parks_what_waits_and_leaves_what_waits_longer(
    stage: Stage, ana: Person
) -> None:
    stage.waits(ana)
    away = {"reply_text": "I am out of the office until 20 March 2026.", "reply_subject": "Auto: x"}
    stage.instantly("auto_reply_received", ana, **away)
    assert stage.delivery(ana) == ("deferred", "2026-03-20T00:00:00.000000Z")
    sooner = away | {"reply_text": "I am out of the office until 15 March 2026.", "step": 2}
    stage.instantly("auto_reply_received", ana, **sooner)
    assert stage.delivery(ana) == ("deferred", "2026-03-20T00:00:00.000000Z")
    assert (stage.withdrawn, stage.lessons()) == ([], [])


def test_our_own_footer_in_an_answer_is_not_an_opt_out(stage: Stage, ana: Person) -> None:
    text = f"Happy to talk on Friday.\n\nOn Tuesday Robin Hale wrote:\n\n{DRAFT.body}"
    stage.instantly("reply_received", ana, reply_text=text)
    assert stage.outcome()["reply_class"] == "positive"
    assert is_out(stage, ana.email) is None


def test_answers_that_want_a_person_are_told_without_a_word_of_theirs(
    stage: Stage, ana: Person
) -> None:
    stage.instantly("reply_received", ana, reply_text="How much? Call me at 555-0100")
    ((key, text),) = stage.told.items()
    assert key.startswith("answer:O-")
    assert "objection price" in text
    assert ana.lead_id in text
    assert "555" not in text
    stage.instantly("reply_received", ana, reply_text="not interested", step=3)
    assert len(stage.told) == 1
    for text in ("How much?", "Colorless green ideas sleep furiously"):
        stage.instantly("reply_received", "stranger@x.example", reply_text=text)
    assert len(stage.told) == 1  # no lead of ours: their owner reads it
    assert is_out(stage, "stranger@x.example") is None


def test_an_approver_who_is_quicker_than_an_answer_sends_nothing(stage: Stage, ana: Person) -> None:
    """Their yes was recorded before it could be withdrawn: what it has queued is refused."""
    stage.approver_is_quicker = True
    stage.instantly("lead_interested", ana)
    assert stage.delivery(ana)[0] == "refused"


def test_a_second_delivery_changes_nothing(stage: Stage, ana: Person) -> None:
    body = instantly("lead_unsubscribed", ana, stage.clock())
    first = stage.came("instantly", body, inbox_id="i-1")
    version, head = stage.bank.version, stage.audit.head()
    stage.clock.step(3600)
    again = stage.came("instantly", body, inbox_id="i-2")
    assert again.outcome_id == first.outcome_id
    assert (stage.bank.version, stage.audit.head()) == (version, head)
    assert len(stage.rows(outcomes)) == len(stage.lessons()) == 1


def test_the_delivery_is_ended_last_and_in_a_transaction_of_its_own(
    stage: Stage, ana: Person
) -> None:
    ended: list[tuple[str | None, str]] = []

    def settle(conn: Any, lead_id: str | None, note: str) -> None:
        assert stage.withdrawn == [(ana.lead_id, "opted_out")]
        ended.append((lead_id, note))

    body = instantly("lead_unsubscribed", ana, stage.clock())
    stage.came("instantly", body, settle=settle)
    assert ended == [(ana.lead_id, "unsubscribe")]


def test_without_a_record_somebody_who_opts_out_is_suppressed_all_the_same(
    stage: Stage, ana: Person
) -> None:
    """The audit cannot be written: nothing else happens, and the delivery is worked on again."""
    for file in stage.desk.hive.audit_dir.glob("*.jsonl"):
        file.rename(file.with_suffix(".away"))
    with pytest.raises(Exception) as caught:  # noqa: PT011 - which one depends on the damage
        stage.instantly("lead_unsubscribed", ana)
    assert isinstance(caught.value, AuditUnwritable) or caught.value.code == "audit_broken"  # type: ignore[attr-defined]
    assert is_out(stage, ana.email) == "opt_out"
    assert stage.rows(outcomes) == []
    for file in stage.desk.hive.audit_dir.glob("*.away"):
        file.rename(file.with_suffix(".jsonl"))
    assert stage.instantly("lead_unsubscribed", ana).kind is OutcomeKind.UNSUBSCRIBE


def test_with_a_torn_bank_everything_else_is_done_and_the_lesson_waits(
    stage: Stage, ana: Person
) -> None:
    whole = stage.desk.hive.bank_file.read_bytes()
    stage.desk.hive.bank_file.write_bytes(whole[:100])
    stage.instantly("lead_unsubscribed", ana)
    assert is_out(stage, ana.email) == "opt_out"
    assert (len(stage.lessons()), stage.waiting()) == (1, 1)
    stage.desk.hive.bank_file.write_bytes(whole)
    stage.instantly("email_bounced", ana)  # whoever comes next folds both
    assert stage.lessons()
    assert stage.waiting() == 0


def test_a_table_that_cannot_be_written_undoes_all_but_the_suppression(
    stage: Stage, ana: Person
) -> None:
    stage.waits(ana)
    with stage.store.transaction() as conn:
        conn.exec_driver_sql("ALTER TABLE lessons RENAME TO lost")
    with pytest.raises(StoreUnavailable):
        stage.instantly("lead_unsubscribed", ana)
    assert is_out(stage, ana.email) == "opt_out"
    assert (stage.rows(outcomes), stage.delivery(ana)[0]) == ([], "queued")
    with stage.store.transaction() as conn:
        conn.exec_driver_sql("ALTER TABLE lost RENAME TO lessons")
    stage.instantly("lead_unsubscribed", ana)
    assert (stage.delivery(ana)[0], len(stage.lessons())) == ("refused", 1)


def test_at_is_utc(stage: Stage, ana: Person) -> None:
    stage.instantly("lead_no_show", ana, timestamp="2026-03-10T15:00:00+02:00")
    assert stage.outcome()["at"] == iso(datetime(2026, 3, 10, 13, 0, tzinfo=UTC))


def test_the_scope_of_a_lesson_is_the_decided_drafts(stage: Stage, ana: Person) -> None:
    stage.instantly("email_bounced", ana)
    (row,) = stage.lessons()
    lesson = json.loads(row["document"])
    assert Scope.model_validate(lesson["scope"]) == SCOPE
    assert lesson["features"] == dict(DRAFT.features)
    assert lesson["template_hash"] == DRAFT.template_hash
    assert lesson["text"] == ""
