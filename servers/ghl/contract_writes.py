"""GHL: what changes a contact, and what each change is bound to. E-mail: `contract_mail`.

Every write needs a permit and is done at most once for its key. None takes a tag set, a DND state
or an empty value that would overwrite what somebody else put there.
"""

from __future__ import annotations

from datetime import UTC
from typing import Annotated, Literal

from pydantic import AfterValidator, AwareDatetime, Field

from guardrails.identity import normalise_email
from guardrails.model.writes import WriteAction, WriteIntent
from servers.common.contract import Args
from servers.ghl.contract_form import (
    ContactId,
    Line,
    Tags,
    Text,
    VendorId,
    Write,
    concerning,
    intent_of,
    with_reference,
)

Email = Annotated[str, Field(max_length=254), AfterValidator(normalise_email)]
OpportunityStatus = Literal["open", "won", "lost", "abandoned"]
Channel = Literal["Call", "Email", "SMS", "WhatsApp", "GMB", "FB", "RCS"]
Blocked = Literal["active", "permanent"]  # active means: do not disturb


class ContactFields(Args):
    """What is known of a person. Leave out what is not known: empty values are refused."""

    first_name: Line | None = Field(default=None, description="First name.")
    last_name: Line | None = Field(default=None, description="Last name.")
    phone: Line | None = Field(default=None, description="With country code, e.g. +1 888 555 0100.")
    company: Line | None = Field(default=None, description="Company's name.")
    website: Line | None = Field(default=None, description="Address of the company's site.")
    city: Line | None = Field(default=None, description="City.")
    state: Line | None = Field(default=None, description="State or region.")
    country: Line | None = Field(default=None, description="ISO 3166-1 alpha-2, e.g. US.")
    time_zone: Line | None = Field(default=None, description="IANA name, e.g. America/Chicago.")
    source: Line | None = Field(default=None, description="Where the contact comes from.")

    def stated(self) -> dict[str, str]:
        """The fields that are given."""
        return self.model_dump(exclude_none=True)


class UpsertContact(Write):
    """One contact and the fields to set."""

    email: Email = Field(description="The person's address; it decides which contact is meant.")
    fields: ContactFields = Field(
        description="What to set: exactly what plan_contact answered as `changes`."
    )

    def intent(self) -> WriteIntent:
        content = {"fields": self.fields.stated()}
        return intent_of(WriteAction.UPSERT_CONTACT, self.email, content)


class AddTags(Write):
    """Tags to add to a contact."""

    contact_id: ContactId
    tags: Tags = Field(description="Tags to add. GHL keeps tags in lower case.")

    def intent(self) -> WriteIntent:
        content = {"tags": list(self.tags)}
        return intent_of(WriteAction.ADD_TAGS, concerning(self.contact_id), content)


class RemoveTags(Write):
    """Tags to take from a contact."""

    contact_id: ContactId
    tags: Tags = Field(description="Tags to take away; the contact's others stay.")

    def intent(self) -> WriteIntent:
        content = {"tags": list(self.tags)}
        return intent_of(WriteAction.REMOVE_TAGS, concerning(self.contact_id), content)


class AddNote(Write):
    """A note to a contact."""

    contact_id: ContactId
    text: Text = Field(description="The note. A reference line is added, by which it is found.")

    def intent(self) -> WriteIntent:
        content = {"text": with_reference(self.text, self.key)}
        return intent_of(WriteAction.ADD_NOTE, concerning(self.contact_id), content)


class CreateTask(Write):
    """A task for a person of the team, at a contact."""

    contact_id: ContactId
    title: Line = Field(description="What is to be done, in a few words.")
    text: Text = Field(description="The details. A reference line is added.")
    due: AwareDatetime = Field(description="When it is due, with a time zone.")

    def due_text(self) -> str:
        """`due` to the second in UTC, as it is sent."""
        return self.due.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

    def intent(self) -> WriteIntent:
        content = {
            "title": self.title,
            "text": with_reference(self.text, self.key),
            "due": self.due_text(),
        }
        return intent_of(WriteAction.CREATE_TASK, concerning(self.contact_id), content)


class PutOpportunity(Write):
    """An opportunity as it shall be."""

    contact_id: ContactId
    pipeline_id: VendorId = Field(description="From find_opportunity or list_pipelines.")
    stage_id: VendorId = Field(description="A stage of that pipeline.")
    name: Line = Field(description="What the opportunity is called, e.g. the company's name.")
    status: OpportunityStatus = Field(default="open", description="What it shall be.")
    value: int | None = Field(
        default=None,
        ge=0,
        le=10**12,
        description="Money, in whole units of the CRM's currency.",
    )
    opportunity_id: VendorId | None = Field(
        default=None,
        description="The opportunity to update, as find_opportunity answered; null creates one. "
        "Creating and updating are different actions and need different permits.",
    )

    def content(self) -> dict[str, object]:
        """What it says."""
        said: dict[str, object] = {
            "pipeline_id": self.pipeline_id,
            "stage_id": self.stage_id,
            "name": self.name,
            "status": self.status,
        }
        return said if self.value is None else said | {"value": self.value}

    def intent(self) -> WriteIntent:
        if self.opportunity_id is None:
            whom = concerning(self.contact_id)
            return intent_of(WriteAction.CREATE_OPPORTUNITY, whom, self.content())
        whom = f"opportunity:{self.opportunity_id}"
        return intent_of(WriteAction.UPDATE_OPPORTUNITY, whom, self.content())


class ChangeWorkflow(Write):
    """A contact and a workflow."""

    contact_id: ContactId
    workflow_id: VendorId = Field(description="From list_workflows.")


class AddToWorkflow(ChangeWorkflow):
    """A contact that a workflow shall take up."""

    def intent(self) -> WriteIntent:
        content = {"workflow_id": self.workflow_id}
        return intent_of(WriteAction.ADD_TO_WORKFLOW, concerning(self.contact_id), content)


class RemoveFromWorkflow(ChangeWorkflow):
    """A contact that a workflow shall let go."""

    def intent(self) -> WriteIntent:
        content = {"workflow_id": self.workflow_id}
        return intent_of(WriteAction.REMOVE_FROM_WORKFLOW, concerning(self.contact_id), content)


class SetDnd(Write):
    """Channels on which a contact must not be disturbed."""

    contact_id: ContactId
    channels: dict[Channel, Blocked] = Field(
        min_length=1,
        description="Every channel that shall be blocked, those that are blocked already too: "
        '{"Email": "active"}. plan_contact answers those as `dnd`.',
    )

    def intent(self) -> WriteIntent:
        content = {"channels": dict(sorted(self.channels.items()))}
        return intent_of(WriteAction.SET_DND, concerning(self.contact_id), content)
