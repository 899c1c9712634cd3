"""Approved plans: whoever signs a call that lists further calls has signed each of these, once and as it stands there.

Which tools take such a list is the operator's word (`plan` in the servers file). A listed call is named by server,
tool and arguments, as people read them, and by its action digest, which holds its key: it can be made once.
"""

from collections.abc import Iterator

from pydantic import JsonValue, ValidationError

from activities.conversations import ContentErased, Contents
from activities.ledger import Ledger, LedgerState
from activities.preparing import Prepared
from activities.toolbox import Toolbox, UnknownServer
from contracts.tools import Action

CARRIED_OUT = (LedgerState.DONE, LedgerState.ADOPTED)


class Plans:
    """Which approval a call rests on: its own, or that of the plan it belongs to."""

    def __init__(self, toolbox: Toolbox, contents: Contents, ledger: Ledger) -> None:
        self._toolbox, self._contents, self._ledger = toolbox, contents, ledger

    async def approved_as(self, prepared: Prepared) -> str:
        """The action that decisions on this call must be about: the call itself, or the plan that lists it.

        A plan counts once this run has carried it out, so that it was ruled on, approved and sent as a call of its own.
        """
        named = prepared.call.evidence[0].action_digest
        if named == prepared.action_digest:
            return named
        plan = await self._stored(named)
        if plan is None or not await self._carried_out(plan, named):
            return prepared.action_digest
        listed = any(_is(each, prepared) for each in self._listed(plan))
        return named if listed else prepared.action_digest

    async def _stored(self, address: str) -> Action | None:
        """The action of that digest; the store answers with nothing that another digest names."""
        try:
            return Action.model_validate_json(await self._contents.get(address) or b"")
        except (ValidationError, ContentErased):
            return None

    async def _carried_out(self, plan: Action, named: str) -> bool:
        entry = await self._ledger.find(plan.key)
        return entry is not None and entry.action_digest == named and entry.state in CARRIED_OUT

    def _listed(self, plan: Action) -> Iterator[dict[str, JsonValue]]:
        try:
            argument = self._toolbox.rules(plan.server).plans.get(plan.tool, "")
        except UnknownServer:
            return
        listed = plan.arguments.get(argument)
        yield from (each for each in listed if isinstance(each, dict)) if isinstance(listed, list) else ()


def _is(listed: dict[str, JsonValue], prepared: Prepared) -> bool:
    """What people read and what is bound must both be this call: words over another digest approve nothing."""
    action = prepared.action
    read = (listed.get("tool"), listed.get("arguments"), listed.get("action"))
    return read == (f"{action.server}.{action.tool}", action.arguments, prepared.action_digest)
