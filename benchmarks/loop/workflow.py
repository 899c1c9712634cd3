"""The loop: one activity for each turn with the model, one for each tool call; and one that waits for an approval."""

import asyncio
from datetime import timedelta
from typing import Any

from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ApplicationError

from benchmarks.loop.activities import Activities
from benchmarks.loop.messages import Approval, Call, Entry, Question

WITHIN = timedelta(minutes=5)
RETRIES = RetryPolicy(initial_interval=timedelta(seconds=1), maximum_attempts=5)


@workflow.defn(name="loop")
class LoopWorkflow:
    """Ask, call what is asked for, and ask again until there is an answer."""

    @workflow.run
    async def run(self, goal: str) -> str:
        """The answer."""
        messages: list[Any] = [{"role": "user", "content": f"goal:\n{goal}"}]
        while True:
            reply = await workflow.execute_activity_method(
                Activities.ask, Question(messages=messages), start_to_close_timeout=WITHIN, retry_policy=RETRIES
            )
            messages.append({"role": "assistant", "content": reply.content})
            if reply.stop_reason != "tool_use":
                return "".join(block.get("text", "") for block in reply.content)
            calls = [Call.model_validate(block) for block in reply.content if block["type"] == "tool_use"]
            results = await asyncio.gather(*(self._call(call) for call in calls))
            messages.append({"role": "user", "content": list(results)})

    async def _call(self, call: Call) -> dict[str, Any]:
        text = await workflow.execute_activity_method(
            Activities.call, call, start_to_close_timeout=WITHIN, retry_policy=RETRIES
        )
        return {"type": "tool_result", "tool_use_id": call.id, "content": text}


@workflow.defn(name="approved")
class ApprovedWorkflow:
    """Wait until somebody says yes, then post."""

    def __init__(self) -> None:
        self._approved = False

    @workflow.run
    async def run(self, entry: Entry) -> str:
        """What the tool said."""
        await workflow.wait_condition(lambda: self._approved, timeout=timedelta(days=1))
        call = Call(id=workflow.info().workflow_id, name="bench__post", input={"entry": entry.entry})
        return await workflow.execute_activity_method(
            Activities.call, call, start_to_close_timeout=WITHIN, retry_policy=RETRIES
        )

    @workflow.update
    async def decide(self, approval: Approval) -> str:
        """Take the yes."""
        self._approved = True
        return approval.approver

    @decide.validator
    def _check(self, approval: Approval) -> None:
        if self._approved or not approval.approver:
            raise ApplicationError("nothing waits for this", non_retryable=True)

    @workflow.query
    def waits(self) -> bool:
        """Whether it waits."""
        return not self._approved
