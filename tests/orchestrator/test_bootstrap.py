"""The composition root: what opening a hive does before anything starts."""

from pathlib import Path

from guardrails.bank import Bank
from guardrails.config import Config, load_config
from orchestrator.ground import open_hive
from orchestrator.options import Options
from tests.conftest import SteppableClock


def golden_titles(path: Path, config: Config, clock: SteppableClock) -> set[str]:
    bank = Bank.open(path, config.policy.bank, clock)
    return {
        item.title for item in bank.items() if item.kind == "golden" and item.status == "active"
    }


def test_an_edited_golden_set_counts_from_the_next_start_on(
    tmp_path: Path, clock: SteppableClock
) -> None:
    options, config = Options(hive=tmp_path / "hive", sandbox=True), load_config()
    hive = open_hive(options, config, clock)
    first, *rest = config.golden_set.items
    before = golden_titles(hive.bank_file, config, clock)
    unchanged = hive.bank_file.read_bytes()
    open_hive(options, config, clock)
    assert hive.bank_file.read_bytes() == unchanged  # nothing edited, nothing written

    edited = config.golden_set.model_copy(update={"items": tuple(rest)})
    clock.step(60)
    open_hive(options, config.model_copy(update={"golden_set": edited}), clock)
    after = golden_titles(hive.bank_file, config, clock)
    assert len(before - after) == 1
    assert first.id in (before - after).pop()


def test_a_torn_bank_is_left_for_the_gate_to_refuse(tmp_path: Path, clock: SteppableClock) -> None:
    options, config = Options(hive=tmp_path / "hive", sandbox=True), load_config()
    hive = open_hive(options, config, clock)
    hive.database_file.touch()  # in use: not brand new
    hive.bank_file.write_bytes(b"{")
    open_hive(options, config, clock)
    assert hive.bank_file.read_bytes() == b"{"
