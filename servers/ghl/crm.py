"""What the write tools need of a CRM. Owns: the port and its records.

Everything in a record is outside text. Every method raises a `VendorError` when the CRM cannot be
asked or answers in a form that is not understood.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from servers.ghl.contract_form import Write
from servers.ghl.contract_reads import Pipeline, Workflow


@dataclass(frozen=True)
class Card:
    """A contact as it stands, to be compared with what shall be. `fields` by our names."""

    id: str
    email: str | None
    fields: Mapping[str, str]
    tags: tuple[str, ...]
    dnd: Mapping[str, str] = field(default_factory=dict)  # channel to active or permanent


@dataclass(frozen=True)
class Mark:
    """A note or a task: its id and all its text."""

    id: str
    text: str


@dataclass(frozen=True)
class Opportunity:
    """An opportunity. `status` is open, won, lost or abandoned."""

    id: str
    contact_id: str
    pipeline_id: str
    stage_id: str
    name: str
    status: str
    value: float | None


@dataclass(frozen=True)
class Mail:
    """One outbound e-mail of a conversation. `body` may be HTML."""

    id: str
    at: datetime
    to: tuple[str, ...]
    subject: str
    body: str


@dataclass(frozen=True)
class Mails:
    """Outbound e-mails of a contact since a moment. `complete`: there are no others."""

    mails: tuple[Mail, ...]
    complete: bool


@dataclass(frozen=True)
class Location:
    """The sub-account, as its own settings have it."""

    id: str
    name: str
    time_zone: str
    duplicates_allowed: bool | None


class CrmRecords(Protocol):
    """What is read before and after writing."""

    async def location(self) -> Location:
        """The sub-account that the key is for."""

    async def conversations_seen(self) -> int:
        """How many conversations a search of one shows: whether they may be read at all."""

    async def card_of(self, email: str) -> Card | None:
        """The contact with exactly this address: by the look-up that does not lag."""

    async def holder_of(self, phone: str) -> str | None:
        """The id of the contact with this number."""

    async def card(self, contact_id: str) -> Card:
        """The contact by id."""

    async def notes(self, contact_id: str) -> tuple[Mark, ...]:
        """The contact's notes."""

    async def tasks(self, contact_id: str) -> tuple[Mark, ...]:
        """The contact's tasks."""

    async def pipelines(self) -> tuple[Pipeline, ...]:
        """All pipelines."""

    async def workflows(self) -> tuple[Workflow, ...]:
        """All workflows."""

    async def opportunities(self, contact_id: str, pipeline_id: str) -> tuple[Opportunity, ...]:
        """The contact's opportunities in this pipeline."""

    async def opportunity(self, opportunity_id: str) -> Opportunity:
        """One by id."""

    async def mails_since(self, contact_id: str, since: datetime) -> Mails:
        """The outbound e-mails of the contact's conversations."""


class CrmWriting(CrmRecords, Protocol):
    """The same, and the writes."""

    async def write(self, write: Write) -> str | None:
        """Do it, under its permit. Answers the vendor's id of what was made, when it says it."""
