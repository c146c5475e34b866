"""Whatever befalls its files and its database, the audit is a plain list; no change is missed."""

from __future__ import annotations

import asyncio
import gzip
import tempfile
import zlib
from itertools import zip_longest
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from guardrails.audit import AuditEntry, AuditLog
from guardrails.audit.compress import compress_days
from guardrails.audit.follow import BEGINNING, ChainFollower
from guardrails.audit.verify_fleet import verify_fleet
from guardrails.hive import Hive
from guardrails.store import open_store
from tests.conftest import SteppableClock

DAY_S = 86_400.0


class AuditMachine(RuleBasedStateMachine):
    """Writers, midnight, a clock that goes back, crashes, compression, a restored database."""

    def __init__(self) -> None:
        super().__init__()
        self._folder = tempfile.TemporaryDirectory()
        self.hive = Hive.open(Path(self._folder.name) / "hive", sandbox=True)
        self.clock = SteppableClock()
        self.model: list[tuple[str | None, int]] = []  # decision and number, as they were recorded
        self.before: dict[str, bytes] = {}  # the database at an earlier moment
        self._open()
        self._record([None])

    def teardown(self) -> None:
        self._close()
        self._folder.cleanup()

    def _open(self) -> None:
        self.store = open_store(self.hive)
        self.logs = [AuditLog(self.hive, self.store, self.clock) for _ in range(2)]

    def _close(self) -> None:
        for log in self.logs:
            log.close()
        self.store.close()

    def _record(self, decisions: list[str | None], writer: int = 0) -> None:
        entries, expected = [], []
        for decision in decisions:
            taken = [
                seq for seq, (name, _) in enumerate(self.model, 1) if name and name == decision
            ]
            entries.append(AuditEntry("review", "gate", {"n": len(self.model)}, decision))
            if not taken:
                self.model.append((decision, len(self.model)))
            expected.append((taken[0] if taken else len(self.model), bool(taken)))
        refs = asyncio.run(self.logs[writer].record(entries))
        assert [(ref.seq, ref.existing) for ref in refs] == expected

    @rule(
        decisions=st.lists(st.none() | st.sampled_from("abcd"), min_size=1, max_size=3),
        writer=st.integers(0, 1),
    )
    def record(self, decisions: list[str | None], writer: int) -> None:
        self._record(decisions, writer)

    @rule(seconds=st.sampled_from([1.0, DAY_S, 3 * DAY_S, -1.0, -DAY_S]))
    def time_passes(self, seconds: float) -> None:
        self.clock.step(seconds)

    @rule(keep=st.integers(0, 2), died=st.booleans())
    def compress(self, keep: int, died: bool) -> None:
        """And die before the original is gone."""
        plain = {path: path.read_bytes() for path in self.hive.audit_dir.glob("*.jsonl")}
        for done in compress_days(self.hive, self.clock, keep_days=keep):
            if died:
                path = self.hive.audit_dir / f"{done.day}.jsonl"
                path.write_bytes(plain[path])

    @rule(length=st.integers(1, 200))
    def a_writer_dies_within_a_line(self, length: int) -> None:
        newest = max(self.hive.audit_dir.glob("2*"))
        if newest.suffix == ".jsonl" and (whole := newest.read_bytes()).endswith(b"\n"):
            newest.write_bytes(whole + whole.splitlines()[-1][:length])

    @rule()
    def back_up(self) -> None:
        self._close()
        files = self.hive.path.glob(f"{self.hive.database_file.name}*")
        self.before = {file.name: file.read_bytes() for file in files}
        self._open()

    @precondition(lambda self: self.before)
    @rule()
    def the_database_is_restored(self) -> None:
        """As if the commits since then had been lost: the files are ahead."""
        self._close()
        for file in self.hive.path.glob(f"{self.hive.database_file.name}*"):
            file.unlink()
        for name, content in self.before.items():
            (self.hive.path / name).write_bytes(content)
        self._open()

    @rule(
        which=st.integers(0, 99), place=st.integers(0, 10**6), line=st.integers(0, 99),
        how=st.sampled_from(["flip", "cut", "drop", "repeat", "swap"]),
    )  # fmt: skip
    def somebody_changes_a_file(self, which: int, place: int, line: int, how: str) -> None:
        """What the database seals is missed by nobody; then it is put back."""
        stand = [path for path in sorted(self.hive.audit_dir.glob("2*")) if self._is_read(path)]
        path = stand[which % len(stand)]
        whole = path.read_bytes()
        changed = _changed(whole, how, place, line, packed=path.suffix == ".gz")
        sealed = self._sealed_length(stand, path)
        same = next(
            (at for at, (a, b) in enumerate(zip_longest(_text(path, whole), _text(path, changed)))
             if a != b), None,
        )  # fmt: skip
        path.write_bytes(changed)
        try:
            if same is not None and same < sealed:
                assert not self.logs[0].verify().ok
                assert not verify_fleet(self.hive, self.store).ok
                assert self._followed() is not None
        finally:
            path.write_bytes(whole)

    @invariant()
    def the_audit_is_the_list(self) -> None:
        report = self.logs[0].verify()
        assert (report.ok, report.records) == (True, len(self.model)), report.problem
        told = [(one["decision_id"], one["body"]["n"]) for one in self.logs[1].iter_records()]
        assert told == self.model
        assert self._followed() is None
        assert verify_fleet(self.hive, self.store).ok
        for seq, (decision, number) in enumerate(self.model, 1):
            if decision is not None:
                found = self.logs[0].find(decision)
                assert (found and found["body"]["n"]) == (number if seq <= self._sealed() else None)

    def _sealed(self) -> int:
        return self.logs[0].head().seq

    def _is_read(self, path: Path) -> bool:
        return path.suffix == ".jsonl" or not path.with_suffix("").exists()

    def _sealed_length(self, stand: list[Path], path: Path) -> int:
        """How much of the text of this file the database seals."""
        before = sum(_text(one, one.read_bytes()).count(b"\n") for one in stand if one < path)
        lines = _text(path, path.read_bytes()).splitlines(keepends=True)
        return sum(len(one) for one in lines[: max(0, self._sealed() - before)])

    def _followed(self) -> str | None:
        follower, known = ChainFollower(self.hive, self.store), BEGINNING
        while True:
            progress = follower.follow(known, 5)
            if progress.done or progress.problem:
                return progress.problem
            known = progress.checked


def _text(path: Path, content: bytes) -> bytes:
    """What any reader makes of a file; nothing where it cannot be read."""
    if path.suffix != ".gz":
        return content
    try:
        return gzip.decompress(content)
    except (OSError, EOFError, zlib.error):
        return b""


def _changed(whole: bytes, how: str, place: int, line: int, *, packed: bool) -> bytes:
    at = place % len(whole)
    if how == "cut":
        return whole[:at]
    if how == "flip" or packed:
        return whole[:at] + bytes([whole[at] ^ (1 << line % 8)]) + whole[at + 1 :]
    lines = whole.splitlines(keepends=True)
    first, second = line % len(lines), place % len(lines)
    if how == "drop":
        del lines[first]
    elif how == "repeat":
        lines.insert(second, lines[first])
    else:
        lines[first], lines[second] = lines[second], lines[first]
    return b"".join(lines)


TestAuditMachine = AuditMachine.TestCase
TestAuditMachine.settings = settings(
    max_examples=6, stateful_step_count=20, suppress_health_check=list(HealthCheck)
)
