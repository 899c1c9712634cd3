"""Pauses between attempts: an attempt that fails names the next one's moment, and nothing else does."""

import logging
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any, cast

import pytest
from temporalio.api.failure.v1 import Failure
from temporalio.converter import DefaultFailureConverter, DefaultPayloadConverter
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment
from temporalio.worker import ActivityInboundInterceptor, ExecuteActivityInput

from workers.pacing import Pacing
from workflows.steps import PATIENT, STEADY, retried

TEMPORAL_SHOWS_BYTES = 4096
"""`limit.mutableStateActivityFailureSize.error` of the server."""


class Failing(ActivityInboundInterceptor):
    """The activity."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    async def execute_activity(self, input: ExecuteActivityInput) -> Any:  # noqa: A002 - the SDK's name
        """Fail."""
        raise self._error


async def failed(error: Exception, attempt: int = 1, longest: timedelta = PATIENT, **info: Any) -> Exception:
    """What Temporal is told of an attempt that fails so."""
    environment = ActivityEnvironment()
    environment.info = replace(environment.info, attempt=attempt, retry_policy=retried(longest), **info)
    execute = cast(Callable[[Any], Awaitable[Any]], Pacing().intercept_activity(Failing(error)).execute_activity)
    with pytest.raises(Exception) as told:
        await environment.run(execute, None)
    return told.value


@pytest.mark.parametrize(
    ("attempt", "longest", "seconds"),
    [(1, PATIENT, 1), (2, PATIENT, 2), (5, PATIENT, 16), (7, PATIENT, 60), (400, PATIENT, 60), (400, STEADY, 15)],
)
async def test_pauses_after_failures_grow_up_to_the_longest(attempt: int, longest: timedelta, seconds: int) -> None:
    told = await failed(ConnectionError("gone"), attempt, longest)
    assert isinstance(told, ApplicationError)
    assert (told.type, told.message, told.next_retry_delay) == ("ConnectionError", "gone", timedelta(seconds=seconds))


async def test_an_attempt_whose_worker_died_is_repeated_after_a_second_however_often_it_was_tried() -> None:
    policy = retried(PATIENT)
    assert (policy.initial_interval, policy.backoff_coefficient) == (timedelta(seconds=1), 1.0)
    assert retried(timedelta(seconds=0.5)).initial_interval == timedelta(seconds=0.5)


async def test_what_an_error_says_of_the_next_attempt_stands() -> None:
    said = ApplicationError("full", "detail", type="Held", next_retry_delay=timedelta(seconds=7))
    told = await failed(said, attempt=9)
    assert isinstance(told, ApplicationError)
    assert (told.message, told.details, told.type) == ("full", ("detail",), "Held")
    assert told.next_retry_delay == timedelta(seconds=7)


async def test_what_will_not_be_tried_again_is_left_as_it_is() -> None:
    final = ApplicationError("no", type="Refused", non_retryable=True)
    assert await failed(final) is final


async def test_an_error_that_says_nothing_keeps_its_words_and_gets_a_pause() -> None:
    told = await failed(ApplicationError("not yet", 1, type="NothingInForce"), attempt=3)
    assert isinstance(told, ApplicationError)
    assert (told.message, told.details, told.type) == ("not yet", (1,), "NothingInForce")
    assert told.next_retry_delay == timedelta(seconds=4)


async def test_a_local_activity_is_left_alone() -> None:
    error = ConnectionError("gone")
    assert await failed(error, is_local=True) is error


async def test_temporal_is_told_of_a_failure_without_its_causes_and_the_log_has_them(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    try:
        try:
            raise OSError("the network is down" * 1000)
        except OSError as cause:
            raise ConnectionError("bank cannot be reached" + "\N{EURO SIGN}" * 9000) from cause
    except ConnectionError as error:
        told = await failed(error)
    failure = Failure()
    DefaultFailureConverter().to_failure(told, DefaultPayloadConverter(), failure)
    assert failure.message.startswith("bank cannot be reached")
    assert failure.ByteSize() < TEMPORAL_SHOWS_BYTES
    assert "the network is down" in caplog.text
