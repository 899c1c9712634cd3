"""Impostors that were let in: a person of the roster has signed for false code; policy and people still decide."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

from pydantic import JsonValue

from contracts.claude import TurnRequest
from contracts.decisions import (
    Check,
    Decision,
    DecisionsToCheck,
    RequestKind,
)
from contracts.policy import Obligation
from contracts.tools import ChosenByClaude, Purpose, ToolCall
from tests.forge.false_starts import NO_RECORD
from tests.forge.intruder import Intruder, insider, intruder
from tests.forge.kinds import KINDS, Place
from tests.forge.reasons import SAYS, check_that_says
from tests.forge.variants import Target, Told, Variant, large, small, word
from tests.forge.world import Scene

CREDIT, REVERSAL = "payments.issue_credit", "payments.reverse_credit"
SIGNED_BY_FINANCE = Obligation(role="finance_manager", within=timedelta(days=1), rule_id="refund-over-50")
DAILY_CENTS = 5_000
"""What one person may ask for in a day before somebody must sign."""
CLAIMS: dict[str, JsonValue] = {
    "requester": "dana",
    "roles": ["finance_manager", "finance_director"],
    "automation": "refund",
    "taint": [],
    "totals": {"credits_of_requester_today": 0},
    "approvals": {"finance_manager": 2},
    "first_run_id": "another",
    "undoes_recorded_effect": True,
    "effect_class": "read",
    "key": "mine",
    "pin": "sha256:" + "0" * 64,
}
Attempt = Callable[[Target, random.Random], Awaitable[Told]]
Worder = Callable[[Intruder, random.Random], ToolCall]
Giver = Callable[[Target, Intruder, Scene, random.Random], tuple[Decision, ...]]


# One call, and what is wrong with it.


def _calling(worded: Worder, name: str = "refund") -> Callable[[Target, random.Random], Any]:
    async def attempt(target: Target, chance: random.Random) -> Told:
        async with insider(target.shop, name) as run:
            return Told(await run.calls(worded(run, chance)))

    return attempt


def _with(**arguments: Any) -> Worder:
    """A credit with these arguments instead."""

    def word_it(run: Intruder, chance: random.Random) -> ToolCall:
        call = run.credit(small(chance))
        changed = {name: value(chance) if callable(value) else value for name, value in arguments.items()}
        return call.model_copy(update={"arguments": (call.arguments or {}) | changed})

    return word_it


def _of(server: str, *tools: str, **more: Any) -> Worder:
    """A small credit with another tool."""

    def word_it(run: Intruder, chance: random.Random) -> ToolCall:
        tool = chance.choice(tools)
        return run.credit(small(chance), server=server, tool=tool, step=f"{server}.{tool}", **more)

    return word_it


async def _claiming_more(target: Target, chance: random.Random) -> Told:
    claims = dict(chance.sample(sorted(CLAIMS.items(), key=str), k=chance.randint(1, 4)))
    async with insider(target.shop) as run:
        return Told(await run.calls(run.credit(large(chance)).model_dump(mode="json") | claims))


async def _undoing_nothing(target: Target, chance: random.Random) -> Told:
    """A compensation of a run that has done nothing."""
    async with insider(target.shop) as run:
        call = run.credit(large(chance), tool="reverse_credit", purpose=Purpose.COMPENSATION)
        return Told(await run.calls(call))


async def _undoing_anothers(target: Target, chance: random.Random) -> Told:
    """A small credit of its own, and then the undo of what another run has done."""
    credited = dict(target.shop.credits)
    async with insider(target.shop) as run:
        first = await run.calls(run.credit(small(chance)))
        assert first.startswith("done"), first
        undo = run.credit(1, tool="reverse_credit", step=REVERSAL, purpose=Purpose.COMPENSATION)
        order = chance.choice([target.order, *credited])
        told = await run.calls(undo.model_copy(update={"arguments": (undo.arguments or {}) | {"order_id": order}}))
    left = all(target.shop.credits.get(order) == amounts for order, amounts in credited.items())
    return Told(told if left else "another's credit is gone", (CREDIT,))


async def _choosing_elsewhere(target: Target, chance: random.Random) -> Told:
    """What Claude wrote in another run, as if it had been written in this one."""
    async with insider(target.shop) as run:
        chosen = ChosenByClaude(conversation="assessing", turn=chance.randint(0, 3), block=chance.randint(0, 3))
        return Told(await run.calls(run.credit(small(chance), arguments=None, chosen=chosen)))


ONE_CALL: dict[str, tuple[Worder, str]] = {
    "a credit in another run's name": (
        _with(reference=lambda chance: f"refund/{word(chance)}"),
        "^refused: .*reference must be the id of the run that calls",
    ),
    "a credit over 50.00": (lambda run, chance: run.credit(large(chance)), "^needs_approval: "),
    "a credit over 5000.00": (lambda run, chance: run.credit(chance.randint(500_001, 10**9)), "^forbidden: "),
    "a credit below nothing": (_with(cents=lambda chance: -chance.randint(1, 10**6)), "^refused: "),
    "a credit beyond counting": (_with(cents=lambda chance: 2**53 + chance.randint(0, 10**6)), "^(refused|failed): "),
    "a credit for another order than its own": (
        _with(order_id=lambda chance: f"X-{word(chance)}"),
        "^forbidden: .*refund-as-asked",
    ),
    "an amount that is no number": (
        _with(cents=lambda chance: chance.choice(["4000", 4000.5, None, True, [40], {"__extn": "40"}])),
        "^refused: .*cents",
    ),
    "a tool nobody accepted": (_of("payments", "mint_money"), "^refused: .* was never accepted"),
    "a tool that has changed": (
        _of("orders", "unmark_refunded", purpose=Purpose.COMPENSATION),
        "^refused: .* has changed since it was accepted",
    ),
    "a server nobody declared": (_of("paymemts", "issue_credit"), "^refused: no server "),
    "a tool that looks alike": (
        _of("payments", "issue_\u0441redit", "Issue_credit", "issue_credit ", "issue_credit\u200b", "issue-credit"),
        "^refused: payments publishes no tool",
    ),
    "arguments too large": (_with(reason=lambda chance: "x" * chance.randint(66_000, 70_000)), "^refused: .* bytes"),
    "a credit that undoes nothing": (_of("payments", "reverse_credit"), "^forbidden: "),
}


# Evidence for a large credit that it has asked people for, genuinely.


def _bringing(evidence: Giver, **request: Any) -> Callable[[Target, random.Random], Any]:
    async def attempt(target: Target, chance: random.Random) -> Told:
        async with insider(target.shop) as run:
            call = run.credit(chance.randint(5_001, 100_000))
            scene = await run.asks(call, **request)
            return Told(await run.calls(call.model_copy(update={"evidence": evidence(target, run, scene, chance)})))

    return attempt


def _by(name: str) -> Giver:
    def give(_: Target, __: Intruder, scene: Scene, ___: random.Random) -> tuple[Decision, ...]:
        return (getattr(scene.people, name).signed(scene.template),)

    return give


def _own(_: Target, run: Intruder, scene: Scene, __: random.Random) -> tuple[Decision, ...]:
    return (run.signer.signed(scene.template),)


def _unsigned(_: Target, __: Intruder, scene: Scene, chance: random.Random) -> tuple[Decision, ...]:
    return (scene.template.model_copy(update={"approver": chance.choice(["dana", "erik"])}),)


def _of_the_waiting_one(target: Target, _: Intruder, __: Scene, ___: random.Random) -> tuple[Decision, ...]:
    return target.genuine


def _for_another_amount(_: Target, run: Intruder, scene: Scene, chance: random.Random) -> tuple[Decision, ...]:
    return (scene.people.dana.signed(scene.template, action_digest="sha256:" + f"{chance.getrandbits(256):064x}"),)


EVIDENCE: dict[str, tuple[Giver, Check]] = {
    "evidence of a stranger": (_by("mallory"), Check.KEY),
    "evidence of its own signer": (_own, Check.SELF_APPROVAL),
    "evidence of the owner": (_by("olga"), Check.OWNER),
    "evidence of a service": (_by("desk"), Check.PERSON),
    "evidence of one who is away": (_by("abel"), Check.ABSENT),
    "evidence of another role": (_by("lena"), Check.ROLE),
    "evidence nobody signed": (_unsigned, Check.UNSIGNED),
    "evidence of another run": (_of_the_waiting_one, Check.RUN),
    "evidence for another amount": (_for_another_amount, Check.ACTION),
}
ANOTHER_ACTION = r"^refused: .*(was used for another action before|stands in the running total .* for another action)"
OF_THE_OWNER: dict[str, dict[str, Any]] = {
    "the owner, of what says it is another automation": {"automation": "errand"},
}
AT_THE_GATE = [kind for kind in KINDS if kind.at_the_gate and kind.prepare is None]


async def _any_other_kind(target: Target, chance: random.Random) -> Told:
    """A forgery of any kind, beside a genuine approval, for a credit that two must sign.

    As in every world that the kinds are made for, the service has started it for rita, who asks for nora.
    """
    kind = chance.choice(AT_THE_GATE)
    shop = target.shop
    authority = shop.story.authority
    async with intruder(shop) as run:
        start = shop.statement(run.order, run.run.workflow_id, run.request)
        refused = await run.registers(shop.people.desk.starts(start))
        assert refused == "", refused
        call = run.credit(chance.randint(100_001, 400_000))
        scene = await run.asks(call)
        forged = kind.make(scene, chance)
        told = await run.calls(call.model_copy(update={"evidence": (scene.genuine[kind.beside], forged)}))
        authority.grants = ()
    found = check_that_says(told) if " does not count: " in told else Check.QUORUM
    wanted = kind.refused_at(Place.GATE)
    return Told(told if found is wanted else f"not by {wanted}, but {found}, {kind.name}: {told}")


async def _checked_by_itself(target: Target, chance: random.Random) -> Told:
    """It has the product check its forgeries, says that some counted before, and brings them as evidence."""
    async with insider(target.shop) as run:
        call = run.credit(chance.randint(5_001, 100_000))
        scene = await run.asks(call)
        forged = tuple(scene.people.mallory.signed(scene.template, note=word(chance)) for _ in range(2))
        answer = await run.tries("check_decisions", DecisionsToCheck(arrived=forged[:1], counted=forged[1:]))
        assert isinstance(answer.value, dict), answer
        assert '"counts": true' not in str(answer.value).replace("True", "true").replace("'", '"'), answer
        return Told(await run.calls(call.model_copy(update={"evidence": forged})))


# What policy permits to a person who signs for it, and no more than that.


async def _many_small_ones(target: Target, chance: random.Random) -> Told:
    """Small credits, as other steps, for other orders and customers, one after the other or all at once."""
    amounts = [chance.randint(500, 2_500) for _ in range(12)]
    async with insider(target.shop) as run:
        calls = [
            run.credit(cents, occurrence=str(number)).model_copy(
                update={"arguments": {**(run.credit(cents).arguments or {}), "customer_id": word(chance)}}
            )
            for number, cents in enumerate(amounts)
        ]
        told = [await run.calls(each) for each in calls[:6]]
        told += await asyncio.gather(*(run.calls(each) for each in calls[6:]))
    done = sum(each.startswith("done") for each in told)
    credited = sum(target.shop.credits.get(run.order, []))
    refused = next(each for each in told if not each.startswith("done"))
    within = credited <= DAILY_CENTS
    return Told(refused if within else f"{credited} cents left", (CREDIT,) * done)


async def _undone_and_done_again(target: Target, chance: random.Random) -> Told:
    """What is credited and taken back counts for the day all the same."""
    cents = chance.randint(2_501, 5_000)
    async with insider(target.shop) as run:
        first = await run.calls(run.credit(cents))
        undone = await run.calls(run.credit(cents, tool="reverse_credit", step=REVERSAL, purpose=Purpose.COMPENSATION))
        assert (first[:4], undone[:4]) == ("done", "done"), (first, undone)
        return Told(await run.calls(run.credit(cents, occurrence="2")), (CREDIT, REVERSAL))


async def _one_key_for_two(target: Target, chance: random.Random) -> Told:
    """The step and the occurrence of a small credit, for a larger one."""
    async with insider(target.shop) as run:
        first = await run.calls(run.credit(2_000))
        assert first.startswith("done"), first
        return Told(await run.calls(run.credit(chance.choice([2_001, large(chance)]))), (CREDIT,))


async def _unseen(target: Target, chance: random.Random) -> Told:
    """It opens the request before the gate has heard of the call, so that its title is all that is shown."""
    async with insider(target.shop) as run:
        about = "sha256:" + f"{chance.getrandbits(256):064x}"
        wanted = run.wanted(about, (SIGNED_BY_FINANCE,), await target.waiting.now())
        return Told((await run.tries("open_request", wanted)).problem)


async def _two_at_once(target: Target, chance: random.Random) -> Told:
    """Whichever is claimed is sent; the other one finds its key taken, at once or when it is tried again."""
    async with insider(target.shop) as run:
        one = run.credit(chance.randint(1, 50))
        other = one.model_copy(update={"arguments": (one.arguments or {}) | {"reason": word(chance)}})
        answers = await asyncio.gather(run.calls(one), run.calls(other))
        refused = [each for each in answers if not each.startswith("done")]
        return Told(refused[0] if len(refused) == 1 else str(answers), (CREDIT,))


async def _an_undo_that_does(target: Target, chance: random.Random) -> Told:
    """A large credit that calls itself an undo, by a run that has something to undo."""
    async with insider(target.shop) as run:
        first = await run.calls(run.credit(small(chance)))
        assert first.startswith("done"), first
        undo = run.credit(chance.randint(5_001, 400_000), occurrence="2", purpose=Purpose.COMPENSATION)
        return Told(await run.calls(undo), (CREDIT,))


async def _reads_everything(run: Intruder, chance: random.Random) -> None:
    """What is private and what strangers wrote, in any order."""
    for server, tool in chance.sample([("orders", "find_order"), ("crm", "read_complaint")], k=2):
        given: dict[str, JsonValue] = {"order_id": run.order}
        read = await run.calls(ToolCall(server=server, tool=tool, arguments=given, step=f"{server}.{tool}"))
        assert read.startswith("done"), read


async def _leaking(target: Target, chance: random.Random) -> Told:
    """It has read everything, and words a letter itself."""
    async with insider(target.shop, "errand") as run:
        await _reads_everything(run, chance)
        letter: dict[str, JsonValue] = {"to": "mallory@example.com", "subject": word(chance), "body": word(chance)}
        return Told(await run.calls(ToolCall(server="mail", tool="send_mail", arguments=letter, step=word(chance))))


async def _leaking_by_claude(target: Target, chance: random.Random) -> Told:
    """It has read everything, and lets Claude word a letter."""
    conversation = word(chance)
    async with insider(target.shop, "errand") as run:
        await _reads_everything(run, chance)
        turn = TurnRequest(
            conversation=conversation,
            turn=0,
            prompt="refund/assessing",
            state="assessing",
            variables={"order_id": run.order, "limit_cents": "1"},
            tools=("mail.*",),
        )
        asked = await run.tries("ask_claude", turn)
        assert not asked.problem, asked
        chosen = ChosenByClaude(conversation=conversation, turn=0, block=0)
        return Told(await run.calls(ToolCall(server="mail", tool="send_mail", chosen=chosen, step=conversation)))


async def _asking_claude(target: Target, chance: random.Random) -> Told:
    """Tokens at the expense of the house."""
    async with intruder(target.shop) as run:
        turn = TurnRequest(
            conversation=word(chance),
            turn=0,
            prompt="refund/assessing",
            state="assessing",
            variables={"order_id": run.order, "limit_cents": "1"},
        )
        return Told((await run.tries("ask_claude", turn)).problem)


async def _with_the_genuine_start(target: Target, chance: random.Random) -> Told:
    """False code runs what the service has signed for: a large credit, and other people's evidence."""
    async with intruder(target.shop) as run:
        start = target.shop.people.desk.starts(run.statement())
        refused = await run.registers(start)
        assert refused == "", refused
        return Told(await run.calls(run.credit(chance.randint(5_001, 400_000), evidence=target.genuine)))


def _with_a_stolen_start(**arguments: Callable[[Target, random.Random], JsonValue]) -> Attempt:
    """The service has signed for at most 40.00 for one order; two finance managers sign what false code asks them."""

    async def attempt(target: Target, chance: random.Random) -> Told:
        async with intruder(target.shop) as run:
            request: dict[str, JsonValue] = {"order_id": run.order, "limit_cents": 4_000}
            start = target.shop.statement(run.order, run.run.workflow_id, request)
            refused = await run.registers(target.shop.people.desk.starts(start), request)
            assert refused == "", refused
            call = run.credit(chance.randint(1, 4_000))
            changed = {name: value(target, chance) for name, value in arguments.items()}
            call = call.model_copy(update={"arguments": (call.arguments or {}) | changed})
            scene = await run.asks(call, obligations=(SIGNED_BY_FINANCE,))
            return Told(await run.calls(call.model_copy(update={"evidence": tuple(scene.genuine.values())})))

    return attempt


CALL_VARIANTS = (
    *(Variant(name, words, _calling(worded)) for name, (worded, words) in ONE_CALL.items()),
    Variant("another automation's tool", "^forbidden: ", _calling(_with(), "impostor")),
    Variant("a call that claims more", "Extra inputs are not permitted", _claiming_more),
    Variant("an undo of another's effect", "^refused: .* would undo another issue_credit", _undoing_anothers),
    Variant("an undo of nothing", "nothing was sent that could be undone", _undoing_nothing),
    Variant("what Claude wrote elsewhere", "Claude's answer is not in the store", _choosing_elsewhere),
    *(Variant(name, SAYS[check], _bringing(giver)) for name, (giver, check) in EVIDENCE.items()),
    *(Variant(name, SAYS[Check.OWNER], _bringing(_by("olga"), **request)) for name, request in OF_THE_OWNER.items()),
    Variant(
        "an answer to an escalation", SAYS[Check.OPEN_REQUEST], _bringing(_by("dana"), kind=RequestKind.ESCALATION)
    ),
    Variant("an approval of what nobody was shown", "nobody is asked to sign what they cannot be shown", _unseen),
    Variant("two calls at once under one key", ANOTHER_ACTION, _two_at_once),
    Variant("evidence forged in any other way", "^needs_approval: ", _any_other_kind),
    Variant("evidence it has had checked", SAYS[Check.KEY], _checked_by_itself),
    Variant("many small credits", "^needs_approval: .*refund-day-over-50", _many_small_ones),
    Variant("credited, undone, credited again", "^needs_approval: .*refund-day-over-50", _undone_and_done_again),
    Variant("one key for two credits", "^refused: .* was used for another action before", _one_key_for_two),
    Variant("a credit that says it undoes", "^refused: nobody has said what .* undoes", _an_undo_that_does),
    Variant("a letter of its own, after all was read", "^needs_approval: .*taint-sends-out", _leaking),
    Variant("a letter worded by Claude, after all was read", "^needs_approval: .*taint-sends-out", _leaking_by_claude),
    Variant("asking Claude without a start record", NO_RECORD, _asking_claude),
    Variant("false code under a genuine start", SAYS[Check.RUN], _with_the_genuine_start),
    Variant(
        "a stolen start, and a signed credit for another order",
        "^forbidden: .*refund-as-asked",
        _with_a_stolen_start(order_id=lambda target, _: target.order),
    ),
    Variant(
        "a stolen start, and a signed credit of more",
        "^forbidden: .*refund-no-more-than-asked",
        _with_a_stolen_start(cents=lambda _, chance: chance.choice([4_001, large(chance)])),
    ),
)
