"""A running summary of turns that are not shown any more, by a model the automation's page names. Off by default.

A summary is a turn of its own, kept as any other: it is paid for once, counts in the budget and is told to auditors.
It is made and read within one run, so what the run has read taints whatever comes of it.
"""

import json
from collections.abc import Awaitable, Callable, Sequence
from typing import NamedTuple

from pydantic import JsonValue

from activities.claude_port import ClaudeAnswer, ClaudeQuestion
from activities.clock import Clock
from activities.composing import OLDER, objects, text_block
from activities.context_files import Summary
from activities.conversations import Conversations, Delta, RunKey
from activities.prompt_files import PromptFiles
from contracts.budgets import Spender
from contracts.claude import StopReason, TurnOutcome, Usage

PROMPT = "context/summary"
TURNS_BYTES = 256 * 1024
"""Of the turns that are summarised at once; the middle of longer ones is left out."""
Ask = Callable[[ClaudeQuestion], Awaitable[ClaudeAnswer]]


class Kept(NamedTuple):
    """Where the summaries of a conversation are kept, and who is charged for them."""

    run: RunKey
    conversation: str
    spender: Spender

    @property
    def name(self) -> str:
        """Of the conversation that summaries are: its turns have the number of the first turn that is shown still."""
        return f"{self.conversation}/summary"


class Summaries:
    """Makes and keeps summaries."""

    def __init__(self, conversations: Conversations, prompts: PromptFiles, clock: Clock) -> None:
        self._conversations, self._prompts, self._clock = conversations, prompts, clock

    async def of(self, ask: Ask, kept: "Kept", deltas: Sequence[Delta], settings: Summary) -> tuple[str, Usage]:
        """The summary of what is not shown at the last of `deltas`, and what it has cost at just this turn.

        `deltas`: as they were read for that turn. Raises whatever `ask` and the prompt files raise.
        """
        delta = deltas[-1]
        made_here = delta.folded_before > deltas[-2].folded_before
        standing = await self._conversations.find(kept.run, kept.name, delta.folded_before)
        if standing is None or standing.outcome is None:
            if not settings.model:  # it was taken off the page meanwhile
                return "", Usage()
            standing = await self._make(ask, kept, deltas, settings)
        usage = standing.outcome.usage if made_here and standing.outcome is not None else Usage()
        return _text(standing.assistant or []), usage

    async def _make(self, ask: Ask, kept: "Kept", deltas: Sequence[Delta], settings: Summary) -> Delta:
        delta, since = deltas[-1], deltas[-2].folded_before
        earlier = await self._conversations.find(kept.run, kept.name, since) if since else None
        turns = [each for each in deltas[:-1] if since <= each.turn < delta.folded_before]
        variables = {"before": _text((earlier and earlier.assistant) or []) or "none", "turns": _written(turns)}
        prompt = self._prompts.fill(PROMPT, variables)
        asked = Delta(turn=delta.folded_before, user=[text_block(prompt.user)], asked_of=settings.model)
        standing = await self._conversations.ask(kept.run, kept.name, asked, await self._clock.now())
        question = ClaudeQuestion(
            model=settings.model,
            max_tokens=settings.max_tokens,
            system=prompt.system,
            messages=[{"role": "user", "content": standing.user}],
            conversation_id=kept.run.workflow_id,
        )
        answer = await ask(question)
        outcome = TurnOutcome(
            stop_reason=StopReason.ANSWERED,
            usage=answer.usage,
            model=answer.model[:100],
            request_id=answer.request_id[:100],
        )
        now = await self._clock.now()
        return await self._conversations.answer(
            kept.run, kept.name, delta.folded_before, answer.content, outcome, now, kept.spender
        )


def _text(blocks: list[JsonValue]) -> str:
    return "".join(str(block.get("text", "")) for block in objects(blocks) if block.get("type") == "text").strip()


def _written(turns: Sequence[Delta]) -> str:
    written = "\n".join(_turn(delta) for delta in turns)
    size = len(written)
    return written if size <= TURNS_BYTES else f"{written[: TURNS_BYTES // 2]}\n[...]\n{written[-TURNS_BYTES // 2 :]}"


def _turn(delta: Delta) -> str:
    heard = [_words(block) for block in objects(delta.user)]
    said = [_words(block) for block in objects(delta.assistant or [])]
    return "\n".join(line for line in (f"turn {delta.turn}", *heard, *said) if line)


def _words(block: dict[str, JsonValue]) -> str:
    match block.get("type"):
        case "text":
            return str(block.get("text", ""))
        case "tool_use":
            return f"asked for {block.get('name')} with {json.dumps(block.get('input'), ensure_ascii=False)}"
        case "tool_result":
            return f"was told: {block.get(OLDER) or block.get('content')}"
        case _:
            return ""
