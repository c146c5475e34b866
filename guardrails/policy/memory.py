"""What the long-term memory holds against an e-mail. Owns: its rule, which can only tighten.

The memory is a service outside: its silence and its lies may cost an e-mail and never allow one.
Asked only where a memory is configured; a record from before it was has no such check.
"""

from __future__ import annotations

from datetime import timedelta

from guardrails.policy.case import Case, utc
from guardrails.policy.rules import Findings, Rule, block, passed, review

_AGAINST = {
    "unsubscribe": "they unsubscribed",
    "complaint": "they complained",
    "dnd": "the CRM was told not to disturb them",
    "bounce": "an e-mail to the address bounced",
}


def recalled(case: Case) -> Findings:
    """Opted out, complained or bounced anywhere, ever; written to lately from elsewhere."""
    memory = case.inputs.dossier.memory
    if memory is None:
        return
    if not memory.answered:
        why = memory.why or "no reason given"
        yield passed(f"The long-term memory did not answer and was not waited for: {why}.", "away")
        return
    if memory.suppressed is not None:
        text = f"The long-term memory knows a suppression: {memory.suppressed}."
        yield block("memory_suppressed", text)
    seen = set()
    for outcome in memory.outcomes:
        said = _AGAINST.get(outcome.kind)
        if said is not None and outcome.kind not in seen:
            seen.add(outcome.kind)
            text = f"According to the long-term memory {said} on {outcome.at:%Y-%m-%d}."
            yield block(f"memory_{outcome.kind}", text)
    days = case.policy.who.recent_contact_days
    for touch in memory.touches:
        if touch.elsewhere and case.inputs.now - utc(touch.at) < timedelta(days=days):
            yield review(
                "contacted_recently",
                f"Last contacted {touch.at:%Y-%m-%d} according to the long-term memory: within "
                f"{days} days.",
                f"{days} days have passed since then",
            )
            return


RULES = (Rule("memory", "The long-term memory knows nothing against it.", recalled),)
