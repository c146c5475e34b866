"""What the Instantly twin's workspace holds. Owns: campaigns, leads, block list and replies as
records in the vendor's form, seeded from the sandbox's world; ids and dates derived.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from servers.common.contract_sender import SANDBOX_MAILBOX
from servers.sandbox.dice import invented_uuid
from servers.sandbox.nouns import OutreachLead
from servers.sandbox.world import World

Record = dict[str, Any]

MAILBOX = "sender@swarm-sandbox.example"
# Mailboxes that are connected: the invented ones, and the sandbox's sender.
ACCOUNTS = (MAILBOX, SANDBOX_MAILBOX)
CAMPAIGN_STATUS = {"draft": 0, "active": 1, "paused": 2, "completed": 3}
_CAMPAIGNS = (("Agencies Q3", "active"), ("Consulting Q3", "paused"), ("Law Q2", "completed"))


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
        self.emails: dict[str, Record] = {}
        self.outbox: list[Record] = []
        self.made_at: dict[str, float] = {}  # id to epoch seconds, of what was made here
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
        self.made_at[campaign_id] = self.clock().timestamp()
        return record

    def add_lead(self, body: Record, campaign: str | None) -> Record:
        """A new lead in a campaign or list."""
        record = self.lead_of(body, campaign)
        self.leads[record["id"]] = record
        self.by_email.setdefault(record["email"], []).append(record["id"])
        self.made_at[record["id"]] = self.clock().timestamp()
        return record

    def lead_of(self, body: Record, campaign: str | None) -> Record:
        """A lead in the vendor's form, held nowhere."""
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

    def receive(self, sender: str, mailbox: str, subject: str, text: str) -> Record:
        """An e-mail that somebody wrote to one of our mailboxes."""
        return self._keep_email(sender, mailbox, mailbox, subject, {"text": text}, 2)

    def answer(self, received: Record, body: Record) -> Record:
        """Our answer to it: to who wrote it, from the mailbox that the request names."""
        to, mailbox = received["from_address_email"], body["eaccount"]
        made = self._keep_email(mailbox, to, mailbox, body["subject"], body["body"], 3)
        shown = body["body"].get("html") or body["body"].get("text")
        self.outbox.append(
            {
                "at": made["timestamp_email"],
                "to": to,
                "sender": mailbox,
                "subject": body["subject"],
                "html": shown,
                "ref": made["id"],
            }
        )
        return made

    def _keep_email(
        self, sender: str, to: str, mailbox: str, subject: str, body: Record, kind: int
    ) -> Record:
        email_id = self.identify("email", sender, to, len(self.emails))
        record = {
            "id": email_id,
            "timestamp_created": self.now(),
            "timestamp_email": self.now(),
            "message_id": f"<{self.identify('message', len(self.emails))}@sandbox.example>",
            "from_address_email": sender,
            "to_address_email_list": to,
            "organization_id": self.organization,
            "eaccount": mailbox,
            "subject": subject,
            "body": body,
            "ue_type": kind,
        }
        self.emails[email_id] = record
        return record

    def about(self) -> Record:
        """The workspace itself."""
        made = {"timestamp_created": self._started, "timestamp_updated": self._started}
        owner = self.identify("owner")
        return {"id": self.organization, "name": "Sandbox workspace", "owner": owner} | made

    def account(self, email: str) -> Record | None:
        """One connected mailbox, warmed up."""
        if email.strip().lower() not in ACCOUNTS:
            return None
        return {
            "email": email.strip().lower(),
            "timestamp_created": self._started,
            "timestamp_updated": self._started,
            "first_name": "Robin",
            "last_name": "Hale",
            "organization": self.organization,
            "status": 1,
            "warmup_status": 1,
            "stat_warmup_score": 97,
            "daily_limit": 50,
            "provider_code": 2,
            "setup_pending": False,
            "is_managed_account": False,
        }

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
                "email_list": [MAILBOX],
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
        if held.interest is not None:
            self.receive(held.email, MAILBOX, "Re: A question", "Thank you for your e-mail.")


def _stamp(moment: datetime) -> str:
    utc = moment.astimezone(UTC)
    return utc.strftime("%Y-%m-%dT%H:%M:%S.") + f"{utc.microsecond // 1000:03d}Z"
