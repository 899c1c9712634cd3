"""Signed start statements: a statement proves who asks for one run, or the run has no start record."""

from collections.abc import AsyncIterator, Callable
from datetime import timedelta

import pytest
from pydantic import JsonValue
from temporalio.exceptions import ApplicationError

from activities.authority import NothingInForce
from activities.starts import REGISTERED_WITHIN, StartActivities
from contracts.canonical import digest
from contracts.roster import Person, Roster
from contracts.runs import Registered, RunToRegister, StartStatement
from tests.activities.bench import NINE, PRODUCTION, RUN, Bench, a_bench
from tests.authority import Signer, roster_of
from tests.doubles import RecordingToolbox

REQUEST: dict[str, JsonValue] = {"order_id": "A-17"}
RITA, DESK, MALLORY = Signer("rita"), Signer("desk", service=True), Signer("mallory")
LEFT, REVOKED, NEW = Signer("left"), Signer("revoked"), Signer("new")
STATEMENT = StartStatement(
    requester="rita",
    automation="refund",
    business_key="A-17",
    input_digest=digest(REQUEST),
    issued_at=NINE,
    deployment=PRODUCTION.id,
    workflow_id=RUN.workflow_id,
)


def everybody() -> Roster:
    """Rita and the service desk; of the others each lacks one thing."""
    revoked = _with_key(REVOKED, revoked_at=NINE - timedelta(days=1))
    new = _with_key(NEW, valid_from=NINE)
    people = (RITA.person(), DESK.person(), LEFT.person(valid_until=NINE), revoked, new)
    return roster_of().model_copy(update={"people": people})


def _with_key(signer: Signer, **changes: object) -> Person:
    person = signer.person()
    return person.model_copy(update={"keys": (person.keys[0].model_copy(update=changes),)})


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    """A store in which nobody has asked for anything, in production."""
    async with a_bench(RecordingToolbox({}), registered=False, deployment=PRODUCTION) as opened:
        opened.authority.people = everybody()
        yield opened


async def registered(bench: Bench, start: StartStatement, run_id: str = RUN.first_run_id) -> Registered:
    """What becomes of a run that comes with this statement."""
    wanted = RunToRegister(start=start, request=dict(REQUEST))
    return await bench.environment(run_id).run(bench.bound(StartActivities).register_run, wanted)


async def test_a_run_that_its_requester_has_signed_for_is_registered_again_and_again(bench: Bench) -> None:
    start = RITA.starts(STATEMENT)
    first, again = await registered(bench, start), await registered(bench, start)
    assert (first.refused, again.refused) == ("", "")
    record = await bench.store.starts.find(RUN)
    assert record is not None
    assert record.start == start


async def test_a_run_that_is_registered_stays_so_when_it_comes_again_after_its_statement_has_grown_old(
    bench: Bench,
) -> None:
    start = RITA.starts(STATEMENT)
    await registered(bench, start)
    bench.clock.forward(REGISTERED_WITHIN + timedelta(minutes=1))
    assert (await registered(bench, start)).refused == ""
    assert "sign a new one" in (await registered(bench, start, "another run")).refused


async def test_a_service_asks_for_people(bench: Bench) -> None:
    start = DESK.starts(STATEMENT, on_behalf_of=("nora",))
    assert (await registered(bench, start)).refused == ""


@pytest.mark.parametrize(
    ("make", "said"),
    [
        pytest.param(lambda: STATEMENT, "unsigned start statements count in development only", id="unsigned"),
        pytest.param(
            lambda: RITA.starts(STATEMENT, deployment="elsewhere"), "is for deployment 'elsewhere'", id="elsewhere"
        ),
        pytest.param(
            lambda: RITA.starts(STATEMENT, issued_at=NINE - REGISTERED_WITHIN - timedelta(seconds=1)),
            "was issued at 2026-11-19 08:59:59 UTC; sign a new one",
            id="old",
        ),
        pytest.param(
            lambda: RITA.starts(STATEMENT, issued_at=NINE + timedelta(days=1)),
            "was issued at 2026-11-21 09:00:00 UTC; sign a new one",
            id="of tomorrow",
        ),
        pytest.param(
            lambda: RITA.starts(STATEMENT, workflow_id="refund/A-18"), "is for the run 'refund/A-18'", id="another run"
        ),
        pytest.param(lambda: MALLORY.starts(STATEMENT), "is in nobody's name", id="a stranger's key"),
        pytest.param(
            lambda: RITA.starts(STATEMENT, signer="desk", on_behalf_of=()), "is not 'desk''s", id="another signer"
        ),
        pytest.param(
            lambda: RITA.starts(STATEMENT, requester="erik"),
            "'rita' cannot ask in the name of 'erik'; only a service can",
            id="another requester",
        ),
        pytest.param(
            lambda: RITA.starts(STATEMENT, on_behalf_of=("nora",)), "'rita' cannot ask in the name of", id="on behalf"
        ),
        pytest.param(
            lambda: REVOKED.starts(STATEMENT, requester="revoked"),
            "was revoked at 2026-11-19 09:00:00 UTC",
            id="revoked key",
        ),
        pytest.param(
            lambda: NEW.starts(STATEMENT, requester="new", issued_at=NINE - timedelta(hours=1)),
            "counts from 2026-11-20",
            id="before the key",
        ),
        pytest.param(
            lambda: LEFT.starts(STATEMENT, requester="left"), "'left' was entitled until 2026-11-20", id="has left"
        ),
        pytest.param(
            lambda: RITA.starts(STATEMENT, nonce=""),
            "was not signed by 'rita' as it stands; sign a new one",
            id="no nonce",
        ),
        pytest.param(
            lambda: RITA.starts(STATEMENT).model_copy(update={"again": "by somebody else"}),
            "was not signed by 'rita' as it stands; sign a new one",
            id="edited",
        ),
    ],
)
async def test_a_statement_that_lacks_one_thing_starts_nothing(
    bench: Bench, make: Callable[[], StartStatement], said: str
) -> None:
    assert said in (await registered(bench, make())).refused
    assert await bench.store.starts.find(RUN) is None


async def test_a_statement_starts_one_run_and_not_another_after_it(bench: Bench) -> None:
    start = RITA.starts(STATEMENT, again="the first was lost")
    assert (await registered(bench, start)).refused == ""
    assert (await registered(bench, start, "run-2")).refused.startswith("another run was started with this very")


async def test_while_no_roster_is_in_force_a_signed_start_waits(bench: Bench) -> None:
    bench.authority.missing = NothingInForce("no roster is in force")
    with pytest.raises(ApplicationError, match="no roster is in force") as waits:
        await registered(bench, RITA.starts(STATEMENT))
    assert not waits.value.non_retryable
