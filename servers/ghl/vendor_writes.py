"""GoHighLevel's writes over HTTP. Owns: each write's request. The reads: `vendor_records`.

A request carries its permit and key; what it says is held against them below, from its own bytes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from guardrails.errors import VendorRejected
from servers.common.http import Answer
from servers.common.operations import Operation
from servers.ghl import forms
from servers.ghl import vendor_operations as ops
from servers.ghl.contract_form import Write
from servers.ghl.contract_mail import SendEmail
from servers.ghl.contract_writes import (
    AddNote,
    AddTags,
    AddToWorkflow,
    ChangeWorkflow,
    CreateTask,
    PutOpportunity,
    RemoveFromWorkflow,
    RemoveTags,
    SetDnd,
    UpsertContact,
)
from servers.ghl.vendor import OPERATIONS as LOOKUPS
from servers.ghl.vendor_records import GhlRecords

OPERATIONS = (*LOOKUPS, *ops.READS, *ops.WRITES)  # all that this server may ask of GHL


@dataclass(frozen=True)
class Outgoing:
    """One request to be."""

    operation: Operation
    path: dict[str, str]
    body: dict[str, Any]


def outgoing(write: Write, location_id: str) -> Outgoing:
    """The request that does `write`."""
    return _MADE[type(write)](write, location_id)


class GhlWriting(GhlRecords):
    """The `CrmWriting` port over GoHighLevel, for one location."""

    async def write(self, write: Write) -> str | None:
        """Do it, once.

        Raises:
            Refused, Stopped, StoreUnavailable: no permit for it; nothing was sent.
            VendorUnavailable, VendorRejected: what it came to stands in the ledger.
        """
        sent = outgoing(write, self.location_id)
        conversation = sent.operation is ops.SEND_EMAIL
        answer = await self.client.request(
            sent.operation,
            path_params=sent.path,
            json=sent.body,
            headers=self.conversations if conversation else self.standard,
            permit=write.permit,
            key=write.key,
        )
        return _made(sent.operation, answer)


def _made(operation: Operation, answer: Answer) -> str | None:
    """The id of what was made. Raises when a 2xx says that it was not."""
    settled = operation.settle(answer.status, answer.json()) if operation.settle else None
    if settled is not None and settled.status != "sent":
        raise VendorRejected(
            f"ghl {operation.name}: HTTP {answer.status}, and {settled.note}",
            vendor="ghl",
            operation=operation.name,
            status=answer.status,
        )
    return settled.vendor_ref if settled else None


def _upsert(write: UpsertContact, location_id: str) -> Outgoing:
    return Outgoing(ops.UPSERT_CONTACT, {}, forms.upsert_form(write, location_id))


def _add_tags(write: AddTags, location_id: str) -> Outgoing:
    return Outgoing(ops.ADD_TAGS, _of(write.contact_id), {"tags": list(write.tags)})


def _remove_tags(write: RemoveTags, location_id: str) -> Outgoing:
    return Outgoing(ops.REMOVE_TAGS, _of(write.contact_id), {"tags": list(write.tags)})


def _note(write: AddNote, location_id: str) -> Outgoing:
    return Outgoing(ops.ADD_NOTE, _of(write.contact_id), forms.note_form(write))


def _task(write: CreateTask, location_id: str) -> Outgoing:
    return Outgoing(ops.CREATE_TASK, _of(write.contact_id), forms.task_form(write))


def _dnd(write: SetDnd, location_id: str) -> Outgoing:
    return Outgoing(ops.SET_DND, _of(write.contact_id), forms.dnd_form(write))


def _join(write: AddToWorkflow, location_id: str) -> Outgoing:
    return Outgoing(ops.ADD_TO_WORKFLOW, _membership(write), {})


def _leave(write: RemoveFromWorkflow, location_id: str) -> Outgoing:
    return Outgoing(ops.REMOVE_FROM_WORKFLOW, _membership(write), {})


def _opportunity(write: PutOpportunity, location_id: str) -> Outgoing:
    body = forms.opportunity_form(write, location_id)
    if write.opportunity_id is None:
        return Outgoing(ops.CREATE_OPPORTUNITY, {}, body)
    return Outgoing(ops.UPDATE_OPPORTUNITY, {"opportunity_id": write.opportunity_id}, body)


def _email(write: SendEmail, location_id: str) -> Outgoing:
    return Outgoing(ops.SEND_EMAIL, {}, forms.email_form(write))


def _of(contact_id: str) -> dict[str, str]:
    return {"contact_id": contact_id}


def _membership(write: ChangeWorkflow) -> dict[str, str]:
    return {"contact_id": write.contact_id, "workflow_id": write.workflow_id}


_MADE: dict[type[Write], Callable[[Any, str], Outgoing]] = {
    UpsertContact: _upsert,
    AddTags: _add_tags,
    RemoveTags: _remove_tags,
    AddNote: _note,
    CreateTask: _task,
    SetDnd: _dnd,
    AddToWorkflow: _join,
    RemoveFromWorkflow: _leave,
    PutOpportunity: _opportunity,
    SendEmail: _email,
}
