"""The hive: the one directory of state. Owns: its layout, its marker and its secrets' files.

A hive made for the sandbox never opens for real, nor the reverse: invented leads, permits and
suppressions must not mix with real ones. Refuses to adopt a directory that holds state but has
lost its marker. Whatever is created here is created whole or not at all, and two processes that
start at once agree on it.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
from dataclasses import dataclass
from pathlib import Path

from guardrails.errors import ConfigError, NotFound

SCHEMA = 1
_OLD_SANDBOX_CHAIN = "sandbox"  # of sandbox hives from before each had a chain of its own
_SANDBOX_PREFIX = "sandbox-"
_HEX = frozenset("0123456789abcdef")
_SANDBOX_SALT = hashlib.sha256(b"chiefaiofficer-swarm sandbox: reproducible, not secret").digest()
_MARKER = "hive.json"
_RESTORE_KEYS = "Restore keys/ from its backup: without it, known people are not recognised."


@dataclass(frozen=True)
class Hive:
    """Paths of one hive. Get it by `Hive.open`."""

    path: Path
    sandbox: bool

    @classmethod
    def open(cls, path: Path, *, sandbox: bool) -> Hive:
        """The hive at `path`, created (0700) when it is not there.

        Raises:
            ConfigError: not a directory, not writable, of the other kind, of a newer schema, or
                holding state without its marker.
        """
        hive = cls(path=path.absolute(), sandbox=sandbox)
        try:
            hive._lay_out()
        except OSError as error:
            raise ConfigError(
                f"{path}: cannot be used as the hive ({error.strerror})",
                remedy="Give --hive DIR, or set HIVE_MIND_DIR, to a directory you may write to.",
            ) from error
        return hive

    @classmethod
    def existing(cls, path: Path) -> Hive:
        """The hive at `path`, of whichever kind it is; looking never creates one.

        Raises:
            NotFound: there is none.
            ConfigError: its marker is damaged, or of a newer schema.
        """
        try:
            content = (path / _MARKER).read_bytes()
        except OSError as error:
            raise NotFound(
                f"{path} is not a hive ({error.strerror})",
                remedy="Check --hive. `swarm up`, `swarm run` and `swarm mcp NAME` make a new one.",
            ) from error
        return cls.open(path, sandbox=b'"sandbox": true' in content)

    @property
    def bank_file(self) -> Path:
        """The reasoning bank."""
        return self.path / "reasoning_bank.json"

    @property
    def audit_dir(self) -> Path:
        """One JSONL file a day."""
        return self.path / "audit"

    @property
    def shadow_dir(self) -> Path:
        """E-mails that would have been sent."""
        return self.path / "shadow_logs"

    @property
    def failures_dir(self) -> Path:
        """Failure reports."""
        return self.path / "failures"

    @property
    def fixes_dir(self) -> Path:
        """Proposed fixes."""
        return self.path / "fixes"

    @property
    def database_file(self) -> Path:
        """SQLite, when no database URL is given."""
        return self.path / "swarm.db"

    @property
    def keys_dir(self) -> Path:
        """Keys and salts, each 0600."""
        return self.path / "keys"

    @property
    def stop_file(self) -> Path:
        """Its presence stops the swarm, whatever is in it."""
        return self.path / "STOP"

    @property
    def logs_dir(self) -> Path:
        """The servers' logs."""
        return self.path / "logs"

    def salt(self) -> bytes:
        """32 bytes that key every hash of a person; fixed in the sandbox, so ids reproduce.

        Raises:
            ConfigError: the file is unreadable or torn.
        """
        return _SANDBOX_SALT if self.sandbox else bytes.fromhex(self._secret("salt", 64))

    def chain_id(self) -> str:
        """Name of this hive's audit chain, which no other hive has: 16 random hex digits, and
        `sandbox-` with 8 of them in the sandbox.

        Raises:
            ConfigError: the file is unreadable or torn.
        """
        if not self.sandbox:
            return self._secret("chain_id", 16)
        if not (self.keys_dir / "chain_id").exists():
            return _OLD_SANDBOX_CHAIN
        return self._secret("chain_id", 8, _SANDBOX_PREFIX)

    def has_audit(self) -> bool:
        """Whether any day was ever recorded here, compressed since or not. Raises OSError."""
        return any(self.audit_dir.glob("*.jsonl")) or any(self.audit_dir.glob("*.jsonl.gz"))

    def _secret(self, name: str, length: int, prefix: str = "") -> str:
        path = self.keys_dir / name
        try:
            text = path.read_text(encoding="ascii").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"{path}: cannot be read", remedy=_RESTORE_KEYS) from error
        digits = text.removeprefix(prefix)
        if len(text) != len(prefix) + length or len(digits) != length or not set(digits) <= _HEX:
            raise ConfigError(f"{path}: is damaged", remedy=_RESTORE_KEYS)
        return text

    def _lay_out(self) -> None:
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.path.chmod(0o700)
        for directory in (
            self.audit_dir,
            self.shadow_dir,
            self.failures_dir,
            self.fixes_dir,
            self.keys_dir,
            self.logs_dir,
        ):
            directory.mkdir(mode=0o700, exist_ok=True)
        marker = self.path / _MARKER
        if not marker.exists():
            self._refuse_orphans()
            # Before the marker: a marked hive without them has lost them, and a new salt would
            # make every suppression in it unrecognisable.
            if not self.sandbox:
                create_once(self.keys_dir / "salt", secrets.token_hex(32).encode())
            create_once(self.keys_dir / "chain_id", _new_chain(self.sandbox).encode())
        self._check_marker(create_once(marker, _marker_text(self.sandbox)))

    def _refuse_orphans(self) -> None:
        found = [item for item in (self.database_file, self.bank_file) if item.exists()]
        found += self.audit_dir.glob("*.jsonl*")
        # Looked at again: another process may have completed the hive in between.
        if found and not (self.path / _MARKER).exists():
            raise ConfigError(
                f"{self.path} holds {found[0].name} but no {_MARKER}",
                remedy=f"Restore {_MARKER} from a backup, or give --hive another directory.",
            )

    def _check_marker(self, content: bytes) -> None:
        path = self.path / _MARKER
        try:
            marker = json.loads(content)
            schema, sandbox = marker["schema"], marker["sandbox"]
        except (ValueError, TypeError, KeyError) as error:
            raise ConfigError(f"{path}: damaged", remedy="Restore it from a backup.") from error
        if schema != SCHEMA:
            raise ConfigError(
                f"{path}: schema {schema!r} is unknown; this version knows {SCHEMA}",
                remedy="Upgrade the swarm, or give --hive another directory.",
            )
        if sandbox is not self.sandbox:
            made, wanted = ("the sandbox", "real") if sandbox else ("real use", "the sandbox")
            raise ConfigError(
                f"{self.path} was made for {made} and is not opened for {wanted}",
                remedy="Give --hive another directory; `--sandbox` decides which kind it is.",
            )


def _new_chain(sandbox: bool) -> str:
    return _SANDBOX_PREFIX + secrets.token_hex(4) if sandbox else secrets.token_hex(8)


def _marker_text(sandbox: bool) -> bytes:
    return json.dumps({"schema": SCHEMA, "sandbox": sandbox}).encode() + b"\n"


def create_once(path: Path, content: bytes) -> bytes:
    """Create `path` (0600) with `content` unless it exists; return what it holds then.

    The first of several processes wins and all get the winner's bytes. The name appears only
    when the content is on disk.

    Raises:
        OSError: it cannot be written or read.
    """
    if not path.exists():
        # The name is unique, so that no two processes share a half-written file.
        draft = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
        try:
            _write_synced(draft, content)
            _link(draft, path)
        finally:
            draft.unlink(missing_ok=True)
        sync_directory(path.parent)
    return path.read_bytes()


def sync_directory(path: Path) -> None:
    """Make new names in `path` survive a power cut. Raises OSError."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _write_synced(path: Path, content: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(descriptor)


def _link(draft: Path, path: Path) -> None:
    try:
        path.hardlink_to(draft)
    except FileExistsError:
        return  # another process was first: its content counts
