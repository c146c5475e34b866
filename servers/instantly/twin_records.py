"""What the Instantly twin's workspace holds. Owns: campaigns, leads, block list and replies as
records in the vendor's form, seeded from the sandbox's world; ids and dates derived.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from servers.sandbox.dice import invented_uuid
from servers.sandbox.nouns import OutreachLead
from servers.sandbox.world import World

Record = dict[str, Any]

CAMPAIGN_STATUS = {"draft": 0, "active": 1, "paused": 2, "completed": 3}
_CAMPAIGNS = (("Agencies Q3", "active"), ("Consulting Q3", "paused"), ("Law Q2", "completed"))
_FILTERS = {
    "FILTER_VAL_ACTIVE": 1,
    "FILTER_VAL_COMPLETED": 3,
    "FILTER_VAL_BOUNCED": -1,
    "FILTER_VAL_UNSUBSCRIBED": -2,
    "FILTER_VAL_SKIPPED": -3,
}


class Workspace:
    """One workspace's data. Mutable; a reset builds it anew from the world."""

    def __init__(self, world: World, clock: Callable[[], datetime]) -> None:
        self.seed = world.seed
        self.clock = clock
        self.organization = self.identify("organization")
        self.campaigns: dict[str, Record] = {}
        self.leads: dict[str, Record] = {}
        self.by_email: dict[str, list[str]] = {}
        self.blocked: dict[str, Record] = {}
        self.emails: list[Record] = []
        morning = clock().astimezone(UTC).replace(hour=8, minute=0, second=0, microsecond=0)
        self._started = _stamp(morning - timedelta(days=120))
        seeded = [self._seed_campaign(name, status) for name, status in _CAMPAIGNS]
        for held in world.outreach:
            self._seed_lead(held, seeded[held.campaign]["id"], morning)
        for value in world.blocked:
            self.block(value, at=self._started)

    def identify(self, *parts: object) -> str:
        """A UUID derived from the seed and the parts."""
        return invented_uuid(self.seed, "instantly", *parts)

    def now(self) -> str:
        """The present as Instantly writes it."""
        return _stamp(self.clock())

    def leads_of(self, email: str) -> list[Record]:
        """All leads with this address: one for each campaign it is in."""
        ids = self.by_email.get(email.strip().lower(), ())
        return [self.leads[lead_id] for lead_id in ids if lead_id in self.leads]

    def is_blocked(self, email: str) -> bool:
        """Whether the address or its domain is on the block list."""
        values = {entry["bl_value"] for entry in self.blocked.values()}
        return email in values or email.rpartition("@")[2] in values

    def find_leads(self, asked: Record) -> list[Record]:
        """Leads that match the given filters; an absent filter matches all."""
        if contacts := asked.get("contacts"):
            found = [lead for email in contacts for lead in self.leads_of(str(email))]
        else:
            found = list(self.leads.values())
        if ids := asked.get("ids"):
            found = [lead for lead in found if lead["id"] in ids]
        if campaign := asked.get("campaign"):
            found = [lead for lead in found if lead["campaign"] == campaign]
        if asked.get("list_id"):
            found = [lead for lead in found if lead["list_id"] == asked["list_id"]]
        if "in_campaign" in asked:
            found = [lead for lead in found if bool(lead["campaign"]) == asked["in_campaign"]]
        if (status := _FILTERS.get(str(asked.get("filter")))) is not None:
            found = [lead for lead in found if lead["status"] == status]
        if search := str(asked.get("search") or "").lower():
            found = [lead for lead in found if search in _searchable(lead)]
        return found

    def add_campaign(self, body: Record) -> Record:
        """A new campaign in draft."""
        campaign_id = self.identify("campaign", body["name"], len(self.campaigns))
        record = {
            "id": campaign_id,
            **body,
            "status": CAMPAIGN_STATUS["draft"],
            "organization": self.organization,
            "timestamp_created": self.now(),
            "timestamp_updated": self.now(),
        }
        self.campaigns[campaign_id] = record
        return record

    def add_lead(self, body: Record, campaign: str | None) -> Record:
        """A new lead in a campaign or list, in the vendor's form."""
        email = str(body.get("email") or "").lower()
        lead_id = self.identify("lead", email, campaign, len(self.leads))
        record = {
            "id": lead_id,
            "timestamp_created": self.now(),
            "timestamp_updated": self.now(),
            "organization": self.organization,
            "campaign": campaign,
            "list_id": body.get("list_id"),
            "status": 1,
            "email": email,
            "first_name": body.get("first_name"),
            "last_name": body.get("last_name"),
            "company_name": body.get("company_name"),
            "job_title": body.get("job_title"),
            "phone": body.get("phone"),
            "website": body.get("website"),
            "personalization": body.get("personalization"),
            "email_open_count": 0,
            "email_reply_count": 0,
            "email_click_count": 0,
            "company_domain": email.rpartition("@")[2],
            "status_summary": {},
            "payload": dict(body.get("custom_variables") or {}),
            "upload_method": "api",
        }
        if body.get("lt_interest_status") is not None:
            record["lt_interest_status"] = body["lt_interest_status"]
        self.leads[lead_id] = record
        self.by_email.setdefault(email, []).append(lead_id)
        return record

    def block(self, value: str, at: str | None = None) -> Record:
        """The block-list entry of an address or domain, made when there is none."""
        value = value.strip().lower()
        entry_id = self.identify("blocked", value)
        entry = {
            "id": entry_id,
            "timestamp_created": at or self.now(),
            "organization_id": self.organization,
            "bl_value": value,
            "is_domain": "@" not in value,
        }
        return self.blocked.setdefault(entry_id, entry)

    def add_email(self, body: Record) -> Record:
        """A reply that was sent."""
        record = {
            "id": self.identify("email", body["reply_to_uuid"], len(self.emails)),
            "timestamp_created": self.now(),
            "timestamp_email": self.now(),
            "message_id": f"<{self.identify('message', len(self.emails))}@sandbox.example>",
            "to_address_email_list": "",
            "organization_id": self.organization,
            "eaccount": body["eaccount"],
            "subject": body["subject"],
            "body": body["body"],
            "ue_type": 3,
        }
        self.emails.append(record)
        return record

    def webhook(self, *, disabled: bool) -> Record:
        """The webhook for all events, delivering or switched off after failed deliveries."""
        return {
            "id": self.identify("webhook"),
            "organization": self.organization,
            "name": "Swarm events",
            "target_hook_url": "https://swarm-sandbox.example/webhooks/instantly",
            "event_type": "all_events",
            "timestamp_created": self._started,
            "status": -1 if disabled else 1,
            "timestamp_error": self._started if disabled else None,
        } | dict.fromkeys(("campaign", "custom_interest_value", "headers"))

    def analytics(self, campaign: Record) -> Record:
        """Counts of one campaign."""
        leads = [lead for lead in self.leads.values() if lead["campaign"] == campaign["id"]]
        contacted = [lead for lead in leads if lead.get("timestamp_last_contact")]
        counts = dict.fromkeys(
            ("new_leads_contacted_count", "open_count", "reply_count", "reply_count_unique",
             "link_click_count", "total_opportunities", "total_opportunity_value"), 0
        )  # fmt: skip
        return counts | {
            "campaign_id": campaign["id"],
            "campaign_name": campaign["name"],
            "campaign_status": campaign["status"],
            "campaign_is_evergreen": False,
            "leads_count": len(leads),
            "contacted_count": len(contacted),
            "emails_sent_count": len(contacted),
            "bounced_count": sum(lead["status"] == -1 for lead in leads),
            "unsubscribed_count": sum(lead["status"] == -2 for lead in leads),
            "completed_count": sum(lead["status"] == 3 for lead in leads),
        }

    def _seed_campaign(self, name: str, status: str) -> Record:
        schedule = {
            "name": "Weekdays",
            "timing": {"from": "08:00", "to": "18:00"},
            "days": {str(day): True for day in range(1, 6)},
            "timezone": "America/Detroit",
        }
        variant = {"subject": "A question about {{companyName}}", "body": "<p>Hello</p>"}
        step = {"type": "email", "delay": 3, "variants": [variant]}
        record = self.add_campaign(
            {
                "name": name,
                "campaign_schedule": {"schedules": [schedule]},
                "sequences": [{"steps": [step]}],
                "email_list": ["sender@swarm-sandbox.example"],
                "daily_limit": 25,
                "stop_on_reply": True,
            }
        )
        record |= {
            "status": CAMPAIGN_STATUS[status],
            "timestamp_created": self._started,
            "timestamp_updated": self._started,
        }
        return record

    def _seed_lead(self, held: OutreachLead, campaign: str, morning: datetime) -> None:
        names = {
            "email": held.email,
            "first_name": held.first_name,
            "last_name": held.last_name,
            "company_name": held.company,
            "lt_interest_status": held.interest,
        }
        record = self.add_lead(names, campaign)
        record |= {
            "status": held.status,
            "timestamp_created": self._started,
            "timestamp_updated": self._started,
        }
        if held.contacted_days_ago is not None:
            contacted = morning - timedelta(days=held.contacted_days_ago)
            record["timestamp_last_contact"] = _stamp(contacted)


def _stamp(moment: datetime) -> str:
    utc = moment.astimezone(UTC)
    return utc.strftime("%Y-%m-%dT%H:%M:%S.") + f"{utc.microsecond // 1000:03d}Z"


def _searchable(lead: Record) -> str:
    return " ".join(str(lead.get(n) or "") for n in ("email", "first_name", "last_name")).lower()
