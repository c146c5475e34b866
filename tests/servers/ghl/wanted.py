"""One write of each kind at a fresh twin, and how often the twin has it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from servers.ghl import contract_writes as writes
from servers.ghl.contract_form import Write
from servers.ghl.contract_mail import SendEmail
from tests.servers.ghl.writing import Studio

EMAIL = "ana@firm.example"


def upsert(studio: Studio) -> Write:
    fields = writes.ContactFields(first_name="Ana", company="Firm")
    return writes.UpsertContact(key="contact:1", permit="", email="new@firm.example", fields=fields)


def tags(studio: Studio) -> Write:
    own = studio.new_contact(EMAIL, tags=["old"])
    return writes.AddTags(key="tags:1", permit="", contact_id=own, tags=("New", "old"))


def fewer_tags(studio: Studio) -> Write:
    own = studio.new_contact(EMAIL, tags=["old", "other"])
    return writes.RemoveTags(key="tags:2", permit="", contact_id=own, tags=("old",))


def note(studio: Studio) -> Write:
    own = studio.new_contact(EMAIL)
    return writes.AddNote(key="note:1", permit="", contact_id=own, text="What was sent.\n\nLine.")


def task(studio: Studio) -> Write:
    own = studio.new_contact(EMAIL)
    due = datetime(2026, 3, 12, 9, tzinfo=UTC)
    return writes.CreateTask(
        key="task:1", permit="", contact_id=own, title="Call", text="Ask.", due=due
    )


def opportunity(studio: Studio) -> Write:
    own, place = studio.new_contact(EMAIL), studio.records.pipeline
    stage = place["stages"][1]["id"]
    return writes.PutOpportunity(
        key="opp:1", permit="", contact_id=own, pipeline_id=place["id"], stage_id=stage, name="Firm"
    )


def moved_opportunity(studio: Studio) -> Write:
    own, place = studio.new_contact(EMAIL), studio.records.pipeline
    record = studio.records.contacts[own]
    held = studio.records.add_opportunity(record, {"name": "Firm"}, studio.clock())
    return writes.PutOpportunity(
        key="opp:2",
        permit="",
        contact_id=own,
        pipeline_id=place["id"],
        stage_id=place["stages"][2]["id"],
        name="Firm",
        opportunity_id=held["id"],
    )


def membership(studio: Studio) -> Write:
    own, flow = studio.new_contact(EMAIL), studio.records.workflows[0]["id"]
    return writes.AddToWorkflow(key="flow:1", permit="", contact_id=own, workflow_id=flow)


def no_membership(studio: Studio) -> Write:
    own, flow = studio.new_contact(EMAIL), studio.records.workflows[0]["id"]
    studio.records.workflow_members.append((own, flow))
    return writes.RemoveFromWorkflow(key="flow:2", permit="", contact_id=own, workflow_id=flow)


def dnd(studio: Studio) -> Write:
    own = studio.new_contact(EMAIL)
    return writes.SetDnd(key="dnd:1", permit="", contact_id=own, channels={"Email": "active"})


def email(studio: Studio) -> Write:
    own = studio.new_contact(EMAIL)
    return SendEmail(
        key="send:1",
        permit="",
        contact_id=own,
        to=EMAIL,
        sender="robin@agency.example",
        subject="Hiring at Firm",
        body='Hi Ana,\n\nA line.\nAnother & more.\n\nReply "no thanks" and I won\'t write again.',
    )


def made(studio: Studio, write: Write) -> int:
    """How often the twin has it."""
    held = studio.records
    contact = held.contact_by_email(EMAIL) or {}
    counts: dict[type[Write], Callable[[], Any]] = {
        writes.UpsertContact: lambda: sum(
            c.get("email") == "new@firm.example" for c in held.contacts.values()
        ),
        writes.AddTags: lambda: contact["tags"] == ["old", "new"],
        writes.RemoveTags: lambda: contact["tags"] == ["other"],
        writes.AddNote: lambda: len(held.notes),
        writes.CreateTask: lambda: len(held.tasks),
        writes.PutOpportunity: lambda: sum(
            o["contactId"] == contact["id"] and o["pipelineStageId"] == write.stage_id  # type: ignore[attr-defined]
            for o in held.opportunities.values()
        ),
        writes.AddToWorkflow: lambda: len(held.workflow_members),
        writes.RemoveFromWorkflow: lambda: not held.workflow_members,
        writes.SetDnd: lambda: contact["dndSettings"].get("Email", {}).get("status") == "active",
        SendEmail: lambda: len(held.messages),
    }
    return int(counts[type(write)]())


REPEATABLE = (upsert, tags, fewer_tags, moved_opportunity, no_membership, dnd)
ONCE = (note, task, opportunity, membership, email)
