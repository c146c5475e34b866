"""Does the work go on? Owns: judging what waits: inbox, visitors, deliveries, sends, approvals."""

from __future__ import annotations

from collections.abc import Iterator

from orchestrator.health.facts import Queue
from orchestrator.health.model import Finding, Limits, Severity, Snapshot, Undecided, lasted


def inbox(seen: Snapshot, limits: Limits) -> Iterator[Finding | Undecided]:
    """What came in and nobody takes up; a stop is told by itself, and ends nothing of this."""
    assert seen.work is not None
    waiting = seen.work.inbox
    age = _age(waiting, seen)
    if age > limits.rules.inbox_oldest_s and seen.stopped:
        yield Undecided("inbox:waiting")
    elif age > limits.rules.inbox_oldest_s:
        yield Finding(
            "inbox:waiting",
            Severity.WARNING,
            f"{waiting.count} deliveries from outside wait, the oldest for {lasted(age)}",
            "The queen takes them up: is `swarm up` running? Its log is logs/queen.log.",
            waiting.oldest,
        )
    if seen.work.inbox_failed:
        yield Finding(
            "inbox:failed",
            Severity.WARNING,
            f"{seen.work.inbox_failed} deliveries from outside could not be worked on",
            "`swarm inbox list` says why; `swarm inbox again ID` works on one anew.",
        )
    if seen.work.inbox_odd:
        yield Finding(
            "inbox:odd",
            Severity.WARNING,
            f"{seen.work.inbox_odd} events of e-mails could not be understood today",
            "An opt-out may be among them: `swarm inbox list --state junk` names them; look at the "
            "vendor, and at how its webhook is set up (docs/webhooks.md).",
            escalates=False,  # a day later it is told no more
        )


def visitors(seen: Snapshot, limits: Limits) -> Iterator[Finding | Undecided]:
    """Visitors that are not decided about, while a queen should be at work."""
    assert seen.work is not None
    age = _age(seen.work.visitors, seen)
    if not _at_work(seen) or age <= limits.rules.delivery_overdue_s:
        return
    if seen.stopped:
        yield Undecided("visitors:undecided")
        return
    yield Finding(
        "visitors:undecided",
        Severity.WARNING,
        f"{seen.work.visitors.count} visitors are not decided about, the oldest for {lasted(age)}",
        "Look at `swarm status` for a breaker or a full cap, then at logs/queen.log.",
        seen.work.visitors.oldest,
    )


def deliveries(seen: Snapshot, limits: Limits) -> Iterator[Finding | Undecided]:
    """Leads that may go out and do not, while a queen should be at work."""
    assert seen.work is not None
    age = _age(seen.work.deliveries, seen)
    if not _at_work(seen) or age <= limits.rules.delivery_overdue_s:
        return
    if seen.stopped:
        yield Undecided("deliveries:overdue")
        return
    yield Finding(
        "deliveries:overdue",
        Severity.WARNING,
        f"{seen.work.deliveries.count} leads could go out and do not, the oldest for {lasted(age)}",
        "Look at `swarm status` for a breaker or a pause, then at logs/queen.log.",
        seen.work.deliveries.oldest,
    )


def sends(seen: Snapshot, limits: Limits) -> Iterator[Finding]:
    """Writes whose fate nobody knows, and writes that do not end."""
    assert seen.work is not None
    unknown = seen.work.writes_unknown
    if unknown.count:
        yield Finding(
            "sends:unknown",
            Severity.WARNING,
            f"{unknown.count} writes may have happened or not, and the vendor does not say",
            "`swarm sends unknown`; look at the vendor, then `swarm sends resolve KEY`.",
            unknown.oldest,
        )
    age = _age(seen.work.writes_open, seen)
    if age > limits.rules.write_stuck_s:
        yield Finding(
            "sends:stuck",
            Severity.WARNING,
            f"{seen.work.writes_open.count} writes are claimed or dispatching, the oldest for "
            f"{lasted(age)}",
            "`swarm sends reconcile` asks the vendor; a queen that starts does so by itself.",
            seen.work.writes_open.oldest,
        )


def approvals(seen: Snapshot, limits: Limits) -> Iterator[Finding]:
    """Drafts that wait for a person beyond their time."""
    assert seen.work is not None
    overdue = seen.work.approvals_overdue
    age = _age(overdue, seen)
    if age > limits.rules.approval_grace_s:
        yield Finding(
            "approvals:overdue",
            Severity.WARNING,
            f"{overdue.count} drafts wait for approval beyond their time, the oldest by "
            f"{lasted(age)}",
            "`swarm approvals list`, or the cards in Slack. What nobody approves is not sent.",
            overdue.oldest,
        )


def messages(seen: Snapshot, limits: Limits) -> Iterator[Finding]:
    """Slack messages that do not get out, and lessons that do not reach the bank."""
    assert seen.work is not None
    age = _age(seen.work.slack, seen)
    if age > limits.rules.slack_oldest_s:
        yield Finding(
            "messages:slack",
            Severity.WARNING,
            f"{seen.work.slack.count} Slack messages are not posted, the oldest for {lasted(age)}",
            "The gateway posts them: is it running, and are its token and channel right? "
            "Approvals wait on the console and in `swarm approvals` as well.",
            seen.work.slack.oldest,
        )
    if seen.work.slack_failed:
        yield Finding(
            "messages:failed",
            Severity.WARNING,
            f"Slack refused {seen.work.slack_failed} messages",
            "Check the bot's scopes and its membership of the channel; see logs/gateway.log.",
        )
    age = _age(seen.work.lessons, seen)
    if age > limits.rules.lesson_oldest_s:
        yield Finding(
            "messages:lessons",
            Severity.WARNING,
            f"{seen.work.lessons.count} lessons are not in the reasoning bank, the oldest for "
            f"{lasted(age)}",
            "Can reasoning_bank.json be read and written? `swarm bank show` says so.",
            seen.work.lessons.oldest,
        )


def remembered(seen: Snapshot, limits: Limits) -> Iterator[Finding]:
    """Facts that do not reach the long-term memory. No lead waits for them."""
    assert seen.work is not None
    age = _age(seen.work.memory, seen)
    if age > limits.rules.memory_oldest_s:
        yield Finding(
            "memory:outbox",
            Severity.WARNING,
            f"{seen.work.memory.count} facts are not in the long-term memory, the oldest for "
            f"{lasted(age)}",
            "Nothing is lost and no lead waits. `swarm memory status` says why.",
            seen.work.memory.oldest,
        )
    if seen.work.memory_rejected:
        yield Finding(
            "memory:rejected",
            Severity.WARNING,
            f"The long-term memory rejects {seen.work.memory_rejected} facts",
            "`swarm memory status` shows which and why; `swarm memory sync` tries them again.",
        )


def _at_work(seen: Snapshot) -> bool:
    assert seen.work is not None
    return any(beat.role == "queen" and beat.expected for beat in seen.work.heartbeats)


def _age(queue: Queue, seen: Snapshot) -> float:
    if not queue.count or queue.oldest is None:
        return 0.0
    return (seen.at - queue.oldest).total_seconds()
