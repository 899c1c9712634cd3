"""One turn with Claude: compose what it sees from the store, ask, keep the answer, report its shape.

An answer that is in the store is never paid for again: a retried turn returns it. What Claude sees is composed from
deltas up to this turn, so that a retry sees exactly the same prefix.
"""

from datetime import timedelta

from pydantic import JsonValue
from temporalio import activity
from temporalio.exceptions import ApplicationError

from activities.admission import Admission, Held
from activities.arguments import misfit
from activities.authority import Authority, NothingInForce
from activities.budgets import Budgeting, Standing
from activities.claude_port import Claude, ClaudeAnswer, ClaudeQuestion, ClaudeRejected, ClaudeUnavailable
from activities.clock import Clock
from activities.conversations import Contents, Conversations, Delta, RunKey
from activities.heartbeat import heartbeating
from activities.identity import CurrentRun
from activities.inbox import Starts
from activities.keys import idempotency_key
from activities.ledger import Ledger
from activities.offers import Asker, OfferedTool, as_claude_tools, make_offer, offer_bytes, offer_from, proposed
from activities.prompt_files import Prompt, PromptBroken, PromptFiles
from activities.toolbox import NotSent, UnknownServer
from activities.tools import held_back
from contracts.budgets import BUDGET_SPENT
from contracts.canonical import parse_json
from contracts.claude import ProposedCall, StopReason, TurnOutcome, TurnRequest
from contracts.deployment import Deployment

MAX_RESULT_SHOWN = 64 * 1024
MAX_ADVICE_BYTES = 1024
_KNOWN_STOPS = {reason.value: reason for reason in StopReason} | {"stop_sequence": StopReason.ANSWERED}


class ClaudeActivities:
    """Asking Claude."""

    def __init__(
        self,
        claude: Claude,
        admission: Admission,
        conversations: Conversations,
        contents: Contents,
        ledger: Ledger,
        starts: Starts,
        prompts: PromptFiles,
        authority: Authority,
        budgeting: Budgeting,
        current: CurrentRun,
        clock: Clock,
        deployment: Deployment,
        default_model: str,
    ) -> None:
        self._budgeting = budgeting
        self._claude, self._admission, self._authority = claude, admission, authority
        self._conversations, self._contents, self._ledger, self._starts = (
            conversations,
            contents,
            ledger,
            starts,
        )
        self._prompts, self._current, self._clock = prompts, current, clock
        self._deployment, self._default_model = deployment, default_model

    @activity.defn
    async def ask_claude(self, request: TurnRequest) -> TurnOutcome:
        """One turn. Raises ApplicationError, retryable while trying again can help (DESIGN section 8)."""
        run = await self._current.key()
        standing = await self._conversations.find(run, request.conversation, request.turn)
        if standing is not None and standing.outcome is not None:
            return standing.outcome
        async with heartbeating():
            return await self._take_turn(run, request, standing)

    async def _take_turn(self, run: RunKey, request: TurnRequest, standing: Delta | None) -> TurnOutcome:
        budget = await self._budget(run)
        earlier = await self._conversations.read(run, request.conversation, before_turn=request.turn)
        prompt = self._filled(request, earlier)
        delta = standing or await self._append(run, request, prompt, earlier)
        first = earlier[0] if earlier else delta
        offer = offer_from(await self._content(first.offered))
        system = (await self._content(first.system)).decode()
        question = self._question(run, request, prompt, system, offer, (*earlier, delta))
        answer = await self._asked(question)
        outcome = await self._outcome(request, answer, offer)
        stored = await self._conversations.answer(
            run, request.conversation, request.turn, answer.content, outcome, await self._clock.now(), budget.spender
        )
        return stored.outcome or outcome

    async def _budget(self, run: RunKey) -> Standing:
        """How the run stands with its budget, which has something left for this turn."""
        start = await self._starts.find(run)
        if start is None:
            raise ApplicationError("this run has no start record", type="NoStartRecord", non_retryable=True)
        try:
            standing = await self._budgeting.standing(run, start, await self._clock.now())
        except NothingInForce as nothing:
            raise ApplicationError(str(nothing), type="NothingInForce") from nothing
        if standing.exhausted:
            raise ApplicationError(standing.exhausted, type=BUDGET_SPENT, non_retryable=True)
        return standing

    # Composing what Claude sees.

    def _filled(self, request: TurnRequest, earlier: tuple[Delta, ...]) -> Prompt:
        """Only the first turn is filled in; later ones need the settings alone."""
        try:
            return self._prompts.fill(request.prompt, request.variables if not earlier else _Anything())
        except PromptBroken as broken:
            raise ApplicationError(str(broken), type="PromptBroken", non_retryable=True) from broken

    async def _append(self, run: RunKey, request: TurnRequest, prompt: Prompt, earlier: tuple[Delta, ...]) -> Delta:
        now = await self._clock.now()
        if request.turn == 0:
            offered = await self._contents.put(offer_bytes(await self._offer(run, request)))
            system = await self._contents.put(prompt.system.encode())
            opening = Delta(turn=0, user=[_text(prompt.user)], offered=offered, system=system)
            return await self._conversations.ask(run, request.conversation, opening, now)
        if len(earlier) != request.turn or earlier[-1].assistant is None:
            raise ApplicationError(
                f"turn {request.turn} of {request.conversation!r} has no turn before it in the store",
                type="ConversationLost",
                non_retryable=True,
            )
        user = await self._results(run, request, earlier[-1])
        if request.said:
            user.append(_text(request.said))
        delta = Delta(turn=request.turn, user=user or [_text("Go on.")])
        return await self._conversations.ask(run, request.conversation, delta, now)

    async def _offer(self, run: RunKey, request: TurnRequest) -> tuple[OfferedTool, ...]:
        record = await self._starts.find(run)
        if record is None:
            raise ApplicationError("this run has no start record", type="NoStartRecord", non_retryable=True)
        try:
            roster, now = await self._authority.roster(), await self._clock.now()
            roles = roster.roles_of(record.start.requester, now)
            asker = Asker(record.start, record.request, roles, request.state, now)
            return await make_offer(request.tools, self._admission, self._authority, asker)
        except NothingInForce as nothing:
            raise ApplicationError(str(nothing), type="NothingInForce") from nothing
        except UnknownServer as unknown:
            raise ApplicationError(str(unknown), type="UnknownServer", non_retryable=True) from unknown
        except Held as held:
            raise held_back(held) from held
        except NotSent as not_sent:
            raise ApplicationError(f"a server cannot be reached: {not_sent}", type="NotSent") from not_sent

    async def _results(self, run: RunKey, request: TurnRequest, previous: Delta) -> list[JsonValue]:
        """One tool_result per tool_use of the previous answer: from the ledger, or what the workflow notes."""
        notes = {note.block: note.text for note in request.notes}
        problems = {call.block: call.problem for call in (previous.outcome.calls if previous.outcome else ())}
        results: list[JsonValue] = []
        for index, block in enumerate(previous.assistant or []):
            if isinstance(block, dict) and block.get("type") == "tool_use":
                told = notes.get(index) or problems.get(index)
                text, failed = (told, True) if told else await self._result(run, request, previous.turn, index)
                results.append({"type": "tool_result", "tool_use_id": block["id"], "content": text, "is_error": failed})
        return results

    async def _result(self, run: RunKey, request: TurnRequest, turn: int, block: int) -> tuple[str, bool]:
        key = idempotency_key(self._deployment.id, run, request.conversation, f"{turn}.{block}")
        entry = await self._ledger.find(key)
        if entry is None or entry.outcome is None:
            return "this call was not made", True
        content = await self._contents.get(entry.outcome.result.digest) if entry.outcome.result else None
        text = content.decode() if content is not None else (entry.outcome.message or entry.outcome.status.value)
        if entry.outcome.age_seconds:
            text = f"[this was read {entry.outcome.age_seconds} s ago; the server cannot be asked now]\n{text}"
        if len(text) > MAX_RESULT_SHOWN:
            text = f"{text[:MAX_RESULT_SHOWN]}\n[cut: {len(text) - MAX_RESULT_SHOWN} more characters are not shown]"
        return text, not entry.outcome.done

    def _question(
        self,
        run: RunKey,
        request: TurnRequest,
        prompt: Prompt,
        system: str,
        offer: tuple[OfferedTool, ...],
        deltas: tuple[Delta, ...],
    ) -> ClaudeQuestion:
        return ClaudeQuestion(
            model=prompt.settings.model or self._default_model,
            max_tokens=prompt.settings.max_tokens,
            system=system,
            messages=composed(deltas),
            tools=as_claude_tools(offer),
            answer_schema=request.answer_schema,
            effort=prompt.settings.effort,
            conversation_id=run.workflow_id,
        )

    async def _content(self, address: str) -> bytes:
        content = await self._contents.get(address)
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
        text = "".join(str(block.get("text", "")) for block in _blocks(answer, "text"))
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


class _Anything(dict[str, str]):
    """Fills every variable with nothing: for turns whose first message is in the store already."""

    def __missing__(self, key: str) -> str:
        return ""


def composed(deltas: tuple[Delta, ...]) -> list[dict[str, JsonValue]]:
    """The conversation so far. An empty answer (a refusal) is left out; what came after it joins what came before."""
    messages: list[dict[str, JsonValue]] = []
    said: list[JsonValue] = []
    for delta in deltas:
        said = [*said, *delta.user]
        if delta.assistant:
            messages += [{"role": "user", "content": said}, {"role": "assistant", "content": delta.assistant}]
            said = []
    return [*messages, {"role": "user", "content": said}]


def _calls(answer: ClaudeAnswer, offer: tuple[OfferedTool, ...]) -> tuple[ProposedCall, ...]:
    return tuple(
        proposed(index, str(block.get("name", "")), block.get("input"), offer)
        for index, block in enumerate(answer.content)
        if isinstance(block, dict) and block.get("type") == "tool_use"
    )


def _blocks(answer: ClaudeAnswer, kind: str) -> list[dict[str, JsonValue]]:
    return [block for block in answer.content if isinstance(block, dict) and block.get("type") == kind]


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


def _text(text: str) -> dict[str, JsonValue]:
    return {"type": "text", "text": text}


def _named(error: object, request_id: str) -> str:
    return f"{error} (request {request_id})" if request_id else str(error)
