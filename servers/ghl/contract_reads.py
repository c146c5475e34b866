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


class ListWorkflows(Args):
    """Which page."""

    cursor: str | None = Field(
        default=None, max_length=200, description="`next_cursor` of the previous page."
    )
    limit: int = Field(default=100, ge=1, le=500, description="Workflows per page.")


class Workflows(Result):
    """One page of the location's workflows."""

    workflows: tuple[Workflow, ...]
    next_cursor: str | None = Field(default=None, description="Absent on the last page.")


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
    "opportunities, workflows, conversations. For setting up and finding faults. What writing "
    "needs cannot be tried without writing.",
    CheckAccess,
    CrmAccess,
    open_world=True,
    outside="what the CRM answered (`seen`)",
)
PLAN_CONTACT = ToolSpec(
    "plan_contact",
    "See what an upsert would change",
    "Find the contact by its exact address (not by the search, which lags) and compare it with "
    "what we know: its id, what upsert_contact would add, its tags and blocked channels. Call it "
    "before upsert_contact and set_dnd; to decide about a person use look_up_lead. Writes nothing.",
    PlanContact,
    ContactPlan,
    open_world=True,
    outside="the contact's fields and tags",
)
FIND_OPPORTUNITY = ToolSpec(
    "find_opportunity",
    "Find a contact's opportunity in a pipeline",
    "Resolve pipeline and stage by name and find the contact's opportunity there. Call it before "
    "create_or_update_opportunity; an unknown name is refused and list_pipelines has them all. "
    "Writes nothing.",
    FindOpportunity,
    OpportunityPlace,
    open_world=True,
    outside="the stage's name",
)
LIST_PIPELINES = ToolSpec(
    "list_pipelines",
    "List pipelines and stages",
    "Names and ids of all pipelines and their stages; at most five minutes old. To place one "
    "contact, find_opportunity resolves names by itself.",
    Nothing,
    Pipelines,
    open_world=True,
    outside="names of pipelines and stages",
)
LIST_WORKFLOWS = ToolSpec(
    "list_workflows",
    "List workflows",
    "Names, ids and states of the workflows, page by page; at most five minutes old. For "
    "add_to_workflow and remove_from_workflow. They are built in GHL: the API can add contacts to "
    "them and not create them.",
    ListWorkflows,
    Workflows,
    open_world=True,
    outside="names of workflows",
)
