"""Conversations and contents: each half of a turn is written once, and reads the same for ever."""

import asyncio

import pytest
from pydantic import JsonValue
from sqlalchemy import select

from activities.conversations import Delta, RunKey
from contracts.audit import AuditKind, AuditRecord
from contracts.budgets import Amounts
from contracts.canonical import digest
from contracts.claude import Usage
from tests.workers.store.samples import RUN, answered, at
from workers.resources.store import ContentDamaged, Store
from workers.resources.store.conversations import TurnNeverAsked, address_of
from workers.resources.store.schema import AUDIT


def question(turn: int, words: str = "hello") -> Delta:
    """The user side of a turn."""
    return Delta(turn=turn, user=[{"type": "text", "text": words}], offered="sha256:tools", system="sha256:you")


def audited(store: Store, kind: AuditKind) -> list[AuditRecord]:
    """What the audit chain has of one kind."""
    query = select(AUDIT.c.payload).where(AUDIT.c.kind == kind.value)
    payloads = store.at_one_moment(lambda connection: connection.execute(query).scalars().all())
    return [AuditRecord.model_validate_json(payload) for payload in payloads]


async def test_a_turn_is_asked_then_answered(store: Store) -> None:
    asked = await store.conversations.ask(RUN, "assessing", question(0), at(0))
    assert asked == question(0)

    told = await store.conversations.answer(RUN, "assessing", 0, ["hi"], answered(), at(1))

    assert told.model_copy(update={"address": ""}) == question(0).model_copy(
        update={"assistant": ["hi"], "outcome": answered()}
    )
    assert await store.conversations.find(RUN, "assessing", 0) == told


async def test_a_turn_that_nobody_asked_is_not_found(store: Store) -> None:
    await store.conversations.ask(RUN, "assessing", question(0), at(0))

    assert await store.conversations.find(RUN, "assessing", 1) is None
    assert await store.conversations.find(RUN, "another", 0) is None
    stranger = RunKey(workflow_id=RUN.workflow_id, first_run_id="run-2")
    assert await store.conversations.find(stranger, "assessing", 0) is None


async def test_a_retried_question_gets_the_one_that_stands_with_its_answer(store: Store) -> None:
    await store.conversations.ask(RUN, "assessing", question(0), at(0))
    told = await store.conversations.answer(RUN, "assessing", 0, ["hi"], answered(), at(1))

    assert await store.conversations.ask(RUN, "assessing", question(0, "edited meanwhile"), at(2)) == told


async def test_a_second_answer_does_not_replace_the_first(store: Store) -> None:
    await store.conversations.ask(RUN, "assessing", question(0), at(0))
    first = await store.conversations.answer(RUN, "assessing", 0, [], answered("one"), at(1))

    assert await store.conversations.answer(RUN, "assessing", 0, ["late"], answered("two"), at(2)) == first


async def test_an_answer_is_counted_as_spent_once_however_often_it_is_given(store: Store) -> None:
    spender = (await store.budgets.account(RUN, "ada", "refund", "2026-11-20")).spender
    await store.conversations.ask(RUN, "assessing", question(0), at(0))
    paid = answered().model_copy(update={"usage": Usage(input_tokens=100, output_tokens=20, cost_micros=500)})

    rivals = (store.conversations.answer(RUN, "assessing", 0, [n], paid, at(n), spender) for n in range(10))
    await asyncio.gather(*rivals)

    spent = (await store.budgets.account(RUN, "ada", "refund", "2026-11-20")).run
    assert spent == Amounts(turns=1, tokens=120, cost_micros=500)


async def test_an_answer_that_cannot_be_counted_is_not_kept_either(store: Store) -> None:
    spender = (await store.budgets.account(RUN, "ada", "refund", "2026-11-20")).spender
    await store.conversations.ask(RUN, "assessing", question(0), at(0))
    store._database.write_now(lambda connection: connection.exec_driver_sql("DROP TABLE spent").close())

    with pytest.raises(Exception, match="spent"):
        await store.conversations.answer(RUN, "assessing", 0, ["hi"], answered(), at(1), spender)

    assert await store.conversations.find(RUN, "assessing", 0) == question(0)


async def test_an_answer_to_a_turn_that_was_never_asked_is_not_counted(store: Store) -> None:
    spender = (await store.budgets.account(RUN, "ada", "refund", "2026-11-20")).spender
    with pytest.raises(TurnNeverAsked):
        await store.conversations.answer(RUN, "assessing", 0, ["hi"], answered(), at(1), spender)

    assert (await store.budgets.account(RUN, "ada", "refund", "2026-11-20")).run == Amounts()


async def test_an_answer_to_a_turn_that_was_never_asked_says_so(store: Store) -> None:
    with pytest.raises(TurnNeverAsked, match="turn 3 of conversation 'assessing'"):
        await store.conversations.answer(RUN, "assessing", 3, ["hi"], answered(), at(1))


async def test_of_twenty_questions_and_answers_at_once_the_first_stands_for_all(store: Store) -> None:
    asked = [store.conversations.ask(RUN, "assessing", question(0, f"{n}"), at(n)) for n in range(20)]
    assert len({digest(delta) for delta in await asyncio.gather(*asked)}) == 1

    told = [store.conversations.answer(RUN, "assessing", 0, [n], answered(), at(n)) for n in range(20)]
    assert len({digest(delta) for delta in await asyncio.gather(*told)}) == 1


async def test_a_retried_turn_reads_exactly_the_same_prefix(store: Store) -> None:
    for turn in (2, 0, 10, 1):
        await store.conversations.ask(RUN, "assessing", question(turn, f"{turn}"), at(turn))
        await store.conversations.answer(RUN, "assessing", turn, [turn], answered(), at(turn))
    first_try = await store.conversations.read(RUN, "assessing", before_turn=3)

    await store.conversations.ask(RUN, "assessing", question(3), at(20))
    await store.conversations.ask(RUN, "drafting", question(0), at(20))

    assert [delta.turn for delta in first_try] == [0, 1, 2]
    assert await store.conversations.read(RUN, "assessing", before_turn=3) == first_try


async def test_an_answer_is_named_by_a_digest_of_everything_up_to_it(store: Store) -> None:
    for conversation, words in (("one", "hello"), ("same", "hello"), ("other", "hullo")):
        for turn in range(2):
            await store.conversations.ask(RUN, conversation, question(turn, words), at(turn))
            await store.conversations.answer(RUN, conversation, turn, ["hi"], answered(), at(turn))
    one, same, other = [await store.conversations.read(RUN, name, 2) for name in ("one", "same", "other")]

    assert [delta.address for delta in one] == [delta.address for delta in same]
    assert not {delta.address for delta in one} & {delta.address for delta in other}
    first = address_of("", one[0].user, ["hi"])
    assert [delta.address for delta in one] == [first, address_of(first, one[1].user, ["hi"])]
    assert address_of("", one[1].user, ["hi"]) != one[1].address, "what came before is part of it"


async def test_auditors_are_told_of_every_answer_once_with_its_address(store: Store) -> None:
    await store.conversations.ask(RUN, "assessing", question(0), at(0))
    told = [await store.conversations.answer(RUN, "assessing", 0, ["hi"], answered(), at(n)) for n in range(3)]

    (record,) = audited(store, AuditKind.TURN)
    assert (record.about, record.workflow_id) == (told[0].address, RUN.workflow_id)
    assert (record.facts["conversation"], record.facts["turn"]) == ("assessing", 0)
    assert record.facts["model"] == answered().model
    assert "hi" not in str(record.facts)


async def test_what_is_not_shown_any_more_is_not_read(store: Store) -> None:
    for turn in range(9):
        cut = {"folded_before": 5 if turn >= 7 else 0}
        await store.conversations.ask(RUN, "assessing", question(turn).model_copy(update=cut), at(turn))
        await store.conversations.answer(RUN, "assessing", turn, ["hi"], answered(), at(turn))

    async def shown(turn: int) -> list[int]:
        return [delta.turn for delta in await store.conversations.read(RUN, "assessing", turn)]

    assert await shown(7) == [0, 1, 2, 3, 4, 5, 6], "the turn that cuts sees what it cuts"
    assert await shown(8) == [0, 5, 6, 7]
    assert await shown(0) == []


async def test_cuts_facts_and_the_model_are_kept_with_the_turn(store: Store) -> None:
    asked = question(0).model_copy(
        update={
            "facts": {"order": "A-17"},
            "asked_of": "claude",
            "stubbed_before": 3,
            "folded_before": 2,
            "folded": "sha256:f",
        }
    )
    assert await store.conversations.ask(RUN, "assessing", asked, at(0)) == asked


async def test_blocks_are_kept_as_received(store: Store) -> None:
    block: JsonValue = {"z": 1, "a": {"b": [1.5, 1, True, None, 2**80]}, "text": "\x00 \ud83d \u202e 40 €"}
    await store.conversations.ask(RUN, "assessing", Delta(turn=0, user=[block]), at(0))
    told = await store.conversations.answer(RUN, "assessing", 0, [block], answered(), at(1))

    assert told.user == told.assistant == [block]
    assert isinstance(told.user[0], dict)
    assert list(told.user[0]) == ["z", "a", "text"]


async def test_content_is_found_by_the_address_it_was_given(store: Store) -> None:
    content = bytes(range(256)) * 5000

    address = await store.contents.put(content)

    assert address == digest(content)
    assert await store.contents.get(address) == content
    assert await store.contents.put(content) == address
    assert await store.contents.get(digest(b"something else")) is None


async def test_content_that_was_changed_in_the_database_is_not_handed_out(store: Store) -> None:
    address = await store.contents.put(b"40.00 EUR")
    edit = "UPDATE contents SET content = content || content"
    store._database.write_now(lambda connection: connection.exec_driver_sql(edit).rowcount)

    with pytest.raises(ContentDamaged, match=address):
        await store.contents.get(address)
