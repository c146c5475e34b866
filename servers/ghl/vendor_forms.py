"""What GHL shows of contacts, notes, tasks, opportunities and e-mails. Owns: how each is read.

Outside text. A field that we compare with or decide by has to be there; null counts as absent only
where the vendor leaves fields out.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, field_validator

from servers.ghl.crm import Card, Location, Mail, Mark, Opportunity
from servers.ghl.forms import FIELDS

_OFF = frozenset({"", "inactive"})


class _Wire(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class Named(_Wire):
    """Anything with an id."""

    id: str = Field(min_length=1)


class _Dnd(_Wire):
    status: str


class CardForm(Named):
    """A contact as the single read gives it; `dndSettings` is absent where none was ever set."""

    model_config = ConfigDict(extra="allow", frozen=True)

    email: str | None = None
    tags: tuple[str, ...]
    dnd_settings: dict[str, _Dnd] = Field(default_factory=dict, alias="dndSettings")

    def card(self) -> Card:
        """As we know it."""
        held: Mapping[str, Any] = self.model_extra or {}
        fields = {ours: held.get(theirs) for ours, theirs in FIELDS.items()}
        return Card(
            id=self.id,
            email=self.email or None,
            fields={name: value for name, value in fields.items() if isinstance(value, str)},
            tags=self.tags,
            dnd={
                channel: setting.status
                for channel, setting in self.dnd_settings.items()
                if setting.status.strip().casefold() not in _OFF
            },
        )


class MarkForm(Named):
    """A note, or a task: all that it says."""

    title: str | None = None
    body: str | None = None

    def mark(self) -> Mark:
        """As we know it."""
        return Mark(self.id, f"{self.title or ''}\n{self.body or ''}")


class OpportunityForm(Named):
    """An opportunity, as it is found and as it is read."""

    name: str = ""
    status: str
    pipeline_id: str = Field(alias="pipelineId")
    stage_id: str = Field(alias="pipelineStageId")
    contact_id: str = Field(alias="contactId")
    value: float | None = Field(default=None, alias="monetaryValue")

    def opportunity(self) -> Opportunity:
        """As we know it."""
        return Opportunity(
            self.id,
            self.contact_id,
            self.pipeline_id,
            self.stage_id,
            self.name,
            self.status,
            self.value,
        )


class MessageForm(Named):
    """A message of a conversation. Of an e-mail thread it names the e-mails."""

    kind: str = Field(alias="messageType")
    meta: dict[str, Any] | None = None

    def is_email(self) -> bool:
        """Whether it is an e-mail: manual, by a campaign, or by a provider of its own."""
        return "EMAIL" in self.kind.upper()

    def email_ids(self) -> tuple[str, ...]:
        """The e-mails' ids; the message's own when it names none."""
        thread: Any = (self.meta or {}).get("email")
        if isinstance(thread, dict) and isinstance(thread.get("email"), dict):
            thread = thread["email"]  # as the vendor's example has it
        ids = thread.get("messageIds") if isinstance(thread, dict) else None
        if isinstance(ids, list) and ids and all(isinstance(one, str) and one for one in ids):
            return tuple(ids)
        return (self.id,)


class EmailForm(Named):
    """One e-mail, whole."""

    at: datetime = Field(alias="dateAdded")
    direction: str
    subject: str = ""
    body: str
    to: tuple[str, ...]

    @field_validator("to", mode="before")
    @classmethod
    def _one_is_a_list(cls, value: Any) -> Any:
        return [value] if isinstance(value, str) else value

    def mail(self) -> Mail:
        """As we know it."""
        at = self.at if self.at.tzinfo else self.at.replace(tzinfo=UTC)
        return Mail(self.id, at, self.to, self.subject, self.body)


class _LocationSettings(_Wire):
    duplicates_allowed: bool | None = Field(default=None, alias="allowDuplicateContact")


class LocationForm(Named):
    """The sub-account."""

    name: str = ""
    time_zone: str = Field(default="", alias="timezone")
    settings: _LocationSettings = _LocationSettings()

    def location(self) -> Location:
        """As we know it."""
        return Location(self.id, self.name, self.time_zone, self.settings.duplicates_allowed)


class StageForm(Named):
    """A stage of a pipeline."""

    name: str


class PipelineForm(Named):
    """A pipeline with its stages in order."""

    name: str
    stages: tuple[StageForm, ...]


class WorkflowForm(Named):
    """A workflow."""

    name: str
    status: str
