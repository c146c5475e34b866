"""Checks over a snapshot: what is found, what is not, and what cannot be told."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from guardrails.brakes.brake_report import VendorRow
from guardrails.ledger_pauses import Pause
from orchestrator.health.facts import OpenBreaker, Queue, Rates, RefusedKey, SpendMark
from orchestrator.health.judge import judge
from orchestrator.health.model import Disk, Seen, Severity
from tests.orchestrator.health.samples import (
    HOST,
    LIMITS,
    NOW,
    RULES,
    ago,
    beat,
    found,
    only,
    queen,
    server,
    snapshot,
    work,
)


def _seen(**letters: str | None) -> dict[int, Seen]:
    """The kernel's view; `p204="T"` stops a process, None removes it."""
    quiet = {pid: Seen("S", pid * 10) for pid in (100, 101, *range(200, 206))}
    for name, letter in letters.items():
        quiet[int(name[1:])] = Seen(letter, int(name[1:]) * 10)
    return quiet


def test_a_quiet_swarm_is_well() -> None:
    judgement = judge(snapshot(), LIMITS)
    assert judgement.findings == ()
    assert set(judgement.undecided) == {"clock:", "certificate:"}  # nobody's was looked at


def test_a_swarm_that_never_ran_or_ended_in_order_is_not_missed() -> None:
    ended = beat("queen", 100, 90_000, ended_at=ago(90_000))
    assert not found(snapshot(work=work(heartbeats=())))
    assert not found(snapshot(work=work(heartbeats=(ended,)), seen={100: Seen(None)}))


@pytest.mark.parametrize("role", ["queen", "gateway"])
def test_a_process_that_is_gone_is_dead(role: str) -> None:
    gone = beat(role, 100, 11)
    finding = only(snapshot(work=work(heartbeats=(gone,)), seen={100: Seen(None)}))
    assert finding.key == f"process:{role}@{HOST}"
    assert finding.severity is Severity.CRITICAL
    assert "dead: its process 100 is gone" in finding.what
    assert "swarm up" in finding.do
    assert f"--retire {role}@{HOST}" in finding.do


def test_a_process_whose_number_went_to_another_is_dead() -> None:
    gone = beat("gateway", 100, 11)
    assert "gone" in only(snapshot(work=work(heartbeats=(gone,)), seen={100: Seen("S", 7)})).what


def test_a_process_that_was_only_just_heard_of_is_not_called_dead() -> None:
    fresh = beat("gateway", 100, 4)
    assert not found(snapshot(work=work(heartbeats=(fresh,)), seen={100: Seen(None)}))


def test_a_process_that_is_there_and_silent_is_hung_and_says_so_when_it_is_stopped() -> None:
    silent = work(heartbeats=(queen(silent_s=21),))
    hung = only(snapshot(work=silent))
    assert hung.key == f"process:queen@{HOST}"
    assert "hung: its process 100 is there and silent for 21 s" in hung.what
    assert "kill -9 100" in hung.do
    assert hung.since == ago(21)
    stopped = only(snapshot(work=silent, seen=_seen(p100="T")))
    assert "the kernel shows it stopped" in stopped.what


def test_a_silent_process_of_another_machine_may_be_cut_off() -> None:
    far = work(heartbeats=(queen(silent_s=21, host="there"),))
    assert "dead or cut off" in only(snapshot(work=far, seen={100: Seen("S", 1000)})).what


def test_a_process_that_an_error_ended_is_dead_at_once() -> None:
    ended = beat("queen", 100, 1, ended_at=ago(1), error="store_unavailable")
    assert (
        "an error ended it (store_unavailable)"
        in only(snapshot(work=work(heartbeats=(ended,)))).what
    )


def test_a_process_that_died_and_was_started_again_is_told_for_a_while() -> None:
    def after(seconds: float, *deaths: float) -> Any:
        back = beat(
            "queen", 100, started_at=ago(seconds), after_death=True,
            deaths=tuple(ago(each) for each in deaths),
        )  # fmt: skip
        return snapshot(work=work(heartbeats=(back,)))

    once = only(after(5, 9000, 12))
    assert (once.key, once.severity, once.since) == (
        f"process:queen@{HOST}", Severity.WARNING, ago(12),
    )  # fmt: skip
    assert "died and was started again" in once.what
    assert only(after(5, 900, 500, 12)).severity is Severity.CRITICAL
    assert not found(after(RULES.restart_shown_s + 1, 12))


def test_a_queen_that_lives_and_cannot_work_says_why() -> None:
    halted = beat("queen", 100, document={"waits_because": "bank_unreadable"})
    finding = only(snapshot(work=work(heartbeats=(halted,))))
    assert finding.key == f"waits:queen@{HOST}"
    assert "bank_unreadable" in finding.what
    stopped = beat("queen", 100, document={"waits_because": "stopped"})
    assert not found(snapshot(work=work(heartbeats=(stopped,))))


def test_another_monitor_is_missed_and_our_own_is_not() -> None:
    theirs, ours = beat("monitor", 9, 200, host="there"), beat("monitor", 102, 200)
    assert only(snapshot(work=work(heartbeats=(theirs, ours)))).severity is Severity.WARNING


def test_silence_proves_nothing_while_nobody_can_write_or_the_machine_slept() -> None:
    silent = work(heartbeats=(queen(silent_s=60),))
    for changes in ({"write_error": "locked"}, {"slept": True}):
        judgement = judge(snapshot(work=silent, **changes), LIMITS)
        assert not any(finding.key.startswith("process") for finding in judgement.findings)
        assert not judgement.decides(f"process:queen@{HOST}")
        assert not judgement.decides(f"server:{HOST}/ghl")
    gone = found(snapshot(work=silent, seen=_seen(p100=None), slept=True))
    assert f"process:queen@{HOST}" in gone  # the kernel proves it


def test_a_server_that_does_not_answer_is_hung_or_dead() -> None:
    silent = work(heartbeats=(queen(ghl=server(204, silent_s=21)),))
    hung = only(snapshot(work=silent))
    assert (hung.key, hung.severity) == (f"server:{HOST}/ghl", Severity.CRITICAL)
    assert "hung: no answer for 21 s" in hung.what
    assert hung.since == ago(21)
    dead = only(snapshot(work=silent, seen=_seen(p204=None)))
    assert "dead" in dead.what


def test_a_stopped_server_is_noticed_before_it_has_missed_an_answer() -> None:
    assert "stopped" in only(snapshot(seen=_seen(p204="T"))).what


def test_a_server_that_died_and_came_back_is_told_for_a_while() -> None:
    def after(seconds: float) -> Any:
        back = queen(crafter=server(202, restarted=(seconds,)))
        return snapshot(work=work(heartbeats=(back,)))

    finding = only(after(10))
    assert (finding.severity, finding.since) == (Severity.WARNING, ago(10))
    assert "died; the queen has restarted it" in finding.what
    assert not found(after(RULES.restart_shown_s + 1))


def test_a_server_that_dies_again_and_again_is_critical() -> None:
    looping = queen(crafter=server(202, restarted=(3000, 900, 5)))
    finding = only(snapshot(work=work(heartbeats=(looping,))))
    assert finding.severity is Severity.CRITICAL
    assert "died 3 times within the hour" in finding.what


def test_the_servers_of_a_dead_queen_are_not_judged() -> None:
    silent = {name: server(0, 600) for name in ("ghl", "crafter")}
    seen = snapshot(work=work(heartbeats=(queen(600, **silent),)), seen=_seen(p100=None))
    judgement = judge(seen, LIMITS)
    assert [finding.key for finding in judgement.findings] == [f"process:queen@{HOST}"]
    assert not judgement.decides(f"server:{HOST}/ghl")


@pytest.mark.parametrize(
    ("fact", "limit", "key"),
    [
        ("inbox", RULES.inbox_oldest_s, "inbox:waiting"),
        ("visitors", RULES.delivery_overdue_s, "visitors:undecided"),
        ("deliveries", RULES.delivery_overdue_s, "deliveries:overdue"),
        ("writes_open", RULES.write_stuck_s, "sends:stuck"),
        ("approvals_overdue", RULES.approval_grace_s, "approvals:overdue"),
        ("slack", RULES.slack_oldest_s, "messages:slack"),
        ("lessons", RULES.lesson_oldest_s, "messages:lessons"),
        ("memory", RULES.memory_oldest_s, "memory:outbox"),
    ],
)
def test_what_waits_too_long_is_found_and_what_waits_a_little_is_not(
    fact: str, limit: float, key: str
) -> None:
    def waiting(seconds: float) -> Any:
        return snapshot(work=work(**{fact: Queue(3, ago(seconds))}))

    assert not found(waiting(limit))
    finding = only(waiting(limit + 1))
    assert (finding.key, finding.since) == (key, ago(limit + 1))
    assert "3" in finding.what


def test_a_stop_is_told_by_itself_and_explains_what_waits() -> None:
    old = Queue(3, ago(9e5))
    waits = {"inbox": old, "visitors": old, "deliveries": old}
    for changes in (
        {"work": work(stop_row=(True, "a test", 2), **waits)},
        {"work": work(**waits), "stop_file": "a test"},
    ):
        finding = only(snapshot(**changes))
        assert (finding.key, finding.escalates) == ("stop:in_force", False)
        assert "a test" in finding.what
    assert only(snapshot(work=work(stop_row=None))).key == "stop:missing"


def test_leads_that_a_finished_run_left_for_later_are_not_overdue() -> None:
    assert not found(snapshot(work=work(heartbeats=(), deliveries=Queue(3, ago(9e5)))))


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        ({"inbox_failed": 1}, "inbox:failed"),
        ({"inbox_odd": 1}, "inbox:odd"),
        ({"slack_failed": 1}, "messages:failed"),
        ({"writes_unknown": Queue(1, ago(1))}, "sends:unknown"),
    ],
)
def test_what_needs_a_person_is_found_at_once(changes: Any, key: str) -> None:
    assert only(snapshot(work=work(**changes))).key == key


def test_a_breaker_is_found_when_it_stays_open_or_its_state_is_damaged() -> None:
    def opened(seconds: float) -> Any:
        return snapshot(work=work(breakers=(OpenBreaker("ghl", "read", "open", ago(seconds)),)))

    assert not found(opened(RULES.breaker_open_s))
    assert only(opened(RULES.breaker_open_s + 1)).key == "breaker:ghl:read"
    damaged = work(vendors=(VendorRow("ghl", damaged=True),))
    assert only(snapshot(work=damaged)).severity is Severity.CRITICAL


def test_spending_is_a_notice_until_the_cap_is_reached() -> None:
    def reached(percent: int) -> Any:
        mark = SpendMark("2026-03-10", "clay", percent, percent * 500_000, 50_000_000, ago(60))
        return only(snapshot(work=work(spend=(mark,))))

    assert (reached(50).severity, reached(80).severity) == (Severity.NOTICE, Severity.NOTICE)
    assert reached(80).key == "spend:2026-03-10:clay:80"
    full = reached(100)
    assert (full.severity, full.since, full.escalates) == (Severity.WARNING, ago(60), False)
    assert "$50.00" in full.what


def test_rates_count_once_enough_was_sent() -> None:
    def rates(sent: int, bounces: int = 0, complaints: int = 0) -> Any:
        return found(snapshot(work=work(rates=Rates(sent, bounces, complaints))))

    assert not rates(49, 49, 49)
    assert not rates(1000, 20, 0)
    assert rates(1000, 21)["rates:bounce"].severity is Severity.WARNING
    assert rates(1000, 0, 1)["rates:complaint"].severity is Severity.WARNING
    # One more would reach the limit: sending is paused before it does.
    assert rates(1000, 0, 2)["rates:complaint"].severity is Severity.CRITICAL


def test_a_pause_and_a_refused_key_are_found() -> None:
    pause = Pause("*", NOW + timedelta(hours=4), "5 bounces within an hour", ago(60))
    paused = only(snapshot(work=work(pauses=(pause,))))
    assert "5 bounces" in paused.what
    assert paused.since == ago(60)
    refused = RefusedKey("clay", 3, ago(300), ago(5))
    assert only(snapshot(work=work(keys=(refused,)))).key == "key:clay"


@pytest.mark.parametrize(("free", "severity"), [(2047, Severity.WARNING), (511, Severity.CRITICAL)])
def test_a_disk_that_fills_is_found(free: int, severity: Severity) -> None:
    assert only(snapshot(disk=Disk(free, 200_000))).severity is severity


def test_what_cannot_be_read_is_a_finding_and_decides_nothing_else() -> None:
    seen = snapshot(work=None, why={"database": "connection refused"}, audit_checked=False)
    judgement = judge(seen, LIMITS)
    assert [finding.key for finding in judgement.findings] == ["database:away"]
    assert "connection refused" in judgement.findings[0].what
    for key in ("process:queen@here", "server:here/ghl", "inbox:waiting", "audit:broken", "stop:x"):
        assert not judgement.decides(key)
    assert judgement.decides("disk:space")


def test_what_something_worse_hides_is_not_said_to_be_over() -> None:
    old = Queue(3, ago(9e5))
    halted = beat("queen", 100, document={"waits_because": "stopped"})
    waits = work(
        stop_row=(True, "a test", 2), inbox=old, visitors=old, deliveries=old, heartbeats=(halted,)
    )
    stopped = judge(snapshot(work=waits), LIMITS)
    for key in ("inbox:waiting", "visitors:undecided", "deliveries:overdue", "waits:queen@here"):
        assert not stopped.decides(key)
    away = judge(snapshot(work=None, stop_file="red button"), LIMITS)
    assert not any(map(away.decides, ("database:unwritable", "stop:missing")))
    assert not judge(snapshot(work=work(stop_row=None)), LIMITS).decides("stop:in_force")
    well = judge(snapshot(), LIMITS)
    assert all(map(well.decides, ("inbox:waiting", "database:unwritable", "stop:in_force")))


def test_no_finding_holds_an_address() -> None:
    finding = only(snapshot(stop_file="ana@firm.example asked for it"))
    assert finding.what == "The swarm is stopped: [address] asked for it"


def test_a_stop_file_is_seen_without_the_database() -> None:
    seen = snapshot(work=None, stop_file="red button", audit_checked=False)
    assert {"database:away", "stop:in_force"} == set(found(seen))


def test_a_database_that_takes_no_writes_and_a_hive_that_is_gone_are_critical() -> None:
    assert only(snapshot(write_error="database is locked")).key == "database:unwritable"
    gone = snapshot(hive_there=False, work=None, disk=None, audit_checked=False)
    assert {finding.severity for finding in found(gone).values()} == {Severity.CRITICAL}


def test_a_broken_chain_is_critical() -> None:
    finding = only(snapshot(audit_problem="2026-03-10: record 7: edited"))
    assert (finding.key, finding.severity) == ("audit:broken", Severity.CRITICAL)


def test_a_clock_that_is_off_says_which_way() -> None:
    assert not found(snapshot(skew_s=5.0, skew_of="Slack"))
    assert "60 s ahead of that of Slack" in only(snapshot(skew_s=60.0, skew_of="Slack")).what
    assert "behind" in only(snapshot(skew_s=-60.0, skew_of="Slack")).what


def test_a_certificate_is_told_in_time_and_one_that_fails_at_once() -> None:
    def ends(days: float) -> Any:
        return found(snapshot(certificate_ends=NOW + timedelta(days=days)))

    assert not ends(14)
    assert ends(13)["certificate:gateway"].severity is Severity.WARNING
    assert ends(1)["certificate:gateway"].severity is Severity.CRITICAL
    assert only(snapshot(certificate_problem="expired")).severity is Severity.CRITICAL
