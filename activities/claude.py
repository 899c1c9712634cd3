"""One turn with Claude: compose what it sees from the store, ask, keep the answer, report its shape.

An answer that is in the store is never paid for again: a retried turn returns it. What Claude sees is composed from
deltas up to this turn, so that a retry sees exactly the same prefix.
"""

from dataclasses import dataclass
from datetime import timedelta

from pydantic import JsonValue
from temporalio import activity
from temporalio.exceptions import ApplicationError

from activities.arguments import misfit
from activities.authority import NothingInForce
from activities.budgets import Budgeting, Standing
from activities.claude_port import Claude, ClaudeAnswer, ClaudeQuestion, ClaudeRejected, ClaudeUnavailable
from activities.clock import Clock
from activities.composing import composed, objects
from activities.context_files import ContextFiles, ContextSettings
from activities.conversations import ContentErased, Contents, Conversations, Delta, RunKey
from activities.folding import Folded
from activities.heartbeat import heartbeating
from activities.identity import CurrentRun
from activities.inbox import StartRecord, Starts
from activities.offers import OfferedTool, as_claude_tools, offer_from, proposed
from activities.prompt_files import Prompt, PromptBroken, PromptFiles, PromptSettings
from activities.remembered import Remembered
from activities.results.requests import READ_RESULT_NAME
from activities.summaries import Kept, Summaries
from activities.turns import Turns, closing
from contracts.budgets import BUDGET_SPENT, OUTER_BUDGET_SPENT, Spender
from contracts.canonical import parse_json
from contracts.claude import ProposedCall, StopReason, TurnOutcome, TurnRequest, Usage

MAX_ADVICE_BYTES = 8192
REMEMBERED = 200
"""Offers and system prompts, by address: those of one state are mostly the same in every run."""
_KNOWN_STOPS = {reason.value: reason for reason in StopReason} | {"stop_sequence": StopReason.ANSWERED}


class ClaudeActivities:
    """Asking Claude."""

    def __init__(
        self,
        claude: Claude,
        conversations: Conversations,
        contents: Contents,
        prompts: PromptFiles,
        contexts: ContextFiles,
        turns: Turns,
        summaries: Summaries,
        starts: Starts,
        budgeting: Budgeting,
        current: CurrentRun,
        clock: Clock,
        default_model: str,
    ) -> None:
        self._claude, self._conversations, self._contents = claude, conversations, contents
        self._prompts, self._contexts = prompts, contexts
        self._turns, self._summaries = turns, summaries
        self._current, self._clock, self._default_model = current, clock, default_model
        self._offers = Remembered[str, tuple[OfferedTool, ...]](REMEMBERED)
        self._systems = Remembered[str, str](REMEMBERED)
        self._starts, self._budgeting = starts, budgeting

    @activity.defn
    async def ask_claude(self, request: TurnRequest) -> TurnOutcome:
        """One turn. Raises ApplicationError, retryable while trying again can help (DESIGN section 8)."""
        run = await self._current.key()
        standing = await self._conversations.find(run, request.conversation, request.turn)
        if standing is not None and standing.outcome is not None:
            return _for_history(standing.outcome)
        async with heartbeating():
            return await self._take_turn(run, request, standing)

    async def _take_turn(self, run: RunKey, request: TurnRequest, standing: Delta | None) -> TurnOutcome:
        start = await self._started(run)
        budget = await self._budget(run, start)
        turn = await self._begun(run, request, standing, start.start.automation)
        folded, summing_up = await self._folded(turn, budget.spender)
        answer = await self._asked(await self._question(turn, folded, budget.told))
        outcome = await self._outcome(request, answer, turn.offer)
        now = await self._clock.now()
        stored = await self._conversations.answer(
            run, request.conversation, request.turn, answer.content, outcome, now, budget.spender
        )
        taken = stored.outcome or outcome
        return _for_history(taken.model_copy(update={"usage": taken.usage.plus(summing_up)}))

    async def _started(self, run: RunKey) -> StartRecord:
        start = await self._starts.find(run)
        if start is None:
            raise ApplicationError("this run has no start record", type="NoStartRecord", non_retryable=True)
        return start

    async def _budget(self, run: RunKey, start: StartRecord) -> Standing:
        """How the run stands with its budget, which has something left for this turn."""
        try:
            standing = await self._budgeting.standing(run, start, await self._clock.now())
        except NothingInForce as nothing:
            raise ApplicationError(str(nothing), type="NothingInForce") from nothing
        if standing.exhausted:
            raise ApplicationError(standing.exhausted, type=BUDGET_SPENT, non_retryable=True)
        if standing.exhausted_around:
            raise ApplicationError(standing.exhausted_around, type=OUTER_BUDGET_SPENT, non_retryable=True)
        return standing

    # Composing what Claude sees.

    async def _begun(self, run: RunKey, request: TurnRequest, standing: Delta | None, automation: str) -> "_Turn":
        """The turn as it stands in the store once its user side is appended."""
        context = self._contexts.of(automation)
        earlier = await self._conversations.read(run, request.conversation, before_turn=request.turn)
        if any(not delta.user for delta in (*earlier, *([standing] if standing else []))):
            raise _erased()
        prompt = self._filled(request, earlier)
        asked = standing.asked_of if standing is not None else ""  # a retry asks the model that was asked
        model = asked or prompt.settings.model or self._default_model
        delta = standing or await self._turns.append(run, request, prompt, model, earlier, context)
        deltas = (*earlier, delta)
        offer = await self._offer(deltas[0].offered)
        return _Turn(run, request, context, prompt.settings, model, deltas, offer)

    async def _question(self, turn: "_Turn", folded: str, budget: str) -> ClaudeQuestion:
        seen = composed(turn.deltas, turn.model, folded)
        return ClaudeQuestion(
            model=turn.model,
            max_tokens=turn.settings.max_tokens,
            system=await self._system(turn.deltas[0].system),
            messages=seen.messages,
            settled=seen.settled,
            closing=closing(turn.request, turn.deltas[-1], budget, turn.context.shown.facts_bytes),
            clear_at_input_tokens=turn.context.editing.clear_at_input_tokens,
            keep_tool_uses=turn.context.editing.keep_tool_uses,
            tools=as_claude_tools(turn.offer),
            answer_schema=turn.request.answer_schema,
            effort=turn.settings.effort,
            conversation_id=turn.run.workflow_id,
        )

    def _filled(self, request: TurnRequest, earlier: tuple[Delta, ...]) -> Prompt:
        """Only the first turn is filled in; later ones need the settings alone."""
        try:
            return self._prompts.fill(request.prompt, request.variables if not earlier else _Anything())
        except PromptBroken as broken:
            raise ApplicationError(str(broken), type="PromptBroken", non_retryable=True) from broken

    async def _folded(self, turn: "_Turn", spender: Spender) -> tuple[str, Usage]:
        """What stands in the place of turns that are not shown, and what a summary of them has cost just now."""
        address = turn.deltas[-1].folded
        if not address:
            return "", Usage()
        folded = Folded.model_validate_json(await self._content(address))
        if not folded.summarised:
            return folded.words(), Usage()
        kept = Kept(turn.run, turn.request.conversation, spender)
        summary, usage = await self._summaries.of(self._asked, kept, turn.deltas, turn.context.summary)
        return folded.words(summary), usage

    async def _offer(self, address: str) -> tuple[OfferedTool, ...]:
        known = self._offers.get(address)
        return known if known is not None else self._offers.keep(address, offer_from(await self._content(address)))

    async def _system(self, address: str) -> str:
        known = self._systems.get(address)
        return known if known is not None else self._systems.keep(address, (await self._content(address)).decode())

    async def _content(self, address: str) -> bytes:
        try:
            content = await self._contents.get(address)
        except ContentErased as erased:
            raise _erased() from erased
        if content is None:
            raise ApplicationError(f"the store has lost {address}", type="ConversationLost", non_retryable=True)
        return content

    # Asking, and judging the answer.

    async def _asked(self, question: ClaudeQuestion) -> ClaudeAnswer:
        try:
            return await self._claude.ask(question)
        except ClaudeUnavailable as error:
            delay = timedelta(seconds=error.retry_after_seconds) if error.retry_after_seconds is not None else None
            raise ApplicationError(
                _named(error, error.request_id), type="ClaudeUnavailable", next_retry_delay=delay
            ) from error
        except ClaudeRejected as error:
            message = _named(error, error.request_id)
            raise ApplicationError(message, type="ClaudeRejected", non_retryable=True) from error

    async def _outcome(self, request: TurnRequest, answer: ClaudeAnswer, offer: tuple[OfferedTool, ...]) -> TurnOutcome:
        stop = _KNOWN_STOPS.get(answer.stop_reason)
        if stop is None:
            message = f"Claude stopped with {answer.stop_reason!r}, which this version does not know"
            raise ApplicationError(_named(message, answer.request_id), type="ClaudeRejected", non_retryable=True)
        # Of what stands beside tool calls nothing is made: it is in the conversation.
        text = "" if stop is StopReason.TOOL_USE else "".join(_texts(answer))
        outcome = TurnOutcome(
            stop_reason=stop,
            calls=_calls(answer, offer) if stop is StopReason.TOOL_USE else (),
            answer_ref=await self._contents.put(text.encode()) if text else "",
            answer_bytes=len(text.encode()),
            usage=answer.usage,
            model=answer.model[:100],
            request_id=answer.request_id[:100],
        )
        if request.answer_schema is None or stop is not StopReason.ANSWERED:
            return outcome
        advice, problem = _advice(text, request.answer_schema)
        return outcome.model_copy(update={"advice": advice, "problem": problem[:300]})


@dataclass(frozen=True)
class _Turn:
    """A turn whose user side stands in the store."""

    run: RunKey
    request: TurnRequest
    context: ContextSettings
    settings: PromptSettings
    model: str
    deltas: tuple[Delta, ...]
    """Every one that is shown, this turn's last."""
    offer: tuple[OfferedTool, ...]


def _for_history(outcome: TurnOutcome) -> TurnOutcome:
    """Without what no workflow asks for: it stands with the answer, in the store and in the audit chain."""
    return outcome.model_copy(update={"model": "", "request_id": ""})


class _Anything(dict[str, str]):
    """Fills every variable with nothing: for turns whose first message is in the store already."""

    def __missing__(self, key: str) -> str:
        return ""


def _calls(answer: ClaudeAnswer, offer: tuple[OfferedTool, ...]) -> tuple[ProposedCall, ...]:
    return tuple(
        proposed(index, str(block.get("name", "")), block.get("input"), offer)
        for index, block in enumerate(answer.content)
        if isinstance(block, dict) and block.get("type") == "tool_use" and block.get("name") != READ_RESULT_NAME
    )


def _texts(answer: ClaudeAnswer) -> list[str]:
    return [str(block.get("text", "")) for block in objects(answer.content) if block.get("type") == "text"]


def _advice(text: str, schema: dict[str, JsonValue]) -> tuple[dict[str, JsonValue] | None, str]:
    try:
        parsed = parse_json(text)
    except ValueError as error:
        return None, f"the answer is not JSON: {error}"
    if problem := misfit(parsed, schema):
        return None, f"the answer does not fit: {problem}"
    if len(text.encode()) > MAX_ADVICE_BYTES or not isinstance(parsed, dict):
        return (
            None,
            f"the answer has {len(text.encode())} bytes; advice is an object of at most {MAX_ADVICE_BYTES}",
        )
    return parsed, ""


def _erased() -> ApplicationError:
    return ApplicationError("what this run has heard and said was erased", type="Erased", non_retryable=True)


def _named(error: object, request_id: str) -> str:
    return f"{error} (request {request_id})" if request_id else str(error)
