"""Freezes in the store: recorded with their notices and their record of the chain, and never taken out again."""

from pathlib import Path

from activities.notices import NoticeEvent, Route
from contracts.audit import GOVERNANCE, AuditKind, AuditRecord
from contracts.authority import DocumentKind
from contracts.deployment import Deployment
from contracts.freezing import FreezeScope
from tests.authority import Signer, roster_of
from tests.workers.desk import DEVELOPMENT, PRODUCTION, Desk
from tests.workers.store.samples import NINE, at, notice
from workers.resources.audit import rows
from workers.resources.freezes import StoredFreezes
from workers.resources.store import Store

OLGA = Signer("olga", ("operator",))
HERE = PRODUCTION.id


def seen_by(store: Store, deployment: Deployment = DEVELOPMENT) -> StoredFreezes:
    """As another worker would begin."""
    return StoredFreezes(store.freezes, Desk(store).authority(deployment), deployment)


async def test_a_freeze_outlives_the_process_that_recorded_it(store_url: str) -> None:
    first = Store.open(store_url)
    freeze = OLGA.freezes(HERE, NINE, FreezeScope.SERVER, "payments")
    assert await first.freezes.freeze(freeze, (), NINE)
    first.close()
    second = Store.open(store_url)
    standing = await seen_by(second).over("refund", "payments", "issue_credit")
    elsewhere = await seen_by(second).over("refund", "orders", "find_order")
    second.close()

    assert standing is not None
    assert (standing.id, standing.by, standing.reason, standing.since) == (freeze.id, "olga", freeze.reason, NINE)
    assert elsewhere is None


async def test_a_nonce_freezes_once(store: Store) -> None:
    freeze = OLGA.freezes(HERE, NINE)
    assert await store.freezes.freeze(freeze, (), NINE)
    assert not await store.freezes.freeze(freeze.model_copy(update={"reason": "another"}), (), NINE)
    assert [each.standing.reason for each in await seen_by(store).pressed()] == [freeze.reason]
    assert store.audit.heads_now()[GOVERNANCE].seq == 1


async def test_a_thaw_is_recorded_once_and_in_the_place_of_what_its_author_has_seen(store: Store) -> None:
    freeze = OLGA.freezes(HERE, NINE)
    thaw, later = OLGA.thaws(freeze, at(1)), OLGA.thaws(freeze, at(2))
    assert not await store.freezes.thaw(thaw, None, (), at(1)), "no such freeze"
    await store.freezes.freeze(freeze, (), NINE)
    assert await store.freezes.thaw(thaw, None, (), at(1))
    assert not await store.freezes.thaw(later, None, (), at(2)), "somebody was faster"
    [pressed] = await seen_by(store).pressed()
    assert (pressed.thaw, pressed.thawed_at) == (thaw, at(1))
    assert await store.freezes.thaw(later, pressed.recorded_thaw, (), at(2))
    assert [each.thaw for each in await seen_by(store).pressed()] == [later]
    assert store.audit.heads_now()[GOVERNANCE].seq == 3


async def test_the_oldest_freeze_over_a_call_is_named_first(store: Store) -> None:
    for minute, (scope, target) in enumerate([(FreezeScope.TOOL, "a.b"), (FreezeScope.ALL, ""), (FreezeScope.ALL, "")]):
        await store.freezes.freeze(OLGA.freezes(HERE, at(minute), scope, target), (), at(minute))

    freezes = seen_by(store)
    first, other = await freezes.over("refund", "a", "b"), await freezes.over("refund", "a", "c")
    assert first is not None and other is not None
    assert (first.since, other.since) == (at(0), at(1))
    assert [each.since for each in await freezes.standing()] == [at(0), at(1), at(2)]


async def test_people_are_told_in_the_same_transaction(tmp_path: Path) -> None:
    store = Store.open(f"sqlite:///{tmp_path}/store.db", [Route(channel="pager", personal=False)])
    freeze = OLGA.freezes(HERE, NINE)
    await store.freezes.freeze(freeze, (notice(1, "", NoticeEvent.FROZEN),), NINE)
    await store.freezes.freeze(freeze, (notice(2, "", NoticeEvent.FROZEN),), NINE)
    await store.freezes.thaw(OLGA.thaws(freeze, NINE), None, (notice(3, "", NoticeEvent.THAWED),), NINE)
    await store.freezes.thaw(OLGA.thaws(freeze, NINE), None, (notice(4, "", NoticeEvent.THAWED),), NINE)
    waiting = await store.outbox.waiting(10)
    store.close()

    assert [row.notice.id for row in waiting] == ["n-1", "n-3"]


async def test_who_was_entitled_is_asked_of_the_roster_of_that_time(store: Store) -> None:
    """Omar thaws and is no operator any more; Nora was none yet when she did."""
    desk, nora = Desk(store), Signer("nora", ("operator",))
    await desk.put(DocumentKind.ROSTER, desk.roster(), desk.ada, desk.alan)
    by_omar, by_nora = (desk.omar.freezes(HERE, desk.now()) for _ in range(2))
    for freeze, signer in ((by_omar, desk.omar), (by_nora, nora)):
        await store.freezes.freeze(freeze, (), freeze.issued_at)
        await store.freezes.thaw(signer.thaws(freeze, desk.now()), None, (), desk.now())
    await desk.put(DocumentKind.ROSTER, roster_of(desk.ada, desk.alan, nora), desk.ada, desk.alan)

    [standing] = await seen_by(store, PRODUCTION).standing()
    assert standing.id == by_nora.id
    assert standing.not_thawed.endswith("is nobody's in the roster of that time")


async def test_a_key_that_is_revoked_later_takes_its_thaws_along_in_a_worker_that_has_verified_them(
    store: Store,
) -> None:
    desk = Desk(store)
    await desk.put(DocumentKind.ROSTER, desk.roster(), desk.ada, desk.alan)
    freeze = desk.omar.freezes(HERE, desk.now())
    await store.freezes.freeze(freeze, (), freeze.issued_at)
    await store.freezes.thaw(desk.omar.thaws(freeze, desk.now()), None, (), desk.now())
    worker = seen_by(store, PRODUCTION)
    assert await worker.standing() == ()
    revoked = desk.omar.person().keys[0].model_copy(update={"revoked_at": desk.now()})
    people = (desk.ada.person(), desk.alan.person(), desk.omar.person(keys=(revoked,)))
    await desk.put(DocumentKind.ROSTER, desk.roster().model_copy(update={"people": people}), desk.ada, desk.alan)

    [standing] = await worker.standing()
    assert standing.not_thawed == "it was signed with a key of 'omar' that was revoked since"


async def test_the_chain_tells_who_has_frozen_and_thawed(store: Store) -> None:
    freeze = OLGA.freezes(HERE, NINE)
    await store.freezes.freeze(freeze, (), NINE)
    await store.freezes.thaw(OLGA.thaws(freeze, NINE), None, (), NINE)
    links = store.at_one_moment(lambda connection: [link for link, _ in rows.links(connection)])
    records = [AuditRecord.model_validate_json(link.payload) for link in links if link.stream == GOVERNANCE]

    assert [(each.kind, each.who, each.facts) for each in records] == [
        (AuditKind.FROZEN, "olga", {"freeze": freeze.nonce}),
        (AuditKind.THAWED, "olga", {"freeze": freeze.nonce}),
    ]
    assert (await store.contents.get(records[0].about) or b"").find(b"money leaves twice") > 0
