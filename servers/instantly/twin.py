"""Instantly (API v2) as it answers over HTTP. Owns: keys, limits, look-ups and writes.

True to the vendor: `{statusCode, error, message}`, 429 without any rate header, cursor paging by
`starting_after` (in the body for `POST /leads/list`), bodies without additional properties, the
two meanings of `skip_if_in_campaign`, statuses as numbers. Records and their form live in
`twin_records`. Not true on purpose: activation sends nothing.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from servers.instantly import twin_rules as rules
from servers.instantly.twin_records import CAMPAIGN_STATUS, Record, Workspace
from servers.sandbox.behaviour import Window
from servers.sandbox.wire import Call, Endpoint, Refused, Reply, Site, Twin, reply

KEY = "sandbox-instantly-key-0001"
READ_ONLY_KEY = "sandbox-instantly-readonly-0001"
_V2 = "/api/v2"
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\Z", re.IGNORECASE)
_ERRORS = {400: "Bad Request", 401: "Unauthorized", 402: "Payment Required", 403: "Forbidden",
           404: "Not Found", 429: "Too Many Requests", 503: "Service Unavailable"}  # fmt: skip


class InstantlyTwin(Twin):
    """One workspace."""

    vendor = "instantly"

    def __init__(self, site: Site) -> None:
        self.second, self.minute = Window(100, 1), Window(6000, 60)
        super().__init__(site)

    def reset(self) -> None:
        self.workspace = Workspace(self.site.world, self.site.clock)

    def endpoints(self) -> Sequence[Endpoint]:
        reads = (
            ("GET", "/campaigns", self.list_campaigns),
            ("GET", "/campaigns/analytics", self.analytics),
            ("GET", "/campaigns/{id}", self.get_campaign),
            ("POST", "/leads/list", self.list_leads),
            ("GET", "/leads/{id}", self.get_lead),
            ("GET", "/block-lists-entries", self.list_blocked),
        )
        writes = (
            ("POST", "/campaigns", self.create_campaign),
            ("PATCH", "/campaigns/{id}", self.patch_campaign),
            ("POST", "/campaigns/{id}/activate", self.activate),
            ("POST", "/campaigns/{id}/pause", self.pause),
            ("POST", "/leads", self.create_lead),
            ("POST", "/leads/add", self.add_leads),
            ("POST", "/leads/update-interest-status", self.set_interest),
            ("DELETE", "/leads/{id}", self.delete_lead),
            ("POST", "/block-lists-entries", self.block),
            ("POST", "/emails/reply", self.reply_to_email),
        )
        found = [Endpoint(m, _V2 + path, "read", handler) for m, path, handler in reads]
        return found + [Endpoint(m, _V2 + path, "write", handler) for m, path, handler in writes]

    # -- before the request is looked at ------------------------------------------------------

    def guard(self, call: Call, endpoint: Endpoint) -> None:
        key = (call.header(b"authorization") or "").removeprefix("Bearer ").strip()
        if key not in (KEY, READ_ONLY_KEY):
            raise self.refuse(call, 401, "Invalid API key")
        if key == READ_ONLY_KEY and endpoint.kind == "write":
            raise self.refuse(call, 403, "API key does not have the required scope")
        now = self.now()
        over = min(self.second.left("all", now), self.minute.left("all", now)) < 0
        if over and self.site.behaviour.limits(self.vendor):
            raise self.refuse(call, 429, "Rate limit exceeded")

    def failure(self, call: Call, status: int, message: str) -> Reply:
        name = _ERRORS.get(status, "Internal Server Error")
        return reply(status, {"statusCode": status, "error": name, "message": message})

    def refuse(self, call: Call, status: int, message: str) -> Refused:
        """An error to raise."""
        return Refused(self.failure(call, status, message))

    def body(self, call: Call, form: rules.Form) -> dict[str, Any]:
        """The request's properties, or the 400 that its schema leads to."""
        try:
            value = call.json()
        except ValueError:
            raise self.refuse(call, 400, "Body is not valid JSON") from None
        if offence := form.offence(value):
            raise self.refuse(call, 400, offence)
        assert isinstance(value, dict)
        return value

    def page(self, call: Call, found: Sequence[Record], asked: dict[str, Any]) -> Reply:
        """One page in id order; `next_starting_after` is absent on the last."""
        limit = asked.get("limit", 10)
        if not str(limit).isdigit() or not 1 <= int(limit) <= 100:
            where = "body" if call.method == "POST" else "querystring"
            word = ">= 1" if str(limit).lstrip("-") in ("0", "") or "-" in str(limit) else "<= 100"
            raise self.refuse(call, 400, f"{where}/limit must be {word}")
        after = str(asked.get("starting_after") or "")
        rest = [record for record in sorted(found, key=_by_id) if record["id"] > after]
        shown = rest[: int(limit)]
        answer: dict[str, Any] = {"items": shown}
        if len(rest) > len(shown):
            answer["next_starting_after"] = shown[-1]["id"]
        return reply(200, answer)

    # -- look-ups -----------------------------------------------------------------------------

    def list_campaigns(self, call: Call) -> Reply:
        search, status = call.query.get("search", "").lower(), call.query.get("status")
        found = [
            campaign
            for campaign in self.workspace.campaigns.values()
            if search in campaign["name"].lower() and status in (None, str(campaign["status"]))
        ]
        return self.page(call, found, dict(call.query))

    def get_campaign(self, call: Call) -> Reply:
        return reply(200, self._campaign(call, call.params["id"]))

    def analytics(self, call: Call) -> Reply:
        wanted = [*call.repeated("ids"), *call.repeated("id")]
        campaigns = self.workspace.campaigns.values()
        shown = [c for c in campaigns if not wanted or c["id"] in wanted]
        return reply(200, [self.workspace.analytics(campaign) for campaign in shown])

    def list_leads(self, call: Call) -> Reply:
        asked = self.body(call, rules.LIST_LEADS)
        return self.page(call, self.workspace.find_leads(asked), asked)

    def get_lead(self, call: Call) -> Reply:
        return reply(200, self._lead(call))

    def list_blocked(self, call: Call) -> Reply:
        search = call.query.get("search", "").lower()
        only = call.query.get("domains_only") == "true"
        found = [
            entry
            for entry in self.workspace.blocked.values()
            if search in entry["bl_value"] and (entry["is_domain"] or not only)
        ]
        return self.page(call, found, dict(call.query))

    def _campaign(self, call: Call, campaign_id: str) -> Record:
        self._check_id(call, campaign_id)
        record = self.workspace.campaigns.get(campaign_id)
        if record is None:
            raise self.refuse(call, 404, "Campaign not found")
        return record

    def _check_id(self, call: Call, value: str) -> None:
        if not _UUID.match(value):
            raise self.refuse(call, 400, 'params/id must match format "uuid"')

    def _lead(self, call: Call) -> Record:
        self._check_id(call, call.params["id"])
        record = self.workspace.leads.get(call.params["id"])
        if record is None:
            raise self.refuse(call, 404, "Lead not found")
        return record

    # -- writes -------------------------------------------------------------------------------

    def create_campaign(self, call: Call) -> Reply:
        body = self.body(call, rules.CREATE_CAMPAIGN)
        if offence := rules.schedule_offence(body["campaign_schedule"]):
            raise self.refuse(call, 400, offence)
        return reply(200, self.workspace.add_campaign(body))

    def patch_campaign(self, call: Call) -> Reply:
        body = self.body(call, rules.PATCH_CAMPAIGN)
        schedule = body.get("campaign_schedule")
        if schedule and (offence := rules.schedule_offence(schedule)):
            raise self.refuse(call, 400, offence)
        record = self._campaign(call, call.params["id"])
        record |= body | {"timestamp_updated": self.workspace.now()}
        return reply(200, record)

    def activate(self, call: Call) -> Reply:
        record = self._campaign(call, call.params["id"])
        if not record.get("sequences"):
            raise self.refuse(call, 400, "Campaign has no sequences")
        return self._set_status(record, "active")

    def pause(self, call: Call) -> Reply:
        return self._set_status(self._campaign(call, call.params["id"]), "paused")

    def _set_status(self, record: Record, status: str) -> Reply:
        record["status"] = CAMPAIGN_STATUS[status]
        record["timestamp_updated"] = self.workspace.now()
        return reply(200, record)

    def create_lead(self, call: Call) -> Reply:
        body = self.body(call, rules.CREATE_LEAD)
        campaign = body.get("campaign")
        if campaign:
            self._campaign(call, campaign)
            if not body.get("email"):
                raise self.refuse(call, 400, "email is required when campaign is given")
        if held := self._skipped(body, campaign, any_campaign=False):
            return reply(200, held)
        return reply(200, self.workspace.add_lead(body, campaign))

    def _skipped(
        self, body: Record, campaign: str | None, *, any_campaign: bool, email: str | None = None
    ) -> Record | None:
        """The lead held already, when a `skip_if_…` flag says that it counts."""
        held = self.workspace.leads_of(str(email or body.get("email") or ""))
        if body.get("skip_if_in_workspace") and held:
            return held[0]
        inside = [lead for lead in held if any_campaign or lead["campaign"] == campaign]
        return inside[0] if body.get("skip_if_in_campaign") and inside else None

    def add_leads(self, call: Call) -> Reply:
        body = self.body(call, rules.ADD_LEADS)
        if ("campaign_id" in body) == ("list_id" in body):
            raise self.refuse(call, 400, "Provide either campaign_id or list_id")
        if not 1 <= len(body["leads"]) <= 1000:
            raise self.refuse(call, 400, "body/leads must NOT have more than 1000 items")
        campaign = body.get("campaign_id")
        if campaign:
            self._campaign(call, campaign)
        return reply(200, self._add_all(body, campaign))

    def _add_all(self, body: Record, campaign: str | None) -> Record:
        counts = dict.fromkeys(rules.BULK_COUNTS, 0)
        made: list[Record] = []
        seen: set[str] = set()
        for at, lead in enumerate(body["leads"]):
            email = str(lead.get("email") or "").lower()
            if "@" not in email:
                counts["invalid_email_count"] += 1
            elif email in seen:
                counts["duplicate_email_count"] += 1
            elif self.workspace.is_blocked(email):
                counts["in_blocklist"] += 1
            elif self._skipped(body, campaign, any_campaign=True, email=email):
                counts["skipped_count"] += 1
            else:
                added = self.workspace.add_lead(lead, campaign)
                made.append({"index": at, "id": added["id"], "email": email})
            seen.add(email)
        counts |= {"total_sent": len(body["leads"]), "leads_uploaded": len(made)}
        return {"status": "success", **counts, "blocklist_used": None, "created_leads": made}

    def set_interest(self, call: Call) -> Reply:
        body = self.body(call, rules.INTEREST)
        held = self.workspace.leads_of(str(body["lead_email"]))
        if not held:
            return reply(400, {"error": "Lead not found"})
        for lead in held:
            lead["lt_interest_status"] = body["interest_value"]
        return reply(202, {"message": "Lead interest status update background job submitted"})

    def delete_lead(self, call: Call) -> Reply:
        record = self._lead(call)
        del self.workspace.leads[record["id"]]
        return reply(200, record)

    def block(self, call: Call) -> Reply:
        return reply(200, self.workspace.block(self.body(call, rules.BLOCK)["bl_value"]))

    def reply_to_email(self, call: Call) -> Reply:
        body = self.body(call, rules.REPLY)
        if not isinstance(body["body"], dict) or not {"html", "text"} & body["body"].keys():
            raise self.refuse(call, 400, "body/body must have html or text")
        return reply(200, self.workspace.add_email(body))


def _by_id(record: Record) -> str:
    return str(record["id"])
