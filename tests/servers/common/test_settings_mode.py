"""A process decides by itself in which mode it works, whatever started it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from guardrails.audit import AuditLog
from guardrails.clock import utc_now
from guardrails.config import load_config
from guardrails.hive import Hive
from guardrails.model import Mode
from guardrails.readiness_record import Registrar
from guardrails.store import open_store
from servers.common.settings import ServerSettings
from servers.crafter.settings import CrafterSettings
from servers.ghl.settings import GhlSettings
from servers.guardrails.settings import GuardrailsSettings
from servers.instantly.settings import InstantlySettings

pytestmark = pytest.mark.anyio
WRITING = (GuardrailsSettings, GhlSettings, InstantlySettings)


@pytest.fixture
def live(tmp_path: Path) -> Path:
    """A configuration that says live."""
    document = load_config().production.model_dump(mode="json") | {"mode": "live"}
    path = tmp_path / "production.json"
    path.write_text(json.dumps(document))
    return path


async def earn(path: Path, config: Path, mode: Mode, *, sandbox: bool = False) -> None:
    hive = Hive.open(path, sandbox=sandbox)
    store = open_store(hive)
    audit = AuditLog(hive, store, utc_now)
    registrar = Registrar(hive, audit, load_config(config), utc_now)
    await registrar.state("earned", mode, {"shadow_run": "ok"}, "person:ops")
    audit.close()
    store.close()


@pytest.mark.parametrize("kind", WRITING)
async def test_a_configuration_that_says_live_is_shadow_until_live_was_earned(
    kind: type[ServerSettings], tmp_path: Path, live: Path
) -> None:
    hive = tmp_path / "hive"
    Hive.open(hive, sandbox=False)
    asked = {"HIVE_MIND_DIR": hive, "SWARM_CONFIG": live, "SWARM_MODE": "live"}
    settings = kind.model_validate(asked)
    assert settings.config().production.mode is Mode.SHADOW
    await earn(hive, live, Mode.LIVE)
    # What a process found when it started is what it goes on with.
    assert settings.config().production.mode is Mode.SHADOW
    assert kind.model_validate(asked).config().production.mode is Mode.LIVE
    lower = kind.model_validate(asked | {"SWARM_MODE": "assisted"})
    assert lower.config().production.mode is Mode.ASSISTED


async def test_the_sandbox_need_not_earn_unless_it_is_told_to(tmp_path: Path, live: Path) -> None:
    hive = tmp_path / "hive"
    Hive.open(hive, sandbox=True)
    asked = {"HIVE_MIND_DIR": hive, "SWARM_CONFIG": live, "SWARM_SANDBOX": True}
    assert GhlSettings.model_validate(asked).config().production.mode is Mode.LIVE
    strict = asked | {"SWARM_MUST_EARN": True}
    assert GhlSettings.model_validate(strict).config().production.mode is Mode.SHADOW
    await earn(hive, live, Mode.ASSISTED, sandbox=True)
    assert GhlSettings.model_validate(strict).config().production.mode is Mode.ASSISTED


def test_nothing_waives_it_for_a_real_hive(tmp_path: Path, live: Path) -> None:
    hive = tmp_path / "hive"
    Hive.open(hive, sandbox=False)
    asked = {"HIVE_MIND_DIR": hive, "SWARM_CONFIG": live, "SWARM_MUST_EARN": False}
    assert GhlSettings.model_validate(asked).config().production.mode is Mode.SHADOW


def test_the_emergency_stop_holds_campaigns_also_where_the_mode_was_lost(
    tmp_path: Path, live: Path
) -> None:
    asked = {"HIVE_MIND_DIR": tmp_path / "hive", "SWARM_CONFIG": live, "SWARM_EMERGENCY": True}
    assert InstantlySettings.model_validate(asked).config().production.mode is Mode.LIVE


def test_who_neither_decides_nor_writes_opens_no_database(tmp_path: Path, live: Path) -> None:
    asked = {"HIVE_MIND_DIR": tmp_path / "hive", "SWARM_CONFIG": live}
    assert CrafterSettings.model_validate(asked).config().production.mode is Mode.LIVE
    assert not (tmp_path / "hive").exists()
