"""Tokens of MCP over HTTP. Owns: their file in the hive, and who a presented one belongs to.

A token is 256 random bits, shown once; `keys/mcp_tokens.json` (0600) keeps its SHA-256, which is
enough for a text that nobody can guess. The file is replaced as a whole and read afresh at every
request, so that a revoked token counts nowhere any more from that moment on. Refuses everybody
while the file cannot be read, is torn, or may be written by others.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from guardrails.clock import Clock
from guardrails.errors import BadInput, ConfigError, DiskTrouble, NotFound
from guardrails.hive import Hive
from guardrails.keys import locked, replace_synced
from guardrails.mcp_token_model import Scope, Token

_PREFIX = "swarm_mcp_"  # so that whoever finds one in the open knows what it is
_BYTES = 32
_LONGEST = 200  # of what is presented and looked at at all
_MOST = 200  # tokens of a hive
_LONGEST_DAYS = 3650
_LOCK = (".mcp_tokens.lock", "another process changes the tokens")
_REMEDY = "Restore keys/mcp_tokens.json from its backup, or remove it and create new tokens."


class _Kept(BaseModel):
    """The file."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: Literal[1] = 1
    tokens: tuple[Token, ...] = ()


class Tokens:
    """The tokens of one hive."""

    def __init__(self, hive: Hive, clock: Clock) -> None:
        self._keys = hive.keys_dir
        self._clock = clock
        self._seen: tuple[bytes, _Kept] | None = None  # what was read last, and what it says

    def holder(self, presented: str) -> Token | None:
        """Whose this is; None when it is nobody's, was revoked, or its days are over.

        Raises:
            ConfigError: the file cannot be relied on: nobody gets in.
        """
        kept = self._read()
        if not presented.isascii() or len(presented) > _LONGEST:
            return None
        digest = _digest(presented)
        found = None
        for token in kept.tokens:  # all of them, each in constant time
            if hmac.compare_digest(token.digest, digest):
                found = token
        return None if found is None or found.is_over(self._clock()) else found

    def listed(self) -> tuple[Token, ...]:
        """All that were not revoked, those whose days are over included. Raises ConfigError."""
        return self._read().tokens

    def usable(self) -> bool:
        """Whether anybody could get in. Raises ConfigError."""
        return any(not token.is_over(self._clock()) for token in self.listed())

    def create(self, name: str, scope: Scope, days: int | None) -> tuple[str, Token]:
        """A new token: its text, which is kept nowhere, and what is.

        Args:
            days: after which it counts no more; None: until it is revoked.

        Raises:
            BadInput: the name is taken or cannot be one, or the days cannot be.
            ConfigError, DiskTrouble, Refused: nothing was changed.
        """
        if days is not None and not 0 < days <= _LONGEST_DAYS:
            raise BadInput(f"days: from 1 to {_LONGEST_DAYS}")
        now = self._clock()
        text = _PREFIX + secrets.token_urlsafe(_BYTES)
        try:
            made = Token(
                id=secrets.token_hex(4),
                name=name.strip(),
                scope=scope,
                digest=_digest(text),
                created=now,
                expires=now + timedelta(days=days) if days is not None else None,
            )
        except ValidationError as error:
            raise BadInput("name: 1 to 60 characters") from error
        with _writing(), locked(self._keys, *_LOCK):
            kept = self._read()
            if any(made.name == token.name for token in kept.tokens):
                raise BadInput(
                    f"there is a token named {made.name!r}", remedy="Revoke it, or name it anew."
                )
            if len(kept.tokens) >= _MOST:
                raise BadInput(f"there are {_MOST} tokens", remedy="Revoke those nobody uses.")
            self._write(_Kept(tokens=(*kept.tokens, made)))
        return text, made

    def revoke(self, which: str) -> Token:
        """Have a token, by its id or name, count no more, here and in every running server.

        Raises:
            NotFound: there is none.
            ConfigError, DiskTrouble, Refused: nothing was changed.
        """
        with _writing(), locked(self._keys, *_LOCK):
            kept = self._read()
            gone = next((one for one in kept.tokens if which in (one.id, one.name)), None)
            if gone is None:
                raise NotFound(f"no token {which!r}", remedy="`swarm mcp token list` shows them.")
            self._write(_Kept(tokens=tuple(one for one in kept.tokens if one is not gone)))
        return gone

    @property
    def _file(self) -> Path:
        return self._keys / "mcp_tokens.json"

    def _write(self, kept: _Kept) -> None:
        replace_synced(self._file, kept.model_dump_json(indent=1).encode() + b"\n")

    def _read(self) -> _Kept:
        try:
            content = _content(self._file)
        except FileNotFoundError:
            return _Kept()
        except OSError as error:
            why = f"keys/mcp_tokens.json: cannot be read ({error.strerror})"
            raise ConfigError(why, remedy=_REMEDY) from error
        if self._seen is None or self._seen[0] != content:
            try:
                self._seen = content, _Kept.model_validate_json(content)
            except ValidationError as error:
                raise ConfigError("keys/mcp_tokens.json: is damaged", remedy=_REMEDY) from error
        return self._seen[1]


def _content(file: Path) -> bytes:
    """Raises OSError, ConfigError."""
    with file.open("rb") as opened:
        mode = os.fstat(opened.fileno()).st_mode
        if mode & (stat.S_IWGRP | stat.S_IWOTH):
            raise ConfigError(
                "keys/mcp_tokens.json: others may write it",
                remedy="chmod 600 it, and look at what is in it: `swarm mcp token list`.",
            )
        return opened.read()


@contextmanager
def _writing() -> Iterator[None]:
    """What the disk does not do becomes an error of ours."""
    try:
        yield
    except OSError as error:
        raise DiskTrouble(
            f"keys/: cannot be written ({error.strerror})",
            remedy="Free disk space and check permissions; the tokens are as they were.",
        ) from error


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
