"""Put requests to people into the inbox, take them out, and verify their decisions."""

from pydantic import JsonValue
from temporalio import activity

from activities.clock import Clock
from activities.conversations import Contents, RunKey
from activities.evidence import problem_with
from activities.identity import CurrentRun
from activities.inbox import Inbox, InboxEntry, Starts
from contracts.canonical import canonical_json
from contracts.decisions import CheckedDecision, DecisionToCheck, OpenedRequest, RequestToClose, RequestToOpen
from contracts.deployment import Deployment


class PeopleActivities:
    """What people are asked, shown and answered with."""

    def __init__(
        self,
        inbox: Inbox,
        contents: Contents,
        starts: Starts,
        current: CurrentRun,
        clock: Clock,
        deployment: Deployment,
    ) -> None:
        self._inbox, self._contents, self._starts = inbox, contents, starts
        self._current, self._clock, self._deployment = current, clock, deployment

    @activity.defn
    async def open_request(self, request: RequestToOpen) -> OpenedRequest:
        """Store exactly what people will be shown, by content address, and list the request."""
        run = await self._current.key()
        record = await self._starts.find(run)
        requester = record.start.requester if record else ""
        action = await self._contents.get(request.action_digest)
        shown: dict[str, JsonValue] = {
            "request": request.model_dump(mode="json"),
            "run": run.model_dump(mode="json"),
            "requester": requester,
            "action": action.decode() if action else "",
        }
        display_digest = await self._contents.put(canonical_json(shown))
        standing = await self._inbox.find(request.request_id)
        if standing is not None:
            return OpenedRequest(display_digest=standing.display_digest)
        await self._inbox.open(await self._entry(request, run, requester, display_digest))
        return OpenedRequest(display_digest=display_digest)

    @activity.defn
    async def close_request(self, request: RequestToClose) -> None:
        """Take a request out of the inbox."""
        await self._inbox.close(request.request_id, request.outcome, request.by, await self._clock.now())

    @activity.defn
    async def check_decision(self, check: DecisionToCheck) -> CheckedDecision:
        """Whether a decision counts: for this run and request, in time, from somebody entitled."""
        run = await self._current.key()
        record = await self._starts.find(run)
        if record is None:
            return CheckedDecision(counts=False, reason="this run has no start record; nothing can be decided for it")
        problem = problem_with(
            check.decision,
            deployment=self._deployment,
            run=run,
            action_digest=check.action_digest,
            requester=record.start.requester,
            now=await self._clock.now(),
        )
        return CheckedDecision(counts=not problem, reason=problem[:300])

    async def _entry(self, request: RequestToOpen, run: RunKey, requester: str, display_digest: str) -> InboxEntry:
        return InboxEntry(
            request_id=request.request_id,
            kind=request.kind,
            automation=request.automation,
            workflow_id=run.workflow_id,
            first_run_id=run.first_run_id,
            state=request.state,
            title=request.title,
            action_digest=request.action_digest,
            display_digest=display_digest,
            obligations=request.obligations,
            options=request.options,
            requester=requester,
            opened_at=await self._clock.now(),
            deadline=request.deadline,
        )
