"""GHL: what to read before writing. Plans a contact's and an opportunity's write; lists ids."""

from __future__ import annotations

from pydantic import Field

from servers.common.contract import Args, Result, ToolSpec
from servers.common.contract_access import Access, CheckAccess
from servers.ghl.contract_form import ContactId, Line
from servers.ghl.contract_writes import ContactFields, Email


class PlanContact(Args):
    """A person and what we know of them."""

    email: Email = Field(description="The person's address.")
    fields: ContactFields = Field(default=ContactFields(), description="All that we know.")


class ContactPlan(Result):
    """The contact as it is, and what upsert_contact would have to say."""

    contact_id: str | None = Field(description="null: the CRM does not know this address.")
    changes: ContactFields = Field(
        description="What adds to the contact or is richer than what it holds: pass exactly this "
        "to upsert_contact. All null with a contact_id: there is nothing to write."
    )
    kept: tuple[str, ...] = Field(
        default=(), description="Fields left alone: the CRM holds another or a richer value."
    )
    tags: tuple[str, ...] = ()
    dnd: dict[str, str] = Field(
        default_factory=dict, description="Blocked channels: active or permanent."
    )


class FindOpportunity(Args):
    """A contact and a place in the pipeline, by names."""

    contact_id: ContactId
    pipeline: Line = Field(description="The pipeline's name, in any letter case.")
    stage: Line = Field(description="The stage's name, in any letter case.")


class OpportunityPlace(Result):
    """The ids of the place, and the contact's opportunity in that pipeline."""

    pipeline_id: str
    stage_id: str
    opportunity_id: str | None = Field(description="null: there is none, create one.")
    status: str | None = None
    stage: str | None = Field(default=None, description="Name of the stage it is in now.")
    further: bool = Field(
        default=False,
        description="It is closed, or in a later stage than asked for: leave it as it is.",
    )


class Nothing(Args):
    """No arguments."""


class Stage(Result):
    """One stage of a pipeline."""

    id: str
    name: str


class Pipeline(Result):
    """One pipeline, its stages in order."""

    id: str
    name: str
    stages: tuple[Stage, ...]


class Pipelines(Result):
    """All pipelines of the location."""

    pipelines: tuple[Pipeline, ...]


class Workflow(Result):
    """One workflow. Only published ones run."""

    id: str
    name: str
    status: str = Field(description="published or draft.")


class Workflows(Result):
    """All workflows of the location."""

    workflows: tuple[Workflow, ...]


class CrmAccess(Access):
    """What the token opens, and how the location is set."""

    duplicates_allowed: bool | None = Field(
        description="The location's own setting. True: the same person may be made twice. null: "
        "the location did not say."
    )


CHECK_ACCESS = ToolSpec(
    "check_access",
    "Try the CRM's key",
    "One harmless read for each kind of access that the swarm needs: location, contacts, "
    "opportunities, workflows, conversations. What writing needs cannot be tried without writing.",
    CheckAccess,
    CrmAccess,
    open_world=True,
)
PLAN_CONTACT = ToolSpec(
    "plan_contact",
    "See what an upsert would change",
    "Find the contact by its exact address (not by the search, which lags) and compare it with "
    "what we know. Call it before upsert_contact and set_dnd. Writes nothing.",
    PlanContact,
    ContactPlan,
    open_world=True,
)
FIND_OPPORTUNITY = ToolSpec(
    "find_opportunity",
    "Find a contact's opportunity in a pipeline",
    "Resolve pipeline and stage by name and find the contact's opportunity there. Call it before "
    "create_or_update_opportunity. Writes nothing.",
    FindOpportunity,
    OpportunityPlace,
    open_world=True,
)
LIST_PIPELINES = ToolSpec(
    "list_pipelines",
    "List pipelines and stages",
    "Names and ids of all pipelines and their stages; at most five minutes old.",
    Nothing,
    Pipelines,
    open_world=True,
)
LIST_WORKFLOWS = ToolSpec(
    "list_workflows",
    "List workflows",
    "Names, ids and states of all workflows; at most five minutes old. They are built in GHL: the "
    "API can add contacts to them and not create them.",
    Nothing,
    Workflows,
    open_world=True,
)
