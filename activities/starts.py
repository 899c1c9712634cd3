"""Register who asked for a run, and record how it ended."""

from temporalio import activity

from activities.clock import Clock
from activities.identity import CurrentRun
from activities.inbox import CaseTaken, StartRecord, Starts
from contracts.canonical import digest
from contracts.runs import Registered, RunEnded, RunToRegister


class StartActivities:
    """The first and the last step of every run."""

    def __init__(self, starts: Starts, current: CurrentRun, clock: Clock) -> None:
        self._starts, self._current, self._clock = starts, current, clock

    @activity.defn
    async def register_run(self, wanted: RunToRegister) -> Registered:
        """Store the start record of the calling run; without it the gate lets nothing through."""
        pseudonym = await self._starts.pseudonym(wanted.start.requester)
        if wanted.start.input_digest != digest(wanted.request):
            refused = "the start statement names another input than this one; start the run with `interlock runs start`"
            return Registered(requester_pseudonym=pseudonym, refused=refused)
        if wanted.start.automation != activity.info().workflow_type:
            refused = (
                f"the start statement is for {wanted.start.automation!r}, not for {activity.info().workflow_type!r}"
            )
            return Registered(requester_pseudonym=pseudonym, refused=refused)
        record = StartRecord(run=await self._current.key(), start=wanted.start, request=wanted.request)
        try:
            await self._starts.register(record, await self._clock.now())
        except CaseTaken as taken:
            return Registered(
                requester_pseudonym=pseudonym, refused=f"{taken}; start it anew with --again REASON"[:400]
            )
        return Registered(requester_pseudonym=pseudonym)

    @activity.defn
    async def record_ending(self, ended: RunEnded) -> None:
        """Record the ending of the calling run beside its business key."""
        await self._starts.end(await self._current.key(), ended.state, await self._clock.now())
