"""Process faults are real, and are always undone."""

from __future__ import annotations

import os
import resource
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from guardrails.hive import Hive
from guardrails.store import open_store
from orchestrator.campaign import strikes

pytestmark = pytest.mark.anyio
# Answers each line with whether a file could be written.
WRITER = """
import sys
for line in sys.stdin:
    try:
        with open(sys.argv[1], "w") as file:
            file.write("x")
        print("written", flush=True)
    except OSError as error:
        print(error.strerror, flush=True)
"""


class Writer:
    def __init__(self, file: Path) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(file)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def write(self) -> str:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write("go\n")
        self.process.stdin.flush()
        return self.process.stdout.readline().strip()


@pytest.fixture
def writer(tmp_path: Path) -> Iterator[Writer]:
    started = Writer(tmp_path / "file")
    yield started
    started.process.communicate()


async def test_on_a_full_disk_no_file_can_be_written_and_afterwards_all_can(
    writer: Writer,
) -> None:
    assert writer.write() == "written"
    async with strikes.disk_full(lambda: {writer.process.pid}):
        assert writer.write() == "File too large"
    assert writer.write() == "written"


async def test_the_disk_is_free_again_after_an_exception(writer: Writer) -> None:
    with pytest.raises(RuntimeError, match="in between"):
        async with strikes.disk_full(lambda: {writer.process.pid}):
            raise RuntimeError("in between")
    assert writer.write() == "written"


async def test_a_process_that_started_on_the_full_disk_is_freed_as_well(tmp_path: Path) -> None:
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    async with strikes.disk_full(lambda: {os.getpid()}):
        started = Writer(tmp_path / "file")
        assert started.write() == "File too large"
    try:
        assert started.write() == "written"
        assert resource.getrlimit(resource.RLIMIT_FSIZE) == limit
    finally:
        started.process.communicate()


async def test_a_process_that_is_gone_keeps_nobody_from_a_full_disk(writer: Writer) -> None:
    nobody = 2**22 + 1  # beyond the largest process id
    async with strikes.disk_full(lambda: {nobody, writer.process.pid}):
        assert writer.write() == "File too large"
    assert writer.write() == "written"


async def test_a_locked_database_refuses_writers_until_it_is_free(hive: Hive) -> None:
    open_store(hive).close()
    other = sqlite3.connect(hive.database_file, timeout=0)
    try:
        async with strikes.database_locked(hive.database_file, None):
            with pytest.raises(sqlite3.OperationalError, match="locked"):
                other.execute("BEGIN IMMEDIATE")
            assert other.execute("SELECT count(*) FROM runs").fetchone() == (0,)  # readers go on
        other.execute("BEGIN IMMEDIATE")
    finally:
        other.close()


@pytest.mark.postgres
async def test_on_postgresql_every_table_of_ours_is_locked(
    hive: Hive, migrated_postgres_url: str
) -> None:
    with psycopg.connect(migrated_postgres_url, autocommit=True) as other:
        other.execute("SET lock_timeout = '50ms'")
        async with strikes.database_locked(hive.database_file, migrated_postgres_url):
            with pytest.raises(psycopg.errors.LockNotAvailable):
                other.execute("DELETE FROM vendor_brakes")
            other.execute("SELECT count(*) FROM runs")
        other.execute("DELETE FROM vendor_brakes")


async def test_half_of_a_torn_bank_is_gone_and_comes_back_whole(tmp_path: Path) -> None:
    bank = tmp_path / "reasoning_bank.json"
    bank.write_text('{"items": [1, 2, 3]}')
    async with strikes.torn_bank(bank):
        assert bank.read_text() == '{"items": '
    assert bank.read_text() == '{"items": [1, 2, 3]}'


async def test_a_bank_that_somebody_wrote_meanwhile_is_left_alone(tmp_path: Path) -> None:
    bank = tmp_path / "reasoning_bank.json"
    bank.write_text('{"items": [1, 2, 3]}')
    async with strikes.torn_bank(bank):
        bank.write_text('{"items": [4]}')
    assert bank.read_text() == '{"items": [4]}'
