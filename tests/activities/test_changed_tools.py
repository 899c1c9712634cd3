"""The gate and tools that are not what an operator accepted: whatever changed, nothing is called."""

import random

from pydantic import JsonValue

from contracts.tools import CallStatus, Delivered, ToolCall, ToolDefinition
from tests.activities.bench import ANYTHING_GOES, PRODUCTION, a_bench
from tests.authority import FixedAuthority
from tests.doubles import RecordingToolbox
from tests.workers.resources.made_up import KEYED, SEED, Raw, a_server, a_tool, defined, mutated

TOOLS, MUTATIONS_EACH = 50, 20


class Publishing(RecordingToolbox):
    """Servers that publish what a test has them publish, and do whatever they are asked."""

    def __init__(self) -> None:
        super().__init__({})
        self.published: tuple[ToolDefinition, ...] = ()

    async def definitions(self, server: str) -> tuple[ToolDefinition, ...]:
        """What is published by now."""
        return self.published

    async def call(self, tool: ToolDefinition, arguments: dict[str, JsonValue], key: str) -> Delivered:
        """Record the call."""
        self.called.append(f"{tool.server}.{tool.name}")
        return Delivered(content={})


def made_of(raw: Raw, server: str = "pay") -> ToolDefinition:
    """The definition of a tool as it stands on the wire."""
    found = defined(raw, a_server(server, tools={raw["name"]: KEYED}))
    assert found is not None
    return found


def asked(definition: ToolDefinition, occurrence: int) -> ToolCall:
    """A call that fits the tool as it was accepted."""
    return ToolCall(
        server=definition.server, tool=definition.name, arguments={"cents": 1}, step="act", occurrence=str(occurrence)
    )


async def test_a_tool_changed_in_any_published_field_is_refused_and_never_called() -> None:
    toolbox, authority, draw = Publishing(), accepting(), random.Random(SEED)
    async with a_bench(toolbox, deployment=PRODUCTION, authority=authority) as bench:
        for _ in range(TOOLS):
            raw = a_tool(draw)
            accepted = made_of(raw)
            authority.accept(accepted)
            toolbox.published, toolbox.called = (accepted,), []
            assert (await bench.call(asked(accepted, draw.getrandbits(60)))).status is CallStatus.DONE
            for _ in range(MUTATIONS_EACH):
                place, changed = mutated(draw, raw)
                toolbox.published = (made_of(changed),)
                for name in {accepted.name, toolbox.published[0].name}:
                    call = asked(accepted.model_copy(update={"name": name}), draw.getrandbits(60))
                    assert (await bench.call(call)).status is CallStatus.REFUSED, place
            assert len(toolbox.called) == 1


async def test_an_accepted_name_on_another_server_is_not_accepted() -> None:
    toolbox, authority = Publishing(), accepting()
    raw = a_tool(random.Random(SEED))
    authority.accept(made_of(raw))
    async with a_bench(toolbox, deployment=PRODUCTION, authority=authority) as bench:
        shadow = made_of(raw, "bank")
        toolbox.published = (shadow,)
        outcome = await bench.call(asked(shadow, 1))
    assert (outcome.status, toolbox.called) == (CallStatus.REFUSED, [])
    assert outcome.message.startswith(f"bank.{shadow.name} was never accepted")


def accepting() -> FixedAuthority:
    """Permits everything that was accepted, and accepts nothing by itself."""
    return FixedAuthority(ANYTHING_GOES, accepts_at_first_contact=False)
