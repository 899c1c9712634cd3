"""Reads that people's commands ask a worker for, so that nobody needs database credentials to look or to approve."""

from pydantic import JsonValue, TypeAdapter
from temporalio import activity
from temporalio.exceptions import ApplicationError

from activities.conversations import Contents
from activities.inbox import Inbox, InboxEntry, Starts
from contracts.deployment import Deployment
from contracts.model import Model
from contracts.runs import CaseLookup, KnownCase

MAX_LISTED = 200
MAX_READ_BYTES = 512 * 1024
_SHOWN = TypeAdapter(dict[str, JsonValue])


class InboxPage(Model):
    """Open requests, the most urgent first."""

    requests: tuple[InboxEntry, ...]


class RequestQuery(Model):
    """Asks for one request by its ID."""

    request_id: str


class ShownRequest(Model):
    """A request with exactly what its digest stands for, and what a decision must name."""

    entry: InboxEntry
    shown: dict[str, JsonValue]
    deployment: Deployment


class ContentQuery(Model):
    """Asks for stored text by its content address."""

    address: str


class Nothing(Model):
    """The input of a read that takes none."""


class ReadActivities:
    """Read-only; run as standalone activities, outside any workflow."""

    def __init__(self, inbox: Inbox, contents: Contents, starts: Starts, deployment: Deployment) -> None:
        self._inbox, self._contents, self._starts, self._deployment = inbox, contents, starts, deployment

    @activity.defn
    async def look_up_case(self, lookup: CaseLookup) -> KnownCase:
        """What is known of a business case."""
        return await self._starts.look_up(lookup.automation, lookup.business_key, lookup.request)

    @activity.defn
    async def waiting_requests(self, _: Nothing) -> InboxPage:
        """The open requests."""
        return InboxPage(requests=await self._inbox.waiting(MAX_LISTED))

    @activity.defn
    async def show_request(self, query: RequestQuery) -> ShownRequest:
        """One request, open or closed. Raises ApplicationError(type="NoRequest")."""
        entry = await self._inbox.find(query.request_id)
        if entry is None:
            message = f"no request {query.request_id!r}; `interlock approvals list` shows the open ones"
            raise ApplicationError(message, type="NoRequest", non_retryable=True)
        content = await self._contents.get(entry.display_digest)
        shown = _SHOWN.validate_json(content) if content else {}
        return ShownRequest(entry=entry, shown=shown, deployment=self._deployment)

    @activity.defn
    async def read_content(self, query: ContentQuery) -> str:
        """Stored text, cut at 512 KiB. Raises ApplicationError(type="NoContent")."""
        content = await self._contents.get(query.address)
        if content is None:
            raise ApplicationError(f"nothing is stored under {query.address}", type="NoContent", non_retryable=True)
        return content[:MAX_READ_BYTES].decode(errors="replace")
