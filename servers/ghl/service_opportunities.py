"""A contact's opportunity in a pipeline. Owns: find-or-create, and resolving names to ids.

GHL allows one opportunity per contact and pipeline and says so late: it is looked for before, and
the refusal of a second one names the first. Refuses a stage of another pipeline, and to change an
opportunity of another contact.
"""

from __future__ import annotations

from guardrails.errors import BadInput
from servers.ghl.contract_form import WriteResult
from servers.ghl.contract_reads import FindOpportunity, OpportunityPlace, Pipeline, Pipelines
from servers.ghl.contract_writes import PutOpportunity
from servers.ghl.crm import CrmRecords, Opportunity
from servers.ghl.service_writes import Steps, Writer


class OpportunityTools:
    """The tools around opportunities."""

    def __init__(self, crm: CrmRecords, writer: Writer) -> None:
        self._crm = crm
        self._writer = writer

    async def list_pipelines(self, _args: object) -> Pipelines:
        """All pipelines."""
        return Pipelines(pipelines=await self._crm.pipelines())

    async def find_opportunity(self, args: FindOpportunity) -> OpportunityPlace:
        """The place by its names, and what the contact has in that pipeline."""
        pipeline = _named("pipeline", args.pipeline, await self._crm.pipelines())
        stages = [stage.name for stage in pipeline.stages]
        at = _index("stage", args.stage, stages)
        place = OpportunityPlace(
            pipeline_id=pipeline.id, stage_id=pipeline.stages[at].id, opportunity_id=None
        )
        found = await self._crm.opportunities(args.contact_id, pipeline.id)
        if not found:
            return place
        # The open one, if several were made while duplicates were allowed.
        held = sorted(found, key=lambda one: one.status != "open")[0]
        now = next((i for i, s in enumerate(pipeline.stages) if s.id == held.stage_id), None)
        return place.model_copy(
            update={
                "opportunity_id": held.id,
                "status": held.status,
                "stage": None if now is None else stages[now],
                "further": held.status != "open" or now is None or now > at,
            }
        )

    async def create_or_update(self, args: PutOpportunity) -> WriteResult:
        """Create it, unless the contact has one there; or update the one that is named."""
        if args.opportunity_id is None:
            return await self._create(args)
        return await self._update(args, args.opportunity_id)

    async def _create(self, args: PutOpportunity) -> WriteResult:
        async def shown() -> str | None:
            found = await self._crm.opportunities(args.contact_id, args.pipeline_id)
            return found[0].id if found else None

        async def before() -> str | None:
            await self._require_place(args)
            return await shown()

        return await self._writer.do(args, Steps(before, shown))

    async def _update(self, args: PutOpportunity, opportunity_id: str) -> WriteResult:
        async def shown() -> str | None:
            held = await self._crm.opportunity(opportunity_id)
            return held.id if _is_so(args, held) else None

        async def before() -> str | None:
            await self._require_place(args)
            held = await self._crm.opportunity(opportunity_id)
            if held.contact_id != args.contact_id:
                raise BadInput(
                    "that opportunity belongs to another contact",
                    remedy="find_opportunity answers the contact's own.",
                )
            return held.id if _is_so(args, held) else None

        return await self._writer.do(args, Steps(before, shown, ref=opportunity_id))

    async def _require_place(self, args: PutOpportunity) -> None:
        pipelines = await self._crm.pipelines()
        pipeline = next((one for one in pipelines if one.id == args.pipeline_id), None)
        if pipeline is None:
            raise BadInput("no such pipeline", remedy="list_pipelines names them all.")
        if all(stage.id != args.stage_id for stage in pipeline.stages):
            stages = ", ".join(stage.name for stage in pipeline.stages)
            raise BadInput(
                "that stage is not one of the pipeline's", remedy=f"Its stages: {stages}."
            )


def _is_so(args: PutOpportunity, held: Opportunity) -> bool:
    place = (held.pipeline_id, held.stage_id, held.name, held.status)
    wanted = (args.pipeline_id, args.stage_id, args.name, args.status)
    return place == wanted and args.value in (None, held.value)


def _named(what: str, name: str, pipelines: tuple[Pipeline, ...]) -> Pipeline:
    return pipelines[_index(what, name, [one.name for one in pipelines])]


def _index(what: str, name: str, names: list[str]) -> int:
    """Where `name` stands, in any letter case; it has to stand there once."""
    folded = [" ".join(one.split()).casefold() for one in names]
    wanted = " ".join(name.split()).casefold()
    if folded.count(wanted) != 1:
        why = "several have this name" if wanted in folded else "there is none of this name"
        raise BadInput(f"{what}: {why}", remedy=f"In the CRM: {', '.join(names) or 'none'}.")
    return folded.index(wanted)
