"""GHL: the write tools as a client sees them. Owns: their names, descriptions and annotations."""

from __future__ import annotations

from typing import TypeVar

from servers.common.contract import ToolSpec
from servers.ghl.contract_form import Write, WriteResult
from servers.ghl.contract_writes import (
    AddNote,
    AddTags,
    AddToWorkflow,
    CreateTask,
    PutOpportunity,
    RemoveFromWorkflow,
    RemoveTags,
    SetDnd,
    UpsertContact,
)

W = TypeVar("W", bound=Write)


def write_tool(
    name: str, title: str, description: str, args: type[W], *, destructive: bool
) -> ToolSpec[W, WriteResult]:
    """A write tool. Each may be called again with the same key and arguments to no more effect."""
    return ToolSpec(
        name,
        title,
        description,
        args,
        WriteResult,
        read_only=False,
        idempotent=True,
        destructive=destructive,
        open_world=True,
    )


UPSERT_CONTACT = write_tool(
    "upsert_contact",
    "Create or complete a contact",
    "Create the contact with this e-mail address, or set the given fields on the one there is. "
    "Call plan_contact first and pass its `changes`: fields left out stay as they are, tags are "
    "never touched (use add_tags), a richer value in the CRM is never replaced by a poorer one. "
    "Not for DND (set_dnd). Answers the contact's id as vendor_ref.",
    UpsertContact,
    destructive=True,  # a field that held something else is overwritten
)
ADD_TAGS = write_tool(
    "add_tags",
    "Add tags to a contact",
    "Add tags; the contact's other tags stay. The only way to tag: upsert_contact takes none. Tags "
    "can start workflows that somebody built in the CRM.",
    AddTags,
    destructive=False,
)
REMOVE_TAGS = write_tool(
    "remove_tags",
    "Take tags from a contact",
    "Take away exactly these tags; the contact's other tags stay. One that the contact does not "
    "have is no error.",
    RemoveTags,
    destructive=True,
)
ADD_NOTE = write_tool(
    "add_note",
    "Add a note to a contact",
    "Write a note that the team sees at the contact; the person does not see it. Once per key. "
    "For something that somebody has to do, use create_task.",
    AddNote,
    destructive=False,
)
CREATE_TASK = write_tool(
    "create_task",
    "Create a task at a contact",
    "Create an open task with a due date for the team; the person does not see it. Once per key. "
    "To record something that nobody has to do, use add_note.",
    CreateTask,
    destructive=False,
)
CREATE_OR_UPDATE_OPPORTUNITY = write_tool(
    "create_or_update_opportunity",
    "Create or update an opportunity",
    "Put a contact's opportunity into a pipeline and stage. Call find_opportunity first: it gives "
    "the ids of pipeline and stage by their names, and the opportunity that exists. With "
    "opportunity_id null it creates one, and when the contact has one in that pipeline already it "
    "answers `already` with its id and changes nothing; with opportunity_id it updates that one.",
    PutOpportunity,
    destructive=True,
)
ADD_TO_WORKFLOW = write_tool(
    "add_to_workflow",
    "Add a contact to a workflow",
    "Enrol the contact in a published workflow (list_workflows). The workflow then does what it "
    "was built for, which may be sending messages: it cannot be undone. GHL does not show who is "
    "in a workflow, so a call whose fate is unknown is for a person to resolve. Leave is given in "
    "live alone, for the contact of the decision itself.",
    AddToWorkflow,
    destructive=True,
)
REMOVE_FROM_WORKFLOW = write_tool(
    "remove_from_workflow",
    "Take a contact out of a workflow",
    "End the contact's way through a workflow (list_workflows): what was scheduled for it there is "
    "dropped, and what was sent is sent. Somebody who is not in it is no error.",
    RemoveFromWorkflow,
    destructive=True,
)
SET_DND = write_tool(
    "set_dnd",
    "Block channels of a contact",
    "Set do-not-disturb on channels, e.g. Email after somebody asked for no more e-mail. It only "
    "ever blocks: lifting a block is for a person, in the CRM. Name the channels that are blocked "
    "already as well (plan_contact answers them as `dnd`), so that none is lost.",
    SetDnd,
    destructive=True,
)
