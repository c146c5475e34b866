"""What the prompts say. Owns: their wording; what is on record comes from `service_prompts`.

Each names the tools to use and what only a person may do. Texts from outside are fenced and marked.
"""

from __future__ import annotations

from servers.common import outside

SHADOW = """\
Review today's shadow run of the swarm. In shadow nothing was sent: you judge what would have been.

{record}

For each e-mail ask, and answer with its row and audit id:
1. Is it about this company, and would you send it under your own name?
2. Does every claim's source say what the e-mail says? (explain_decision has the checks)
3. Was every competitor, customer and public body turned away, and for that reason?
4. Is any tone, greeting or link wrong?
Use explain_decision on each decision you doubt, consult_pattern for what the bank knows about its
segment, angle and persona, and list_failures for look-ups that failed. Then tell the person: what
you would send, what not and why, and the one change to config/ that would help most. Change nothing
yourself."""

WHY_NOT = """\
Why was this lead not contacted: {lead}?

{record}

Tell it in three sentences for a colleague: what was decided, which check or rule decided it, and
what would have to change. Distinguish what a rule forbids for good (opt-out, competitor, customer)
from what is only missing or late. If an approval waits for a person, say since when
(list_approvals). If nothing is on record, the lead was never handed in or is still being prepared:
look with follow_submission when you know its submission. Do not propose to get around a rule."""

REJECTIONS = """\
What should we learn from this week's rejections?

{record}

Group them by what went wrong, not by wording. For each group: how many, which segment, angle and
persona, and what the bank holds of it already (consult_pattern: k of n, posterior, whether it
reviews or blocks). Say whether the bank's lesson is too narrow, too wide or right, and what in
config/ (templates, angles, tone, ICP) would keep the next one from being written. A lesson is
retired, released or promoted by a person only: `swarm bank retire|release|promote`."""

GO_LIVE = """\
Walk through the go-live checklist with the person at the keyboard, one step at a time.

{record}

Day 1, shadow: `swarm preflight` names what is missing; then `swarm run --mode shadow` on ten real
leads. Review with the prompt review_shadow_run. Goal: every lead processed without a crash.
Day 2, chaos: `python scripts/run_failure_campaign.py`; then list_failures and list_fixes. Did the
breakers open and the budget hold? A person applies a fix with `swarm fixes apply`.
Day 3, assisted: `swarm preflight --for assisted` earns the mode; five approvals and one rejection
by a person (list_approvals, ask_approver, or Slack); check that the rejection was learned
(consult_pattern).
Before every night: the health monitor runs (`python scripts/health_monitor.py`), the daily cap in
get_status is what you meant, and everybody knows the red button: stop_swarm here, or
`STOP_SWARM=1 python scripts/emergency_stop.py`; only `swarm resume` lifts it.
Ask get_status after each step and say which step comes next. You cannot raise the mode."""


def fenced(what: str, text: str) -> str:
    """`text`, marked as written by others, between lines that it cannot close."""
    clean = text.replace("```", "'''")
    return f"{outside.note(what)}\n```\n{clean}\n```"
