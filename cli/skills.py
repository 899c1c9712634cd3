"""The desk behind `interlock mcp serve`: which tools a caller is offered, and who carries each of them out."""

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final

from pydantic import JsonValue

from cli.exits import CommandFailed, WrongInput
from cli.failures import explained_rpc
from cli.inputs import Fields, checked
from cli.keys import SigningKey
from cli.server import Server
from cli.skill_callers import Allowed, Callers
from cli.skill_requests import Approving, Pending, SkilledRequests
from cli.skill_runs import Cancel, RunNamed, SkilledRuns, Wait
from contracts.deployment import Deployment, Mode
from contracts.escaping import plain
from contracts.model import Model
from contracts.skills import ApprovalAnswer, Caller, PendingApprovals, RunHandle, Skill
from workers.resources.skills.desk import Interrupted, NotDone, Talk, UnknownSkill
from workers.resources.skills_file import Skills
from workflows.catalog import Catalog, CatalogEntry

_STARTS: Final = (
    "Starts a run, or attaches to the one that was started for the same business case before ({case}), "
    "and answers with its handle at once."
)
_WAITS: Final = (
    "Waits, for a bounded time, until a run has ended or waits for people, and reports its states meanwhile."
)
_LONGEST_PROBLEM: Final = 2_000

logger = logging.getLogger(__name__)

CarriedOut = Callable[[Any, Allowed, Talk], Awaitable[Model]]


@dataclass(frozen=True)
class Tool:
    """One of the tools beside the automations."""

    name: str
    description: str
    takes: type[Model]
    answers: type[Model]
    carried_out: CarriedOut
    reads: bool = False
    deciding: bool = False
    """It is for those who decide."""

    def skill(self) -> Skill:
        """As callers see it."""
        return Skill(
            name=self.name,
            description=self.description,
            takes=_taken(self.takes),
            answers=_answered(self.answers),
            reads=self.reads,
        )


class SkillDesk:
    """The port `workers.resources.skills.desk.Desk`, over a connected Temporal server."""

    def __init__(self, server: Server, catalog: Catalog, skills: Skills | None, key: SigningKey | None) -> None:
        """`key` is a service's, which signs starts; None in development. Raises WrongInput."""
        self._callers, self._catalog = Callers(server, catalog, skills), catalog
        self._key = key
        self._runs, self._requests = SkilledRuns(server, catalog, self._key_for), SkilledRequests(server)
        self._tools = {tool.name: tool for tool in self._beside()}
        if taken := self._tools.keys() & {entry.name for entry in catalog.entries()}:
            raise WrongInput(f"the automation {min(taken)!r} has the name of a tool that every client has; rename it")

    async def skills(self, caller: Caller) -> tuple[Skill, ...]:
        """The automations they may start, and the tools beside them."""
        try:
            allowed = await self._callers.allowed(caller)
        except Exception as failure:
            raise _not_done(failure) from failure
        starts = (_started_by(self._catalog.find(name)) for name in allowed.starts)
        return (*starts, *(tool.skill() for tool in self._tools.values() if _offered(tool, allowed)))

    async def call(self, caller: Caller, skill: str, arguments: dict[str, JsonValue], talk: Talk) -> Model:
        """Carry one out, for a caller to whom it is offered."""
        try:
            return await self._carried_out(await self._callers.allowed(caller), skill, arguments, talk)
        except (UnknownSkill, Interrupted):
            raise
        except Exception as failure:
            raise _not_done(failure) from failure

    async def _carried_out(self, allowed: Allowed, skill: str, arguments: Fields, talk: Talk) -> Model:
        if skill in allowed.starts:
            return await self._runs.start(self._catalog.find(skill), arguments, allowed)
        tool = self._tools.get(skill)
        if tool is None or not _offered(tool, allowed):
            raise UnknownSkill(skill)
        return await tool.carried_out(checked(tool.name, tool.takes, arguments), allowed, talk)

    def _key_for(self, deployment: Deployment, requester: str) -> SigningKey | None:
        """The service's key, whoever asks: never one of theirs. Raises WrongInput where production has none."""
        if self._key is None and deployment.mode is not Mode.DEVELOPMENT:
            raise WrongInput("starts must be signed here; serve with --service NAME, whose key is on this machine")
        return self._key

    def _beside(self) -> tuple[Tool, ...]:
        runs, requests = self._runs, self._requests
        return (
            Tool(
                "run_status",
                "Tells where a run stands, what it waits for, or how it ended, with its answer.",
                RunNamed,
                RunHandle,
                lambda named, allowed, _: runs.status(named, allowed),
                reads=True,
            ),
            Tool(
                "wait_for_run",
                _WAITS,
                Wait,
                RunHandle,
                runs.wait,
                reads=True,
            ),
            Tool(
                "cancel_run",
                "Asks a run to stop; it undoes what it did, and ends as cancelled.",
                Cancel,
                RunHandle,
                lambda wanted, allowed, _: runs.cancel(wanted, allowed),
            ),
            Tool(
                "pending_approvals",
                "Lists what waits for a decision of the caller's, each with the command by which they read it.",
                Pending,
                PendingApprovals,
                lambda wanted, allowed, _: requests.pending(wanted, allowed),
                reads=True,
                deciding=True,
            ),
            Tool(
                "approve",
                "Hands over a statement that a person has signed with their own key. It takes no verdict: without a "
                "statement it decides nothing, and answers with the command that the person must run.",
                Approving,
                ApprovalAnswer,
                lambda wanted, allowed, _: requests.approve(wanted, allowed),
                deciding=True,
            ),
        )


def _offered(tool: Tool, allowed: Allowed) -> bool:
    return allowed.decides if tool.deciding else allowed.somebody


def _started_by(entry: CatalogEntry) -> Skill:
    case = ", ".join(getattr(entry.request, "business_key", ())) or "all fields"
    return Skill(
        name=entry.name,
        description=f"{entry.description} {_STARTS.format(case=case)}",
        takes=_taken(entry.request),
        answers=_answered(RunHandle),
        reads=False,
    )


def _taken(model: type[Model]) -> dict[str, JsonValue]:
    schema: dict[str, JsonValue] = model.model_json_schema()
    return schema


def _answered(model: type[Model]) -> dict[str, JsonValue]:
    schema: dict[str, JsonValue] = model.model_json_schema(mode="serialization")
    return schema


def _not_done(failure: Exception) -> NotDone:
    """What a command would say, on one line; of what nobody foresaw a caller learns nothing, and the log everything."""
    from temporalio.service import RPCError

    known = explained_rpc(failure) if isinstance(failure, RPCError) else failure
    if not isinstance(known, CommandFailed):
        logger.error("skill_failed", exc_info=failure)
        return NotDone("something unforeseen stood in the way; whoever runs this deployment finds it in the log")
    return NotDone(plain(" ".join(str(known).split()), _LONGEST_PROBLEM))
