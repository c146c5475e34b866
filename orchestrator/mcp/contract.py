"""Orchestrator: the swarm for an AI client. Submit, follow, understand, ask a person, stop."""

from __future__ import annotations

from orchestrator.mcp.contract_approvals import ASK_APPROVER, LIST_APPROVALS, SHOW_APPROVAL
from orchestrator.mcp.contract_insight import (
    CONSULT_PATTERN,
    EXPLAIN_DECISION,
    GET_STATUS,
    LIST_FAILURES,
    LIST_FIXES,
)
from orchestrator.mcp.contract_stop import STOP_SWARM
from orchestrator.mcp.contract_submissions import (
    CANCEL_SUBMISSION,
    FOLLOW_SUBMISSION,
    SUBMIT_LEADS,
)
from servers.common.contract import ResourceSpec

SERVER = "orchestrator"
TOOLS = (
    SUBMIT_LEADS,
    FOLLOW_SUBMISSION,
    CANCEL_SUBMISSION,
    GET_STATUS,
    LIST_APPROVALS,
    SHOW_APPROVAL,
    ASK_APPROVER,
    EXPLAIN_DECISION,
    CONSULT_PATTERN,
    LIST_FAILURES,
    LIST_FIXES,
    STOP_SWARM,
)
BANK_RESOURCE = ResourceSpec(
    "hive://reasoning-bank",
    "Reasoning bank",
    "What the swarm has learned: items with their numbers and their effect today, as JSON. It is "
    "the first page of hive://reasoning-bank/{page} and says how many items there are.",
    outside="titles of lessons that came from leads",
)
AUDIT_RESOURCE = ResourceSpec(
    "hive://audit/today",
    "Today's audit",
    "The newest 100 audit records of today (UTC) on this machine, as JSON; pages of any day are "
    "under hive://audit/{day}/{page}.",
    outside="what records quote of leads and news",
)
CONFIG_RESOURCE = ResourceSpec(
    "config://production",
    "Configuration",
    "config/production.json as it stands now, with the policy version. It holds no secrets.",
)
BANK_PAGES = "hive://reasoning-bank/{page}"
AUDIT_PAGES = "hive://audit/{day}/{page}"
DECISIONS = "hive://decisions/{id}"
