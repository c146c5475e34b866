"""The templates, compiled once. Owns: loading, their hashes, and the order in which they apply.

Templates are Jinja2 in its sandbox with undefined names as errors; they are read only from
config/templates/ and get functions and wording, never a lead. Refuses an entry whose file is
missing, does not compile, or claims a fact that its `needs` do not name.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import FileSystemLoader, StrictUndefined, Template, TemplateError, nodes
from jinja2.meta import find_referenced_templates
from jinja2.sandbox import ImmutableSandboxedEnvironment

from guardrails.config.models import TemplateEntry, Templates
from guardrails.errors import ConfigError
from guardrails.model import Scope
from servers.crafter.ledger import KINDS

ANY = "*"


@dataclass(frozen=True, slots=True)
class CompiledTemplate:
    """One entry of config/templates.json, ready to render."""

    entry: TemplateEntry
    template: Template
    template_hash: str

    def fits(self, scope: Scope) -> bool:
        """Whether this template is meant for the scope, its angle aside."""
        entry = self.entry
        return (
            entry.channel == scope.channel
            and entry.step == scope.step
            and (ANY in entry.segments or scope.segment in entry.segments)
            and (ANY in entry.personas or scope.persona in entry.personas)
        )

    def render(self, context: Mapping[str, Any]) -> tuple[str, str]:
        """Subject and body.

        Raises:
            ClaimRefused: the ledger refused a claim.
            TemplateError: the template uses something that does not exist.
        """
        subject, _, body = self.template.render(context).partition("\n")
        return subject.removeprefix("Subject:").strip(), body.strip()


class Catalog:
    """All templates in the order in which they are tried."""

    def __init__(self, templates: Templates, directory: Path) -> None:
        self._environment = ImmutableSandboxedEnvironment(
            loader=FileSystemLoader(directory),
            undefined=StrictUndefined,
            autoescape=False,
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,
        )
        entries = sorted(templates.templates, key=lambda entry: (entry.priority, entry.id))
        self.templates = tuple(self._compile(entry, directory) for entry in entries)

    def fitting(self, scope: Scope, lead_id: str) -> tuple[CompiledTemplate, ...]:
        """Templates for a scope, best first; equals are ordered by the lead, so they vary."""
        fitting = [template for template in self.templates if template.fits(scope)]
        fitting.sort(key=lambda one: (one.entry.priority, _draw(lead_id, one.entry.id)))
        return tuple(fitting)

    def _compile(self, entry: TemplateEntry, directory: Path) -> CompiledTemplate:
        where = directory / entry.file
        try:
            source = "".join(self._sources(entry.file))
            claimed = set(_claimed(self._environment.parse(source)))
            template = self._environment.get_template(entry.file)
        except TemplateError as error:
            raise ConfigError(f"{where}: {error}") from error
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"{where}: cannot be read") from error
        if unknown := {*claimed, *entry.needs} - set(KINDS):
            raise ConfigError(f"{where}: {', '.join(sorted(unknown))} cannot be claimed")
        if not claimed <= set(entry.needs):
            missing = ", ".join(sorted(claimed - set(entry.needs)))
            raise ConfigError(f"{where}: claims {missing}, which its needs do not name")
        digest = hashlib.sha256(source.encode()).hexdigest()[:16]
        return CompiledTemplate(entry, template, digest)

    def _sources(self, name: str, seen: frozenset[str] = frozenset()) -> Iterator[str]:
        """The template's source and that of everything it includes."""
        assert self._environment.loader is not None
        source, _, _ = self._environment.loader.get_source(self._environment, name)
        yield source
        for other in find_referenced_templates(self._environment.parse(source)):
            if other is None:
                raise ConfigError(f"{name}: includes must name a file")
            if other not in seen:
                yield from self._sources(other, seen | {name, other})


def _claimed(tree: nodes.Template) -> Iterator[str]:
    for call in tree.find_all(nodes.Call):
        if isinstance(call.node, nodes.Name) and call.node.name in ("claim", "state"):
            first = call.args[0] if call.args else None
            if not isinstance(first, nodes.Const):
                raise ConfigError(f"line {call.lineno}: a claim names its fact literally")
            yield str(first.value)


def _draw(lead_id: str, name: str) -> bytes:
    return hashlib.sha256(f"{lead_id}\0{name}".encode()).digest()


def pick(lead_id: str, name: str, count: int) -> int:
    """A number below `count`, always the same for this lead and name."""
    return int.from_bytes(_draw(lead_id, name)[:4]) % count
