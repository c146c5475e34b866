"""Which write needs what. Owns: the one small table of it, and what a stop leaves of it.

E-mails are not in it: they need a decision, fresh look-ups, a window and room under the caps, and
go by `Authorizer.send` alone. What protects people or holds sending needs nobody's decision. While
the swarm is stopped nothing is done but that, and only by the emergency stop itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from guardrails.brakes.stop_state import UNKNOWN_EPOCH, StopState
from guardrails.errors import Refused, Stopped
from guardrails.model import WriteAction

Needs = Literal["decision", "nothing"]


class Purpose(StrEnum):
    """What a permit is made and spent for. A process serves one purpose for all of its life."""

    WORK = "work"  # the swarm's own; void while it is stopped
    EMERGENCY_STOP = "emergency_stop"  # holding what runs at a vendor; void unless it is stopped


@dataclass(frozen=True)
class WriteRule:
    """What an action needs.

    Args:
        needs: `decision`: a recorded one about this lead that lets an e-mail go, or let one go.
        may_write: the vendor may write to the person by it: in live alone, to the decision's own
            contact, and not when the lead is on the suppression list by now.
        protects: it can only make less go out.
    """

    needs: Needs
    may_write: bool = False
    protects: bool = False


_OF_A_LEAD = WriteRule("decision")
_OPERATORS = WriteRule("nothing")
_PROTECTING = WriteRule("nothing", protects=True)

RULES: dict[WriteAction, WriteRule] = {
    WriteAction.UPSERT_CONTACT: _OF_A_LEAD,
    WriteAction.ADD_TAGS: _OF_A_LEAD,
    WriteAction.REMOVE_TAGS: _OF_A_LEAD,
    WriteAction.ADD_NOTE: _OF_A_LEAD,
    WriteAction.CREATE_TASK: _OF_A_LEAD,
    WriteAction.CREATE_OPPORTUNITY: _OF_A_LEAD,
    WriteAction.UPDATE_OPPORTUNITY: _OF_A_LEAD,
    WriteAction.ADD_TO_WORKFLOW: WriteRule("decision", may_write=True),
    WriteAction.REMOVE_FROM_WORKFLOW: _PROTECTING,
    WriteAction.SET_DND: _PROTECTING,
    WriteAction.CREATE_CAMPAIGN: _OPERATORS,
    WriteAction.ACTIVATE_CAMPAIGN: _OPERATORS,
    WriteAction.PAUSE_CAMPAIGN: _PROTECTING,
    WriteAction.BLOCK_ADDRESS: _PROTECTING,
}


_HOLDS = frozenset(action.value for action, rule in RULES.items() if rule.protects)


def allowed_during_stop(action: str) -> bool:
    """Whether the emergency stop may do it in a stopped swarm: what only makes less go out."""
    return action in _HOLDS


def require_leave(state: StopState, action: str, purpose: Purpose) -> None:
    """Whether the stop, as it stands, leaves room for this action.

    Raises:
        Stopped: the swarm is stopped, and this is not the emergency stop holding something; or
            nobody can tell what was stopped when.
        Refused: an emergency's leave while there is no emergency.
    """
    emergency = purpose is Purpose.EMERGENCY_STOP
    if not state.stopped:
        if emergency:
            raise Refused("this is leave for the emergency stop, and the swarm is not stopped")
        return
    if not emergency or not allowed_during_stop(action) or state.epoch == UNKNOWN_EPOCH:
        raise Stopped(f"the swarm is stopped: {state.reason}")
