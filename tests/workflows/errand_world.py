"""The world of errand stories: a customer's orders to look up, a note that may be taken, a mail that must be signed."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from pydantic import JsonValue
from temporalio.testing import WorkflowEnvironment

from activities.context_files import ContextFiles
from activities.freezes import Freezes
from contracts.roster import Roster
from contracts.tools import EffectClass
from tests.authority import NOBODY
from tests.doubles import RecordingToolbox, ScriptedClaude, asks_for, says
from tests.story import Story, StoryRun, a_story

Call = tuple[str, dict[str, JsonValue]]

FIND: Call = ("orders.find_order", {"order_id": "A-17"})
READ: Call = ("crm.read_complaint", {"order_id": "A-17"})
NOTE: Call = ("crm.add_note", {"text": "called back"})
MAIL: Call = ("mail.send_mail", {"to": "dana@example.com", "body": "It is on its way."})
OTHER_MAIL: Call = ("mail.send_mail", {"to": "erik@example.com", "body": "It is not."})
DONE = says("It is done.")

CLASSES = {
    "crm.add_note": EffectClass.KEYED,
    "mail.send_mail": EffectClass.KEYED,
    "payments.issue_credit": EffectClass.KEYED,
}


def tools(**answers: Any) -> RecordingToolbox:
    """Tools that all work; `answers` replaces some (`mail__send_mail=...`)."""
    usual: dict[str, Any] = {
        "orders.find_order": {"order_id": "A-17", "status": "delivered"},
        "crm.read_complaint": {"text": "where is it?"},
        "crm.add_note": {"noted": True},
        "mail.send_mail": {"sent": True},
        "payments.issue_credit": {"credit_id": "cr-1"},
    }
    replaced = {name.replace("__", "."): answer for name, answer in answers.items()}
    return RecordingToolbox(usual | replaced, classes=CLASSES)


@dataclass
class Errand:
    """An errand under way, and the world around it."""

    run: StoryRun
    story: Story
    claude: ScriptedClaude
    toolbox: RecordingToolbox

    def told(self, question: int = -1) -> list[tuple[str, bool]]:
        """What Claude was told of its calls in a question: text, and whether it is an error."""
        content = self.claude.questions[question].messages[-1]["content"]
        assert isinstance(content, list)
        results = [block for block in content if isinstance(block, dict) and block.get("type") == "tool_result"]
        return [(str(block["content"]), bool(block["is_error"])) for block in results]


@asynccontextmanager
async def an_errand(
    temporal: WorkflowEnvironment,
    *script: Any,
    toolbox: RecordingToolbox | None = None,
    claude: ScriptedClaude | None = None,
    servers: tuple[str, ...] = ("orders", "crm", "mail"),
    turns: int = 12,
    cached_runs: int = 1000,
    freezes: Freezes | None = None,
    contexts: ContextFiles | None = None,
    roster: Roster = NOBODY,
) -> AsyncIterator[Errand]:
    """A story of one errand: Claude answers from the script, in which a tuple of calls stands for asking for them."""
    toolbox = toolbox or tools()
    claude = claude or ScriptedClaude([asks_for(*said) if isinstance(said, tuple) else said for said in script])
    around: dict[str, Any] = {"cached_runs": cached_runs, "freezes": freezes, "contexts": contexts, "roster": roster}
    async with a_story(temporal, claude, toolbox, **around) as story:
        run = await story.start("errand", goal="Answer Dana about order A-17.", servers=servers, turns=turns)
        yield Errand(run, story, claude, toolbox)
