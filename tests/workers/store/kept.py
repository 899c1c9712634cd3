"""Runs of which the store keeps everything it can keep, for tests of what becomes of it."""

from collections.abc import Iterator

from pydantic import JsonValue
from sqlalchemy import Connection, select

from activities.conversations import Delta, RunKey
from activities.inbox import InboxEntry, StartRecord
from activities.ledger import LedgerState
from activities.notices import Notice, Route
from activities.orphans import Effect, Fate, Standing
from contracts.canonical import canonical_json, digest
from contracts.decisions import Decision, Verdict
from contracts.erasing import Erasure, digest_of_runs
from contracts.runs import StartStatement
from contracts.tools import EffectClass
from tests.workers.store.samples import NINE, answered, asked, at, claim, issued, lost, notice
from workers.resources.audit.findings import Report
from workers.resources.audit.signed_heads import SignedHeads
from workers.resources.audit.verification import verify_store
from workers.resources.store import Store
from workers.resources.store.schema import METADATA

BOB = "bob@example.com"
SHARED = b'{"weather":"rain"}'
"""An answer that several runs were given."""
ROUTES = (Route(channel="mail", personal=True),)


def run_number(number: int) -> RunKey:
    """One of several runs."""
    return RunKey(workflow_id=f"refund/E-{number}", first_run_id=f"first-{number}")


def asked_for(number: int, who: str, **changes: object) -> StartRecord:
    """Rita asks for a refund for somebody, because of what they have written."""
    request: dict[str, JsonValue] = {"order": f"E-{number}", "customer": {"mails": ["x", who]}}
    start = StartStatement(
        requester="rita",
        automation="refund",
        business_key=f"E-{number}",
        input_digest=digest(request),
        issued_at=NINE,
        again=f"{who} has called",
    )
    return StartRecord(run=run_number(number), start=start.model_copy(update=changes), request=request)


async def keep(store: Store, number: int, who: str = BOB, *, ended: bool = True) -> RunKey:
    """A run of a conversation, a read, an effect, and a request with a note and a notice, all about `who`."""
    run = run_number(number)
    await store.starts.register(asked_for(number, who), NINE)
    await _talk(store, run, who)
    await _call(store, run, f"read-{number}", EffectClass.READ, SHARED, who)
    await _call(store, run, f"pay-{number}", EffectClass.KEYED, canonical_json({"paid": who}), who)
    await _ask_people(store, run, who)
    if ended:
        await store.starts.end(run, "refunded", at(30))
    return run


async def _talk(store: Store, run: RunKey, who: str) -> None:
    system = await store.contents.put(b"You are of use.")
    offered = await store.contents.put(b"[]")
    await store.conversations.ask(run, "assessing", Delta(turn=0, user=[who], system=system, offered=offered), at(1))
    outcome = answered().model_copy(
        update={"answer_ref": await store.contents.put(f"said of {who}".encode()), "advice": {"to": who}}
    )
    await store.conversations.answer(run, "assessing", 0, [f"dear {who}"], outcome, at(2))


async def _call(store: Store, run: RunKey, key: str, kind: EffectClass, content: bytes, who: str) -> None:
    action = await store.contents.put(canonical_json({"action": key, "to": who}))
    named = {**run.model_dump(), "effect_class": kind, "arguments": {"to": who}, "action_digest": action}
    question = digest(b"the weather") if kind is EffectClass.READ else None
    await store.ledger.claim(claim(key).model_copy(update={**named, "question": question}), at(3))
    await store.ledger.mark_sent(key, 0, "worker-1", at(4))
    outcome = issued(content).model_copy(update={"facts": {"to": who}, "message": f"sent to {who}"})
    await store.ledger.finish(key, 1, LedgerState.DONE, outcome, content, at(5))


async def _ask_people(store: Store, run: RunKey, who: str) -> None:
    shown = await store.contents.put(canonical_json({"run": run.workflow_id, "shown": who}))
    entry = entry_of(run).model_copy(update={"title": f"credit {who}", "display_digest": shown})
    await store.inbox.open(entry, (told_of(run, who),))
    await store.decided.use(_decision(run, who), "dana", at(7))
    await store.inbox.close(entry, "approved", "dana", at(8))


def entry_of(run: RunKey) -> InboxEntry:
    """The run asks people."""
    named = {**run.model_dump(), "request_id": f"{run.workflow_id}#1", "opened_at": at(6)}
    return asked(1).model_copy(update=named)


def told_of(run: RunKey, who: str) -> Notice:
    """Fiona is told of it."""
    words = {"id": f"n-{run.first_run_id}", "subject": f"about {who}", "body": f"credit {who}"}
    return notice().model_copy(update={**run.model_dump(), **words})


def _decision(run: RunKey, who: str) -> Decision:
    return Decision(
        deployment="here",
        namespace="default",
        **run.model_dump(),
        approval_id=f"{run.workflow_id}#1",
        action_digest=digest(b"something"),
        verdict=Verdict.APPROVE,
        approver="dana",
        nonce=f"n-1234567890-{run.first_run_id}",
        issued_at=NINE,
        expires_at=at(60),
        display_digest=digest(b"something"),
        note=f"I know {who}",
    )


async def leave_unknown(store: Store, run: RunKey) -> tuple[Effect, ...]:
    """The run is terminated while an effect of it is on its way, and swept."""
    key = f"lost of {run.workflow_id}"
    await store.ledger.claim(claim(key).model_copy(update=run.model_dump()), at(10))
    await store.ledger.mark_sent(key, 0, "worker-1", at(11))
    await store.ledger.finish(key, 1, LedgerState.UNKNOWN, lost(), None, at(12))
    swept = await store.orphans.settle(run, Fate(standing=Standing.TERMINATED), (), at(13), lambda _: ())
    await store.starts.end(run, Standing.TERMINATED.value, at(13))
    return swept.without_verdict


async def erasure(store: Store, *runs: RunKey, subject: str = BOB) -> Erasure:
    """Olga orders it."""
    return Erasure(
        deployment="here",
        subject=await store.starts.pseudonym(subject),
        runs=digest_of_runs((run.workflow_id, run.first_run_id) for run in runs),
        by="olga",
        nonce="n-1234567890abcdef",
        issued_at=at(40),
    )


def verified(store: Store) -> Report:
    """What a verification of the chain and the rows says; of checkpoints there are none."""
    signed = SignedHeads(unverifiable="they are left out")
    return store.at_one_moment(lambda connection: verify_store(connection, signed, at(99)))[0]


def everything(connection: Connection) -> Iterator[str]:
    """Every value of every row, in words."""
    for table in METADATA.sorted_tables:
        for row in connection.execute(select(table)).mappings():
            yield from (f"{table.name}.{name}: {value!r}" for name, value in row.items())
