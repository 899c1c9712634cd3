"""The kinds of forgery: each makes a decision that lacks exactly one thing, and names the check that must refuse it.

`resigned` kinds carry a genuine signature of an enrolled key over exactly what they say, so that nothing but the named
check can refuse them. The others were changed after signing, or signed with what is not a key of the roster.
"""

import base64
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from typing import Any

from contracts.decisions import Check, Decision, Verdict
from contracts.signing import SignedFor, sign
from tests.authority import Signer
from tests.forge.world import Scene, spare_key

ORDER_OF_ED25519 = 2**252 + 27742317777372353535851937790883648493
Maker = Callable[[Scene, random.Random], Decision]


COUNTED_TOGETHER = (Check.ALREADY_DECIDED, Check.QUORUM)
"""The gate finds nothing wrong with either decision; both together count for one person."""


class Place(StrEnum):
    """Where a forgery is tried."""

    ARRIVED = "arrived"
    """The activity that checks decisions as they arrive."""
    GATE = "gate"
    SERVER = "server"
    """A run on the real server, as an update or a signal."""


@dataclass(frozen=True)
class Kind:
    """One way to forge."""

    name: str
    make: Maker
    refused_by: Check
    resigned: bool = True
    beside: str = "erik"
    """Whose genuine approval stands beside it: were the forged one to count, the quorum would be reached."""
    at_the_gate: bool = True
    """False: the check is made when a decision arrives, and not again."""
    prepare: Callable[[Scene], Any] | None = field(default=None)
    elsewhere: Check | None = None
    """The check that refuses it at the gate and in a run, where it meets another one first."""

    def refused_at(self, place: Place) -> Check:
        """The check that must refuse it there."""
        if place is Place.GATE and self.refused_by in COUNTED_TOGETHER:
            return Check.QUORUM
        return self.refused_by if place is Place.ARRIVED or self.elsewhere is None else self.elsewhere


def _resigned(**changes: Callable[[Scene, random.Random], Any]) -> Maker:
    """Dana signs a decision in which these fields say something else."""

    def make(world: Scene, chance: random.Random) -> Decision:
        return world.people.dana.signed(world.template, **{name: to(world, chance) for name, to in changes.items()})

    return make


def _by(signer: Callable[[Scene], Signer]) -> Maker:
    """Somebody else signs; everything but the signer is right."""

    def make(world: Scene, chance: random.Random) -> Decision:
        return signer(world).signed(world.template, note=_word(chance))

    return make


def _tampered(**changes: Callable[[Scene, random.Random], Any]) -> Maker:
    """A genuine decision with fields changed after it was signed."""

    def make(world: Scene, chance: random.Random) -> Decision:
        changed = {name: to(world, chance) for name, to in changes.items()}
        return world.genuine["dana"].model_copy(update=changed)

    return make


def _word(chance: random.Random) -> str:
    return "".join(chance.choices("abcdefghijklmnopqrstuvwxyz", k=12))


def _hex(chance: random.Random) -> str:
    return "sha256:" + "".join(chance.choices("0123456789abcdef", k=64))


def _seconds(chance: random.Random, low: float, high: float) -> timedelta:
    return timedelta(seconds=chance.uniform(low, high))


def _signature(change: Callable[[bytes, random.Random], str]) -> Callable[[Scene, random.Random], str]:
    def to(world: Scene, chance: random.Random) -> str:
        text = world.genuine["dana"].signature or ""
        return change(base64.urlsafe_b64decode(text + "=="), chance)

    return to


def _text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _flipped(data: bytes, chance: random.Random) -> str:
    bit = chance.randrange(len(data) * 8)
    return _text(bytes(byte ^ (1 << bit % 8) if index == bit // 8 else byte for index, byte in enumerate(data)))


def _malleable(data: bytes, _: random.Random) -> str:
    """The other S that means the same to a careless verifier."""
    other = int.from_bytes(data[32:], "little") + ORDER_OF_ED25519
    return _text(data[:32] + other.to_bytes(32, "little"))


def _respelled(data: bytes, chance: random.Random) -> str:
    """The same bytes in another base64 spelling: unused bits set, or padding added."""
    text = _text(data)
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    last = alphabet.index(text[-1]) | chance.randrange(1, 16)
    return chance.choice([text + "==", text[:-1] + alphabet[last]]) if last != alphabet.index(text[-1]) else text + "=="


def _cut(data: bytes, chance: random.Random) -> str:
    return _text(data[: chance.randrange(1, len(data))])


def _random(data: bytes, chance: random.Random) -> str:
    return _text(chance.randbytes(len(data)))


def _for_another_purpose(world: Scene, chance: random.Random) -> Decision:
    dana = world.people.dana
    unsigned = world.template.model_copy(
        update={"key_id": dana.key_id, "nonce": _word(chance) * 2, "note": _word(chance)}
    )
    purpose = chance.choice([each for each in SignedFor if each is not SignedFor.DECISION])
    return unsigned.model_copy(update={"signature": sign(dana.key, purpose, unsigned)})


def _stolen_name(world: Scene, chance: random.Random) -> Decision:
    """Mallory signs with a key of her own, under the name of Dana's."""
    return world.people.mallory.signed(world.template, approver="dana", key_id=world.people.dana.key_id)


def _unsigned(world: Scene, chance: random.Random) -> Decision:
    return world.template.model_copy(update={"approver": chance.choice(["dana", "erik"]), "note": _word(chance)})


def _of_another(world: Scene, _: random.Random) -> str:
    return world.genuine["erik"].signature or ""


def _reused(world: Scene, chance: random.Random) -> Decision:
    return world.people.dana.signed(world.template, nonce=world.genuine["erik"].nonce, note=_word(chance))


async def _use_eriks(world: Scene) -> None:
    await world.store.decided.use(world.genuine["erik"], "erik", world.now)


def _in_an_emergency(hours: float, ago: float, role: str = "finance_manager") -> Maker:
    def make(world: Scene, chance: random.Random) -> Decision:
        bea = world.people.bea
        at = world.now - timedelta(hours=ago)
        world.authority.grants = (bea.grants(role, world.template.deployment, at, hours),)
        return bea.signed(world.template, note=_word(chance))

    return make


def _lookalike(_: Scene, chance: random.Random) -> str:
    return chance.choice(["d\u0430na", "DANA", "dana ", " dana", "dana\u200b", "\uff44ana", "dan\u00e1", "Dana"])


KINDS = (
    # Re-signed: an enrolled key, over exactly what is said.
    Kind("another deployment", _resigned(deployment=lambda _, c: _word(c)), Check.DEPLOYMENT),
    Kind("another namespace", _resigned(namespace=lambda _, c: _word(c)), Check.NAMESPACE),
    Kind("another run", _resigned(workflow_id=lambda _, c: f"refund/{_word(c)}"), Check.RUN),
    Kind("another first run", _resigned(first_run_id=lambda _, c: _word(c)), Check.RUN),
    Kind(
        "a request there is not",
        _resigned(approval_id=lambda w, c: f"{w.run_id}#{c.randrange(9, 9**6)}"),
        Check.OPEN_REQUEST,
    ),
    Kind(
        "a rejected request",
        _resigned(approval_id=lambda w, _: f"{w.run_id}#3", note=lambda _, c: _word(c)),
        Check.OPEN_REQUEST,
    ),
    Kind(
        "an expired request",
        _resigned(approval_id=lambda w, _: f"{w.run_id}#4", note=lambda _, c: _word(c)),
        Check.OPEN_REQUEST,
    ),
    Kind("another action", _resigned(action_digest=lambda _, c: _hex(c)), Check.ACTION),
    Kind(
        "the request of another action",
        _resigned(approval_id=lambda w, _: f"{w.run_id}#2", note=lambda _, c: _word(c)),
        Check.ACTION,
        elsewhere=Check.OPEN_REQUEST,
    ),
    Kind("something else was shown", _resigned(display_digest=lambda _, c: _hex(c)), Check.DISPLAY),
    Kind(
        "a verdict that is not offered",
        _resigned(verdict=lambda _, c: c.choice([Verdict.RETRY, Verdict.SKIP, Verdict.TAKE_OVER, Verdict.ABANDON])),
        Check.VERDICT,
    ),
    Kind("issued in the future", _resigned(issued_at=lambda w, c: w.now + _seconds(c, 61, 9**6)), Check.ISSUED_LATER),
    Kind(
        "issued before anybody was asked",
        _resigned(issued_at=lambda w, c: w.asked_at - _seconds(c, 61, 9**6)),
        Check.ISSUED_BEFORE_ASKED,
    ),
    Kind("expired", _resigned(expires_at=lambda w, c: w.now - _seconds(c, 0, 9**6)), Check.EXPIRED),
    Kind(
        "outlives its request",
        _resigned(expires_at=lambda w, c: w.now + timedelta(days=2) + _seconds(c, 1, 9**6)),
        Check.OUTLIVES_REQUEST,
    ),
    Kind("in another's name", _resigned(approver=lambda _, c: c.choice(["erik", "olga", "nora"])), Check.KEY),
    Kind("a name that looks alike", _resigned(approver=_lookalike), Check.KEY),
    Kind("a nonce used before", _reused, Check.NONCE, prepare=_use_eriks),
    Kind("signed by whoever asked", _by(lambda w: w.people.rita), Check.SELF_APPROVAL),
    Kind("signed by whom it was asked for", _by(lambda w: w.people.nora), Check.SELF_APPROVAL),
    Kind("signed by the owner", _by(lambda w: w.people.olga), Check.OWNER),
    Kind("signed by a service", _by(lambda w: w.people.desk), Check.PERSON),
    Kind("signed by one who has left", _by(lambda w: w.people.piet), Check.PERSON),
    Kind("signed by one who is away", _by(lambda w: w.people.abel), Check.ABSENT),
    Kind("another role", _by(lambda w: w.people.lena), Check.ROLE),
    Kind("a role lent by whoever asked", _by(lambda w: w.people.dina), Check.ROLE),
    Kind("a role lent until yesterday", _by(lambda w: w.people.edda), Check.ROLE),
    Kind("a revoked key", _by(lambda w: w.people.kims[0]), Check.KEY_VALIDITY),
    Kind("a key that is over", _by(lambda w: w.people.kims[1]), Check.KEY_VALIDITY),
    Kind("a key that has not begun", _by(lambda w: w.people.kims[2]), Check.KEY_VALIDITY),
    Kind("too many in an hour", _by(lambda w: w.people.tom), Check.RATE, at_the_gate=False),
    Kind("the same person's other key", _by(lambda w: w.people.dana_again), Check.ALREADY_DECIDED, beside="dana"),
    Kind("a delegate beside the delegator", _by(lambda w: w.people.maxi), Check.QUORUM, beside="dana"),
    Kind("an emergency role in a quorum", _in_an_emergency(1, 0.5), Check.ROLE),
    Kind("an emergency that is over", _in_an_emergency(1, 2), Check.ROLE),
    Kind("an emergency that is too long", _in_an_emergency(5, 0.5), Check.ROLE),
    Kind("an emergency role not listed", _in_an_emergency(1, 0.5, "support_lead"), Check.ROLE),
    # Changed after signing, or never signed by anybody.
    Kind("note changed", _tampered(note=lambda _, c: _word(c)), Check.SIGNATURE, resigned=False),
    Kind("nonce changed", _tampered(nonce=lambda _, c: _word(c) * 2), Check.SIGNATURE, resigned=False),
    Kind("value added", _tampered(value=lambda _, c: _word(c)), Check.SIGNATURE, resigned=False),
    Kind(
        "issued a little later",
        _tampered(issued_at=lambda w, c: w.now + _seconds(c, 1, 59)),
        Check.SIGNATURE,
        resigned=False,
    ),
    Kind(
        "made to last longer",
        _tampered(expires_at=lambda w, c: w.now + timedelta(days=1) + _seconds(c, 1, 86_000)),
        Check.SIGNATURE,
        resigned=False,
    ),
    Kind(
        "approve made of reject",
        lambda w, c: w.people.dana.signed(w.template, verdict=Verdict.REJECT, note=_word(c)).model_copy(
            update={"verdict": Verdict.APPROVE}
        ),
        Check.SIGNATURE,
        resigned=False,
    ),
    Kind("a bit flipped", _tampered(signature=_signature(_flipped)), Check.SIGNATURE, resigned=False),
    Kind(
        "the other S",
        _tampered(signature=_signature(_malleable), note=lambda _, c: ""),
        Check.SIGNATURE,
        resigned=False,
    ),
    Kind("another spelling of the bytes", _tampered(signature=_signature(_respelled)), Check.SIGNATURE, resigned=False),
    Kind("a signature cut short", _tampered(signature=_signature(_cut)), Check.SIGNATURE, resigned=False),
    Kind("random bytes", _tampered(signature=_signature(_random)), Check.SIGNATURE, resigned=False),
    Kind("the signature of another's", _tampered(signature=_of_another), Check.SIGNATURE, resigned=False),
    Kind("signed for another purpose", _for_another_purpose, Check.SIGNATURE, resigned=False),
    Kind("another's key under a stolen name", _stolen_name, Check.SIGNATURE, resigned=False),
    Kind("a key nobody has", _tampered(key_id=lambda w, c: spare_key()[0]), Check.KEY, resigned=False),
    Kind("a stranger's own key", _by(lambda w: w.people.mallory), Check.KEY, resigned=False),
    Kind("not signed at all", _unsigned, Check.UNSIGNED, resigned=False),
    Kind(
        "a signature without a nonce",
        _tampered(nonce=lambda _, c: None, note=lambda _, c: _word(c)),
        Check.SHAPE,
        resigned=False,
    ),
)


def is_new(forged: Decision, world: Scene) -> bool:
    """Whether it differs from every genuine statement, or carries another signature."""
    return all(
        (forged.statement_digest(), forged.signature) != (each.statement_digest(), each.signature)
        for each in world.genuine.values()
    )
