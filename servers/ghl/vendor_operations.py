"""GoHighLevel's writes, and the reads around them. Owns: the list, and what their answers mean.

Only what may be repeated without harm says `idempotent`: everything else is tried once. Success
codes drift (200 and 201), so any 2xx is one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from guardrails.model.writes import WriteAction
from servers.common.operations import Effect, Operation, Settled
from servers.ghl import forms

NO_DUPLICATE = "OPPORTUNITY_NO_DUPLICATE"
_MAX_REF = 200


def _made(*path: str) -> Callable[[int, Any], Settled | None]:
    """A 2xx made what stands at `path` of the answer; anything else is as its status says."""

    def settle(status: int, body: Any) -> Settled | None:
        if not 200 <= status < 300:
            return None
        return Settled("sent", vendor_ref=_at(body, *path))

    return settle


def _opportunity_made(status: int, body: Any) -> Settled | None:
    """A second opportunity is refused with the id of the first: that one is what was wanted."""
    existing = _at(body, "meta", "existingId")
    if status == 400 and _at(body, "code") == NO_DUPLICATE and existing:
        note = "the contact has an opportunity in this pipeline already"
        return Settled("sent", vendor_ref=existing, result={"already": True}, note=note)
    return _made("opportunity", "id")(status, body)


def _succeeded(status: int, body: Any) -> Settled | None:
    """`succeded` (the vendor's spelling until v3) may be false in a 2xx: then it did nothing."""
    if 200 <= status < 300 and isinstance(body, dict):
        for name in ("succeded", "succeeded"):
            if body.get(name) is False:
                return Settled("failed", note=f"the vendor says {name}: false")
    return None


def _email_taken(status: int, body: Any) -> Settled | None:
    """A 2xx may say that sending failed: whether anything left by then, nobody can tell."""
    if 200 <= status < 300 and _at(body, "status") == "failed":
        return Settled("unknown", vendor_ref=_at(body, "messageId"), note="status: failed")
    return _made("messageId")(status, body)


def _at(body: Any, *path: str) -> str | None:
    for name in path:
        body = body.get(name) if isinstance(body, dict) else None
    return body if isinstance(body, str) and 0 < len(body) <= _MAX_REF else None


def _write(
    action: WriteAction,
    method: str,
    path: str,
    intent: Any,
    *,
    idempotent: bool = False,
    settle: Callable[[int, Any], Settled | None] | None = None,
) -> Operation:
    return Operation(
        action.value,
        method,
        path,
        Effect.WRITE,
        idempotent=idempotent,
        actions=(action,),
        intent=intent,
        settle=settle,
    )


def _read(name: str, path: str) -> Operation:
    return Operation(name, "GET", path, Effect.READ)


_CONTACT = "/contacts/{contact_id}"
_MEMBER = f"{_CONTACT}/workflow/{{workflow_id}}"
A = WriteAction

UPSERT_CONTACT = _write(
    A.UPSERT_CONTACT, "POST", "/contacts/upsert", forms.upsert_bound,
    idempotent=True, settle=_made("contact", "id"),
)  # fmt: skip
ADD_TAGS = _write(A.ADD_TAGS, "POST", f"{_CONTACT}/tags", forms.add_tags_bound, idempotent=True)
REMOVE_TAGS = _write(
    A.REMOVE_TAGS, "DELETE", f"{_CONTACT}/tags", forms.remove_tags_bound, idempotent=True
)
SET_DND = _write(A.SET_DND, "PUT", _CONTACT, forms.dnd_bound, idempotent=True, settle=_succeeded)
ADD_NOTE = _write(
    A.ADD_NOTE, "POST", f"{_CONTACT}/notes", forms.note_bound, settle=_made("note", "id")
)
CREATE_TASK = _write(
    A.CREATE_TASK, "POST", f"{_CONTACT}/tasks", forms.task_bound, settle=_made("task", "id")
)
ADD_TO_WORKFLOW = _write(
    A.ADD_TO_WORKFLOW, "POST", _MEMBER, forms.add_to_workflow_bound, settle=_succeeded
)
REMOVE_FROM_WORKFLOW = _write(
    A.REMOVE_FROM_WORKFLOW,
    "DELETE",
    _MEMBER,
    forms.remove_from_workflow_bound,
    idempotent=True,
    settle=_succeeded,
)
CREATE_OPPORTUNITY = _write(
    A.CREATE_OPPORTUNITY, "POST", "/opportunities/", forms.create_opportunity_bound,
    settle=_opportunity_made,
)  # fmt: skip
UPDATE_OPPORTUNITY = _write(
    A.UPDATE_OPPORTUNITY, "PUT", "/opportunities/{opportunity_id}",
    forms.update_opportunity_bound, idempotent=True, settle=_made("opportunity", "id"),
)  # fmt: skip
SEND_EMAIL = _write(
    A.SEND_EMAIL, "POST", "/conversations/messages", forms.email_bound,
    settle=_email_taken,
)  # fmt: skip

FIND_DUPLICATE = _read("find_duplicate", "/contacts/search/duplicate")
LIST_NOTES = _read("list_notes", f"{_CONTACT}/notes")
LIST_TASKS = _read("list_tasks", f"{_CONTACT}/tasks")
GET_LOCATION = _read("get_location", "/locations/{location_id}")
LIST_PIPELINES = _read("list_pipelines", "/opportunities/pipelines")
LIST_WORKFLOWS = _read("list_workflows", "/workflows/")
SEARCH_OPPORTUNITIES = _read("search_opportunities", "/opportunities/search")
GET_OPPORTUNITY = _read("get_opportunity", "/opportunities/{opportunity_id}")
SEARCH_CONVERSATIONS = _read("search_conversations", "/conversations/search")
LIST_MESSAGES = _read("list_messages", "/conversations/{conversation_id}/messages")
GET_EMAIL = _read("get_email", "/conversations/messages/email/{email_id}")

WRITES = (
    UPSERT_CONTACT, ADD_TAGS, REMOVE_TAGS, SET_DND, ADD_NOTE, CREATE_TASK, ADD_TO_WORKFLOW,
    REMOVE_FROM_WORKFLOW, CREATE_OPPORTUNITY, UPDATE_OPPORTUNITY, SEND_EMAIL,
)  # fmt: skip
READS = (
    FIND_DUPLICATE, LIST_NOTES, LIST_TASKS, LIST_PIPELINES, LIST_WORKFLOWS,
    SEARCH_OPPORTUNITIES, SEARCH_CONVERSATIONS, LIST_MESSAGES, GET_EMAIL, GET_OPPORTUNITY,
    GET_LOCATION,
)  # fmt: skip
