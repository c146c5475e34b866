"""Applying and taking back. Owns: that a person's change of config/ is whole, recorded and alone.

Order: lock, check against the file as it is, validate what comes out with the loader of every
start, audit, note the way back, replace the file, note that it is applied. A crash after the audit
leaves a record of a change that did not happen: harmless, and `swarm fixes list` says "proposed";
a crash after the replacement is found by it and noted, also of taking back. Refuses a configuration
that cannot be written, and every patch that is not on the closed list.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import getpass
import json
import os
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from guardrails.audit import AuditEntry, AuditLog, without_addresses
from guardrails.brakes.quarantine import Quarantine
from guardrails.clock import Clock, iso
from guardrails.config import load_config
from guardrails.config.loader import packaged_file
from guardrails.errors import ConfigError, DiskTrouble, Refused
from guardrails.hive import Hive
from guardrails.model import digest
from guardrails.store import Store
from orchestrator.fixes.model import FixFiles, Patch, Proposal, replace_file
from orchestrator.fixes.patching import Json, inverse_of, patched, rendered, reverted
from orchestrator.fixes.propose import production_file

_OWN_COPY = "Copy config/ to a place of your own and give it with --config (or SWARM_CONFIG)."


def operator() -> str:
    """Who sits at this machine, as the audit names them."""
    try:
        return f"operator:{getpass.getuser()}"
    except (KeyError, OSError, ImportError):
        return f"operator:uid-{os.getuid()}"


@dataclass(frozen=True)
class Changer:
    """Changes config/ for one hive."""

    hive: Hive
    store: Store
    config: Path | None
    clock: Clock
    actor: str

    async def apply(self, id: str) -> Proposal:
        """Do what a proposal says.

        Raises:
            NotFound, BadInput: there is no such proposal.
            Refused: it is applied already, has no patch, no longer fits, or is no fix.
            ConfigError: what comes out is not valid, or the file cannot be written.
            AuditUnwritable, StoreUnavailable: no record, so no change.
        """
        with self._alone():
            return await self._apply(FixFiles(self.hive).get(id))

    async def revert(self, id: str) -> Proposal:
        """Take an applied proposal back. Raises as `apply`; Refused when it changed since."""
        with self._alone():
            return await self._revert(FixFiles(self.hive).get(id))

    async def _apply(self, fix: Proposal) -> Proposal:
        if fix.status == "applied":
            raise Refused(f"{fix.id} is applied already", remedy="`swarm fixes revert` undoes it.")
        if not fix.applicable:
            raise Refused(
                f"{fix.id} has no patch: {fix.expected}", remedy=" ".join(fix.steps)[:500]
            )
        inverse: Patch = ()
        if fix.quarantine:
            audit_id = await self._record(fix, "apply", {"quarantine": fix.quarantine})
            reason = f"{fix.title} ({fix.id})"
            await Quarantine(self.store, self.clock).put(
                fix.quarantine, reason, fix.evidence.failures
            )
        else:
            path, before = self._read()
            after = patched(fix.patch, before, self._packaged())
            inverse = inverse_of(fix.patch, before)
            audit_id = await self._change(fix, "apply", path, before, after, inverse)
        return self._note(fix, status="applied", inverse=inverse, audit_id=audit_id)

    async def _revert(self, fix: Proposal) -> Proposal:
        if fix.status != "applied":
            raise Refused(f"{fix.id} is not applied: there is nothing to take back")
        await asyncio.to_thread(self._require_record, fix)
        if fix.quarantine:
            await self._record(fix, "revert", {"quarantine": fix.quarantine})
            await Quarantine(self.store, self.clock).release(fix.quarantine)
        else:
            path, now = self._read()
            before = reverted(fix.patch, now, fix.inverse, self._packaged())
            await self._change(fix, "revert", path, now, before, fix.inverse)
        return self._note(fix, status="reverted")

    async def _change(
        self, fix: Proposal, act: str, path: Path, old: Json, new: Json, inverse: Patch
    ) -> str:
        content = rendered(new)
        _require_writable(path)
        _validate(path, content)
        changed = {"file": path.name, "before": digest(old), "after": digest(new)}
        audit_id = await self._record(fix, act, changed)
        if act == "apply":  # after a crash, the way back is known (`propose` finds it applied)
            self._note(fix, inverse=inverse, audit_id=audit_id)
        try:
            await asyncio.to_thread(replace_file, path, content, path.stat().st_mode & 0o777)
        except OSError as error:
            raise DiskTrouble(f"{path} cannot be replaced ({error.strerror})") from error
        return audit_id

    async def _record(self, fix: Proposal, act: str, more: Json) -> str:
        patch = [op.wire() for op in fix.patch]
        body = {"fix": fix.id, "act": act, "title": fix.title, "patch": patch, **more}
        entry = AuditEntry("config_change", self.actor, without_addresses(body))
        audit = AuditLog(self.hive, self.store, self.clock)
        try:
            (ref,) = await audit.record([entry])
        finally:
            audit.close()
        return ref.audit_id

    def _require_record(self, fix: Proposal) -> None:
        """The proposal's file could have been edited; the record of applying it could not."""
        audit = AuditLog(self.hive, self.store, self.clock)
        try:
            record = audit.find(fix.audit_id) if fix.audit_id else None
        finally:
            audit.close()
        body: Json = record["body"] if record else {}
        patch = without_addresses([op.wire() for op in fix.patch])
        if (body.get("fix"), body.get("act"), body.get("patch")) != (fix.id, "apply", patch):
            raise Refused(f"the audit does not know {fix.id} as applied: change the file by hand")

    def _note(self, fix: Proposal, **changed: Any) -> Proposal:
        noted = fix.model_copy(update=changed | {"changed_at": iso(self.clock())})
        FixFiles(self.hive).put(noted)
        return noted

    def _read(self) -> tuple[Path, Json]:
        path = production_file(self.config)
        return path, _read_json(path)

    def _packaged(self) -> Json:
        return _read_json(packaged_file("production"))

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """Nobody else applies a fix to this configuration, from whichever hive."""
        directory = production_file(self.config).resolve().parent
        try:
            descriptor = os.open(directory, os.O_RDONLY)
        except OSError as error:
            raise ConfigError(f"{directory}: cannot be opened ({error.strerror})") from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            os.close(descriptor)
            raise Refused(
                "another fix is being applied to this configuration", remedy="Try again."
            ) from error
        try:
            yield
        finally:
            os.close(descriptor)


def _read_json(path: Path) -> Json:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise ConfigError(f"{path}: cannot be read: {error}") from error
    if not isinstance(found, dict):
        raise ConfigError(f"{path}: not a JSON object")
    return found


def _require_writable(path: Path) -> None:
    if path.is_symlink():
        raise ConfigError(f"{path} is a link: give its target with --config")
    delivered = "_packaged" in path.resolve().parts
    if delivered or not (os.access(path, os.W_OK) and os.access(path.parent, os.W_OK)):
        why = "belongs to the installed package" if delivered else "cannot be written"
        raise ConfigError(f"{path} {why}", remedy=_OWN_COPY)


def _validate(path: Path, content: bytes) -> None:
    """Let the loader judge, beside the file, so that its neighbours are the same.

    Raises:
        ConfigError: not a valid configuration.
    """
    draft = path.with_name(f".{path.stem}.{secrets.token_hex(4)}.draft.json")
    try:
        draft.write_bytes(content)
        load_config(draft)
    except OSError as error:
        raise DiskTrouble(f"{path.parent} cannot be written ({error.strerror})") from error
    finally:
        draft.unlink(missing_ok=True)
