"""The crafter starts only with templates and a sender it can vouch for."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from guardrails.config.loader import config_path
from guardrails.config.models import Templates
from guardrails.errors import ConfigError
from servers.crafter.catalog import Catalog
from servers.crafter.phrases import load_phrases
from servers.crafter.settings import SANDBOX_SENDER, CrafterSettings

VARIABLES = ("SENDER_NAME", "SENDER_EMAIL", "SENDER_COMPANY", "SENDER_POSTAL_ADDRESS")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return Path(shutil.copytree(config_path("templates"), tmp_path / "templates"))


@pytest.fixture
def templates(config: Any) -> Templates:
    found: Templates = config.templates
    return found


def hashes(templates: Templates, folder: Path) -> dict[str, str]:
    return {one.entry.id: one.template_hash for one in Catalog(templates, folder).templates}


def test_the_hash_follows_the_template_and_what_it_includes(
    templates: Templates, folder: Path
) -> None:
    before = hashes(templates, folder)
    assert all(len(value) == 16 for value in before.values())
    with (folder / "plain.j2").open("a") as file:
        file.write("More.\n")
    after = hashes(templates, folder)
    assert {name for name in before if before[name] != after[name]} == {"plain"}
    with (folder / "_close.j2").open("a") as file:
        file.write("More.\n")
    assert all(after[name] != value for name, value in hashes(templates, folder).items())


@pytest.mark.parametrize(
    ("source", "named"),
    [
        ("Subject: {{ claim('funding') }}", "claims funding"),
        ("Subject: {{ claim(fact) }}", "literally"),
        ("Subject: {{ claim('email') }}", "email cannot be claimed"),
        ("Subject: {{ unclosed", "plain.j2"),
        ("{% include 'missing.j2' %}", "missing.j2"),
    ],
)
def test_a_template_that_cannot_be_trusted_stops_the_start(
    templates: Templates, folder: Path, source: str, named: str
) -> None:
    (folder / "plain.j2").write_text(source)
    with pytest.raises(ConfigError, match=named):
        Catalog(templates, folder)


def test_a_missing_template_stops_the_start(templates: Templates, folder: Path) -> None:
    (folder / "plain.j2").unlink()
    with pytest.raises(ConfigError, match=r"plain\.j2"):
        Catalog(templates, folder)


@pytest.mark.parametrize(
    "source",
    [
        "Subject: {{ lead.email }}",
        "Subject: {{ stake.__class__.__mro__ }}",
        "Subject: {{ claim.__globals__ }}",
    ],
)
def test_a_template_can_reach_neither_the_lead_nor_the_program(
    config: Any, writer: Any, folder: Path, source: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from servers.crafter.compose import compose

    for entry in config.templates.templates:
        (folder / entry.file).write_text(source)
    config_folder = folder.parent
    shutil.copy(config_path("production.json"), config_folder)
    service = compose(config, SANDBOX_SENDER, lambda: writer.now, sandbox=True, given=config_folder)
    drafted = type(writer)(service, config).write(
        news=(writer.news(),), facts={"hiring": writer.fact(("Analyst",))}
    )
    assert drafted.draft is None
    assert {reason.code for reason in drafted.reasons} >= {"template_broken"}


def test_a_part_of_the_configuration_is_looked_for_beside_production_json_first(
    tmp_path: Path,
) -> None:
    shutil.copy(config_path("production.json"), tmp_path)
    (tmp_path / "tone_corpus.json").write_text("{}")
    assert config_path("tone_corpus.json", tmp_path) == tmp_path / "tone_corpus.json"
    assert config_path("templates", tmp_path / "production.json") == config_path("templates")
    with pytest.raises(ConfigError, match=r"no absent\.json"):
        config_path("absent.json", tmp_path)


def edited(folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
    path = folder / "phrases.json"
    phrases = json.loads(path.read_text())
    change(phrases)
    path.write_text(json.dumps(phrases))


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda phrases: phrases["segments"].pop("other"), "no entry 'other'"),
        (lambda phrases: phrases["personas"].pop("other"), "no entry 'other'"),
        (lambda phrases: phrases.update(extra=1), "extra"),
        (lambda phrases: phrases["segments"]["law"].pop("job"), "segments.law.job"),
    ],
)
def test_incomplete_phrases_stop_the_start(folder: Path, change: Any, named: str) -> None:
    edited(folder, change)
    with pytest.raises(ConfigError, match=named):
        load_phrases(folder)


def test_absent_or_torn_phrases_stop_the_start(folder: Path) -> None:
    path = folder / "phrases.json"
    path.write_bytes(path.read_bytes()[:500])
    with pytest.raises(ConfigError, match=r"phrases\.json"):
        load_phrases(folder)
    path.unlink()
    with pytest.raises(ConfigError, match="cannot be read"):
        load_phrases(folder)


def test_every_segment_and_persona_of_the_icp_has_its_phrases(config: Any) -> None:
    phrases = load_phrases(config_path("templates"))
    segments = {name for group in config.icp.industries for name in group.segments}
    personas = {group.persona for group in config.icp.titles}
    assert segments <= set(phrases.segments)
    assert personas <= set(phrases.personas)


def settings(monkeypatch: pytest.MonkeyPatch, **stated: str) -> CrafterSettings:
    for name in (*VARIABLES, "SWARM_SANDBOX"):
        monkeypatch.delenv(name, raising=False)
    for name, value in stated.items():
        monkeypatch.setenv(name, value)
    return CrafterSettings()


def test_the_sandbox_has_an_invented_sender(monkeypatch: pytest.MonkeyPatch) -> None:
    sender = settings(monkeypatch, SWARM_SANDBOX="1").sender()
    assert sender == SANDBOX_SENDER
    assert sender.email.endswith(".example")


def test_without_the_sandbox_each_missing_variable_is_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with pytest.raises(ConfigError) as caught:
        settings(monkeypatch, SENDER_NAME="Mo").sender()
    assert all(name in caught.value.message for name in VARIABLES[1:])
    assert "SENDER_NAME" not in caught.value.message


def test_the_senders_own_words_are_used(monkeypatch: pytest.MonkeyPatch) -> None:
    stated = dict(zip(VARIABLES, ("Mo", "mo@x.example", "X", "1 Road\nTown"), strict=True))
    sender = settings(monkeypatch, **stated).sender()
    assert (sender.name, sender.company) == ("Mo", "X")
    assert sender.postal_address == "1 Road, Town"


def test_a_sender_with_hidden_characters_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match="SENDER_NAME"):
        settings(monkeypatch, SWARM_SANDBOX="1", SENDER_NAME="Mo\u202e").sender()
