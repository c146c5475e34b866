"""One plausible call of every write tool, and calls that say something else."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from servers.ghl import contract_mail as mail
from servers.ghl import contract_writes as ghl
from servers.instantly import contract_writes as instantly
from tests.servers.attacks import Sample
from tests.servers.permits import MAILBOX

ANA, BOB = "ana@firm.example", "bob@firm.example"
CONTACT, OTHER = "contact0000000000001", "contact0000000000002"
UUID, OTHER_UUID = "0" * 8 + "-0000-4000-8000-" + "0" * 12, "1" * 8 + "-1111-4111-8111-" + "1" * 12
BODY = "Hello Ana,\n\nyour team is hiring.\n\nFirm Ltd, 1 Road, Town\nUnsubscribe: reply stop"
CAMPAIGN: dict[str, Any] = {
    "name": "Swarm", "sender": MAILBOX, "daily_limit": 30,
    "schedule": {"time_zone": "America/Chicago", "start": "09:00", "end": "17:00",
                 "days": ["mon", "tue", "wed", "thu", "fri"]},
}  # fmt: skip
DUE = datetime(2027, 1, 4, 9, tzinfo=UTC).isoformat()


def ghl_samples(
    contact: str = CONTACT, pipeline: str = "p1", stage: str = "s1", workflow: str = "w1"
) -> list[Sample]:
    """Every write tool of the ghl server, in an order in which each can be done."""
    whom = {"contact_id": OTHER}
    deal = {"contact_id": contact, "pipeline_id": pipeline, "stage_id": stage, "name": "Firm"}
    letter = {
        "contact_id": contact, "to": ANA, "sender": MAILBOX, "subject": "Your hiring", "body": BODY
    }  # fmt: skip
    task = {"contact_id": contact, "title": "Call", "text": "Ask her.", "due": DUE}
    flow = {"contact_id": contact, "workflow_id": workflow}
    return [
        Sample("upsert_contact", ghl.UpsertContact,
               {"email": ANA, "fields": {"first_name": "Ana"}},
               ({"email": BOB}, {"fields": {"first_name": "Eve"}},
                {"fields": {"first_name": "Ana", "phone": "+1 888 555 0100"}})),
        Sample("add_tags", ghl.AddTags, {"contact_id": contact, "tags": ["written-to"]},
               (whom, {"tags": ["customer"]}, {"tags": ["written-to", "customer"]})),
        Sample("remove_tags", ghl.RemoveTags, {"contact_id": contact, "tags": ["written-to"]},
               (whom, {"tags": ["customer"]})),
        Sample("add_note", ghl.AddNote, {"contact_id": contact, "text": "Written to."},
               (whom, {"text": "Call her."})),
        Sample("create_task", ghl.CreateTask, task,
               (whom, {"title": "Fire"}, {"text": "No."}, {"due": "2027-02-04T09:00:00Z"})),
        Sample("create_or_update_opportunity", ghl.PutOpportunity, deal,
               (whom, {"name": "Other"}, {"status": "won"}, {"value": 1}, {"stage_id": "s9"},
                {"opportunity_id": "o9"})),
        Sample("add_to_workflow", ghl.AddToWorkflow, flow, (whom, {"workflow_id": "w9"})),
        Sample("remove_from_workflow", ghl.RemoveFromWorkflow, flow,
               (whom, {"workflow_id": "w9"})),
        Sample("send_email", mail.SendEmail, letter,
               (whom, {"to": BOB}, {"sender": BOB}, {"subject": "Your firing"},
                {"body": BODY + "\nhttps://evil.example"})),
        Sample("set_dnd", ghl.SetDnd, {"contact_id": contact, "channels": {"Email": "active"}},
               (whom, {"channels": {"Email": "permanent"}}, {"channels": {"SMS": "active"}})),
    ]  # fmt: skip


def _own_campaign(wish: str) -> dict[str, Any]:
    spec = instantly.CampaignSpec.model_validate(CAMPAIGN | {"name": f"Swarm {wish}"})
    return {"campaign": spec.model_dump(mode="json"), "key": instantly.campaign_key(spec)}


def instantly_samples(campaign: str = UUID, received: str = UUID) -> list[Sample]:
    """Every write tool of the instantly server but `pause_all`, in such an order."""
    lead = {
        "campaign_id": campaign, "email": ANA, "sender": MAILBOX, "subject": "Your hiring",
        "body": BODY,
    }  # fmt: skip
    answer = {
        "reply_to": received, "to": ANA, "sender": MAILBOX, "subject": "Re: Your hiring",
        "body": "Gladly.",
    }  # fmt: skip
    other = {"campaign_id": OTHER_UUID}
    return [
        Sample("ensure_campaign", instantly.EnsureCampaign,
               {"recipient_zones": ["America/Chicago"]},
               ({"campaign": {**CAMPAIGN, "daily_limit": 99}},
                {"campaign": {**CAMPAIGN, "sender": BOB}}), _own_campaign),
        Sample("activate_campaign", instantly.ActivateCampaign, {"campaign_id": campaign},
               (other,)),
        Sample("enrol_lead", instantly.EnrolLead, lead,
               (other, {"email": BOB}, {"subject": "Your firing"}, {"body": "Other."},
                {"sender": BOB})),
        Sample("pause_campaign", instantly.PauseCampaign, {"campaign_id": campaign}, (other,)),
        Sample("block_address", instantly.BlockAddress, {"value": "eve@other.example"},
               ({"value": BOB}, {"value": "other.example"})),
        Sample("reply_email", instantly.ReplyEmail, answer,
               ({"reply_to": OTHER_UUID}, {"sender": BOB}, {"subject": "No"}, {"body": "No."})),
    ]  # fmt: skip
