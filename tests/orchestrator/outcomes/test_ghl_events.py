"""What GHL tells: answers, DND, opportunities, appointments, and its e-mail statistics."""

from __future__ import annotations

import json
from typing import Any

import pytest

from guardrails.clock import iso
from guardrails.identity import recipient_hash, subject_hash
from guardrails.store.people_tables import outcomes
from guardrails.store.write_tables import writes
from tests.orchestrator.outcomes.stage import Person, Stage

CONTACT = "ocQHyuzHvysMo5N5VsXc"


def written_to(stage: Stage, email: str, contact: str) -> Person:
    """Somebody whom we wrote to by GHL, and tagged there."""
    person = stage.wrote_to(email, vendor="ghl")
    tag = dict.fromkeys((column.name for column in writes.columns), None) | {
        "key": f"tags:{person.delivery_id}", "vendor": "ghl", "action": "add_tags",
        "recipient_hash": recipient_hash(stage.desk.hive.salt(), f"contact:{contact}"),
        "content_hash": "1" * 64, "status": "sent", "counts": False, "lead_id": person.lead_id,
        "created_at": iso(stage.clock()), "updated_at": iso(stage.clock()),
    }  # fmt: skip
    with stage.store.transaction() as conn:
        conn.execute(writes.insert().values(tag))
    return person


@pytest.fixture
def bob(stage: Stage) -> Person:
    return written_to(stage, "bob@elm.example", CONTACT)


def hook(name: str, **more: Any) -> dict[str, Any]:
    return {"type": name, "locationId": "loc-1", "webhookId": f"{name}-1"} | more


CASES: list[tuple[dict[str, Any], str | None, str | None, str | None, str | None]] = [
    (hook("ContactDndUpdate", id=CONTACT, dnd=True), "dnd", "crm_dnd", None, "refused"),
    (
        hook("ContactDndUpdate", id=CONTACT, dndSettings={"Email": {"status": "permanent"}}),
        "dnd", "crm_dnd", None, "refused",
    ),
    (
        hook("ContactDndUpdate", id=CONTACT, dndSettings={"SMS": {"status": "active"}}),
        None, None, None, "queued",
    ),
    (hook("ContactDndUpdate", id=CONTACT, dnd=False), None, None, None, "queued"),
    (hook("ContactDndUpdate", id=CONTACT, dnd="True "), "dnd", "crm_dnd", None, "refused"),
    (hook("ContactDndUpdate", id=CONTACT, dnd="false"), None, None, None, "queued"),
    (
        hook("OpportunityStatusUpdate", contactId=CONTACT, status="won"),
        "won", None, None, "refused",
    ),
    (
        hook("OpportunityStatusUpdate", contactId=CONTACT, status="lost"),
        "lost", None, None, "refused",
    ),
    (
        hook("OpportunityStatusUpdate", contactId=CONTACT, status="open"),
        None, None, None, "queued",
    ),
    (
        hook(
            "AppointmentCreate",
            appointment={"contactId": CONTACT, "appointmentStatus": "confirmed"},
        ),
        "meeting_booked", None, "meeting", "refused",
    ),
    (
        hook("AppointmentUpdate", appointment={"contactId": CONTACT, "status": "cancelled"}),
        None, None, None, "queued",
    ),
    (
        hook("InboundMessage", contactId=CONTACT, messageType="Email", body="No thanks."),
        "unsubscribe", "opt_out", "unsubscribe", "refused",
    ),
    (
        hook("InboundMessage", contactId=CONTACT, messageType="SMS", body="Sure, call me"),
        "reply", None, "positive_reply", "refused",
    ),
    (
        hook("InboundMessage", contactId=CONTACT, messageType="Call"),
        "reply", None, None, "refused",
    ),
    (
        hook("InboundMessage", contactId=CONTACT, direction="outbound", body="unsubscribe"),
        None, None, None, "queued",
    ),
    (
        hook("LCEmailStats", webhookPayload={"event": "complained",
                                             "recipient": "bob@elm.example"}),
        "complaint", "complaint", "complaint", "refused",
    ),
    (
        hook("LCEmailStats", webhookPayload={"event": "failed", "recipient": "bob@elm.example",
                                             "severity": "permanent", "id": "m-1"}),
        "bounce", "hard_bounce", "hard_bounce", "refused",
    ),
    (
        hook("LCEmailStats", webhookPayload={"event": "failed", "recipient": "bob@elm.example",
                                             "severity": "temporary", "id": "m-1"}),
        "soft_bounce", None, None, "queued",
    ),
    (
        hook("LCEmailStats", webhookPayload={"event": "opened", "recipient": "bob@elm.example"}),
        None, None, None, "queued",
    ),
    (hook("ContactTagUpdate", id=CONTACT), None, None, None, "queued"),
]  # fmt: skip


def test_what_each_webhook_comes_to(stage: Stage) -> None:
    for number, (body, kind, suppressed, lesson, delivery) in enumerate(CASES):
        who = written_to(stage, f"bob@elm{number}.example", f"c-{number}")
        stage.waits(who)
        before = set(stage.suppressed())
        mine = json.dumps(body | {"webhookId": f"h-{number}"}).replace("elm.", f"elm{number}.")
        stage.came("ghl", json.loads(mine.replace(CONTACT, f"c-{number}")))
        rows = [row for row in stage.rows(outcomes) if row["lead_id"] == who.lead_id]
        assert [row["kind"] for row in rows] == ([kind] if kind else []), body
        now = {name: why for name, why in stage.suppressed().items() if name not in before}
        assert set(now.values()) == ({suppressed} if suppressed else set()), body
        assert stage.delivery(who)[0] == delivery, body
        lessons = [row for row in stage.lessons() if row["lead_id"] == who.lead_id]
        found = [json.loads(row["document"])["outcome"] for row in lessons]
        assert found == ([lesson] if lesson else []), body


def test_who_answers_from_another_address_leaves_with_both(stage: Stage, bob: Person) -> None:
    message = hook(
        "InboundMessage", contactId=CONTACT, contentType="text/html", body="<p>no thanks</p>",
        **{"from": "Bob <bob.private@mail.example>"},
    )  # fmt: skip
    stage.came("ghl", message)
    salt = stage.desk.hive.salt()
    both = {subject_hash(salt, one) for one in ("bob.private@mail.example", "bob@elm.example")}
    assert both <= set(stage.suppressed())


def test_a_contact_that_we_never_touched_is_nobodys_lead(stage: Stage, bob: Person) -> None:
    stage.came("ghl", hook("ContactDndUpdate", id="other", dnd=True, email="x@other.example"))
    row = stage.outcome()
    assert (row["lead_id"], row["kind"]) == (None, "dnd")
    assert len(stage.suppressed()) == 1
    assert stage.withdrawn == []


def test_a_webhook_that_is_delivered_again_is_the_same_outcome(stage: Stage, bob: Person) -> None:
    first = hook("ContactDndUpdate", id=CONTACT, dnd=True)
    one = stage.came("ghl", first | {"timestamp": "2026-03-10T13:00:00Z"})
    two = stage.came("ghl", first | {"timestamp": "2026-03-10T13:30:00Z"})
    other = stage.came("ghl", first | {"webhookId": "another"})
    assert one.outcome_id == two.outcome_id != other.outcome_id


def test_the_same_answer_of_a_workflow_is_told_again_another_day(stage: Stage, bob: Person) -> None:
    body = {"type": "InboundMessage", "contactId": CONTACT, "body": "Yes, call me on Friday"}
    one, again = (stage.came("ghl", body) for _ in range(2))
    stage.clock.step(days=7)
    assert one.outcome_id == again.outcome_id != stage.came("ghl", body).outcome_id
    assert len(stage.told) == 2


def test_who_leaves_by_the_link_is_heard_by_the_bank(stage: Stage, bob: Person) -> None:
    hashed = subject_hash(stage.desk.hive.salt(), bob.email)
    stage.waits(bob)
    handled = stage.came(
        "unsubscribe", {"lead_id": bob.lead_id, "subject_hash": hashed, "via": "one_click"}
    )
    assert (handled.lead_id, stage.delivery(bob)[0]) == (bob.lead_id, "refused")
    assert stage.suppressed() == {hashed: "opt_out"}
    lesson = json.loads(stage.lessons()[0]["document"])
    assert (lesson["outcome"], lesson["trust"], lesson["actor"]) == (
        "unsubscribe", "system", "recipient",
    )  # fmt: skip
