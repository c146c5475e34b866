"""Adding to a client's file: nothing that stands there is lost, whatever it is."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guardrails.errors import BadInput, DiskTrouble
from orchestrator.mcp_install import _merged, install

OURS = {"mcpServers": {"swarm-hunter": {"command": "swarm", "args": ["mcp", "hunter"]}}}
ASKED = {"id": "swarm-mcp-token", "type": "promptString"}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "deep" / "er" / "mcp.json"


def put(file: Path, content: str | bytes) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content.encode() if isinstance(content, str) else content)


def test_a_file_that_is_not_there_is_made(file: Path) -> None:
    done = install(file, OURS)
    assert json.loads(file.read_text()) == OURS
    assert (done.backup, done.added, done.replaced) == (None, ("swarm-hunter",), ())
    assert file.stat().st_mode & 0o777 == 0o600
    assert [one.name for one in file.parent.iterdir()] == ["mcp.json"]


@pytest.mark.parametrize("empty", ["", "\n", "{}", "\ufeff{}"])
def test_an_empty_one_is_filled(file: Path, empty: str) -> None:
    put(file, empty)
    install(file, OURS)
    assert json.loads(file.read_text()) == OURS


def test_what_stands_there_stays_and_is_kept_beside_it(file: Path) -> None:
    before = {
        "theme": "dark",
        "mcpServers": {"other": {"command": "x", "env": {"KEY": "secret"}}},
        "größe": [1, None],
    }
    text = json.dumps(before, indent=7)
    put(file, text)
    file.chmod(0o640)
    done = install(file, OURS)
    after = json.loads(file.read_text())
    assert after == before | {"mcpServers": before["mcpServers"] | OURS["mcpServers"]}  # type: ignore[operator]
    assert list(after) == list(before)
    assert done.backup is not None
    assert done.backup.read_text() == text
    assert {one.stat().st_mode & 0o777 for one in (file, done.backup)} == {0o640}


def test_ours_of_before_is_replaced_and_named(file: Path) -> None:
    put(file, json.dumps({"mcpServers": {"swarm-hunter": {"command": "old"}}}))
    assert install(file, OURS).replaced == ("swarm-hunter",)
    assert json.loads(file.read_text()) == OURS


def test_twice_is_once(file: Path) -> None:
    put(file, '{"a": 1}')
    install(file, OURS)
    content = file.read_bytes()
    done = install(file, OURS)
    assert (done.added, done.replaced, done.backup) == ((), (), None)
    assert file.read_bytes() == content
    assert len(list(file.parent.iterdir())) == 2


def test_no_backup_is_written_over(file: Path) -> None:
    put(file, '{"a": 1}')
    first = install(file, OURS).backup
    put(file, '{"a": 2}')
    second = install(file, OURS).backup
    assert first is not None
    assert second is not None
    assert (first.read_text(), second.read_text()) == ('{"a": 1}', '{"a": 2}')


@pytest.mark.parametrize(
    "content",
    ['{"a": 1,}', '// a comment\n{"a": 1}', '{"a": 1', "[]", "null", '"x"', b"\xff\xfe{\x00}\x00",
     '{"mcpServers": []}', '{"mcpServers": "x"}', '{"mcpServers": null}',
     '{"mcpServers": {"a": 1}, "mcpServers": {"b": 2}}', '{"mcpServers": {"a": 1, "a": 2}}'],
)  # fmt: skip
def test_what_cannot_be_merged_with_is_left_as_it_is(file: Path, content: str | bytes) -> None:
    put(file, content)
    before = file.read_bytes()
    with pytest.raises(BadInput):
        install(file, OURS)
    assert file.read_bytes() == before
    assert len(list(file.parent.iterdir())) == 1


def test_what_cannot_be_written_is_told(file: Path) -> None:
    file.mkdir(parents=True)
    with pytest.raises(DiskTrouble):
        install(file, OURS)


def test_a_link_stays_one(file: Path, tmp_path: Path) -> None:
    real = tmp_path / "real.json"
    put(real, '{"a": 1}')
    file.parent.mkdir(parents=True)
    file.symlink_to(real)
    install(file, OURS)
    assert file.is_symlink()
    assert json.loads(real.read_text())["a"] == 1
    assert "mcpServers" in json.loads(real.read_text())


def test_inputs_of_others_stay_and_ours_stands_once(file: Path) -> None:
    put(file, json.dumps({"inputs": [{"id": "theirs"}, "odd", {"id": ASKED["id"], "old": 1}]}))
    for _ in range(2):
        install(file, {"servers": {}, "inputs": [ASKED]})
    assert json.loads(file.read_text())["inputs"] == [{"id": "theirs"}, "odd", ASKED]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
DOCUMENTS = st.dictionaries(st.text(), JSON, max_size=4)


@given(document=DOCUMENTS, servers=st.none() | DOCUMENTS)
def test_whatever_stands_there_is_there_afterwards(
    document: dict[str, Any], servers: dict[str, Any] | None
) -> None:
    present = document | ({"mcpServers": servers} if servers is not None else {})
    present = {name: value for name, value in present.items() if name != "mcpServers" or servers}
    merged, _, _ = _merged(Path("x"), present, OURS)
    for name, value in present.items():
        if name == "mcpServers":
            assert {
                k: v for k, v in merged[name].items() if k in value and k != "swarm-hunter"
            } == {k: v for k, v in value.items() if k != "swarm-hunter"}
        else:
            assert merged[name] == value
