"""Who may approve. Owns: the allow-list, and the salted ids under which approvers are on record.

The list is `config/approvers.json`; Slack ids that it leaves open come from the environment, in
order, and further ones there are approvers too. Who is named keeps their id, however they click.
Refuses: a person listed twice. Nobody on the list means that nobody can approve, and then nothing
is sent.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from guardrails.config.models import Approvers
from guardrails.errors import ConfigError
from guardrails.identity import person_id

Role = Literal["approver", "escalation"]


@dataclass(frozen=True)
class Approver:
    """A person who may approve.

    Args:
        id: salted; stands in audit, permits and bank.
        role: `escalation` is asked when the others are late; may approve like them.
    """

    id: str
    name: str
    slack_user_id: str | None
    role: Role


class ApproverList:
    """The allow-list, as this process was started with it."""

    def __init__(self, approvers: Iterable[Approver]) -> None:
        self._all = tuple(approvers)
        _refuse_twice("Slack user id", [a.slack_user_id for a in self._all if a.slack_user_id])
        _refuse_twice("name", [a.name.casefold() for a in self._all])

    @classmethod
    def of(cls, config: Approvers, slack_ids: Sequence[str], salt: bytes) -> ApproverList:
        """The configured people, with the environment's Slack ids.

        Args:
            slack_ids: those that the configuration names already change nothing.

        Raises:
            ConfigError: a name or an id is there twice.
        """
        named = {entry.slack_user_id for entry in config.approvers}
        spare = [found for found in dict.fromkeys(slack_ids) if found not in named]
        people = []
        for entry in config.approvers:
            slack = entry.slack_user_id or (spare.pop(0) if spare else None)
            people.append(_approver(entry.name, slack, entry.role, salt))
        people += [_approver(slack, slack, "approver", salt) for slack in spare]
        return cls(people)

    def all(self) -> tuple[Approver, ...]:
        """Everybody on the list."""
        return self._all

    def by_slack(self, user_id: str) -> Approver | None:
        """Who has this Slack user id."""
        return next((a for a in self._all if a.slack_user_id == user_id), None)

    def by_name(self, name: str) -> Approver | None:
        """Who has this name, in any letter case."""
        wanted = name.strip().casefold()
        return next((a for a in self._all if a.name.casefold() == wanted), None)

    def by_id(self, approver_id: str) -> Approver | None:
        """Who stands on record under this salted id."""
        return next((a for a in self._all if a.id == approver_id), None)


def slack_ids(text: str | None) -> tuple[str, ...]:
    """The ids in SLACK_APPROVER_IDS: separated by commas or spaces."""
    return tuple((text or "").replace(",", " ").split())


def _approver(name: str, slack: str | None, role: Role, salt: bytes) -> Approver:
    return Approver(person_id(salt, name), name, slack, role)


def _refuse_twice(what: str, values: Sequence[str]) -> None:
    twice = sorted({value for value in values if values.count(value) > 1})
    if twice:
        raise ConfigError(
            f"approvers: the same {what} twice: {', '.join(twice)}",
            remedy="Correct config/approvers.json or SLACK_APPROVER_IDS.",
        )
