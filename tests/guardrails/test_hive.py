"""The hive is one directory, of one kind, whole at every moment."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from guardrails.errors import ConfigError
from guardrails.hive import Hive, create_once


def test_a_new_hive_is_private_and_laid_out(tmp_path: Path) -> None:
    hive = Hive.open(tmp_path / "deep" / "hive", sandbox=False)
    assert hive.path.stat().st_mode & 0o777 == 0o700
    assert json.loads((hive.path / "hive.json").read_text()) == {"schema": 1, "sandbox": False}
    for directory in (hive.audit_dir, hive.shadow_dir, hive.failures_dir, hive.fixes_dir,
                      hive.keys_dir, hive.logs_dir):  # fmt: skip
        assert directory.is_dir()
        assert directory.stat().st_mode & 0o777 == 0o700


def test_a_folder_with_only_a_readme_becomes_a_private_hive(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("what this is")
    tmp_path.chmod(0o755)
    Hive.open(tmp_path, sandbox=True)
    assert tmp_path.stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "README.md").read_text() == "what this is"


@pytest.mark.parametrize("first", [True, False])
def test_a_hive_of_one_kind_never_opens_as_the_other(tmp_path: Path, first: bool) -> None:
    Hive.open(tmp_path / "h", sandbox=first)
    with pytest.raises(ConfigError, match="made for") as caught:
        Hive.open(tmp_path / "h", sandbox=not first)
    assert "--hive" in caught.value.remedy
    assert Hive.open(tmp_path / "h", sandbox=first).sandbox is first


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"schema": 1}', b'{"schema": 2, '
                                     b'"sandbox": true}'])  # fmt: skip
def test_a_marker_that_is_torn_or_of_the_future_is_refused(tmp_path: Path, content: bytes) -> None:
    hive = Hive.open(tmp_path / "h", sandbox=True)
    (hive.path / "hive.json").write_bytes(content)
    with pytest.raises(ConfigError):
        Hive.open(tmp_path / "h", sandbox=True)


@pytest.mark.parametrize("left", ["swarm.db", "reasoning_bank.json", "audit/2026-03-10.jsonl"])
def test_state_without_its_marker_is_not_adopted(tmp_path: Path, left: str) -> None:
    hive = Hive.open(tmp_path / "h", sandbox=False)
    (hive.path / left).write_text("state")
    (hive.path / "hive.json").unlink()
    with pytest.raises(ConfigError, match=r"hive\.json"):
        Hive.open(tmp_path / "h", sandbox=True)
    assert not (hive.path / "hive.json").exists()


def test_a_file_in_its_place_is_a_configuration_error(tmp_path: Path) -> None:
    (tmp_path / "h").write_text("a file")
    with pytest.raises(ConfigError, match="cannot be used"):
        Hive.open(tmp_path / "h", sandbox=True)


def test_the_sandbox_salt_is_fixed_and_the_real_one_random_and_kept(tmp_path: Path) -> None:
    sandboxes = [Hive.open(tmp_path / name, sandbox=True) for name in "ab"]
    real = [Hive.open(tmp_path / name, sandbox=False) for name in "cd"]
    assert sandboxes[0].salt() == sandboxes[1].salt()
    assert len({hive.salt() for hive in [*sandboxes, *real]}) == 3
    assert real[0].salt() == Hive.open(tmp_path / "c", sandbox=False).salt()
    assert (real[0].keys_dir / "salt").stat().st_mode & 0o777 == 0o600


def test_every_hive_has_an_audit_chain_of_its_own(tmp_path: Path) -> None:
    hives = [Hive.open(tmp_path / name, sandbox=name in "ab") for name in "abcd"]
    chains = [hive.chain_id() for hive in hives]
    assert len(set(chains)) == 4
    assert [chain.startswith("sandbox-") for chain in chains] == [True, True, False, False]
    assert {len(chain) for chain in chains} == {16}
    again = [Hive.open(hive.path, sandbox=hive.sandbox).chain_id() for hive in hives]
    assert again == chains


def test_a_sandbox_hive_from_before_keeps_the_chain_it_has(tmp_path: Path) -> None:
    hive = Hive.open(tmp_path / "h", sandbox=True)
    (hive.keys_dir / "chain_id").unlink()  # it was made when all sandboxes had one name
    assert Hive.open(tmp_path / "h", sandbox=True).chain_id() == "sandbox"
    (hive.keys_dir / "chain_id").write_text("sandbox-0123abc")
    with pytest.raises(ConfigError, match="chain_id"):
        hive.chain_id()


@pytest.mark.parametrize("content", [b"", b"abc", b"\xff" * 64, b"z" * 64])
def test_a_torn_salt_is_refused_and_not_replaced(tmp_path: Path, content: bytes) -> None:
    hive = Hive.open(tmp_path / "h", sandbox=False)
    hive.salt()
    (hive.keys_dir / "salt").write_bytes(content)
    with pytest.raises(ConfigError):
        hive.salt()
    assert (hive.keys_dir / "salt").read_bytes() == content


@pytest.mark.parametrize("name", ["salt", "chain_id"])
def test_a_lost_secret_is_not_made_anew(tmp_path: Path, name: str) -> None:
    hive = Hive.open(tmp_path / "h", sandbox=False)
    (hive.keys_dir / name).unlink()
    again = Hive.open(tmp_path / "h", sandbox=False)
    with pytest.raises(ConfigError, match=name):
        (again.salt if name == "salt" else again.chain_id)()


def test_a_hive_whose_creation_was_interrupted_is_completed(tmp_path: Path) -> None:
    hive = Hive.open(tmp_path / "h", sandbox=False)
    salt = hive.salt()
    (hive.path / "hive.json").unlink()
    assert Hive.open(tmp_path / "h", sandbox=False).salt() == salt


def test_of_threads_creating_one_file_all_get_the_first_content(tmp_path: Path) -> None:
    got: list[bytes] = []
    barrier = threading.Barrier(8)

    def create(number: int) -> None:
        barrier.wait()
        got.append(create_once(tmp_path / "key", str(number).encode() * 1000))

    threads = [threading.Thread(target=create, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(got) == {(tmp_path / "key").read_bytes()}
    assert [path.name for path in tmp_path.iterdir()] == ["key"]


@pytest.mark.processes
def test_processes_that_start_at_once_agree_on_salt_and_chain(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from guardrails.hive import Hive;"
        "hive = Hive.open(Path(sys.argv[1]), sandbox=False);"
        "print(hive.salt().hex(), hive.chain_id())"
    )
    command = [sys.executable, "-P", "-c", program, str(tmp_path / "h")]
    children = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(6)]
    said = {child.communicate(timeout=60)[0] for child in children}
    assert len(said) == 1
    assert len(said.pop().split()[0]) == 64
