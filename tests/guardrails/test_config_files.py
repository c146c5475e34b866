"""Every file of config/ is checked whole: a wrong one is named, with place and value."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from guardrails.bank import load_seed_lessons
from guardrails.config import load_config
from guardrails.config.loader import FILES
from guardrails.errors import ConfigError
from servers.crafter.tone import load_tone

CONFIG = Path(__file__).parents[2] / "config"
OTHERS = {"sandbox_lessons": load_seed_lessons, "tone_corpus": load_tone}
WRONG: tuple[Any, ...] = ({"x": 1}, [], None, -1, "", True, 10**30, "\u0000")
BROKEN = (b"", b"nul", b"{", b"[]", b"\xff\xfe{}", b'{"schema_version": NaN}', b"[" * 100_000)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return Path(shutil.copytree(CONFIG, tmp_path / "config"))


def read(folder: Path, name: str) -> None:
    if name in OTHERS:
        OTHERS[name](folder / f"{name}.json")
    else:
        load_config(folder)


def places(document: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Where something stands: every key, and the first entry of every list."""
    if isinstance(document, dict):
        for key, value in document.items():
            yield (*path, key)
            yield from places(value, (*path, key))
    elif isinstance(document, list) and document:
        yield from places(document[0], (*path, 0))


def changed(document: Any, path: tuple[str | int, ...], value: Any) -> Any:
    copy = json.loads(json.dumps(document))
    inner = copy
    for step in path[:-1]:
        inner = inner[step]
    inner[path[-1]] = value
    return copy


@pytest.mark.parametrize("name", [*FILES, *OTHERS])
def test_an_unknown_key_is_named_with_its_file(folder: Path, name: str) -> None:
    file = folder / f"{name}.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"surprise": 1}))
    with pytest.raises(ConfigError, match=rf"{name}\.json.*surprise"):
        read(folder, name)


@pytest.mark.parametrize("name", [*FILES, *OTHERS])
def test_what_is_no_json_document_of_this_kind_is_refused(folder: Path, name: str) -> None:
    for content in BROKEN:
        (folder / f"{name}.json").write_bytes(content)
        with pytest.raises(ConfigError, match=rf"{name}\.json"):
            read(folder, name)


@pytest.mark.parametrize("name", [*FILES, *OTHERS])
def test_a_value_of_another_type_is_an_error_of_ours_that_names_file_and_place(
    folder: Path, name: str
) -> None:
    file = folder / f"{name}.json"
    document = json.loads(file.read_text())
    messages: list[tuple[str, str]] = []
    for path in places(document):
        for value in WRONG:
            file.write_text(json.dumps(changed(document, path, value)))
            try:
                read(folder, name)
            except ConfigError as error:
                messages.append((str(path[0]), error.message))
    assert all(f"{name}.json" in told and place in told for place, told in messages)
    assert len(messages) > 4 * len(list(places(document)))  # some texts and lists may be empty


@pytest.mark.parametrize("name", list(FILES))
def test_a_directory_that_lost_a_file_is_not_completed_from_elsewhere(
    folder: Path, name: str
) -> None:
    (folder / f"{name}.json").unlink()
    with pytest.raises(ConfigError, match="production" if name == "production" else name):
        load_config(folder)


def test_many_problems_give_a_message_of_bounded_length(folder: Path) -> None:
    file = folder / "policy.json"
    surprises = {f"{'surprise' * 50}{n}": n for n in range(500)}
    file.write_text(json.dumps(json.loads(file.read_text()) | surprises))
    with pytest.raises(ConfigError) as caught:
        load_config(folder)
    assert len(caught.value.message) < 10_000
    assert caught.value.message.endswith("and 480 more")


def test_a_mailbox_cannot_be_set_beyond_what_a_campaign_takes(folder: Path) -> None:
    file = folder / "production.json"
    document = json.loads(file.read_text())
    document["sending_limits"] |= {"per_mailbox_day": 1001, "per_mailbox_day_hard": 1001}
    file.write_text(json.dumps(document))
    with pytest.raises(ConfigError, match="per_mailbox_day_hard is 1001"):
        load_config(folder)
