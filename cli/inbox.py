"""The inbox as an approver sees it: the most urgent first, and what asks the same told together with its sum."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from activities.inbox import InboxEntry
from activities.reads import InboxPage
from cli.outside import as_argument
from cli.printing import short_time
from cli.reading import roles
from contracts.escaping import plain

NAMED = 5
"""So many of a group are named."""
TITLE_CHARACTERS = 120
COLUMNS = ("id", "asks", "who", "until", "requester")


@dataclass(frozen=True)
class Group:
    """Requests that ask the same of the same people, the most urgent first; usually one."""

    entries: tuple[InboxEntry, ...]

    @property
    def first(self) -> InboxEntry:
        """The most urgent."""
        return self.entries[0]

    def row(self) -> tuple[str, ...]:
        """One line of the table."""
        first = self.first
        alone = len(self.entries) == 1
        asks = plain(first.title, TITLE_CHARACTERS) if alone else f"{len(self.entries)} alike: {self._sum()}"
        requesters = list(dict.fromkeys(entry.requester for entry in self.entries))
        who = requesters[0] if len(requesters) == 1 else f"{len(requesters)} requesters"
        return first.request_id, asks, roles(first), short_time(first.deadline), who

    def lines(self) -> Iterator[str]:
        """Which ones they are. Each is read and decided by itself."""
        if len(self.entries) > 1:
            named = ", ".join(as_argument(entry.request_id) for entry in self.entries[:NAMED])
            more = f" and {len(self.entries) - NAMED} more" if len(self.entries) > NAMED else ""
            yield f"{len(self.entries)} alike: {named}{more}"

    def _sum(self) -> str:
        alike = self.first.alike
        assert alike is not None  # only what is alike is grouped
        if alike.cents is None:
            return f"{alike.tool} with the same arguments"
        each, total = (_amount(cents, alike.currency) for cents in (alike.cents, alike.cents * len(self.entries)))
        return f"{alike.tool}, {each} each, {total} in all"


def grouped(entries: Iterable[InboxEntry]) -> list[Group]:
    """Requests that are alike together, at the place of the most urgent of them."""
    found: dict[tuple[str, str], list[InboxEntry]] = {}
    for entry in entries:
        same = entry.alike.digest if entry.alike else f"{entry.request_id} {entry.first_run_id}"
        found.setdefault((same, roles(entry)), []).append(entry)
    return [Group(tuple(alike)) for alike in found.values()]


def lines_below(page: InboxPage, approver: str) -> Iterator[str]:
    """What is not in the list, and what to do next. `approver`: whose list it is; empty: everybody's."""
    if not page.requests:
        yield f"nothing waits for {approver or 'people'}"
    if page.problem:
        yield f"nothing can be decided: {page.problem}"
    if page.cut:
        yield f"these are the first {len(page.requests)}; more wait"
    if page.others:
        others = "1 other" if page.others == 1 else f"{page.others} others"
        yield f"{others} may be decided by other people only; --all lists them too"
    if page.decided_lately:
        yield f"decisions of {approver} within the hour: {page.decided_lately}, at most {page.decisions_per_hour} count"
    if page.requests:
        yield f"next: interlock approvals show {as_argument(page.requests[0].request_id)}"


def _amount(cents: int, currency: str) -> str:
    whole, rest = divmod(abs(cents), 100)
    return f"{'-' if cents < 0 else ''}{whole}.{rest:02d} {currency}".rstrip()
