"""Instantly (API v2) as it answers over HTTP. Owns: the writes; look-ups are inherited.

True to the vendor: bodies without additional properties, time zones from its own short list, the
two meanings of `skip_if_in_campaign`, 200 for a bulk add that added nothing. What a single add
answers for a skipped lead is not documented: here it is the lead held already, and for a blocked
one a lead that is held nowhere. What an active campaign sends stands in `twin_sending`.
"""

from __future__ import annotations

from collections.abc import Sequence

from servers.instantly import twin_rules as rules
from servers.instantly.twin_lookups import V2, InstantlyLookups
from servers.instantly.twin_records import CAMPAIGN_STATUS, Record
from servers.instantly.twin_sending import send_due, send_to
from servers.sandbox.asgi import Reply, reply
from servers.sandbox.wire import Call, Endpoint


class InstantlyTwin(InstantlyLookups):
    """One workspace."""

    def endpoints(self) -> Sequence[Endpoint]:
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
        made = [Endpoint(m, V2 + path, "write", handler) for m, path, handler in writes]
        return [*super().endpoints(), *made]

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
        record = self.campaign(call, call.params["id"])
        record |= body | {"timestamp_updated": self.workspace.now()}
        return reply(200, record)

    def activate(self, call: Call) -> Reply:
        record = self.campaign(call, call.params["id"])
        if not record.get("sequences"):
            raise self.refuse(call, 400, "Campaign has no sequences")
        answer = self._set_status(record, "active")
        send_due(self.workspace, record)
        return answer

    def pause(self, call: Call) -> Reply:
        return self._set_status(self.campaign(call, call.params["id"]), "paused")

    def _set_status(self, record: Record, status: str) -> Reply:
        record["status"] = CAMPAIGN_STATUS[status]
        record["timestamp_updated"] = self.workspace.now()
        return reply(200, record)

    def create_lead(self, call: Call) -> Reply:
        body = self.body(call, rules.CREATE_LEAD)
        campaign = body.get("campaign")
        if campaign:
            self.campaign(call, campaign)
            if not body.get("email"):
                raise self.refuse(call, 400, "email is required when campaign is given")
        if offence := rules.variables_offence(body.get("custom_variables", {})):
            raise self.refuse(call, 400, offence)
        if held := self._skipped(body, campaign, any_campaign=False):
            return reply(200, held)
        if self.workspace.is_blocked(str(body.get("email") or "").lower()):
            return reply(200, self.workspace.lead_of(body, campaign))
        lead = self.workspace.add_lead(body, campaign)
        answer = reply(200, lead)
        self._send(lead)
        return answer

    def _send(self, lead: Record) -> None:
        if campaign := self.workspace.campaigns.get(lead["campaign"] or ""):
            send_to(self.workspace, campaign, lead)

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
            self.campaign(call, campaign)
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
                self._send(added)
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
        record = self.lead(call)
        del self.workspace.leads[record["id"]]
        return reply(200, record)

    def block(self, call: Call) -> Reply:
        return reply(200, self.workspace.block(self.body(call, rules.BLOCK)["bl_value"]))

    def reply_to_email(self, call: Call) -> Reply:
        body = self.body(call, rules.REPLY)
        if not isinstance(body["body"], dict) or not {"html", "text"} & body["body"].keys():
            raise self.refuse(call, 400, "body/body must have html or text")
        received = self.email(call, str(body["reply_to_uuid"]))
        return reply(200, self.workspace.answer(received, body))
