"""The protocol's official conformance suite against every server over HTTP, in both eras.

The suite was made for a server with special tools, resources and prompts ("everything"). What
applies to any server must pass, check by check; for the rest it is said why it does not apply. A
scenario that nobody has judged fails this test.
"""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.mcp.contracts import MODULES as SERVERS
from tests.mcp.house import House, house
from tests.mcp.node_tools import MODULES, needs_npm, node
from tests.mcp.over_http import over_http

pytestmark = [pytest.mark.anyio, needs_npm]
SUITE = str(MODULES / "@modelcontextprotocol" / "conformance" / "dist" / "index.js")
ERAS = ("2025-11-25", "2026-07-28")
# Scenario to how many checks at least succeed in each era (0: the era does not have it).
APPLIES = {
    "server-initialize": (1, 0),
    "server-stateless": (0, 22),
    "server-session-lifecycle": (0, 0),  # without sessions it has nothing to say, and says so
    "ping": (1, 0),
    "tools-list": (2, 3),
    "tools-call-simple-text": (1, 1),
    "tools-call-error": (1, 1),
    "resources-list": (1, 1),
    "sep-2164-resource-not-found": (0, 2),
    "prompts-list": (1, 1),
    "server-sse-multiple-streams": (0, 1),
    "dns-rebinding-protection": (2, 2),
    "caching": (0, 5),
    "http-header-validation": (0, 13),
    "input-required-result-unsupported-methods": (0, 1),
}
_FIXTURE = "asks for a tool, resource or prompt that only the everything-server has"
_NOT_OFFERED = "a capability that our servers do not declare, and are right to refuse"
NOT_HERE = {
    "logging-set-level": f"{_NOT_OFFERED}: logs go to stderr",
    "completion-complete": _NOT_OFFERED,
    "resources-subscribe": _NOT_OFFERED,
    "resources-unsubscribe": _NOT_OFFERED,
    "server-sse-polling": f"{_FIXTURE}; answers are not resumed without sessions",
    "http-custom-header-server-validation": "no tool of ours takes an argument from a header",
    "json-schema-2020-12": _FIXTURE,
    **dict.fromkeys(
        (
            "tools-call-image", "tools-call-audio", "tools-call-embedded-resource",
            "tools-call-mixed-content", "tools-call-with-logging", "tools-call-with-progress",
            "tools-call-sampling", "tools-call-elicitation", "elicitation-sep1034-defaults",
            "elicitation-sep1330-enums", "resources-read-text", "resources-read-binary",
            "resources-templates-read", "prompts-get-simple", "prompts-get-with-args",
            "prompts-get-embedded-resource", "prompts-get-with-image",
            "input-required-result-basic-elicitation", "input-required-result-basic-sampling",
            "input-required-result-basic-list-roots", "input-required-result-request-state",
            "input-required-result-multiple-input-requests", "input-required-result-multi-round",
            "input-required-result-missing-input-response",
            "input-required-result-non-tool-request", "input-required-result-result-type",
            "input-required-result-tampered-state", "input-required-result-capability-check",
            "input-required-result-ignore-extra-params", "input-required-result-validate-input",
        ),
        _FIXTURE,
    ),
}  # fmt: skip
# Extensions of the protocol: not part of any revision.
EXTENSIONS = re.compile(r"tasks-|sep-2640-")
# Single checks of scenarios that apply otherwise.
UNTESTABLE = {
    "sep-2575-server-rejects-undeclared-capability": "needs the tool test_missing_capability",
    "sep-2575-missing-capability-http-400": "needs the tool test_missing_capability",
}
# What servers without prompts and templates answer: they do not declare them.
WITHOUT_PROMPTS = {
    "prompts-list", "sep-2549-prompts-list-caching-hints",
    "sep-2549-resources-templates-list-caching-hints",
}  # fmt: skip


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
async def home(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    async with house(tmp_path_factory.mktemp("house")) as built:
        yield built


@pytest.mark.parametrize("era", ERAS)
@pytest.mark.parametrize("name", SERVERS)
async def test_a_server_conforms_to_the_protocol(
    name: str, era: str, home: House, tmp_path: Path
) -> None:
    results = tmp_path / "results"
    async with home.opened(name) as server, over_http(server) as url:
        asked = ("--suite", "all", "--spec-version", era, "--output-dir", str(results))
        ended = await node(SUITE, "server", "--url", url, *asked)
    checks = {
        re.sub(r"^server-|-\d{4}-\d\d-\d\dT.*$", "", folder.name): json.loads(
            (folder / "checks.json").read_text()
        )
        for folder in results.iterdir()
    }
    assert checks, ended.err
    assert not [one for one in checks if one not in {**APPLIES, **NOT_HERE}]
    for scenario, least in APPLIES.items():
        told = checks.get(scenario, [])
        failed = {one["id"]: one.get("errorMessage") for one in told if one["status"] == "FAILURE"}
        allowed = set(UNTESTABLE) | (set() if name == "orchestrator" else WITHOUT_PROMPTS)
        assert set(failed) <= allowed, (scenario, failed)
        passed = sum(one["status"] == "SUCCESS" for one in told)
        if scenario != "prompts-list" or name == "orchestrator":
            assert passed >= least[ERAS.index(era)], (scenario, told)


async def test_every_scenario_of_the_suite_has_been_judged() -> None:
    listed = (await node(SUITE, "list", "--server")).out
    scenarios = set(re.findall(r"^  - (\S+) \[", listed, re.MULTILINE))
    judged = {**APPLIES, **NOT_HERE}
    assert scenarios - set(judged) == {one for one in scenarios if EXTENSIONS.match(one)}
    assert set(judged) <= scenarios
    assert not set(APPLIES) & set(NOT_HERE)
