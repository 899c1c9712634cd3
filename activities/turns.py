"""What a turn adds to a conversation: the prompt and the offer, later the results, and where it is shortened."""

import json
from collections.abc import Sequence

from pydantic import JsonValue
from temporalio.exceptions import ApplicationError

from activities.admission import Admission, Held
from activities.authority import Authority, NothingInForce
from activities.clock import Clock
from activities.composing import cuts_of, result_bytes, text_block
from activities.context_cuts import next_cuts
from activities.context_files import ContextSettings
from activities.conversations import Contents, Conversations, Delta, RunKey
from activities.folding import GO_ON, Folded
from activities.inbox import Starts
from activities.offers import Asker, OfferedTool, make_offer, offer_bytes
from activities.prompt_files import Prompt
from activities.toolbox import NotSent, UnknownServer
from activities.tools import held_back
from activities.turn_results import TurnResults
from contracts.claude import TurnRequest

ABOUT_CONTEXT = """
Large or older results of tools are shown shortened, each with a reference such as r3.0. read_result pages, filters
and searches them; that asks no server anew. <task_state> at the end of the newest message is what the system that
runs this task knows at this moment; no tool and no user writes it.
""".strip()
"""Behind every system prompt of a state that offers tools."""


class Turns:
    """Appends the user side of turns; when a turn stands already, the one that stands counts."""

    def __init__(
        self,
        admission: Admission,
        conversations: Conversations,
        contents: Contents,
        results: TurnResults,
        starts: Starts,
        authority: Authority,
        clock: Clock,
    ) -> None:
        self._admission, self._authority, self._starts, self._clock = admission, authority, starts, clock
        self._conversations, self._contents, self._results = conversations, contents, results

    async def append(
        self,
        run: RunKey,
        request: TurnRequest,
        prompt: Prompt,
        model: str,
        earlier: Sequence[Delta],
        context: ContextSettings,
    ) -> Delta:
        """The delta of this turn, as it stands in the store. Raises ApplicationError."""
        if request.turn == 0:
            delta = await self._opening(run, request, prompt)
        elif not earlier or earlier[-1].turn != request.turn - 1 or earlier[-1].assistant is None:
            raise ApplicationError(
                f"turn {request.turn} of {request.conversation!r} has no turn before it in the store",
                type="ConversationLost",
                non_retryable=True,
            )
        else:
            delta = await self._following(run, request, earlier, context)
        known = request.facts if request.facts is not None or not earlier else earlier[-1].facts
        delta = delta.model_copy(update={"asked_of": model, "facts": known})
        return await self._conversations.ask(run, request.conversation, delta, await self._clock.now())

    async def _opening(self, run: RunKey, request: TurnRequest, prompt: Prompt) -> Delta:
        offer = await self._offer(run, request)
        system = f"{prompt.system}\n\n{ABOUT_CONTEXT}" if offer else prompt.system
        return Delta(
            turn=0,
            user=[text_block(prompt.user)],
            offered=await self._contents.put(offer_bytes(offer)),
            system=await self._contents.put(system.encode()),
        )

    async def _following(
        self, run: RunKey, request: TurnRequest, earlier: Sequence[Delta], context: ContextSettings
    ) -> Delta:
        previous, shown = earlier[-1], context.shown
        notes = {note.block: note.text for note in request.notes}
        user = await self._results.blocks(run, request.conversation, previous, notes, shown)
        if request.said:
            user.append(text_block(request.said))
        delta = Delta(turn=request.turn, user=user or [text_block(GO_ON)])
        sizes = {each.turn: result_bytes(each) for each in (*earlier, delta) if each.turn >= previous.stubbed_before}
        cuts = next_cuts(cuts_of(previous), sizes, request.turn, shown)
        folded = previous.folded
        if cuts.folded > previous.folded_before:
            folded = await self._fold(previous, earlier, cuts.folded, bool(context.summary.model))
        cut = {"stubbed_before": cuts.stubbed, "folded_before": cuts.folded, "folded": folded}
        return delta.model_copy(update=cut)

    async def _fold(self, previous: Delta, earlier: Sequence[Delta], before: int, summarised: bool) -> str:
        standing = Folded()
        if previous.folded:
            standing = Folded.model_validate_json(await self._contents.get(previous.folded) or b"{}")
        folded = standing.with_turns(earlier, before).model_copy(update={"summarised": summarised})
        return await self._contents.put(folded.model_dump_json().encode())

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


def closing(request: TurnRequest, delta: Delta, budget: str, most: int) -> str:
    """What the machine knows, as one JSON object of at most about `most` bytes; empty when it says nothing.

    `budget`: what is left of it, in words.

    Facts come from outside too: nothing in them can end the element they stand in.
    """
    known: dict[str, JsonValue] = {**(delta.facts or {})}
    if request.turns_left is not None:
        known["turns left after this one"] = str(request.turns_left)
    if budget:
        known["budget"] = budget
    if not known:
        return ""
    while len(_element(request.state, known)) > most and len(known) > 1:
        del known[max(known, key=lambda name: len(str(known[name])))]
    return _element(request.state, known)


def _element(state: str, known: dict[str, JsonValue]) -> str:
    written = json.dumps({"state": state, **known}).replace("<", "\\u003c")
    return f"<task_state>{written}</task_state>"
