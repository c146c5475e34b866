"""A compressed day reads as it did; whenever compressing dies, one whole copy of it is there."""

from __future__ import annotations

import asyncio
import fcntl
import gzip
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from guardrails.audit import AuditEntry, AuditLog
from guardrails.audit.compress import compress_days
from guardrails.audit.follow import BEGINNING, ChainFollower
from guardrails.audit.packed import contents, packed
from guardrails.clock import utc_now
from guardrails.errors import AuditBroken, AuditUnwritable, Refused
from guardrails.hive import Hive
from guardrails.store import Store
from tests.conftest import SteppableClock

DAYS = [f"2026-03-{day}" for day in (10, 11, 12)]
PAD = "".join(chr(33 + number % 90) for number in range(9_000)).replace("@", "a")


def entry(decision: str) -> AuditEntry:
    return AuditEntry("review", "gate", {"n": decision, "pad": PAD}, decision, lead_id="L-1")


@pytest.fixture
def log(hive: Hive, sqlite_store: Store, clock: SteppableClock) -> Iterator[AuditLog]:
    """Three days; the first is long enough for several members."""
    opened = AuditLog(hive, sqlite_store, clock)
    for number in (70, 3, 1):
        day = f"{clock():%d}"
        asyncio.run(opened.record([entry(f"{day}-{n}") for n in range(number)]))
        clock.step(days=1)
    clock.step(days=10)
    yield opened
    opened.close()


def names(hive: Hive) -> list[str]:
    return sorted(path.name for path in hive.audit_dir.glob("2*"))


def seen(hive: Hive, store: Store, log: AuditLog) -> list[object]:
    """Everything that anybody reads of it."""
    report = log.verify()
    assert report.ok
    found = [log.find(name) for name in ("10-0", "10-35", "10-69", "11-2", "12-0", "L-1")]
    follower, steps, known = ChainFollower(hive, store), [], BEGINNING
    while True:
        progress = follower.follow(known, 7)
        assert progress.problem is None
        known = progress.checked
        steps.append(known)
        if progress.done:
            break
    days = [[record["hash"] for record in log.iter_records(day)] for day in DAYS]
    return [report, found, steps, days, len(list(log.iter_records()))]


def test_a_compressed_day_reads_as_it_did(
    hive: Hive, sqlite_store: Store, log: AuditLog, clock: SteppableClock
) -> None:
    before = seen(hive, sqlite_store, log)
    plain = (hive.audit_dir / f"{DAYS[0]}.jsonl").read_bytes()
    done = compress_days(hive, clock, keep_days=7)
    assert [one.day for one in done] == DAYS[:2]
    assert names(hive) == [f"{DAYS[0]}.jsonl.gz", f"{DAYS[1]}.jsonl.gz", f"{DAYS[2]}.jsonl"]
    copy = hive.audit_dir / f"{DAYS[0]}.jsonl.gz"
    assert gzip.decompress(copy.read_bytes()) == plain  # any gzip reads it
    assert copy.stat().st_mode & 0o777 == 0o600
    assert (done[0].before, done[0].after) == (len(plain), copy.stat().st_size)
    assert done[0].after < done[0].before / 5
    assert seen(hive, sqlite_store, log) == before
    assert compress_days(hive, clock, keep_days=7) == []


def test_recording_goes_on_after_it(
    hive: Hive, sqlite_store: Store, log: AuditLog, clock: SteppableClock
) -> None:
    compress_days(hive, clock, keep_days=7)
    for writer in (log, AuditLog(hive, sqlite_store, clock)):
        [again, _] = asyncio.run(writer.record([entry("10-3"), entry(f"new-{id(writer)}")]))
        assert again.existing
        writer.close()
    assert log.verify().records == 76
    assert Hive.open(hive.path, sandbox=True).has_audit()


def test_the_newest_day_and_young_ones_stay_as_they_are(
    hive: Hive, log: AuditLog, clock: SteppableClock
) -> None:
    clock.now = clock.now.replace(day=18)
    assert [one.day for one in compress_days(hive, clock, keep_days=7)] == DAYS[:1]
    clock.step(days=400)
    assert [one.day for one in compress_days(hive, clock, keep_days=0)] == DAYS[1:2]


def test_a_limit_takes_the_oldest_first(hive: Hive, log: AuditLog, clock: SteppableClock) -> None:
    assert [one.day for one in compress_days(hive, clock, keep_days=7, limit=1)] == DAYS[:1]
    assert [one.day for one in compress_days(hive, clock, keep_days=7, limit=1)] == DAYS[1:2]


def test_the_same_day_gives_the_same_bytes(
    hive: Hive, log: AuditLog, clock: SteppableClock
) -> None:
    plain = hive.audit_dir / f"{DAYS[0]}.jsonl"
    content = plain.read_bytes()
    copies = []
    for _ in range(2):
        compress_days(hive, clock, keep_days=7)
        copy = plain.with_suffix(".jsonl.gz")
        copies.append(copy.read_bytes())
        copy.unlink()
        plain.write_bytes(content)
        clock.step(days=1)
    assert copies[0] == copies[1]


@pytest.mark.parametrize(
    "damage",
    [
        lambda whole: b"",
        lambda whole: whole[:-1],
        lambda whole: whole[: len(whole) // 2],
        lambda whole: whole[:20] + b"\x00" + whole[21:],
        lambda whole: whole[:100] + bytes([whole[100] ^ 1]) + whole[101:],
        lambda whole: whole[:-3] + bytes([whole[-3] ^ 1]) + whole[-2:],
        lambda whole: gzip.compress(gzip.decompress(whole), mtime=0),
        lambda whole: whole + b"tail",
        lambda whole: whole[:16] + (27).to_bytes(4, "little") + whole[20:],  # a member of 27 bytes
    ],
)
def test_a_damaged_one_is_named(
    hive: Hive,
    sqlite_store: Store,
    log: AuditLog,
    clock: SteppableClock,
    damage: Callable[[bytes], bytes],
) -> None:
    compress_days(hive, clock, keep_days=7)
    copy = hive.audit_dir / f"{DAYS[0]}.jsonl.gz"
    copy.write_bytes(damage(copy.read_bytes()))
    report = log.verify()
    assert not report.ok
    assert report.first_bad is not None
    assert report.first_bad.file == copy.name
    problem = None
    known = BEGINNING
    while problem is None:
        progress = ChainFollower(hive, sqlite_store).follow(known, 50)
        known, problem = progress.checked, progress.problem
        assert not progress.done
    with pytest.raises(AuditBroken):
        list(log.iter_records())


def test_no_byte_of_a_header_can_be_another_one(tmp_path: Path) -> None:
    file = tmp_path / "day.jsonl.gz"
    whole = b"".join(packed([b"a line\n"]))
    for place in range(24):
        file.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        with pytest.raises(OSError, match="damaged"):
            list(contents(file))
    file.write_bytes(whole)
    assert list(contents(file)) == [(0, b"a line\n")]


def test_an_edited_and_well_compressed_day_is_named(
    hive: Hive, log: AuditLog, clock: SteppableClock
) -> None:
    plain = hive.audit_dir / f"{DAYS[0]}.jsonl"
    plain.write_bytes(plain.read_bytes().replace(b'"10-35"', b'"10-36"'))
    compress_days(hive, clock, keep_days=7)
    report = log.verify()
    assert report.first_bad is not None
    assert (report.first_bad.file, report.first_bad.seq) == (f"{DAYS[0]}.jsonl.gz", 36)
    with pytest.raises(AuditBroken):
        log.find("10-35")


def test_where_both_copies_stand_the_original_counts(
    hive: Hive, log: AuditLog, clock: SteppableClock
) -> None:
    plain, copy = (hive.audit_dir / f"{DAYS[0]}.jsonl{end}" for end in ("", ".gz"))
    copy.write_bytes(gzip.compress(b"something else\n"))
    content = plain.read_bytes()
    assert log.verify().ok
    compress_days(hive, clock, keep_days=7)
    assert gzip.decompress(copy.read_bytes()) == content
    assert not plain.exists()


def test_a_day_that_ends_within_a_line_stays(
    hive: Hive, log: AuditLog, clock: SteppableClock
) -> None:
    plain = hive.audit_dir / f"{DAYS[0]}.jsonl"
    plain.write_bytes(plain.read_bytes()[:-1])
    with pytest.raises(AuditBroken, match="whole line"):
        compress_days(hive, clock, keep_days=7)
    assert names(hive) == [f"{day}.jsonl" for day in DAYS]


def test_a_day_without_a_record_stays_and_holds_nobody_up(
    hive: Hive, log: AuditLog, clock: SteppableClock
) -> None:
    empty = hive.audit_dir / "2026-03-09.jsonl"
    empty.touch()  # the disk was full when its first record came, and nothing came after it
    assert [one.day for one in compress_days(hive, clock, keep_days=7)] == DAYS[:2]
    assert empty.exists()
    assert log.verify().ok


def test_one_process_at_a_time(hive: Hive, log: AuditLog, clock: SteppableClock) -> None:
    with (hive.audit_dir / ".packing-lock").open("w") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(Refused):
            compress_days(hive, clock, keep_days=7)
    assert len(compress_days(hive, clock, keep_days=7)) == 2


def test_what_cannot_be_written_leaves_the_original(
    hive: Hive, log: AuditLog, clock: SteppableClock
) -> None:
    (hive.audit_dir / f"{DAYS[0]}.jsonl.gz").mkdir()
    with pytest.raises(AuditUnwritable):
        compress_days(hive, clock, keep_days=7)
    assert (hive.audit_dir / f"{DAYS[0]}.jsonl").exists()


# Compresses in a child of its own that kills itself before one of its touches of the disk.
_DYING = """
import json, os, signal, sys
from datetime import UTC, datetime
from pathlib import Path
from guardrails.audit.compress import compress_days
from guardrails.hive import Hive

hive, die_at = Hive.open(Path(sys.argv[1]), sandbox=True), int(sys.argv[2])
touched = 0

def hook(event, args):
    global touched
    if event in ("open", "os.rename", "os.remove", "fcntl.flock", "os.truncate"):
        touched += 1
        if touched == die_at:
            os.kill(os.getpid(), signal.SIGKILL)

sys.addaudithook(hook)
compress_days(hive, lambda: datetime(2026, 3, 30, tzinfo=UTC), keep_days=7)
"""


@pytest.mark.kill
@pytest.mark.processes
def test_killed_anywhere_one_whole_copy_is_left(
    hive: Hive, sqlite_store: Store, log: AuditLog, clock: SteppableClock
) -> None:
    before = seen(hive, sqlite_store, log)
    kept = {path: path.read_bytes() for path in hive.audit_dir.glob("*.jsonl")}
    deaths = 0
    while True:
        command = [sys.executable, "-P", "-c", _DYING, str(hive.path), str(deaths + 1)]
        code = subprocess.run(command, check=False, timeout=60).returncode
        assert seen(hive, sqlite_store, log) == before
        if code == 0:
            break
        assert code == -9
        deaths += 1
        if deaths % 2:  # every other time whoever comes next begins with what is left
            continue
        for path, content in kept.items():
            path.write_bytes(content)
            path.with_suffix(".jsonl.gz").unlink(missing_ok=True)
    assert deaths >= 8
    compress_days(hive, clock, keep_days=7)
    assert names(hive) == [f"{DAYS[0]}.jsonl.gz", f"{DAYS[1]}.jsonl.gz", f"{DAYS[2]}.jsonl"]
    assert not list(hive.audit_dir.glob(".*.packing"))


def test_the_command_compresses_and_tells(hive: Hive, log: AuditLog) -> None:
    command = [sys.executable, "-P", "-m", "orchestrator.cli", "audit", "compress", "--json"]
    environment = {**os.environ, "HIVE_MIND_DIR": str(hive.path)}
    root = Path(__file__).parents[2]
    done = subprocess.run(
        command, env=environment, cwd=root, capture_output=True, text=True, check=True, timeout=60
    )
    told = json.loads(done.stdout)["compressed"]
    assert [one["day"] for one in told] == [day for day in DAYS[:2] if day < f"{utc_now():%F}"]
