"""Tokens of MCP over HTTP: whose they are, and who gets in when their file cannot be relied on."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import pytest

from guardrails.errors import BadInput, ConfigError, DiskTrouble, NotFound
from guardrails.hive import Hive
from guardrails.mcp_token_model import Scope
from guardrails.mcp_tokens import Tokens
from tests.conftest import SteppableClock


@pytest.fixture
def tokens(hive: Hive, clock: SteppableClock) -> Tokens:
    return Tokens(hive, clock)


@pytest.fixture
def file(hive: Hive) -> Path:
    return hive.keys_dir / "mcp_tokens.json"


def test_a_token_is_its_holders(tokens: Tokens) -> None:
    text, made = tokens.create("desk", Scope.READ, None)
    other, _ = tokens.create("lab", Scope.OPERATE, None)
    assert tokens.holder(text) == made
    assert tokens.holder(other) != made
    assert text.startswith("swarm_mcp_")
    assert len(text) >= 50  # 256 bits


def test_nothing_else_is(tokens: Tokens) -> None:
    text, made = tokens.create("desk", Scope.READ, None)
    for wrong in ("", "x", text[:-1], text + "x", text.upper(), made.digest, made.id, "é" + text):
        assert tokens.holder(wrong) is None
    assert tokens.holder(text + " " * 10_000) is None


def test_without_any_token_nobody_gets_in(tokens: Tokens) -> None:
    assert tokens.holder("swarm_mcp_anything") is None
    assert not tokens.usable()


def test_the_text_is_kept_nowhere(tokens: Tokens, hive: Hive) -> None:
    text, _ = tokens.create("desk", Scope.OPERATE, 30)
    kept = [path.read_bytes() for path in hive.path.rglob("*") if path.is_file()]
    assert kept
    assert not any(text.encode() in content for content in kept)


def test_the_file_is_its_owners_alone(tokens: Tokens, file: Path) -> None:
    tokens.create("desk", Scope.READ, None)
    assert file.stat().st_mode & 0o777 == 0o600


def test_its_days_end(tokens: Tokens, clock: SteppableClock) -> None:
    text, made = tokens.create("desk", Scope.READ, 2)
    clock.step(days=2, seconds=-1)
    assert tokens.holder(text) == made
    clock.step(1)
    assert tokens.holder(text) is None
    assert tokens.listed() == (made,)
    assert not tokens.usable()


def test_a_revoked_one_counts_no_more_in_a_server_that_runs(
    tokens: Tokens, hive: Hive, clock: SteppableClock
) -> None:
    text, made = tokens.create("desk", Scope.OPERATE, None)
    running = Tokens(hive, clock)
    assert running.holder(text) == made
    assert tokens.revoke("desk") == made
    assert running.holder(text) is None


def test_it_is_revoked_by_its_id_as_well(tokens: Tokens) -> None:
    _, first = tokens.create("desk", Scope.READ, None)
    _, second = tokens.create("lab", Scope.READ, None)
    tokens.revoke(first.id)
    assert tokens.listed() == (second,)
    with pytest.raises(NotFound):
        tokens.revoke(first.id)


def test_no_two_have_one_name(tokens: Tokens) -> None:
    tokens.create("desk", Scope.READ, None)
    with pytest.raises(BadInput, match="desk"):
        tokens.create(" desk ", Scope.OPERATE, None)


@pytest.mark.parametrize(("name", "days"), [("", None), ("x" * 61, None), ("x", 0), ("x", 10**6)])
def test_a_name_or_days_that_cannot_be(tokens: Tokens, name: str, days: int | None) -> None:
    with pytest.raises(BadInput):
        tokens.create(name, Scope.READ, days)
    assert tokens.listed() == ()


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[]", b"null", b'{"version": 2, "tokens": []}', b'{"tokens": [{"id": "x"}]}',
     b'{"version": 1, "tokens": [], "admit": "all"}', b"\xff\xfe"],
)  # fmt: skip
def test_a_file_that_is_torn_or_edited_lets_nobody_in(
    tokens: Tokens, file: Path, content: bytes
) -> None:
    text, _ = tokens.create("desk", Scope.READ, None)
    file.write_bytes(content)
    for asked in (lambda: tokens.holder(text), tokens.listed, tokens.usable):
        with pytest.raises(ConfigError, match=r"mcp_tokens\.json"):
            asked()


def test_a_torn_file_is_not_written_over(tokens: Tokens, file: Path) -> None:
    text, made = tokens.create("desk", Scope.READ, None)
    whole = file.read_bytes()
    file.write_bytes(whole[:-20])
    with pytest.raises(ConfigError):
        tokens.create("lab", Scope.READ, None)
    with pytest.raises(ConfigError):
        tokens.revoke("desk")
    file.write_bytes(whole)
    assert tokens.holder(text) == made


def test_a_file_that_cannot_be_read_lets_nobody_in(tokens: Tokens, file: Path) -> None:
    file.mkdir()
    with pytest.raises(ConfigError, match="cannot be read"):
        tokens.holder("x")


@pytest.mark.parametrize("mode", [0o620, 0o602, 0o666])
def test_a_file_that_others_may_write_lets_nobody_in(tokens: Tokens, file: Path, mode: int) -> None:
    text, _ = tokens.create("desk", Scope.READ, None)
    file.chmod(mode)
    with pytest.raises(ConfigError, match="others may write"):
        tokens.holder(text)


def test_a_scope_that_is_none_lets_nobody_in(tokens: Tokens, file: Path) -> None:
    text, _ = tokens.create("desk", Scope.READ, None)
    document = json.loads(file.read_text())
    document["tokens"][0]["scope"] = "admin"
    file.write_text(json.dumps(document))
    with pytest.raises(ConfigError):
        tokens.holder(text)


def test_operate_covers_read_and_read_does_not_cover_operate() -> None:
    assert Scope.OPERATE.covers(Scope.READ)
    assert Scope.OPERATE.covers(Scope.OPERATE)
    assert Scope.READ.covers(Scope.READ)
    assert not Scope.READ.covers(Scope.OPERATE)


def test_two_at_once_lose_none(tokens: Tokens, hive: Hive, clock: SteppableClock) -> None:
    makers = [
        threading.Thread(target=Tokens(hive, clock).create, args=(f"n{n}", Scope.READ, None))
        for n in range(8)
    ]
    for maker in makers:
        maker.start()
    for maker in makers:
        maker.join()
    assert {one.name for one in tokens.listed()} == {f"n{n}" for n in range(8)}


def test_where_nothing_can_be_written_nothing_changes(tokens: Tokens, hive: Hive) -> None:
    text, made = tokens.create("desk", Scope.READ, None)
    (hive.keys_dir / ".mcp_tokens.lock").unlink()
    (hive.keys_dir / ".mcp_tokens.lock").mkdir()  # the lock's file cannot be opened
    with pytest.raises(DiskTrouble):
        tokens.revoke("desk")
    assert tokens.holder(text) == made
