"""Opening a hive for use. Owns: when a bank may be made, and that a lost one is not replaced.

A brand-new hive (no database, no audit, no bank) gets a bank made from the golden set. A hive that
was used before and has lost its bank is left as it is: every decision in it is refused (P6).
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from guardrails.bank import Lesson, SeedLesson, create_bank
from guardrails.bank.file import backup_of
from guardrails.clock import Clock
from guardrails.config import Config
from guardrails.errors import BadInput
from guardrails.hive import Hive


def ensure_hive(
    path: Path,
    sandbox: bool,
    config: Config,
    clock: Clock,
    seed_lessons: Iterable[SeedLesson | Lesson] | None = None,
) -> Hive:
    """The hive at `path`, made with a bank when nothing is there yet.

    Args:
        seed_lessons: what a new bank starts with beside the golden set; ignored otherwise.

    Raises:
        ConfigError: the directory cannot be a hive of this kind.
        BankUnreadable: a new bank cannot be written.
    """
    hive = Hive.open(path, sandbox=sandbox)
    if hive.bank_file.exists() or not is_new(hive):
        return hive
    with suppress(BadInput):  # another process was first, or was killed while at it
        create_bank(hive.bank_file, config.golden_set, seed_lessons or (), clock=clock)
    if not hive.bank_file.exists() and is_new(hive):
        # The backup is written first. Nothing was ever decided here, so it is the whole truth.
        with suppress(FileExistsError, FileNotFoundError):
            hive.bank_file.hardlink_to(backup_of(hive.bank_file))
    return hive


def is_new(hive: Hive) -> bool:
    """Whether nothing was ever decided or stored here."""
    return not hive.database_file.exists() and not hive.has_audit()
