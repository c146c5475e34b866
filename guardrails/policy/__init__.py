"""The policy: small pure rules over a lead, what is known of it, and a draft.

Read `who`, `address`, `consent`, `lookups`, `content`, `claims`, `injection` and `past` to know
what may be sent and why not; `evaluate` runs them in the gate's order.
"""

from guardrails.policy.case import CompiledPolicy
from guardrails.policy.evaluate import (
    evaluate,
    reasons_of,
    state_of,
    turned_away,
    verdict_of,
    would_send_at,
)
from guardrails.policy.inputs import GateInputs, PolicyDocument

__all__ = [
    "CompiledPolicy",
    "GateInputs",
    "PolicyDocument",
    "evaluate",
    "reasons_of",
    "state_of",
    "turned_away",
    "verdict_of",
    "would_send_at",
]
