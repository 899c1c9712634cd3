"""Decisions that were taken: a nonce for one statement alone, counted by person and hour, told to auditors once."""

from datetime import timedelta

from contracts.audit import AuditKind
from contracts.decisions import Decision, Verdict
from tests.workers.store.samples import DIGEST, NINE, RUN, at
from tests.workers.store.test_taints import audited
from workers.resources.store import Store


def decision(nonce: str | None = "n" * 20, note: str = "") -> Decision:
    """Dana approves."""
    return Decision(
        deployment="here",
        namespace="default",
        workflow_id=RUN.workflow_id,
        first_run_id=RUN.first_run_id,
        approval_id="refund/A-17#1",
        action_digest=DIGEST,
        verdict=Verdict.APPROVE,
        approver="dana",
        key_id="k-" + "0" * 32 if nonce else None,
        nonce=nonce,
        signature="s" if nonce else None,
        issued_at=NINE,
        expires_at=NINE + timedelta(hours=1),
        display_digest=DIGEST,
        note=note,
    )


async def test_a_nonce_counts_for_one_statement(store: Store) -> None:
    assert await store.decided.use(decision(), "dana", NINE)
    assert await store.decided.use(decision(), "dana", at(1)), "the same again, after a crash or at the gate"
    assert not await store.decided.use(decision(note="and another thing"), "dana", at(2))


async def test_unsigned_decisions_count_by_what_they_say(store: Store) -> None:
    assert await store.decided.use(decision(nonce=None), "dana", NINE)
    assert await store.decided.use(decision(nonce=None, note="and another thing"), "dana", NINE)


async def test_the_decisions_of_one_person_since_a_moment_are_counted(store: Store) -> None:
    for number in range(3):
        await store.decided.use(decision(f"{number}" * 20), "dana", at(number))
    await store.decided.use(decision("e" * 20), "erik", at(2))

    assert await store.decided.count_since("dana", NINE) == 3
    assert await store.decided.count_since("dana", at(1)) == 2
    assert await store.decided.count_since("dana", NINE, besides=decision("1" * 20)) == 2
    assert await store.decided.deciders(RUN.first_run_id, "refund/A-17#1") == ("dana", "erik")


async def test_a_decision_that_counts_is_told_to_auditors_once(store: Store, store_url: str) -> None:
    for minutes in (0, 1):
        await store.decided.use(decision(note="because"), "dana", at(minutes))
    await store.decided.use(decision(note="another"), "dana", at(2))

    (told,) = audited(store_url)
    assert (told.kind, told.who, told.about, told.at) == (AuditKind.DECISION, "dana", "refund/A-17#1", NINE)
    assert told.facts["statement"] == decision(note="because").statement_digest()
    assert "because" not in told.model_dump_json(), "a note is named by its digest"
