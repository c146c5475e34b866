"""The ground the swarm stands on. Owns: what is open, and the checks of machine, hive and database.

Everything here reads; the one write is taken back. Whatever cannot be opened is an answer of its
own, and does not keep the rest from being asked.
"""

from __future__ import annotations

import fcntl
import os
import platform
import shutil
import stat
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from sqlalchemy import Connection, text

from guardrails.audit import AuditLog
from guardrails.bank import Bank
from guardrails.clock import Clock, iso, utc_now
from guardrails.config import Config
from guardrails.errors import StoreUnavailable, SwarmError
from guardrails.hive import Hive
from guardrails.store import Store, insert_if_absent
from guardrails.store.migrate import migrations
from guardrails.store.tables import documents
from guardrails.versions import Versions
from orchestrator.environment import Environment
from orchestrator.health.outside import Outside
from orchestrator.health.reading import database_clock
from orchestrator.preflight.model import Check, fail, ok, unknown, warn

_OPEN_TO_OTHERS = 0o077
_NAMED = 5  # of the files that are open to others
_WAIT_S = 5.0
_USUAL = Path(".hive-mind")


@dataclass(frozen=True)
class Ground:
    """What is open.

    Args:
        held: the open database, or why it is not.
        clock: the swarm's.
    """

    hive: Hive
    config: Config
    environment: Environment
    held: Store | SwarmError
    clock: Clock
    versions: Versions

    @property
    def store(self) -> Store:
        """The database. Raises why it cannot be opened."""
        if isinstance(self.held, Store):
            return self.held
        raise self.held

    @property
    def flags(self) -> str:
        """What a command that is named to a person needs to mean this hive."""
        flags = " --sandbox" if self.hive.sandbox else ""
        return flags if self.hive.path == _USUAL.absolute() else f"{flags} --hive {self.hive.path}"

    @cached_property
    def audit(self) -> AuditLog:
        """The record. Raises StoreUnavailable."""
        return AuditLog(self.hive, self.store, self.clock)


class _TakeItBack(Exception):
    """The write was possible; nothing of it stays."""


def check_config(ground: Ground) -> Check:
    """That it is valid is known by now; what it injects is not."""
    injection = ground.config.production.failure_injection
    told = f"valid; policy {ground.versions.policy}, code {ground.versions.code}"
    if injection.enabled:
        return fail(
            "config", f"failure injection is on (rate {injection.rate:g})",
            "Set failure_injection.enabled to false in config/production.json.",
        )  # fmt: skip
    return ok("config", told)


def check_hive(ground: Ground) -> Check:
    """Nobody but its owner may read it."""
    open_to_others, others = [], []
    for path, found in _looked_at(ground.hive.path):
        if found.st_mode & _OPEN_TO_OTHERS:
            open_to_others.append(f"{path.name} ({stat.S_IMODE(found.st_mode):04o})")
        if found.st_uid != os.getuid():
            others.append(path.name)
    path = ground.hive.path
    if open_to_others:
        named = ", ".join(open_to_others[:_NAMED])
        more = f" and {len(open_to_others) - _NAMED} more" if len(open_to_others) > _NAMED else ""
        return fail("hive", f"open to others: {named}{more}", f"chmod -R go-rwx {path}")
    if others:
        return fail(
            "hive", f"of another user: {', '.join(others[:_NAMED])}",
            "Run every command as the user that owns the hive.",
        )  # fmt: skip
    return ok("hive", f"{path}: 0700 and 0600, of this user")


def check_machine(_ground: Ground) -> Check:
    """Python, and locks that lock: on some network disks they do not."""
    with tempfile.NamedTemporaryFile(dir=_ground.hive.path, prefix=".preflight-") as one:
        fcntl.flock(one, fcntl.LOCK_EX | fcntl.LOCK_NB)
        with Path(one.name).open("rb") as other:
            try:
                fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                locks = True
            else:
                locks = False
    if not locks:
        return fail(
            "machine", "a file can be locked twice: this disk's locks do not hold",
            "Put the hive on a local disk (--hive, or HIVE_MIND_DIR).",
        )  # fmt: skip
    told = f"Python {platform.python_version()}, {platform.system()}, locks hold"
    if not sys.platform.startswith("linux"):
        return warn(
            "machine", told, "Made for Linux: elsewhere a hung server may outlive its queen."
        )
    return ok("machine", told)


def check_disk(ground: Ground) -> Check:
    """By the health monitor's own marks."""
    rules = ground.config.production.monitor
    free = shutil.disk_usage(ground.hive.path).free // 2**20
    told = f"{free:,} MiB free"
    if free < rules.disk_critical_mb:
        return fail("disk", told, f"Free at least {rules.disk_warn_mb:,} MiB.")
    if free < rules.disk_warn_mb:
        return warn("disk", told, f"Below {rules.disk_warn_mb:,} MiB the monitor warns.")
    return ok("disk", told)


def check_clock(ground: Ground) -> Check:
    """Against Slack's and the database's."""
    rules = ground.config.production.monitor
    values = ground.environment.values
    outside = Outside(utc_now, _WAIT_S, sandbox=ground.hive.sandbox)
    seen = []
    if skew := outside.slack_clock(values.get("SLACK_BASE_URL")):
        seen.append((skew.seconds, skew.whose))
    if isinstance(ground.held, Store):
        with ground.held.read() as conn:
            theirs = database_clock(conn)
        if theirs is not None:
            seen.append(((utc_now() - theirs).total_seconds(), "the database"))
    if not seen:
        return unknown(
            "clock", "nobody's clock could be asked",
            "Check the network, or see that NTP runs: timedatectl status.",
        )  # fmt: skip
    told = ", ".join(f"{seconds:+.1f} s beside {whose}" for seconds, whose in seen)
    if any(abs(seconds) > rules.clock_skew_s for seconds, _ in seen):
        return fail("clock", told, "Set the clock (NTP): windows, permits and SLAs depend on it.")
    return ok("clock", told)


def check_database(ground: Ground) -> Check:
    """A write that is taken back, and the schema's version."""
    store = ground.store

    def write(conn: Connection) -> None:
        row = {"digest": "preflight", "kind": "preflight", "created_at": iso(ground.clock())}
        insert_if_absent(conn, documents, row | {"document": None, "lead_id": None})
        raise _TakeItBack

    try:
        with store.transaction() as conn:
            write(conn)
    except _TakeItBack:
        pass
    with store.read() as conn:
        version = conn.execute(text("SELECT MAX(version) FROM schema_version")).scalar_one()
    known = len(migrations())
    told = f"{store.dialect}, writable, schema {version}"
    if version != known:
        return fail("database", told, f"This version knows schema {known}: upgrade, or restore.")
    return ok("database", told)


def check_bank(ground: Ground) -> Check:
    """Read as the gate reads it. Raises BankUnreadable."""
    bank = Bank(ground.hive.bank_file, ground.config.policy.bank, ground.clock)
    golden = sum(item.kind == "golden" for item in bank.items())
    return ok("bank", f"version {bank.version}, {bank.size} items, {golden} of them golden")


def check_audit(ground: Ground) -> Check:
    """The whole chain."""
    report = ground.audit.verify()
    if not report.ok:
        return fail(
            "audit", report.problem or "the chain does not hold",
            "`swarm audit verify`; nothing is decided until it is restored from a backup.",
        )  # fmt: skip
    return ok("audit", f"{report.records} records hold, head {report.head[:16]}")


def no_database(error: SwarmError) -> Check:
    """For a database that cannot be opened."""
    said = error if isinstance(error, StoreUnavailable) else StoreUnavailable(error.message)
    return fail("database", said.message, error.remedy)


def _looked_at(hive: Path) -> Iterator[tuple[Path, os.stat_result]]:
    """The hive, what lies in it and one level below; a campaign's own hives are its business."""
    yield hive, hive.stat()
    for path in hive.iterdir():
        found = path.lstat()
        if stat.S_ISLNK(found.st_mode) or path.name == "README.md":
            continue
        yield path, found
        if path.is_dir() and path.name != "chaos":
            yield from ((inner, inner.lstat()) for inner in path.iterdir())
