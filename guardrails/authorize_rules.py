"""Which write needs what. Owns: the one small table of it.

E-mails are not in it: they need a decision, fresh look-ups, a window and room under the caps, and
go by `Authorizer.send` alone. What protects people or holds sending needs nobody's decision.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from guardrails.model import WriteAction

Needs = Literal["decision", "nothing"]


@dataclass(frozen=True)
class WriteRule:
    """What an action needs.

    Args:
        needs: `decision`: a recorded one about this lead that lets an e-mail go, or let one go.
        unless_suppressed: refused when the lead is on the suppression list by now.
        protects: it can only make less go out.
    """

    needs: Needs
    unless_suppressed: bool = False
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
    # A workflow may write to people by itself.
    WriteAction.ADD_TO_WORKFLOW: WriteRule("decision", unless_suppressed=True),
    WriteAction.REMOVE_FROM_WORKFLOW: _PROTECTING,
    WriteAction.SET_DND: _PROTECTING,
    WriteAction.CREATE_CAMPAIGN: _OPERATORS,
    WriteAction.ACTIVATE_CAMPAIGN: _OPERATORS,
    WriteAction.PAUSE_CAMPAIGN: _PROTECTING,
    WriteAction.BLOCK_ADDRESS: _PROTECTING,
}


def allowed_during_stop(action: WriteAction) -> bool:
    """Whether a stopped swarm may still do it: what only makes less go out.

    The mint and every `PermitCheck` refuse it all the same while the stop is in force; the stop
    itself, which pauses campaigns at the vendor, is what asks here.
    """
    rule = RULES.get(action)
    return rule is not None and rule.protects
