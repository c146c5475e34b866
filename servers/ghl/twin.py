"""GoHighLevel (LeadConnector v2) as it answers over HTTP. Owns: the writes; look-ups are inherited.

Each is counted as a write whether it is accepted or refused. Only the two upserts may be repeated
without harm; notes, tasks, messages and workflow adds double, as they do at the vendor. Success
codes are the live ones (201 where the specification says 200).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from servers.ghl import twin_rules as rules
from servers.ghl.twin_door import CONVERSATIONS, STANDARD
from servers.ghl.twin_lookups import GhlLookups
from servers.ghl.twin_records import Record, known
from servers.ghl.twin_threads import kept
from servers.sandbox.asgi import Reply
from servers.sandbox.wire import Call, Endpoint

_SEND_DND = "Cannot send message as DND is active for Email."
_DND_CODE = "CONVERSATIONS_MSG_DND_ACTIVE_EMAIL"
_EMAIL_CODE = "CONVERSATIONS_MSG_INVALID_EMAIL"
_CONTACT = "/contacts/{id}"


class GhlTwin(GhlLookups):
    """The CRM with one location."""

    def endpoints(self) -> Sequence[Endpoint]:
        writes = (
            ("POST", "/contacts/upsert", self.upsert_contact),
            ("POST", "/contacts/", self.create_contact),
            ("PUT", _CONTACT, self.update_contact),
            ("POST", f"{_CONTACT}/tags", self.add_tags),
            ("DELETE", f"{_CONTACT}/tags", self.remove_tags),
            ("POST", f"{_CONTACT}/notes", self.create_note),
            ("POST", f"{_CONTACT}/tasks", self.create_task),
            ("POST", f"{_CONTACT}/workflow/{{workflow_id}}", self.add_to_workflow),
            ("DELETE", f"{_CONTACT}/workflow/{{workflow_id}}", self.remove_from_workflow),
            ("POST", "/opportunities/", self.create_opportunity),
            ("POST", "/opportunities/upsert", self.upsert_opportunity),
            ("PUT", "/opportunities/{id}", self.update_opportunity),
            ("PUT", "/opportunities/{id}/status", self.set_status),
        )
        made = [Endpoint(m, path, "write", handler, STANDARD) for m, path, handler in writes]
        send = Endpoint(
            "POST", "/conversations/messages", "write", self.send_message, CONVERSATIONS
        )
        return [*super().endpoints(), *made, send]

    # -- contacts -----------------------------------------------------------------------------

    def upsert_contact(self, call: Call) -> Reply:
        body = self.body(call, rules.UPSERT)
        record = self._same_person(body)
        new = bool(body.get("createNewIfDuplicateAllowed"))
        if record is None or (new and self.site.behaviour.ghl_duplicates_allowed):
            made = self.records.add_contact(body)
            return self.answer_with(call, 201, {"new": True, "contact": made})
        self.records.change_contact(record, body)
        return self.answer_with(call, 201, {"new": False, "contact": record})

    def create_contact(self, call: Call) -> Reply:
        body = self.body(call, rules.CREATE)
        record = None if self.site.behaviour.ghl_duplicates_allowed else self._same_person(body)
        if record is not None:
            same_email = record.get("email") == str(body.get("email") or "").lower()
            meta = {
                "contactId": record["id"],
                "contactName": f"{record['firstName']} {record['lastName']}".strip(),
                "matchingField": "email" if same_email else "phone",
            }
            text = "This location does not allow duplicated contacts."
            raise self.refuse(call, 400, text, meta=meta)
        return self.answer_with(call, 201, {"contact": self.records.add_contact(body)})

    def _same_person(self, body: dict[str, Any]) -> Record | None:
        email = body.get("email")
        if email and (record := self.records.contact_by_email(str(email))):
            return record
        phone = body.get("phone")
        held = self.records.contacts.values()
        return next((r for r in held if phone and r.get("phone") == phone), None)

    def update_contact(self, call: Call) -> Reply:
        body = self.body(call, rules.UPDATE)
        record = self.contact(call)
        self.records.change_contact(record, body)
        return self.answer_with(call, 200, {"succeded": True, "contact": record})

    def add_tags(self, call: Call) -> Reply:
        body, record = self.body(call, rules.TAGS), self.contact(call)
        record["tags"] = list(dict.fromkeys([*record["tags"], *map(str.lower, body["tags"])]))
        return self.answer_with(call, 201, {"tags": record["tags"]})

    def remove_tags(self, call: Call) -> Reply:
        body, record = self.body(call, rules.TAGS), self.contact(call)
        gone = set(map(str.lower, body["tags"]))
        record["tags"] = [tag for tag in record["tags"] if tag not in gone]
        return self.answer_with(call, 200, {"tags": record["tags"]})

    def create_note(self, call: Call) -> Reply:
        body, record = self.body(call, rules.NOTE), self.contact(call)
        notes = self.records.notes
        note = {
            "id": self.records.identify("note", record["id"], len(notes)),
            "body": body["body"],
            "dateAdded": self.records.now(),
            "contactId": record["id"],
        }
        notes.append(note | known({"userId": body.get("userId")}))
        return self.answer_with(call, 201, {"note": notes[-1]})

    def create_task(self, call: Call) -> Reply:
        body, record = self.body(call, rules.TASK), self.contact(call)
        tasks = self.records.tasks
        made = self.records.identify("task", record["id"], len(tasks))
        tasks.append({"id": made, "contactId": record["id"]} | body)
        return self.answer_with(call, 201, {"task": tasks[-1]})

    # -- workflows ----------------------------------------------------------------------------

    def add_to_workflow(self, call: Call) -> Reply:
        self.body(call, rules.WORKFLOW)
        member = self._member(call)
        self.records.workflow_members.append(member)
        return self.answer_with(call, 201, {"succeded": True})

    def remove_from_workflow(self, call: Call) -> Reply:
        member = self._member(call)
        kept = [m for m in self.records.workflow_members if m != member]
        self.records.workflow_members[:] = kept
        return self.answer_with(call, 200, {"succeded": True})

    def _member(self, call: Call) -> tuple[str, str]:
        workflow_id = call.params["workflow_id"]
        if all(workflow["id"] != workflow_id for workflow in self.records.workflows):
            raise self.refuse(call, 400, f"Workflow with id {workflow_id} not found")
        return self.contact(call)["id"], workflow_id

    # -- opportunities ------------------------------------------------------------------------

    def create_opportunity(self, call: Call) -> Reply:
        body = self.body(call, rules.OPPORTUNITY)
        contact = self._sellable(call, body)
        if existing := self._opportunity_of(contact):
            raise self.refuse(
                call,
                400,
                "Can not create duplicate opportunity for the contact.",
                code="OPPORTUNITY_NO_DUPLICATE",
                meta={"existingId": existing["id"]},
            )
        made = self.records.add_opportunity(contact, body, self.site.clock())
        return self.answer_with(call, 201, {"opportunity": made})

    def upsert_opportunity(self, call: Call) -> Reply:
        body = self.body(call, rules.OPPORTUNITY_UPSERT)
        existing = self.records.opportunities.get(str(body.get("id")))
        if existing is None and not body.get("contactId"):
            raise self.refuse(call, 422, ["contactId should not be empty"])
        contact = self._sellable(call, {"contactId": (existing or body)["contactId"]} | body)
        existing = existing or self._opportunity_of(contact)
        if existing is None:
            made = self.records.add_opportunity(contact, body, self.site.clock())
            return self.answer_with(call, 201, {"opportunity": made, "new": True})
        self._change(existing, body)
        return self.answer_with(call, 201, {"opportunity": existing, "new": False})

    def update_opportunity(self, call: Call) -> Reply:
        body, record = self.body(call, rules.OPPORTUNITY_UPDATE), self._opportunity(call)
        self._change(record, body)
        return self.answer_with(call, 200, {"opportunity": record})

    def set_status(self, call: Call) -> Reply:
        body, record = self.body(call, rules.OPPORTUNITY_STATUS), self._opportunity(call)
        self._change(record, {"status": body["status"]})
        return self.answer_with(call, 200, {"succeded": True})

    def _sellable(self, call: Call, body: dict[str, Any]) -> Record:
        if body["pipelineId"] != self.records.pipeline["id"]:
            raise self.refuse(call, 400, "The pipeline id is invalid.")
        if body.get("status", "open") not in rules.OPPORTUNITY_STATUSES:
            options = ", ".join(rules.OPPORTUNITY_STATUSES)
            text = f"status must be one of the following values: {options}"
            raise self.refuse(call, 422, [text])
        return self.contact(call, body["contactId"])

    def _opportunity_of(self, contact: Record) -> Record | None:
        held = self.records.opportunities.values()
        return next((o for o in held if o["contactId"] == contact["id"]), None)

    def _opportunity(self, call: Call) -> Record:
        record = self.records.opportunities.get(call.params["id"])
        if record is None:
            text = f"Opportunity with id {call.params['id']} not found"
            raise self.refuse(call, 400, text)
        return record

    def _change(self, record: Record, body: dict[str, Any]) -> None:
        names = ("name", "status", "pipelineStageId", "monetaryValue", "assignedTo")
        record |= {name: body[name] for name in names if body.get(name) is not None}
        record["updatedAt"] = self.records.now()

    # -- conversations ------------------------------------------------------------------------

    def send_message(self, call: Call) -> Reply:
        body = self.body(call, rules.MESSAGE)
        if body["type"] not in rules.MESSAGE_TYPES:
            options = ", ".join(rules.MESSAGE_TYPES)
            text = f"type must be one of the following values: {options}"
            raise self.refuse(call, 422, [text])
        contact = self.contact(call, body["contactId"])
        if body["type"] == "Email":
            self._refuse_recipient(call, contact)
        records = self.records
        conversation = records.conversation_of(contact)
        made = records.identify("message", contact["id"], len(records.messages))
        records.messages.append(kept(body, made, contact, conversation, records.now()))
        conversation |= {
            "lastMessageType": f"TYPE_{str(body['type']).upper()}",
            "lastMessageDirection": "outbound",
            "lastMessageDate": int(self.now() * 1000),
            "lastMessageBody": body.get("message") or body.get("html") or "",
        }
        contact["lastActivity"] = records.now()
        answer = {
            "conversationId": conversation["id"],
            "messageId": made,
            "emailMessageId": made,
            "status": "pending",
            "msg": "Email queued successfully.",
        }
        return self.answer_with(call, 201, answer)

    def _refuse_recipient(self, call: Call, contact: Record) -> None:
        status = contact["dndSettings"].get("Email", {}).get("status")
        if contact["dnd"] or status in ("active", "permanent"):
            raise self.refuse(call, 400, _SEND_DND, canonicalCode=_DND_CODE)
        if not contact.get("email") or contact.get("validEmail") is False:
            text = "Cannot send message as the email is invalid."
            raise self.refuse(call, 400, text, canonicalCode=_EMAIL_CODE)
