"""The queen as a service. Owns: who takes what comes in, what is done now and then, and her life.

Composed over a running swarm; `service.py` is the loop. Ends at SIGTERM or SIGINT, when what is in
hand has come to its own end.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

from sqlalchemy import Connection

from guardrails.approvers import ApproverList
from guardrails.bank import Bank
from guardrails.clock import utc_now
from guardrails.fleet import hold
from guardrails.leases import WorkerState, read_workers
from guardrails.ledger import Ledger
from guardrails.lesson_folding import Folding
from guardrails.model import Mode
from orchestrator.approvals.case import Cases
from orchestrator.approvals.edit import Edit
from orchestrator.approvals.edits import Edits, Parts
from orchestrator.approvals.learned import LearnedYes
from orchestrator.bootstrap import Swarm, running_swarm
from orchestrator.day_log import DayLog
from orchestrator.deliver_writes import Writer
from orchestrator.environment import Environment
from orchestrator.errands import Errand, Errands, Holds
from orchestrator.inbox import Inbox, Received, Source, settle
from orchestrator.options import Options
from orchestrator.outcomes.handler import Outcomes
from orchestrator.outcomes.protect import Protector
from orchestrator.retention_errands import housekeeping
from orchestrator.service import Handler, Service
from orchestrator.slack.outbox import notice
from orchestrator.submissions import Submissions
from orchestrator.visitors import Visitors

_LEARN_S, _LOG_S, _SWEEP_S, _TIDY_S = 0.5, 1.0, 20.0, 300.0


@dataclass(frozen=True)
class Ready:
    """What a person is told when the queen works."""

    mode: str
    sandbox: bool
    hive: str
    servers: Mapping[str, int | None]


async def serve(options: Options, environment: Environment, ready: Callable[[Ready], None]) -> None:
    """Work until a signal.

    Raises: as `running_swarm`.
    """
    ended = asyncio.Event()
    with _signals(ended):
        async with running_swarm(options, environment) as swarm:
            service = compose(swarm)
            swarm.sign.also = service.told
            pids = swarm.children.pids()
            ready(Ready(swarm.mode.value, swarm.sandbox, str(swarm.hive.path), pids))
            await service.run(ended)


def compose(swarm: Swarm) -> Service:
    """The loop with everything it does."""
    inbox = Inbox(swarm.store, swarm.clock)
    visitors = Visitors(
        swarm.store,
        swarm.children,
        swarm.clock,
        swarm.mode,
        sandbox=swarm.sandbox,
        recent=timedelta(days=swarm.config.policy.who.recent_contact_days),
    )
    bank = Bank(swarm.hive.bank_file, swarm.config.policy.bank, swarm.clock)

    learn = Folding(swarm.store, bank, swarm.hive, swarm.clock).fold

    handlers = _handlers(swarm, visitors, _outcomes(swarm, learn))
    return Service(swarm, inbox, handlers, _errands(swarm, visitors, learn))


def _outcomes(swarm: Swarm, learn: Callable[[], Awaitable[object]]) -> Handler:
    outcomes = Outcomes(
        swarm.store,
        swarm.audit,
        swarm.hive.salt(),
        swarm.config,
        swarm.clock,
        withdraw=lambda lead_id, why: swarm.approvals.withdraw(why, lead_id=lead_id),
        fold=learn,
        tell=lambda conn, key, text, at: notice(conn, key, text, at=at),
    )

    async def take(received: Received) -> str:
        def ended(conn: Connection, lead_id: str | None, note: str) -> None:
            settle(conn, received.id, swarm.clock(), lead_id=lead_id, note=note)

        handled = await outcomes.handle(
            received.source.value,
            received.document(),
            received.received_at,
            inbox_id=received.id,
            settle=ended,
        )
        return handled.note

    return take


def _handlers(swarm: Swarm, visitors: Visitors, outcome: Handler) -> dict[Source, Handler]:
    edits = Edits(
        Parts(
            store=swarm.store,
            approvals=swarm.approvals,
            cases=Cases(swarm.audit, swarm.store),
            children=swarm.children,
            rules=swarm.config.production.approvals,
            clock=swarm.clock,
            tell=partial(_tell, swarm.approvals.approvers),
        )
    )
    return {
        Source.RB2B: visitors.take,
        Source.EDIT: edits.take,
        Source.INSTANTLY: outcome,
        Source.GHL: outcome,
        Source.UNSUBSCRIBE: outcome,
        Source.SUBMISSION: _submissions(swarm).take,
    }


def _submissions(swarm: Swarm) -> Submissions:
    return Submissions(
        swarm.store,
        swarm.children,
        swarm.clock,
        swarm.mode,
        swarm.hive.salt(),
        sandbox=swarm.sandbox,
        recent=timedelta(days=swarm.config.policy.who.recent_contact_days),
    )


def _errands(swarm: Swarm, visitors: Visitors, learn: Callable[[], Awaitable[object]]) -> Errands:
    ledger = Ledger.of(swarm.config.production, swarm.store, swarm.clock, swarm.hive.salt())
    errands = [
        Errand("learn", _LEARN_S, learn),
        Errand("finish approvals", _SWEEP_S, swarm.approvals.finish_recorded),
        Errand("expire approvals", _SWEEP_S, swarm.approvals.expire_due, alone=True),
        Errand("sweep the ledger", _SWEEP_S, lambda: swarm.store.run(ledger.sweep), alone=True),
        Errand("close days", _TIDY_S, visitors.close_days, alone=True),
        Errand("close runs", _TIDY_S, lambda: swarm.runs.close(swarm.mode), alone=True),
        Errand(
            "learn from a yes",
            _SWEEP_S,
            LearnedYes(swarm.store, swarm.audit, swarm.clock).run,
            alone=True,
        ),
        Errand("protect", _SWEEP_S, _protector(swarm, ledger).nudge, alone=True),
        Errand("tidy the engine", _TIDY_S, partial(_tidy, swarm), alone=True),
        *housekeeping(swarm),
    ]
    if swarm.mode is Mode.SHADOW:
        log = DayLog(swarm.hive, swarm.store, swarm.clock)
        errands.append(Errand("shadow log", _LOG_S, log.refresh))
    return Errands(errands, holds=_duties(swarm))


async def _tidy(swarm: Swarm) -> None:
    known = await swarm.store.query(read_workers)
    living = [one for one in known if one.state is WorkerState.ALIVE]
    await swarm.engine.tidy([str(one.document.get("executor")) for one in living], utc_now())


def _duties(swarm: Swarm) -> Holds | None:
    """One hive of its own has no duties to share."""
    if swarm.store.dialect == "sqlite":
        return None

    async def holds(duty: str, seconds: float) -> bool:
        mode = swarm.mode.value  # hives in shadow do not do what is to be done live
        name, holder = f"{duty} ({mode})"[:40], swarm.members.session
        return await swarm.store.run(lambda conn: hold(conn, name, holder, seconds))

    return holds


def _protector(swarm: Swarm, ledger: Ledger) -> Protector:
    seconds = swarm.config.production.delivery.permit_seconds
    writer = Writer(swarm.children, ledger, swarm.store, swarm.clock, permit_seconds=seconds)
    return Protector(swarm.store, swarm.children, writer, swarm.clock, swarm.mode)


def _tell(
    people: ApproverList, conn: Connection, key: str, text: str, edit: Edit, at: datetime
) -> None:
    """Call whoever wrote the text: in a thread nobody else would be."""
    writer = people.by_id(edit.by)
    mention = writer.slack_user_id if writer else None
    notice(conn, key, text, at=at, approval_id=edit.approval_id, mention=mention)


@contextmanager
def _signals(ended: asyncio.Event) -> Iterator[None]:
    loop = asyncio.get_running_loop()
    numbers = (signal.SIGTERM, signal.SIGINT)
    for number in numbers:
        loop.add_signal_handler(number, ended.set)
    try:
        yield
    finally:
        for number in numbers:
            loop.remove_signal_handler(number)
