"""The two sides of each write's request: made from a tool's arguments, and read back from it.

Owns: how our words and GHL's field names correspond. A binder reads the intent from what is about
to leave and refuses everything that the intent would not say: an unknown property, a constant of
another value, HTML that is not the body's. `bound(form(args)) == args.intent()`, always.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, get_args

from guardrails.model.writes import WriteAction, WriteIntent
from servers.ghl.contract_form import concerning, intent_of, with_reference
from servers.ghl.contract_mail import SendEmail, email_intent
from servers.ghl.contract_writes import (
    AddNote,
    Channel,
    CreateTask,
    PutOpportunity,
    SetDnd,
    UpsertContact,
)
from servers.ghl.mail import html_of

Path = Mapping[str, str]
Body = dict[str, Any]

FIELDS = {  # ours to GHL's
    "first_name": "firstName",
    "last_name": "lastName",
    "phone": "phone",
    "company": "companyName",
    "website": "website",
    "city": "city",
    "state": "state",
    "country": "country",
    "time_zone": "timezone",
    "source": "source",
}
_OURS = {theirs: ours for ours, theirs in FIELDS.items()}
DND_MESSAGE = "Blocked by ChiefAIOfficer-Swarm"


def _taken(body: Any, required: tuple[str, ...], optional: tuple[str, ...] = ()) -> Body:
    """`body`, which has exactly these properties."""
    if not isinstance(body, dict):
        raise ValueError("the body is not an object")
    if not set(required) <= set(body) <= {*required, *optional}:
        raise ValueError("the body has other properties than this write")
    return body


def _word(value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise ValueError("not a text")
    return value


# -- contacts ---------------------------------------------------------------------------------


def upsert_form(args: UpsertContact, location_id: str) -> Body:
    """POST /contacts/upsert. Never tags, never DND, never a second contact."""
    fields = {FIELDS[name]: value for name, value in args.fields.stated().items()}
    return {"locationId": location_id, "email": args.email, **fields}


def upsert_bound(path: Path, body: Any) -> WriteIntent:
    said = _taken(body, ("locationId", "email"), tuple(_OURS))
    fields = {ours: _word(said[theirs]) for theirs, ours in _OURS.items() if theirs in said}
    return intent_of(WriteAction.UPSERT_CONTACT, _word(said["email"]), {"fields": fields})


def add_tags_bound(path: Path, body: Any) -> WriteIntent:
    return _tags_bound(WriteAction.ADD_TAGS, path, body)


def remove_tags_bound(path: Path, body: Any) -> WriteIntent:
    return _tags_bound(WriteAction.REMOVE_TAGS, path, body)


def _tags_bound(action: WriteAction, path: Path, body: Any) -> WriteIntent:
    tags = _taken(body, ("tags",))["tags"]
    return intent_of(action, concerning(path["contact_id"]), {"tags": list(map(_word, tags))})


def note_form(args: AddNote) -> Body:
    """POST /contacts/{contact_id}/notes."""
    return {"body": with_reference(args.text, args.key)}


def note_bound(path: Path, body: Any) -> WriteIntent:
    content = {"text": _word(_taken(body, ("body",))["body"])}
    return intent_of(WriteAction.ADD_NOTE, concerning(path["contact_id"]), content)


def task_form(args: CreateTask) -> Body:
    """POST /contacts/{contact_id}/tasks."""
    return {
        "title": args.title,
        "body": with_reference(args.text, args.key),
        "dueDate": args.due_text(),
        "completed": False,
    }


def task_bound(path: Path, body: Any) -> WriteIntent:
    said = _taken(body, ("title", "body", "dueDate", "completed"))
    if said["completed"] is not False:
        raise ValueError("a new task is open")
    content = {"title": said["title"], "text": said["body"], "due": said["dueDate"]}
    return intent_of(WriteAction.CREATE_TASK, concerning(path["contact_id"]), content)


def dnd_form(args: SetDnd) -> Body:
    """PUT /contacts/{contact_id}, with nothing but blocked channels."""
    blocked = sorted(args.channels.items())
    return {
        "dndSettings": {
            channel: {"status": status, "message": DND_MESSAGE} for channel, status in blocked
        }
    }


def dnd_bound(path: Path, body: Any) -> WriteIntent:
    settings = _taken(_taken(body, ("dndSettings",))["dndSettings"], (), _CHANNELS)
    channels = {}
    for channel, setting in settings.items():
        said = _taken(setting, ("status", "message"))
        if said["message"] != DND_MESSAGE or said["status"] not in ("active", "permanent"):
            raise ValueError("this write only blocks")
        channels[channel] = said["status"]
    whom = concerning(path["contact_id"])
    return intent_of(WriteAction.SET_DND, whom, {"channels": channels})


_CHANNELS = get_args(Channel)

# -- workflows --------------------------------------------------------------------------------


def add_to_workflow_bound(path: Path, body: Any) -> WriteIntent:
    return _workflow_bound(WriteAction.ADD_TO_WORKFLOW, path, body)


def remove_from_workflow_bound(path: Path, body: Any) -> WriteIntent:
    return _workflow_bound(WriteAction.REMOVE_FROM_WORKFLOW, path, body)


def _workflow_bound(action: WriteAction, path: Path, body: Any) -> WriteIntent:
    _taken(body, ())
    return intent_of(action, concerning(path["contact_id"]), {"workflow_id": path["workflow_id"]})


# -- opportunities ----------------------------------------------------------------------------


def opportunity_form(args: PutOpportunity, location_id: str) -> Body:
    """POST /opportunities/ or, with an id, PUT /opportunities/{opportunity_id}."""
    said: Body = {
        "pipelineId": args.pipeline_id,
        "pipelineStageId": args.stage_id,
        "name": args.name,
        "status": args.status,
    }
    if args.value is not None:
        said["monetaryValue"] = args.value
    if args.opportunity_id is None:
        said |= {"locationId": location_id, "contactId": args.contact_id}
    return said


_PLACE = ("pipelineId", "pipelineStageId", "name", "status")


def create_opportunity_bound(path: Path, body: Any) -> WriteIntent:
    said = _taken(body, (*_PLACE, "locationId", "contactId"), ("monetaryValue",))
    whom = concerning(_word(said["contactId"]))
    return intent_of(WriteAction.CREATE_OPPORTUNITY, whom, _opportunity(said))


def update_opportunity_bound(path: Path, body: Any) -> WriteIntent:
    said = _taken(body, _PLACE, ("monetaryValue",))
    whom = f"opportunity:{path['opportunity_id']}"
    return intent_of(WriteAction.UPDATE_OPPORTUNITY, whom, _opportunity(said))


def _opportunity(said: Body) -> Body:
    ours = dict(zip(_PLACE, ("pipeline_id", "stage_id", "name", "status"), strict=True))
    content: Body = {name: _word(said[theirs]) for theirs, name in ours.items()}
    if "monetaryValue" in said:
        content["value"] = said["monetaryValue"]
    return content


# -- e-mail -----------------------------------------------------------------------------------


def email_form(args: SendEmail) -> Body:
    """POST /conversations/messages, without the `subType` and `status` that only the spec asks."""
    return {
        "type": "Email",
        "contactId": args.contact_id,
        "emailTo": args.to,
        "emailFrom": args.sender,
        "subject": args.subject,
        "message": args.body,
        "html": html_of(args.body),
    }


_EMAIL = ("type", "contactId", "emailTo", "emailFrom", "subject", "message", "html")


def email_bound(path: Path, body: Any) -> WriteIntent:
    said = {name: _word(value) for name, value in _taken(body, _EMAIL).items()}
    if said["type"] != "Email":
        raise ValueError("not an e-mail")
    if said["html"] != html_of(said["message"]):
        raise ValueError("the HTML says something else than the text")
    return email_intent(
        said["contactId"], said["emailTo"], said["emailFrom"], said["subject"], said["message"]
    )
