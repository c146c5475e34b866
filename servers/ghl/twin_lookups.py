"""The reading half of the GHL twin. Owns: keys, versions, limits, envelopes, look-ups.

True to the vendor: four kinds of refused token, a `Version` header per endpoint, location
binding, `X-RateLimit-*` headers and 429 without `Retry-After`, 422 whitelists, error envelopes
with `traceId`, snake_case in the opportunity search and camelCase elsewhere. Not true on
purpose: one location, one pipeline, no webhooks.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from servers.ghl import twin_rules as rules
from servers.ghl.twin_records import COMPANY_ID, LOCATION_ID, TIME_ZONE, Record, Records
from servers.ghl.twin_search import BadSearch, check_limits, search
from servers.sandbox.behaviour import Window
from servers.sandbox.wire import Call, Endpoint, Refused, Reply, Site, Twin, reply

TOKEN = "pit-sandbox-0000-4000-8000-000000000001"  # noqa: S105  (opens only the twin)
READ_ONLY_TOKEN = "pit-sandbox-0000-4000-8000-readonly0001"  # noqa: S105
AGENCY_TOKEN = "pit-sandbox-0000-4000-8000-agency000001"  # noqa: S105
OTHER_TOKEN = "pit-sandbox-0000-4000-8000-otherlocat01"  # noqa: S105

STANDARD = "2021-07-28"
CONVERSATIONS = "2021-04-15"
_VERSIONS = (STANDARD, CONVERSATIONS, "2023-02-21", "v3")
BURST, BURST_S, DAILY = 100, 10.0, 200_000

_ERRORS = {400: "Bad Request", 401: "Unauthorized", 403: "Forbidden", 404: "Not Found",
           422: "Unprocessable Entity", 429: "Too Many Requests"}  # fmt: skip


class GhlLookups(Twin):
    """The CRM with one location, as far as it is read."""

    vendor = "ghl"

    def __init__(self, site: Site) -> None:
        self.window = Window(BURST, BURST_S)
        self.today = 0
        super().__init__(site)

    def reset(self) -> None:
        self.records = Records(self.site.world, self.site.clock)

    def endpoints(self) -> Sequence[Endpoint]:
        reads = (
            ("POST", "/contacts/search", self.search_contacts),
            ("GET", "/contacts/search/duplicate", self.find_duplicate),
            ("GET", "/contacts/{id}", self.get_contact),
            ("GET", "/locations/{id}", self.get_location),
            ("GET", "/opportunities/search", self.search_opportunities),
            ("GET", "/opportunities/pipelines", self.list_pipelines),
            ("GET", "/opportunities/{id}", self.get_opportunity),
            ("GET", "/workflows/", self.list_workflows),
        )
        found = [Endpoint(m, path, "read", handler, STANDARD) for m, path, handler in reads]
        search = self.search_conversations
        return [*found, Endpoint("GET", "/conversations/search", "read", search, CONVERSATIONS)]

    # -- before the request is looked at ------------------------------------------------------

    def guard(self, call: Call, endpoint: Endpoint) -> None:
        token = (call.header(b"authorization") or "").removeprefix("Bearer ").strip()
        known = (TOKEN, READ_ONLY_TOKEN, AGENCY_TOKEN, OTHER_TOKEN)
        if token not in known:
            raise self.refuse(call, 401, "Invalid Private Integration token")
        version = call.header(b"version")
        if version is None:
            raise self.refuse(call, 401, "version header was not found.")
        if version not in _VERSIONS:
            text = f"Invalid API version segment '{version}' at position 0"
            raise self.refuse(call, 400, text)
        if version not in (endpoint.version, "v3"):
            raise self.refuse(call, 401, "version header is invalid")
        if token == AGENCY_TOKEN:
            raise self.refuse(call, 401, "Token's user type mismatch!")
        if token == OTHER_TOKEN:
            raise self.refuse(call, 403, "The token does not have access to this location.")
        if token == READ_ONLY_TOKEN and endpoint.kind == "write":
            raise self.refuse(call, 401, "The token is not authorized for this scope.")
        self._spend_quota(call)

    def _spend_quota(self, call: Call) -> None:
        self.today += 1
        left = self.window.left(LOCATION_ID, self.now())
        over = left < 0 or self.today > DAILY
        if over and self.site.behaviour.limits(self.vendor):
            raise self.refuse(call, 429, "Too Many Requests")

    def decorate(self, call: Call, answer: Reply) -> None:
        used = self.window.used(LOCATION_ID, self.now())
        answer.headers |= {
            "X-RateLimit-Limit-Daily": str(DAILY),
            "X-RateLimit-Daily-Remaining": str(max(0, DAILY - self.today)),
            "X-RateLimit-Interval-Milliseconds": str(int(BURST_S * 1000)),
            "X-RateLimit-Max": str(BURST),
            "X-RateLimit-Remaining": str(max(0, BURST - used)),
        }

    # -- answers ------------------------------------------------------------------------------

    def failure(self, call: Call, status: int, message: str) -> Reply:
        return self.error(call, status, message)

    def error(self, call: Call, status: int, message: str | list[str], **more: Any) -> Reply:
        """The live envelope: `message` is a string, or a list with 422."""
        body: dict[str, Any] = {"statusCode": status, "message": message}
        if name := _ERRORS.get(status):
            body["error"] = name
        return reply(status, body | more | {"traceId": self.trace(call)})

    def refuse(self, call: Call, status: int, message: str | list[str], **more: Any) -> Refused:
        """The same as something to raise."""
        return Refused(self.error(call, status, message, **more))

    def answer_with(self, call: Call, status: int, body: dict[str, Any]) -> Reply:
        """A success with its trace id."""
        return reply(status, body | {"traceId": self.trace(call)})

    def body(self, call: Call, allowed: rules.Body) -> dict[str, Any]:
        """The request's properties, refused with 400 or 422 when they are not allowed."""
        try:
            value = call.json()
        except ValueError:
            raise self.refuse(call, 400, "Unexpected token in JSON at position 0") from None
        if not isinstance(value, dict):
            raise self.refuse(call, 400, "Request body must be an object")
        if offences := allowed.offences(value):
            raise self.refuse(call, 422, offences)
        if "locationId" in allowed.required:
            self.bind(call, value["locationId"])
        return value

    def bind(self, call: Call, location_id: str | None) -> None:
        """Refuse any location but the token's own."""
        if not location_id:
            raise self.refuse(call, 422, ["locationId should not be empty"])
        if location_id != LOCATION_ID:
            raise self.refuse(call, 403, "The token does not have access to this location.")

    def contact(self, call: Call, contact_id: str | None = None) -> Record:
        """The named contact, or the vendor's 400."""
        wanted = contact_id if contact_id is not None else call.params["id"]
        record = self.records.contacts.get(wanted)
        if record is None:
            raise self.refuse(call, 400, f"Contact with id {wanted} not found")
        return record

    # -- look-ups -----------------------------------------------------------------------------

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

    def get_location(self, call: Call) -> Reply:
        self.bind(call, call.params["id"])
        location = {
            "id": LOCATION_ID,
            "companyId": COMPANY_ID,
            "name": "Sandbox location",
            "country": "US",
            "timezone": TIME_ZONE,
            "settings": {"allowDuplicateContact": False, "allowDuplicateOpportunity": False},
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
