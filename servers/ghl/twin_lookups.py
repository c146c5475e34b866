"""The reading half of the GHL twin. Owns: look-ups; the door's checks are inherited.

True to the vendor: snake_case in the opportunity search and camelCase elsewhere. Not true on
purpose: one location, one pipeline, no webhooks.
"""

from __future__ import annotations

from collections.abc import Sequence

from servers.ghl import twin_rules as rules
from servers.ghl.twin_door import CONVERSATIONS, STANDARD, GhlDoor
from servers.ghl.twin_records import COMPANY_ID, LOCATION_ID, TIME_ZONE, Record, Records
from servers.ghl.twin_search import BadSearch, check_limits, search
from servers.ghl.twin_threads import page_of, whole
from servers.sandbox.asgi import Reply
from servers.sandbox.wire import Call, Endpoint


class GhlLookups(GhlDoor):
    """The CRM with one location, as far as it is read."""

    def reset(self) -> None:
        self.records = Records(self.site.world, self.site.clock)

    def endpoints(self) -> Sequence[Endpoint]:
        reads = (
            ("POST", "/contacts/search", self.search_contacts),
            ("GET", "/contacts/search/duplicate", self.find_duplicate),
            ("GET", "/contacts/{id}", self.get_contact),
            ("GET", "/contacts/{id}/notes", self.list_notes),
            ("GET", "/contacts/{id}/tasks", self.list_tasks),
            ("GET", "/locations/{id}", self.get_location),
            ("GET", "/opportunities/search", self.search_opportunities),
            ("GET", "/opportunities/pipelines", self.list_pipelines),
            ("GET", "/opportunities/{id}", self.get_opportunity),
            ("GET", "/workflows/", self.list_workflows),
        )
        found = [Endpoint(m, path, "read", handler, STANDARD) for m, path, handler in reads]
        talks = (
            ("/conversations/search", self.search_conversations),
            ("/conversations/{id}/messages", self.list_messages),
            ("/conversations/messages/email/{id}", self.get_email),
        )
        heard = [Endpoint("GET", path, "read", handler, CONVERSATIONS) for path, handler in talks]
        return [*found, *heard]

    # -- look-ups -----------------------------------------------------------------------------

    def contact(self, call: Call, contact_id: str | None = None) -> Record:
        """The named contact, or the vendor's 400."""
        wanted = contact_id if contact_id is not None else call.params["id"]
        record = self.records.contacts.get(wanted)
        if record is None:
            raise self.refuse(call, 400, f"Contact with id {wanted} not found")
        return record

    def search_contacts(self, call: Call) -> Reply:
        body = self.body(call, rules.SEARCH)
        visible = list(self.records.contacts.values())
        if made := self.records.created_at:
            settled = self.now() - self.site.behaviour.ghl_search_lag_s
            visible = [record for record in visible if made.get(record["id"], 0) <= settled]
        try:
            check_limits(body)
            found, total = search(visible, body)
        except BadSearch as bad:
            many = list(bad.sentences) if bad.status == 422 else bad.sentences[0]
            raise self.refuse(call, bad.status, many) from None
        return self.answer_with(call, 200, {"contacts": found, "total": total})

    def find_duplicate(self, call: Call) -> Reply:
        self.bind(call, call.query.get("locationId"))
        email, number = call.query.get("email"), call.query.get("number")
        record = self.records.contact_by_email(email) if email else None
        if record is None and number:
            held = self.records.contacts.values()
            record = next((r for r in held if r.get("phone") == number), None)
        return self.answer_with(call, 200, {"contact": record})

    def get_contact(self, call: Call) -> Reply:
        return self.answer_with(call, 200, {"contact": self.contact(call)})

    def list_notes(self, call: Call) -> Reply:
        return self._of_contact(call, "notes", self.records.notes)

    def list_tasks(self, call: Call) -> Reply:
        return self._of_contact(call, "tasks", self.records.tasks)

    def _of_contact(self, call: Call, name: str, held: list[Record]) -> Reply:
        own = self.contact(call)["id"]
        return self.answer_with(call, 200, {name: [r for r in held if r["contactId"] == own]})

    def get_location(self, call: Call) -> Reply:
        self.bind(call, call.params["id"])
        location = {
            "id": LOCATION_ID,
            "companyId": COMPANY_ID,
            "name": "Sandbox location",
            "country": "US",
            "timezone": TIME_ZONE,
            "settings": {
                "allowDuplicateContact": self.site.behaviour.ghl_duplicates_allowed,
                "allowDuplicateOpportunity": False,
            },
        }
        return self.answer_with(call, 200, {"location": location})

    def list_pipelines(self, call: Call) -> Reply:
        self.bind(call, call.query.get("locationId"))
        return self.answer_with(call, 200, {"pipelines": [self.records.pipeline]})

    def list_workflows(self, call: Call) -> Reply:
        self.bind(call, call.query.get("locationId"))
        return self.answer_with(call, 200, {"workflows": self.records.workflows})

    def get_opportunity(self, call: Call) -> Reply:
        record = self.records.opportunities.get(call.params["id"])
        if record is None:
            raise self.refuse(call, 400, f"Opportunity with id {call.params['id']} not found")
        return self.answer_with(call, 200, {"opportunity": record})

    def search_opportunities(self, call: Call) -> Reply:
        query = call.query
        camel = [name for name in ("locationId", "pipelineId", "contactId") if name in query]
        if camel:
            raise self.refuse(call, 422, [f"property {name} should not exist" for name in camel])
        if "location_id" not in query:
            raise self.refuse(call, 422, ["location_id should not be empty"])
        self.bind(call, query["location_id"])
        limit, page = _whole(query.get("limit"), 20), _whole(query.get("page"), 1)
        if not 1 <= limit <= 100 or page < 1:
            raise self.refuse(call, 422, ["limit must not be greater than 100"])
        found = [r for r in self.records.opportunities.values() if _asked_for(r, query)]
        start = (page - 1) * limit
        more = page + 1 if start + limit < len(found) else None
        shown = found[start : start + limit]
        meta = {
            "total": len(found),
            "nextPageUrl": None,
            "startAfterId": shown[-1]["id"] if shown else None,
            "startAfter": None,
            "currentPage": page,
            "nextPage": more,
            "prevPage": page - 1 or None,
        }
        answer = {"opportunities": shown, "meta": meta, "aggregations": {}}
        return self.answer_with(call, 200, answer)

    def search_conversations(self, call: Call) -> Reply:
        self.bind(call, call.query.get("locationId"))
        wanted = call.query.get("contactId")
        held = self.records.conversations.values()
        found = [c for c in held if wanted in (None, c["contactId"])]
        limit = _whole(call.query.get("limit"), 20)
        return self.answer_with(call, 200, {"conversations": found[:limit], "total": len(found)})

    def list_messages(self, call: Call) -> Reply:
        conversation = self.records.conversations.get(call.params["id"])
        if conversation is None:
            text = f"Conversation with id {call.params['id']} not found"
            raise self.refuse(call, 400, text)
        held = self.records.messages
        own = [m for m in held if m["conversationId"] == conversation["id"]]
        return self.answer_with(call, 200, page_of(own, call.query))

    def get_email(self, call: Call) -> Reply:
        wanted = call.params["id"]
        for message in self.records.messages:
            if message["id"] == wanted and message["type"] == "Email":
                return self.answer_with(call, 200, whole(message))
        raise self.refuse(call, 400, f"Email message with id {wanted} not found")


def _whole(text: str | None, default: int) -> int:
    if text is None:
        return default
    return int(text) if text.isdigit() else 0


def _asked_for(record: Record, query: dict[str, str]) -> bool:
    pairs = (
        ("pipeline_id", "pipelineId"),
        ("pipeline_stage_id", "pipelineStageId"),
        ("contact_id", "contactId"),
        ("assigned_to", "assignedTo"),
    )
    if any(name in query and query[name] != record.get(own) for name, own in pairs):
        return False
    if query.get("status", "all") not in ("all", record["status"]):
        return False
    return query.get("q", "").lower() in str(record["name"]).lower()
