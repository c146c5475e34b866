"""Each lead with and without faults. Owns: what counts as the same, more cautious, or wrong.

More cautious is one thing only: deferred, for a reason that names what failed. Anything else that
differs is a different decision, however sensible it may look.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from guardrails.model import LeadState
from orchestrator.campaign.record import LeadResult
from orchestrator.campaign.rounds import Round, RowSeen

Verdict = Literal["same", "more_cautious", "different", "lost", "doubled"]
LOST = "lost"  # stands for the state of a row that never ended

# Reasons that name a failure. A deferral for any other reason is a decision about the lead.
FAILURES = frozenset(
    {
        "lookup_failed", "crashed", "internal_error", "tool_error", "server_unavailable",
        "store_unavailable", "audit_unwritable", "bank_unreadable", "bank_not_consulted",
        "disk_trouble", "vendor_unavailable", "vendor_rejected", "vendor_schema_drift",
        "breaker_open", "rate_limited", "spend_capped", "lead_quarantined", "not_qualified",
    }
)  # fmt: skip


def names_the_failure(reasons: Sequence[Mapping[str, Any]]) -> bool:
    """Whether one of the reasons says what failed."""
    return any(reason.get("code") in FAILURES for reason in reasons)


def judge_row(baseline: str, seen: RowSeen | None) -> Verdict:
    """One row of one round against its state without faults."""
    if seen is None or seen.state is None or seen.decisions == 0:
        return "lost"
    if seen.decisions > 1:
        return "doubled"
    if seen.state == baseline:
        return "same"
    if seen.state == LeadState.DEFERRED.value and names_the_failure(seen.reasons):
        return "more_cautious"
    return "different"


def worst(verdicts: Sequence[Verdict]) -> Verdict:
    """The verdict that matters most."""
    order: tuple[Verdict, ...] = ("same", "more_cautious", "different", "doubled", "lost")
    return max(verdicts, key=order.index, default="same")


def lead_results(
    baseline: Round, rounds: Sequence[Round], after: Round | None
) -> tuple[LeadResult, ...]:
    """Every row of the baseline, and every row that only a later round knows."""
    by_round = [{row.row: row for row in each.rows} for each in rounds]
    afterwards = {row.row: row for row in after.rows} if after is not None else {}
    known = {row.row: row for row in baseline.rows}
    results = []
    for number in sorted({*known, *(row for each in by_round for row in each)}):
        before = known.get(number)
        seen = [each.get(number) for each in by_round]
        later = afterwards.get(number)
        state = before.state if before is not None and before.state is not None else LOST
        verdicts = [judge_row(state, row) for row in seen]
        verdicts.append(_after(state, later))
        if before is None or before.state is None:
            verdicts.append("lost")
        found = before or next(row for row in seen if row is not None)
        results.append(
            LeadResult(
                lead_id=found.lead_id,
                row=number,
                baseline=state,
                under_faults=tuple((row.state or LOST) if row else LOST for row in seen),
                after=(later.state or LOST) if later else LOST,
                verdict=worst(verdicts),
            )
        )
    return tuple(results)


def _after(baseline: str, row: RowSeen | None) -> Verdict:
    """With the faults over nothing excuses another state, not even caution."""
    verdict = judge_row(baseline, row)
    return "different" if verdict == "more_cautious" else verdict


def states(result: Round | None) -> dict[int, str | None]:
    """Row to state."""
    return {row.row: row.state for row in result.rows} if result is not None else {}


def differences(first: Round | None, second: Round | None) -> Sequence[str]:
    """What differs between two rounds that should be the same."""
    one, two = states(first), states(second)
    return [
        f"row {row}: {one.get(row)} and {two.get(row)}"
        for row in sorted({*one, *two})
        if one.get(row) != two.get(row) or one.get(row) is None
    ]
