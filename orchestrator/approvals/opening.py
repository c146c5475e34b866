"""Opening the approvals. Apart from the swarm: gateway and command line need no more of it."""

from __future__ import annotations

from guardrails.approvals import Approvals
from guardrails.approvers import ApproverList, slack_ids
from guardrails.audit import AuditLog
from guardrails.brakes.stop import StopSwitch
from guardrails.clock import Clock
from guardrails.config import Config
from guardrails.hive import Hive
from guardrails.store import Store
from orchestrator.delivery_rows import queue_approved
from orchestrator.environment import Environment


def open_approvals(
    config: Config,
    hive: Hive,
    store: Store,
    audit: AuditLog,
    clock: Clock,
    environment: Environment,
) -> Approvals:
    """Where people decide: the same in queen, gateway and command line.

    Raises:
        ConfigError: an approver is listed twice.
    """
    ids = slack_ids(environment.values.get("SLACK_APPROVER_IDS"))
    people = ApproverList.of(config.approvers, ids, hive.salt())
    return Approvals(store, audit, StopSwitch(hive, store), people, clock, queue_approved)
