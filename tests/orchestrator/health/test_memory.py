"""What the monitor remembers: over restarts, damage and a full disk."""

from __future__ import annotations

import pytest

from guardrails.hive import Hive
from orchestrator.health.incidents import News
from orchestrator.health.memory import ChainPlace, Memory, MemoryFile
from tests.orchestrator.health.samples import NOW, incident

KNOWN = Memory(
    incidents={"disk:space": incident()},
    pending=(News(kind="alert", at=NOW, incident=incident()),),
    tail=ChainPlace(day="2026-03-10", offset=7, seq=3, hash="ab"),
    walked_at=NOW,
)


def test_it_survives_a_restart(hive: Hive) -> None:
    MemoryFile(hive).save(KNOWN)
    assert MemoryFile(hive).load() == KNOWN


@pytest.mark.parametrize(
    "content", [b"", b'{"schema_version": 1, "incid', b'{"schema_version": 9}']
)
def test_a_damaged_one_is_put_aside_and_begun_anew(hive: Hive, content: bytes) -> None:
    (hive.path / "monitor.json").write_bytes(content)
    assert MemoryFile(hive).load() == Memory()
    assert (hive.path / "monitor.damaged").read_bytes() == content


def test_one_that_cannot_be_written_is_kept_meanwhile(hive: Hive) -> None:
    (hive.path / "monitor.json").mkdir()
    file = MemoryFile(hive)
    assert file.save(KNOWN) == KNOWN
    assert not list(hive.path.glob(".monitor*"))
    (hive.path / "monitor.json").rmdir()
    file.save(KNOWN)
    assert MemoryFile(hive).load() == KNOWN


def test_a_second_monitor_changes_nothing(hive: Hive) -> None:
    MemoryFile(hive).save(KNOWN)
    second = MemoryFile(hive, writes=False)
    assert second.load() == KNOWN
    second.save(Memory())
    assert MemoryFile(hive).load() == KNOWN
