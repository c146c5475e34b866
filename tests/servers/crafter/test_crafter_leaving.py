"""The unsubscribe link below an e-mail: the recipient's own, if the policy allows it, else none."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from guardrails.errors import ConfigError
from guardrails.hive import Hive
from guardrails.policy.case import CompiledPolicy
from guardrails.policy.inputs import PolicyDocument
from guardrails.unsubscribe import leaver
from servers.crafter.compose import compose
from servers.crafter.leaving import leaving_link
from servers.crafter.settings import SANDBOX_SENDER, CrafterSettings

ALLOWED = "https://hooks.chiefaiofficer.example"


def with_link(writer: Any, hive: Hive, url: str | None) -> Any:
    settings = CrafterSettings(hive=hive.path, sandbox=True, gateway_public_url=url)
    service = compose(
        writer.config,
        SANDBOX_SENDER,
        lambda: writer.now,
        sandbox=True,
        leaving=lambda policy: leaving_link(url, settings, policy),
    )
    return type(writer)(service, writer.config)


@pytest.mark.parametrize("url", [ALLOWED, f"{ALLOWED}/"])
def test_an_e_mail_ends_with_the_recipients_own_link_and_is_else_the_same(
    writer: Any, hive: Hive, url: str
) -> None:
    plain, linked = writer.write().draft, with_link(writer, hive, url).write().draft
    body, line = linked.body.rsplit("\n", 1)
    assert body == plain.body
    assert (linked.template_hash, linked.features) == (plain.template_hash, plain.features)
    assert line == f"Or unsubscribe here: {linked.links[0]}"
    base, token = linked.links[0].rsplit("/", 1)
    assert base == f"{ALLOWED}/unsubscribe"
    assert leaver(hive.salt(), token).lead_id == writer.lead().lead_id


def test_the_link_is_never_from_a_leads_text(writer: Any, hive: Hive) -> None:
    lead = writer.lead(
        first_name="https://evil.example/unsubscribe/x", company="hooks.evil.example"
    )
    draft = with_link(writer, hive, ALLOWED).write(lead).draft
    if draft is not None:
        assert all(link.startswith(f"{ALLOWED}/unsubscribe/") for link in draft.links)
        assert "evil.example/" not in draft.body


def test_without_an_address_of_the_gateway_there_is_none(writer: Any, hive: Hive) -> None:
    draft = with_link(writer, hive, None).write().draft
    assert draft.links == ()
    assert draft == writer.write().draft


def test_a_host_that_the_policy_does_not_allow_leaves_it_out_and_says_so(
    writer: Any, hive: Hive
) -> None:
    with capture_logs() as logs:
        elsewhere = with_link(writer, hive, "https://hooks.firm.example")
    assert [entry["event"] for entry in logs] == ["unsubscribe_link_left_out"]
    assert elsewhere.write().draft.links == ()


@pytest.mark.parametrize(
    "url",
    ["hooks.firm.example/x?y", "javascript:x", "https://a@hooks.firm.example", "https://", "x y"],
)
def test_what_cannot_stand_in_an_e_mail_stops_the_start(
    writer: Any, tmp_path: Path, url: str
) -> None:
    policy = CompiledPolicy(PolicyDocument.of(writer.config))
    settings = CrafterSettings(hive=tmp_path, sandbox=False)
    with pytest.raises(ConfigError, match="GATEWAY_PUBLIC_URL"):
        leaving_link(url, settings, policy)
    with pytest.raises(ConfigError, match="GATEWAY_PUBLIC_URL"):
        leaving_link("http://hooks.chiefaiofficer.example", settings, policy)
