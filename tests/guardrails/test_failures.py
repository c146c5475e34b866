"""The FailureTracker: every failure is one row, by cause, without secrets, also without a store."""

from __future__ import annotations

import contextlib
import fcntl
import itertools
import os
import resource
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import orjson
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from sqlalchemy import func, select
from structlog.testing import capture_logs

from guardrails.brakes.failures import (
    KINDS,
    FailureRow,
    FailureTracker,
    clean,
    clusters,
    signature_of,
)
from guardrails.brakes.quarantine import Quarantine
from guardrails.correlation import Correlation, correlated
from guardrails.hive import Hive
from guardrails.store import Store
from guardrails.store.brake_tables import failures
from tests.conftest import SteppableClock

pytestmark = pytest.mark.anyio


def tracker_of(store: Store, hive: Hive, clock: SteppableClock) -> FailureTracker:
    numbers = itertools.count(1)
    return FailureTracker(store, hive, clock, "ghl", lambda: f"{next(numbers):016x}")


@pytest.fixture
def tracker(store: Store, hive: Hive, clock: SteppableClock) -> FailureTracker:
    return tracker_of(store, hive, clock)


def timeout(tracker: FailureTracker, lead: str | None = None, **more: object) -> FailureRow:
    return tracker.row(
        "timeout", "search_contacts", "no answer (ReadTimeout)", vendor="ghl", lead_id=lead, **more
    )  # type: ignore[arg-type]


def rows(store: Store) -> int:
    with store.read() as conn:
        return conn.execute(select(func.count()).select_from(failures)).scalar_one()


def pending(hive: Hive) -> list[Path]:
    return sorted(hive.failures_dir.glob("*.jsonl"))


async def test_a_recorded_failure_is_found_with_its_lead_and_run(
    tracker: FailureTracker, store: Store
) -> None:
    with correlated(Correlation("L-1", "R-1")):
        row = tracker.row("quota", "run_routine", "HTTP 402: no credits", vendor="clay", status=402)
    await tracker.record(row)
    with store.read() as conn:
        (found,) = clusters(conn, run_id="R-1")
        assert clusters(conn, run_id="R-2") == ()
    assert (found.kind, found.vendor, found.server) == ("quota", "clay", "ghl")
    assert (found.status, found.count, found.lead_ids) == (402, 1, ("L-1",))
    assert found.failure_ids == (row.failure_id,)


async def test_a_cluster_counts_leads_cost_injected_and_rate(
    tracker: FailureTracker, store: Store, clock: SteppableClock
) -> None:
    for number in range(30):
        await tracker.record(
            timeout(
                tracker,
                f"L-{number % 25:02}",
                cost_micros=100_000,
                injected="timeout_after" if number < 3 else None,
            )
        )
        clock.step(120)
    await tracker.record(tracker.row("dns", "search_contacts", "no answer", vendor="ghl"))
    with store.read() as conn:
        large, small = clusters(conn)
    assert (large.count, large.leads, large.cost_micros, large.injected) == (30, 25, 3_000_000, 3)
    assert len(large.lead_ids) == 20
    assert large.per_hour == pytest.approx(30 / (29 * 120 / 3600), abs=0.1)
    assert large.first_seen < large.last_seen
    assert (small.kind, small.leads, small.lead_ids) == ("dns", 0, ())


async def test_older_failures_are_left_out(
    tracker: FailureTracker, store: Store, clock: SteppableClock
) -> None:
    await tracker.record(timeout(tracker))
    clock.step(days=2)
    late = timeout(tracker)
    await tracker.record(late)
    with store.read() as conn:
        (found,) = clusters(conn, since=late.at)
    assert (found.count, found.first_seen) == (1, late.at)


def test_failures_of_one_cause_share_a_signature() -> None:
    def sign(detail: str, **other: object) -> str:
        facts = {"server": "ghl", "vendor": "ghl", "operation": "get", "status": 400} | other
        return signature_of("rejected", detail=detail, **facts)  # type: ignore[arg-type]

    one = sign("HTTP 400: Contact with id ocQHyuzHvysMo5N5VsXu not found at 2026-03-10T14:00:00Z")
    same = sign("http 400: contact with id 9mGq02PdkW1xZ3LsT7yA not found at 2026-11-23T02:41:22Z")
    assert one == same
    assert len(one) == 16
    assert sign("person a@b.example is a duplicate") == sign("person <address> is a duplicate")
    assert sign("10.0.0.1 refused") == sign("192.168.1.77 refused")
    assert sign("x", server="enricher") == sign("x")  # the vendor counts, not who asked
    assert sign("The pipeline id is invalid.") != sign("The location id is invalid.")
    assert sign("x", operation="search") != sign("x")
    assert sign("x", status=500) != sign("x")


@pytest.mark.parametrize(
    "text",
    [
        "Authorization: Bearer pit-2f0c6d1e-7c50-4f56-9f0b-1d2c3b4a5f6e is wrong",
        "token=abcd1234secret and more",
        "key sk_live_9aBcD4eF failed",
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9P",
        "jane.doe+x@sub.example.com asked",
        "jane%40example.com asked",
        "xoxb-1234567890-abcdefghij",
    ],
)
def test_no_key_and_no_address_stays_in_a_detail(text: str) -> None:
    told = clean(text)
    for secret in ("pit-2f0c", "abcd1234", "9aBcD4eF", "eyJhbGci", "jane", "1234567890"):
        assert secret not in told


def test_a_secret_cut_by_the_length_limit_is_not_half_shown() -> None:
    filler = "token=abcdefgh1234 " * 63
    told = clean(filler + "jane.doe@corp.example " + "key " * 500)
    assert "jane" not in told


@given(st.text(max_size=2000))
@example("no such file: \udcff")  # a name that is no text, as Python reads it from a disk
def test_a_detail_is_one_printable_line_of_300_characters(text: str) -> None:
    told = clean(text)
    assert told.encode().decode() == told
    assert len(told) <= 300
    assert "\n" not in told
    assert "\x00" not in told


def test_an_unknown_kind_is_refused(tracker: FailureTracker) -> None:
    with pytest.raises(ValueError, match="no kind"):
        tracker.row("bad_luck", "x", "y")  # type: ignore[arg-type]
    assert "timeout" in KINDS


async def test_inserting_the_same_row_twice_keeps_one(
    tracker: FailureTracker, store: Store
) -> None:
    row = timeout(tracker)
    with store.transaction() as conn:
        tracker.insert(conn, [row, row])
    await tracker.record(row)
    assert rows(store) == 1


async def test_without_the_store_failures_wait_in_a_file_and_are_absorbed_once(
    store: Store, hive: Hive, clock: SteppableClock, sqlite_store: Store
) -> None:
    sqlite_store.close()
    broken = tracker_of(sqlite_store, hive, clock)
    await broken.record(timeout(broken, "L-1"))
    await broken.record(timeout(broken, "L-2"))
    assert [path.name for path in pending(hive)] == [f"pending-{os.getpid()}.jsonl"]
    tracker = tracker_of(store, hive, clock)
    assert await tracker.absorb_pending() == 2
    assert await tracker.absorb_pending() == 0
    assert (rows(store), pending(hive)) == (2, [])


async def test_a_torn_or_foreign_line_loses_only_itself(
    tracker: FailureTracker, store: Store, hive: Hive
) -> None:
    tracker.keep([timeout(tracker, "L-1")])
    (path,) = pending(hive)
    path.write_bytes(path.read_bytes() + b'{"failure_id": "X-to')  # the machine went down here
    tracker.keep([timeout(tracker, "L-2")])
    path.write_bytes(path.read_bytes() + b'[]\n{"kind":"nonsense"}\n\xff\xfe\n')
    assert await tracker.absorb_pending() == 2
    assert rows(store) == 2


async def test_a_crash_between_commit_and_deletion_doubles_nothing(
    tracker: FailureTracker, store: Store, hive: Hive
) -> None:
    tracker.keep([timeout(tracker), timeout(tracker)])
    with store.transaction() as conn:
        tracker.absorb(conn)  # and the files are never deleted
    assert pending(hive) != []
    assert await tracker.absorb_pending() == 0
    assert (rows(store), pending(hive)) == (2, [])


async def test_a_rolled_back_absorption_loses_nothing(
    tracker: FailureTracker, store: Store, hive: Hive
) -> None:
    tracker.keep([timeout(tracker)])

    def ended_within() -> None:
        with store.transaction() as conn:
            tracker.absorb(conn)
            raise RuntimeError("the process ends here")

    with pytest.raises(RuntimeError):
        ended_within()
    assert rows(store) == 0
    assert await tracker.absorb_pending() == 1


async def test_writers_and_absorbers_at_once_lose_and_double_nothing(
    sqlite_store: Store, hive: Hive, clock: SteppableClock
) -> None:
    tracker = FailureTracker(sqlite_store, hive, clock, "ghl")
    with ThreadPoolExecutor(4) as pool:
        written = [pool.submit(tracker.keep, [timeout(tracker)]) for _ in range(200)]
        moved = 0
        while not all(one.done() for one in written):
            moved += await tracker.absorb_pending()
        assert all(one.result() for one in written)
    moved += await tracker.absorb_pending()
    assert (moved, rows(sqlite_store)) == (200, 200)


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="asks Linux who holds the file")
async def test_a_file_taken_away_from_under_a_writer_gets_no_more_lines(
    tracker: FailureTracker, hive: Hive
) -> None:
    tracker.keep([timeout(tracker, "L-1")])
    (path,) = pending(hive)
    with path.open("rb") as held, ThreadPoolExecutor(1) as pool:
        fcntl.flock(held, fcntl.LOCK_EX)
        writing = pool.submit(tracker.keep, [timeout(tracker, "L-2")])
        while holders(path) < 2 and not writing.done():
            pass  # until the writer has opened the file that is about to go
        taken = path.rename(path.with_name("absorbing-test.jsonl"))
        fcntl.flock(held, fcntl.LOCK_UN)
        assert writing.result()
    assert taken.read_bytes().count(b"\n") == 1
    assert path.read_bytes().count(b"\n") == 1


def holders(path: Path) -> int:
    count = 0
    for descriptor in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(OSError):
            count += descriptor.readlink() == path
    return count


async def test_with_the_disk_full_too_recording_still_does_not_raise(
    hive: Hive, clock: SteppableClock, sqlite_store: Store
) -> None:
    sqlite_store.close()
    hive.failures_dir.rmdir()
    hive.failures_dir.write_text("a file where the directory should be")
    broken = tracker_of(sqlite_store, hive, clock)
    await broken.record(timeout(broken))
    assert broken.keep([timeout(broken)]) is False


async def test_of_a_disk_that_fills_up_in_the_middle_nobody_says_all_were_kept(
    tracker: FailureTracker, store: Store, hive: Hive
) -> None:
    many = [timeout(tracker) for _ in range(20)]
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2000, before[1]))
    try:
        with capture_logs() as logged:  # to no file: that one would be full too
            assert not tracker.keep(many)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert [line["event"] for line in logged] == ["failure_lost"] * 20
    kept = await tracker.absorb_pending()  # what did fit is there all the same
    assert 0 < kept == rows(store) < 20


async def test_a_pending_file_cannot_smuggle_an_address_in(
    tracker: FailureTracker, store: Store, hive: Hive
) -> None:
    tracker.keep([replace(timeout(tracker), detail="said jane@corp.example")])
    (path,) = pending(hive)
    assert orjson.loads(path.read_bytes())["detail"] == "said jane@corp.example"
    await tracker.absorb_pending()
    with store.read() as conn:
        (found,) = clusters(conn)
    assert found.details == ("said <address>",)


async def test_a_quarantined_lead_stays_so_until_released(
    store: Store, clock: SteppableClock
) -> None:
    quarantine = Quarantine(store, clock)
    assert not await quarantine.is_quarantined("L-1")
    assert await quarantine.put("L-1", "crafter died 3 times on jane@corp.example", 3)
    assert not await quarantine.put("L-1", "another reason", 9)
    assert await Quarantine(store, clock).is_quarantined("L-1")
    assert not await quarantine.is_quarantined("L-2")
    (lead,) = await quarantine.all()
    assert (lead.failures, lead.reason) == (3, "crafter died 3 times on <address>")
    assert await quarantine.release("L-1")
    assert not await quarantine.release("L-1")
    assert await quarantine.all() == ()
