"""What the memory's process offers. Owns: tool names, arguments and results."""

from __future__ import annotations

from pydantic import Field

from guardrails.model import Recollection
from servers.common.contract import Args, Result, ToolSpec

SERVER = "memory"


class LookUpHistory(Args):
    """Whom to look up: whatever is known of them."""

    lead_id: str | None = Field(
        default=None, max_length=80, description="The lead's salted id, as the swarm names it."
    )
    email: str | None = Field(
        default=None, max_length=320, description="Their address; it is hashed before it is asked."
    )
    domain: str | None = Field(
        default=None, max_length=253, description="Their company's domain; hashed as well."
    )


class Recalled(Result):
    """What the memory knows."""

    recollection: Recollection = Field(description="What the memory knows, or why it is silent.")


class GetMemoryStatus(Args):
    """Nothing is asked."""


class RejectedFact(Result):
    """A fact that the memory rejected."""

    kind: str = Field(description="lead, decision, touch, outcome, lesson ...")
    key: str = Field(description="The fact's name.")
    why: str = Field(description="What the memory said.")


class StatusOfMemory(Result):
    """How memory and outbox stand."""

    waiting: int = Field(description="Facts in the outbox.")
    oldest: str | None = Field(description="Since when the oldest waits, UTC.")
    set_aside: int = Field(
        description="Facts that the memory rejected; tried again, ever less often."
    )
    rejected: tuple[RejectedFact, ...] = Field(description="The first of those.")
    last_success: str | None = Field(
        description="When this process last sent, or found nothing to send, UTC."
    )
    trouble: str | None = Field(description="Why nothing can be sent now, if so, and what to do.")
    drains: bool = Field(description="Whether this process is the one that sends now.")
    lessons_refused: int = Field(
        description="Lessons without our hives' seal among the latest in the memory."
    )
    strangers: int = Field(
        description="Databases in the same project whose salt is another: their people cannot be "
        "matched, and their lessons are refused."
    )


LOOK_UP_HISTORY = ToolSpec(
    name="look_up_history",
    title="Look up a person in the long-term memory",
    description="What the long-term memory knows of a person across years and machines: "
    "suppressions, outcomes, e-mails, earlier decisions. Answers within a second and a half, if "
    "only that the memory is away. Give at least one of lead_id, email, domain.",
    args=LookUpHistory,
    result=Recalled,
    open_world=True,
    outside="what the long-term memory says",
)
GET_MEMORY_STATUS = ToolSpec(
    name="get_memory_status",
    title="Status of the long-term memory",
    description="How many facts wait to be remembered, since when, what was rejected, and why "
    "nothing can be sent, if so. Asks the database only.",
    args=GetMemoryStatus,
    result=StatusOfMemory,
)

TOOLS = (LOOK_UP_HISTORY, GET_MEMORY_STATUS)
