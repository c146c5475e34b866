"""What the GHL twin's location holds. Owns: contacts, opportunities and conversations as records
in the vendor's form, seeded from the sandbox's world; ids and dates derived, never random.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from servers.sandbox.dice import fingerprint
from servers.sandbox.nouns import CrmContact
from servers.sandbox.world import World

LOCATION_ID = "sandboxLocation00001"
COMPANY_ID = "sandboxAgency0000001"
TIME_ZONE = "America/New_York"
CHANNELS = ("Call", "Email", "SMS", "WhatsApp", "GMB", "FB")

Record = dict[str, Any]


def stamp(moment: datetime) -> str:
    """A time as GHL writes it: UTC with milliseconds."""
    return (
        moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"
    )


def milliseconds(text: str) -> int:
    """A stamp as epoch milliseconds."""
    return int(datetime.fromisoformat(text).timestamp() * 1000)


def known(fields: Record) -> Record:
    """Without what is unknown: GHL leaves such properties out."""
    return {name: value for name, value in fields.items() if value is not None}


class Records:
    """One location's data. Mutable; a reset builds it anew from the world."""

    def __init__(self, world: World, clock: Callable[[], datetime]) -> None:
        self.seed = world.seed
        self.clock = clock
        self.contacts: dict[str, Record] = {}
        self.by_email: dict[str, str] = {}
        self.created_at: dict[str, float] = {}  # id to time, only for contacts made here
        self.opportunities: dict[str, Record] = {}
        self.conversations: dict[str, Record] = {}
        self.messages: list[Record] = []
        self.notes: list[Record] = []
        self.tasks: list[Record] = []
        self.workflow_members: list[tuple[str, str]] = []
        self.pipeline = self._pipeline()
        self.workflows = self._workflows()
        midnight = clock().astimezone(UTC).replace(hour=9, minute=0, second=0, microsecond=0)
        for held in world.contacts:
            self._seed_contact(held, midnight)

    def identify(self, *parts: object) -> str:
        """A 20-character id derived from the seed and the parts."""
        return fingerprint(self.seed, "ghl", *parts)[:20]

    def now(self) -> str:
        """The present as GHL writes it."""
        return stamp(self.clock())

    def contact_by_email(self, email: str) -> Record | None:
        """The contact with this address in any letter case."""
        contact_id = self.by_email.get(email.strip().lower())
        return self.contacts.get(contact_id) if contact_id else None

    def add_contact(self, fields: Record) -> Record:
        """A new contact from a request's properties."""
        email = str(fields.get("email") or "").lower()
        contact_id = self.identify("contact", email, fields.get("phone"), len(self.contacts))
        record = self.blank(contact_id)
        self.contacts[contact_id] = record
        self.created_at[contact_id] = self.clock().timestamp()
        self.change_contact(record, fields)
        return record

    def change_contact(self, record: Record, fields: Record) -> None:
        """Set the given properties; tags are replaced as a whole, what is omitted stays."""
        skip = ("locationId", "createNewIfDuplicateAllowed", "customFields")
        record |= {k: v for k, v in fields.items() if k not in skip and v is not None}
        for item in fields.get("customFields") or []:
            kept = [f for f in record["customFields"] if f["id"] != item.get("id")]
            value = item.get("field_value", item.get("value"))
            record["customFields"] = [*kept, {"id": item.get("id"), "value": value}]
        if email := record.get("email"):
            record["email"] = record["emailLowerCase"] = str(email).lower()
            self.by_email[record["email"]] = record["id"]
        record["dateUpdated"] = self.now()

    def blank(self, contact_id: str) -> Record:
        """A contact with nothing known."""
        return {
            "id": contact_id,
            "locationId": LOCATION_ID,
            "firstName": "",
            "lastName": "",
            "type": "lead",
            "source": "public api",
            "dnd": False,
            "dndSettings": {},
            "inboundDndSettings": {},
            "tags": [],
            "customFields": [],
            "dateAdded": self.now(),
            "dateUpdated": self.now(),
        }

    def conversation_of(self, contact: Record) -> Record:
        """The contact's conversation, opened when there is none."""
        conversation_id = self.identify("conversation", contact["id"])
        return self.conversations.setdefault(
            conversation_id,
            {
                "id": conversation_id,
                "locationId": LOCATION_ID,
                "contactId": contact["id"],
                "fullName": f"{contact['firstName']} {contact['lastName']}".strip(),
                "contactName": f"{contact['firstName']} {contact['lastName']}".strip().lower(),
                "type": "TYPE_EMAIL",
                "unreadCount": 0,
            }
            | {name: contact.get(name) or "" for name in ("email", "phone")},
        )

    def _seed_contact(self, held: CrmContact, midnight: datetime) -> None:
        record = self.blank(self.identify("seeded", held.email))
        added = midnight - timedelta(days=held.added_days_ago)
        blocked = {"status": "active", "message": "Unsubscribed", "code": "103"}
        channels = CHANNELS if held.dnd else ("Email",) if held.dnd_email else ()
        record |= {
            "firstName": held.first_name,
            "lastName": held.last_name,
            "email": held.email,
            "emailLowerCase": held.email,
            "companyName": held.company,
            "website": f"https://{held.domain}",
            "country": held.country,
            "timezone": held.time_zone,
            "type": held.kind,
            "tags": list(held.tags),
            "dnd": held.dnd,
            "dndSettings": {channel: dict(blocked) for channel in channels},
            "validEmail": not held.bounced,
            "dateAdded": stamp(added),
            "dateUpdated": stamp(added),
        }
        self.contacts[record["id"]] = record
        self.by_email[held.email] = record["id"]
        if held.contacted_days_ago is not None:
            contacted = midnight - timedelta(days=held.contacted_days_ago)
            record["lastActivity"] = stamp(contacted)
            self.conversation_of(record).update(
                lastMessageDate=int(contacted.timestamp() * 1000),
                lastMessageType="TYPE_EMAIL",
                lastMessageDirection="outbound",
                lastMessageBody="(earlier e-mail)",
            )
        if held.won:
            self.add_opportunity(record, {"name": held.company, "status": "won"}, added)

    def add_opportunity(self, contact: Record, fields: Record, at: datetime) -> Record:
        """A new opportunity of the contact in the one pipeline."""
        stage = self.pipeline["stages"][-1 if fields.get("status") == "won" else 0]["id"]
        opportunity_id = self.identify("opportunity", contact["id"], len(self.opportunities))
        record = {
            "id": opportunity_id,
            "name": fields.get("name"),
            "monetaryValue": fields.get("monetaryValue", 0),
            "pipelineId": self.pipeline["id"],
            "pipelineStageId": fields.get("pipelineStageId", stage),
            "status": fields.get("status", "open"),
            "source": "public api",
            "createdAt": stamp(at),
            "updatedAt": stamp(at),
            "contactId": contact["id"],
            "locationId": LOCATION_ID,
            "contact": {
                "id": contact["id"],
                "name": f"{contact['firstName']} {contact['lastName']}".strip(),
                "tags": contact["tags"],
            }
            | known({name: contact.get(name) for name in ("companyName", "email", "phone")}),
            "customFields": [
                {"id": item.get("id"), "fieldValue": item.get("field_value")}
                for item in fields.get("customFields") or []
            ],
        }
        record |= known({"assignedTo": fields.get("assignedTo")})
        self.opportunities[opportunity_id] = record
        return record

    def _pipeline(self) -> Record:
        names = ("New lead", "Contacted", "Meeting booked", "Won")
        return {
            "id": self.identify("pipeline"),
            "name": "Outbound",
            "stages": [
                {"id": self.identify("stage", name), "name": name, "position": at}
                for at, name in enumerate(names)
            ],
            "showInFunnel": True,
            "showInPieChart": True,
            "locationId": LOCATION_ID,
        }

    def _workflows(self) -> list[Record]:
        return [
            {
                "id": self.identify("workflow", name),
                "name": name,
                "status": status,
                "version": 1,
                "createdAt": "2026-01-05T09:00:00.000Z",
                "updatedAt": "2026-01-05T09:00:00.000Z",
                "locationId": LOCATION_ID,
            }
            for name, status in (("Nurture", "published"), ("Re-engage", "draft"))
        ]
