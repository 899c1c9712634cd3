"""Look up whether a call that was never answered happened: a read of the same server, and our key in its answer."""

from typing import NamedTuple

from pydantic import JsonValue

from activities.admission import Admitted
from activities.arguments import misfit
from activities.clock import Clock
from activities.freezes import Freezes, hold_if_frozen
from activities.outcomes import content_bytes, parsed
from activities.preparing import Preparation, Prepared, Refused, try_later
from activities.taints import Taints
from activities.toolbox import NotSent, OutcomeUnknown, ServerRefused, Toolbox
from contracts.pointers import value_at
from contracts.tools import Delivered, EffectClass, Lookup, ToolDefinition


class Seen(NamedTuple):
    """What a lookup has shown."""

    found: JsonValue = None
    """The one thing that carries our key."""
    unclear: str = ""
    """Why it cannot be told; empty when it can."""


class Lookups:
    """The part of the gate that finds out by reading. It sends no effect."""

    def __init__(
        self, toolbox: Toolbox, preparation: Preparation, taints: Taints, freezes: Freezes, clock: Clock
    ) -> None:
        self._toolbox, self._preparation = toolbox, preparation
        self._taints, self._freezes, self._clock = taints, freezes, clock

    async def look_up(self, prepared: Prepared, admitted: Admitted) -> Seen:
        """What the server knows of this call. Raises ApplicationError while it cannot be asked, Held."""
        lookup = prepared.definition.lookup
        assert lookup is not None
        try:
            tool = await self._reader(prepared.call.server, lookup, admitted)
            arguments = _arguments(prepared, lookup, tool)
        except Refused as refused:
            return Seen(unclear=str(refused))
        name = f"{tool.server}.{tool.name}"
        await self._taints.add(prepared.run, tool.taints, name, await self._clock.now())
        await admitted.to_send()
        await hold_if_frozen(self._freezes, prepared.start.start.automation, tool.server, tool.name)
        try:
            answer = await admitted.call(self._toolbox.call(tool, arguments, ""))
            return _seen(answer, lookup, prepared.action.key, name)
        except NotSent as not_sent:
            raise try_later(not_sent, f"{name} cannot be asked") from not_sent
        except OutcomeUnknown as unknown:
            raise try_later(NotSent(str(unknown)), f"{name} did not answer") from unknown
        except ServerRefused as refused:
            return Seen(unclear=f"{name} was refused: {refused}")

    async def _reader(self, server: str, lookup: Lookup, admitted: Admitted) -> ToolDefinition:
        tool = await self._preparation.definition(server, lookup.tool, admitted)
        if tool.effect_class is not EffectClass.READ:
            raise Refused(f"{server}.{lookup.tool} is to be looked up with, and is no read; correct the servers file")
        return tool


def _arguments(prepared: Prepared, lookup: Lookup, tool: ToolDefinition) -> dict[str, JsonValue]:
    """Raises Refused when they do not fit what the tool takes."""
    sent = prepared.action.arguments
    arguments = {name: sent[name] for name in lookup.same if name in sent}
    if lookup.key:
        arguments[lookup.key] = prepared.action.key
    if problem := misfit(arguments, tool.input_schema):
        raise Refused(f"{tool.server}.{tool.name} cannot be asked: {problem}")
    return arguments


def _seen(delivered: Delivered, lookup: Lookup, key: str, name: str) -> Seen:
    if delivered.unreadable:
        return Seen(unclear=f"the answer of {name} cannot be read")
    if delivered.is_error:
        return Seen() if lookup.none_is_error else Seen(unclear=f"{name} answered with an error")
    answer = parsed(content_bytes(delivered.content))
    listed = value_at(answer, lookup.items) if lookup.items else [answer]
    if not isinstance(listed, list):
        return Seen(unclear=f"the answer of {name} has no list at {lookup.items!r}")
    found = [each for each in listed if value_at(each, lookup.match) == key]
    if len(found) > 1:
        return Seen(unclear=f"{name} found it {len(found)} times")
    return Seen(found=found[0]) if found else Seen()
