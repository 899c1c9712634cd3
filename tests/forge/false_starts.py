"""Impostors that want a start record: each start statement lacks exactly one thing."""

import random
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from contracts.runs import Ancestor, StartStatement
from contracts.signing import SignedFor, as_bytes, as_text, sign
from tests.authority import Signer
from tests.forge.intruder import Intruder, intruder
from tests.forge.shop import Shop
from tests.forge.variants import Target, Told, Variant, large, small, word
from tests.forge.world import People

NO_RECORD = "this run has no start record"
NOT_SIGNED = "the start statement was not signed by '.*' as it stands"
Maker = Callable[[Shop, StartStatement, random.Random], StartStatement]


def _signed(by: Callable[[People], Signer] = lambda people: people.rita, **changes: Any) -> Maker:
    """Somebody signs for rita; `changes` are signed too."""

    def make(shop: Shop, start: StartStatement, chance: random.Random) -> StartStatement:
        named = {name: value(start, chance) if callable(value) else value for name, value in changes.items()}
        return by(shop.people).starts(start, **named)

    return make


def _in_their_own_name(signer: Callable[[People], Signer]) -> Maker:
    def make(shop: Shop, start: StartStatement, _: random.Random) -> StartStatement:
        who = signer(shop.people)
        return who.starts(start, requester=who.subject)

    return make


def _changed(**changes: Callable[[StartStatement, random.Random], Any]) -> Maker:
    """The service signs for rita; then something is changed."""

    def make(shop: Shop, start: StartStatement, chance: random.Random) -> StartStatement:
        signed = shop.people.desk.starts(start)
        return signed.model_copy(update={name: to(signed, chance) for name, to in changes.items()})

    return make


def _flipped(start: StartStatement, chance: random.Random) -> str:
    data = bytearray(as_bytes(start.signature or "", 64))
    data[chance.randrange(64)] ^= 1 << chance.randrange(8)
    return as_text(bytes(data))


def _for_another_purpose(shop: Shop, start: StartStatement, chance: random.Random) -> StartStatement:
    rita = shop.people.rita
    named = {"signer": "rita", "key_id": rita.key_id, "nonce": word(chance)}
    unsigned = start.model_copy(update=named)
    purpose = chance.choice([each for each in SignedFor if each is not SignedFor.START])
    return unsigned.model_copy(update={"signature": sign(rita.key, purpose, unsigned)})


def _under_a_stolen_name(shop: Shop, start: StartStatement, _: random.Random) -> StartStatement:
    return shop.people.mallory.starts(start, signer="rita", key_id=shop.people.rita.key_id)


def _as_a_child(shop: Shop, start: StartStatement, chance: random.Random) -> StartStatement:
    """It says that a genuine run has started it; signed by somebody real, or by nobody."""
    parent = Ancestor(workflow_id=chance.choice(sorted(shop.started)), first_run_id=word(chance), automation="refund")
    claimed = start.model_copy(update={"inside": (parent,)})
    return shop.people.rita.starts(claimed) if chance.random() < 0.5 else claimed


def _of_any_of(*names: str) -> Callable[[StartStatement, random.Random], str]:
    return lambda _, chance: chance.choice(names)


STARTS: dict[str, tuple[Maker, str]] = {
    "a start nobody signed": (lambda _, start, __: start, "unsigned start statements count in development only"),
    "a start signed by a stranger": (_signed(lambda people: people.mallory), "is in nobody's name"),
    "a start signed under a stolen name": (_under_a_stolen_name, NOT_SIGNED),
    "a key under another name": (_signed(signer=_of_any_of("dana", "desk", "nobody")), "key '.*' is not '"),
    "in the name of another": (_signed(requester=_of_any_of("dana", "erik", "olga")), "cannot ask in the name of"),
    "a name that looks like another": (
        _signed(requester=_of_any_of("r\u0456ta", "rita2", "rit\u0430")),
        "cannot ask in",
    ),
    "on behalf of another, by no service": (_signed(on_behalf_of=("dana",)), "cannot ask in the name of"),
    "a start for another deployment": (
        _signed(deployment=lambda _, c: word(c)),
        "the start statement is for deployment",
    ),
    "a start for another automation": (
        _signed(automation=_of_any_of("errand", "Refund", "refund ", "impostor")),
        "the start statement is for '.*', not for 'refund'",
    ),
    "a start for another run": (_signed(workflow_id=lambda _, c: f"refund/{word(c)}"), "is for the run '"),
    "a start for another input": (
        _signed(input_digest=lambda _, c: "sha256:" + "".join(c.choices("0123456789abcdef", k=64))),
        "names another input than this one",
    ),
    "the requester changed after signing": (_changed(requester=_of_any_of("nora", "dana", "lena")), NOT_SIGNED),
    "somebody spoken for added after signing": (_changed(on_behalf_of=lambda _, c: (word(c),)), NOT_SIGNED),
    "the case changed after signing": (_changed(business_key=lambda _, c: word(c)), NOT_SIGNED),
    "made to start anew after signing": (_changed(again=lambda _, c: word(c)), NOT_SIGNED),
    "the time changed after signing": (
        _changed(issued_at=lambda start, c: start.issued_at - timedelta(seconds=c.randint(1, 3_000))),
        NOT_SIGNED,
    ),
    "the nonce changed after signing": (_changed(nonce=lambda _, c: word(c) * 2), NOT_SIGNED),
    "the nonce taken away": (_signed(nonce=""), NOT_SIGNED),
    "a start with a bit flipped": (_changed(signature=_flipped), NOT_SIGNED),
    "a start with its signature padded": (_changed(signature=lambda start, _: f"{start.signature}=="), NOT_SIGNED),
    "a start signed for another purpose": (_for_another_purpose, NOT_SIGNED),
    "a start that is too old": (
        _signed(issued_at=lambda start, c: start.issued_at - timedelta(days=1, seconds=c.randint(60, 9**6))),
        "the start statement was issued at",
    ),
    "a start from the future": (
        _signed(issued_at=lambda start, c: start.issued_at + timedelta(seconds=c.randint(120, 9**6))),
        "the start statement was issued at",
    ),
    "a start that says it is a child": (_as_a_child, "no run has entered this one as its child"),
    "a start with a revoked key": (_in_their_own_name(lambda people: people.kims[0]), "was revoked at"),
    "a start with a key that is over": (_in_their_own_name(lambda people: people.kims[1]), "counts from .* only"),
    "a start with a key that has not begun": (_in_their_own_name(lambda people: people.kims[2]), "counts from .* only"),
    "a start by one who has left": (_in_their_own_name(lambda people: people.piet), "was entitled until"),
}


def _starting(make: Maker) -> Callable[[Target, random.Random], Any]:
    async def attempt(target: Target, chance: random.Random) -> Told:
        async with intruder(target.shop) as run:
            refused = await run.registers(make(target.shop, run.statement(), chance))
            return Told(f"{refused}; {await _credited(run, chance)}")

    return attempt


async def _credited(run: Intruder, chance: random.Random) -> str:
    """It goes on as if it were registered."""
    told = await run.calls(run.credit(small(chance), occurrence=str(chance.randint(1, 99))))
    assert NO_RECORD in told, told
    return told


async def _without_any(target: Target, chance: random.Random) -> Told:
    name = chance.choice(["refund", "impostor"])
    async with intruder(target.shop, name) as run:
        return Told(await _credited(run, chance))


async def _more_than_a_start(target: Target, chance: random.Random) -> Told:
    """A start with fields that no start has, in the hope that somebody reads them."""
    claim = chance.choice(["roles", "taint", "totals", "approvals", "first_run_id", "automation", "mode"])
    async with intruder(target.shop) as run:
        start = target.shop.people.rita.starts(run.statement()).model_dump(mode="json")
        answer = await run.tries("register_run", {"start": start, "request": run.request, claim: ["finance_manager"]})
        return Told(f"{answer.problem}; {await _credited(run, chance)}")


async def _of_one_that_is_over(target: Target, chance: random.Random) -> Told:
    """The genuine statement and input of a refund that is over, under its very workflow id."""
    workflow_id = target.over.handle.id
    start, request = target.shop.started[workflow_id]
    async with intruder(target.shop, workflow_id=workflow_id) as run:
        return Told(f"{await run.registers(start, request)}; {await _credited(run, chance)}")


async def _of_one_under_way(target: Target, chance: random.Random) -> Told:
    start, request = target.shop.started[target.waiting.handle.id]
    async with intruder(target.shop) as run:
        return Told(f"{await run.registers(start, request)}; {await _credited(run, chance)}")


async def _in_place_of_a_terminated_one(target: Target, chance: random.Random) -> Told:
    """It terminates a refund that two people have signed, and takes its id, its start and its evidence."""
    shop = target.shop
    victim = await shop.refund(f"T-{word(chance)}")
    evidence = tuple((await shop.scene(victim)).genuine.values())
    start, request = shop.started[victim.handle.id]
    await victim.handle.terminate("an impostor wants its place")
    async with intruder(shop, workflow_id=victim.handle.id) as run:
        refused = await run.registers(start, request)
        told = await run.calls(run.credit(large(chance), evidence=evidence))
        return Told(f"{refused}; {told}")


START_VARIANTS = (
    Variant("no start record", NO_RECORD, _without_any),
    *(Variant(name, words, _starting(make)) for name, (make, words) in STARTS.items()),
    Variant("a start that claims more", "Extra inputs are not permitted", _more_than_a_start),
    Variant("the start of a refund that is over", "another run was started with this very", _of_one_that_is_over),
    Variant("the start of a refund under way", "is for the run '", _of_one_under_way),
    Variant(
        "in place of a refund it terminated", "another run was started with this very", _in_place_of_a_terminated_one
    ),
)
