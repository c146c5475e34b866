"""The reading half of the Instantly twin. Owns: keys, limits, envelopes, paging, look-ups.

True to the vendor: `{statusCode, error, message}`, 429 without any rate header, cursor paging by
`starting_after` (in the body for `POST /leads/list`), 400 for additional properties, statuses as
numbers. Records and their form live in `twin_records`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from servers.instantly import twin_queries as queries
from servers.instantly import twin_rules as rules
from servers.instantly.twin_records import Record, Workspace
from servers.sandbox.asgi import Reply, reply
from servers.sandbox.behaviour import Denial, Window
from servers.sandbox.wire import Call, Endpoint, Refused, Site, Twin

KEY = "sandbox-instantly-key-0001"
READ_ONLY_KEY = "sandbox-instantly-readonly-0001"
NO_SCOPE = "API key does not have the required scope"
V2 = "/api/v2"
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\Z", re.IGNORECASE)
_ERRORS = {400: "Bad Request", 401: "Unauthorized", 402: "Payment Required", 403: "Forbidden",
           404: "Not Found", 429: "Too Many Requests", 503: "Service Unavailable"}  # fmt: skip


class InstantlyLookups(Twin):
    """One workspace, as far as it is read."""

    vendor = "instantly"
    denials: Mapping[Denial, tuple[int, str]] = {
        "revoked": (401, "Invalid API key"),
        "no_scope": (403, NO_SCOPE),
        "no_plan": (402, "Workspace does not have an active paid plan"),
    }

    def __init__(self, site: Site) -> None:
        self.second, self.minute = Window(100, 1), Window(6000, 60)
        super().__init__(site)

    def reset(self) -> None:
        # Asked each time: the sandbox's clock may be set off while it runs.
        self.workspace = Workspace(self.site.world, lambda: self.site.clock())

    def endpoints(self) -> Sequence[Endpoint]:
        reads = (
            ("GET", "/campaigns", self.list_campaigns),
            ("GET", "/campaigns/analytics", self.analytics),
            ("GET", "/campaigns/{id}", self.get_campaign),
            ("POST", "/leads/list", self.list_leads),
            ("GET", "/leads/{id}", self.get_lead),
            ("GET", "/block-lists-entries", self.list_blocked),
            ("GET", "/webhooks", self.list_webhooks),
            ("GET", "/webhooks/{id}", self.get_webhook),
            ("GET", "/emails/{id}", self.get_email),
            ("GET", "/workspaces/current", self.get_workspace),
            ("GET", "/accounts/{email}", self.get_account),
        )
        return [Endpoint(m, V2 + path, "read", handler) for m, path, handler in reads]

    # -- before the request is looked at ------------------------------------------------------

    def guard(self, call: Call, endpoint: Endpoint) -> None:
        key = (call.header(b"authorization") or "").removeprefix("Bearer ").strip()
        if key not in (KEY, READ_ONLY_KEY):
            raise self.refuse(call, 401, "Invalid API key")
        if key == READ_ONLY_KEY and endpoint.kind == "write":
            raise self.refuse(call, 403, NO_SCOPE)
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
        return self.page(call, self._shown(found), dict(call.query))

    def _shown(self, found: list[Record]) -> list[Record]:
        return queries.listed(self.workspace, found, self.site.behaviour.instantly_list_lag_s)

    def get_campaign(self, call: Call) -> Reply:
        return reply(200, self.campaign(call, call.params["id"]))

    def analytics(self, call: Call) -> Reply:
        wanted = [*call.repeated("ids"), *call.repeated("id")]
        campaigns = self.workspace.campaigns.values()
        shown = [c for c in campaigns if not wanted or c["id"] in wanted]
        return reply(200, [queries.analytics(self.workspace, one) for one in shown])

    def list_leads(self, call: Call) -> Reply:
        asked = self.body(call, rules.LIST_LEADS)
        return self.page(call, self._shown(queries.find_leads(self.workspace, asked)), asked)

    def get_lead(self, call: Call) -> Reply:
        return reply(200, self.lead(call))

    def list_blocked(self, call: Call) -> Reply:
        search = call.query.get("search", "").lower()
        only = call.query.get("domains_only") == "true"
        found = [
            entry
            for entry in self.workspace.blocked.values()
            if search in entry["bl_value"] and (entry["is_domain"] or not only)
        ]
        return self.page(call, found, dict(call.query))

    def list_webhooks(self, call: Call) -> Reply:
        wanted = call.query.get("event_type")
        held = [self._webhook()]
        return self.page(call, [w for w in held if wanted in (None, w["event_type"])], call.query)

    def get_webhook(self, call: Call) -> Reply:
        self._check_id(call, call.params["id"])
        webhook = self._webhook()
        if webhook["id"] != call.params["id"]:
            raise self.refuse(call, 404, "Webhook not found")
        return reply(200, webhook)

    def get_email(self, call: Call) -> Reply:
        return reply(200, self.email(call, call.params["id"]))

    def get_workspace(self, call: Call) -> Reply:
        return reply(200, self.workspace.about())

    def get_account(self, call: Call) -> Reply:
        record = self.workspace.account(call.params["email"])
        if record is None:
            raise self.refuse(call, 404, "Account not found")
        return reply(200, record)

    def email(self, call: Call, email_id: str) -> Record:
        """The named e-mail, or 404."""
        self._check_id(call, email_id)
        record = self.workspace.emails.get(email_id)
        if record is None:
            raise self.refuse(call, 404, "Email not found")
        return record

    def _webhook(self) -> Record:
        """The workspace's one webhook, as the switch has it."""
        off = self.vendor in self.site.behaviour.webhook_disabled
        return self.workspace.webhook(disabled=off)

    def campaign(self, call: Call, campaign_id: str) -> Record:
        """The named campaign, or 404."""
        self._check_id(call, campaign_id)
        record = self.workspace.campaigns.get(campaign_id)
        if record is None:
            raise self.refuse(call, 404, "Campaign not found")
        return record

    def _check_id(self, call: Call, value: str) -> None:
        if not _UUID.match(value):
            raise self.refuse(call, 400, 'params/id must match format "uuid"')

    def lead(self, call: Call) -> Record:
        """The named lead, or 404."""
        self._check_id(call, call.params["id"])
        record = self.workspace.leads.get(call.params["id"])
        if record is None:
            raise self.refuse(call, 404, "Lead not found")
        return record


def _by_id(record: Record) -> str:
    return str(record["id"])
