"""What a vendor answered. Owns: reading a body as JSON, and the errors when it is not.

The body is outside text: data for an adapter to validate, shown in no repr and no log.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, TypeVar

import orjson
from pydantic import BaseModel, ValidationError

from guardrails.errors import VendorSchemaDrift, VendorUnavailable
from servers.common.http_drift import Drift, Note, at, beside, fields_of, problem_of, renamed

M = TypeVar("M", bound=BaseModel)
_TOLD = 3  # deviations noted of one answer: the rest has the same cause


@dataclass(frozen=True)
class Answer:
    """A vendor's 2xx answer. `body` is outside text; it never shows in a repr or a log.

    Args:
        renamed: field as the vendor calls it now, to the name we know.
        note: is told of every deviation from the documented form.
    """

    vendor: str
    operation: str
    status: int
    content_type: str
    body: bytes = field(repr=False)
    parsed: Any = field(default=None, repr=False)
    renamed: Mapping[str, str] = field(default_factory=dict, repr=False)
    note: Note | None = field(default=None, repr=False, compare=False)

    def json(self) -> Any:
        """The body as JSON, its fields by the names we know; None for an empty one.

        Raises:
            VendorUnavailable: cut off or not JSON; the same read may succeed later.
        """
        return self._known if self.renamed else self._read()

    def document(self) -> dict[str, Any]:
        """The body as a JSON object.

        Raises:
            VendorSchemaDrift: JSON of another kind.
            VendorUnavailable: not JSON.
        """
        value = self.json()
        if isinstance(value, dict):
            return value
        raise self.drift("the answer is not a JSON object")

    def parsed_as(self, model: type[M], value: Any, within: str = "") -> M:
        """`value`, a part of the answer, as `model`. `within` names the field it stood in.

        Raises:
            VendorSchemaDrift: names the fields at fault and never their values.
        """
        try:
            return model.model_validate(value)
        except ValidationError as error:
            problems = error.errors(include_url=False, include_input=False, include_context=False)
            places = [tuple(one["loc"]) for one in problems]
            kinds = [one["type"] for one in problems]
            for place, kind in list(zip(places, kinds, strict=True))[:_TOLD]:
                self._note(within, place, kind, value, model)
            shown = ", ".join(
                f"{'.'.join(map(str, place)) or 'the item'} ({kind})"
                for place, kind in zip(places, kinds, strict=True)
            )
            raise self._drifted(f"not the documented form: {shown}") from None

    def drift(self, what: str, missing: str | None = None) -> VendorSchemaDrift:
        """The error for an answer that parsed but is not what the vendor documents.

        Args:
            missing: the field at the top of the answer that is absent or of another type.
        """
        document = self._parsed_or_none()
        name = missing or what.rpartition(" ")[2]
        if missing or what.startswith("no list of "):
            kind = "list_type" if at(document, (name,)) is not None else "missing"
            self._tell(Drift(self.operation, self.status, "", name, kind, beside(document, name)))
        elif self.note is not None:
            self._tell(Drift(self.operation, self.status, "", "the answer", what, ()))
        return self._drifted(what)

    def _note(
        self, within: str, place: tuple[str | int, ...], kind: str, value: Any, model: type[M]
    ) -> None:
        if self.note is None:
            return
        if not place:  # the part as a whole: what was looked for stands in the document
            field, where, seen = within or "the item", "", beside(self.json(), within)
            kind = "missing" if value is None else kind
        else:
            *parent, last = place
            field = str(last)
            steps = ["#" if isinstance(step, int) else step for step in parent]
            where = ".".join([within, *steps] if within else steps)
            known = () if parent else fields_of(model)
            seen = beside(at(value, parent), field, known)
        self._tell(Drift(self.operation, self.status, where, field, problem_of(kind), seen))

    def _tell(self, drift: Drift) -> None:
        if self.note is not None:
            self.note(drift)

    def _parsed_or_none(self) -> Any:
        try:
            return self.json()
        except VendorUnavailable:
            return None  # another format, such as a feed

    def _drifted(self, what: str) -> VendorSchemaDrift:
        return VendorSchemaDrift(
            f"{self.vendor} {self.operation}: {what}",
            vendor=self.vendor,
            operation=self.operation,
            status=self.status,
        )

    @cached_property
    def _known(self) -> Any:
        return renamed(self._read(), self.renamed)

    def _read(self) -> Any:
        if self.parsed is not None or not self.body:
            return self.parsed
        try:
            return orjson.loads(self.body)
        except orjson.JSONDecodeError as error:
            raise VendorUnavailable(
                f"{self.vendor} {self.operation}: the answer is not JSON "
                f"({len(self.body)} bytes, {self.content_type or 'no content type'})",
                vendor=self.vendor,
                operation=self.operation,
                status=self.status,
            ) from error
