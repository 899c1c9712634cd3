"""How far several approvals fulfil what is demanded: a quorum counts distinct people, and whom they speak for once."""

from activities.entitlement import holdings_of
from activities.evidence import Circumstances, approver_of
from contracts.decisions import Decision, Verdict
from contracts.policy import people_demanded

MAX_PEOPLE = 12
"""Who has approved one action; no rule demands more people."""
Place = tuple[str, frozenset[str]]
"""A role, and the people who are spoken for when somebody fills it: themselves, and whoever lent it."""


def fulfilled(approvals: tuple[Decision, ...], about: Circumstances) -> bool:
    """Whether these verified approvals are all that the request demands."""
    counts = tally(approvals, about)
    return all(counts.get(role, 0) >= quorum for role, quorum in _demanded(about).items())


def tally(approvals: tuple[Decision, ...], about: Circumstances) -> dict[str, int]:
    """Role -> people counted for it. Every decision has been verified.

    A person fills one place, and so does whoever lent them the role; an emergency role fills no place of a quorum.
    """
    demanded = _demanded(about)
    places: dict[str, set[Place]] = {}
    for decision in approvals:
        if decision.verdict is Verdict.APPROVE:
            subject = approver_of(decision, about.roster)
            places.setdefault(subject, set()).update(_places(subject, about, demanded))
    return _best([sorted(each, key=_stable) for each in places.values()], demanded)


def _demanded(about: Circumstances) -> dict[str, int]:
    return people_demanded(about.request.obligations) if about.request else {}


def _places(subject: str, about: Circumstances, demanded: dict[str, int]) -> set[Place]:
    if about.freely or about.request is None or about.start is None:
        return {(role, frozenset({subject})) for role in demanded}
    held = holdings_of(about.roster, about.request, about.start, subject, about.now, about.grants)
    return {(role, frozenset({subject, *holding.chain})) for role, holding in held}


def _stable(place: Place) -> tuple[str, list[str]]:
    """An order that does not change from process to process."""
    return place[0], sorted(place[1])


def _best(people: list[list[Place]], demanded: dict[str, int]) -> dict[str, int]:
    """The assignment of people to places that fills the most of them; of so few people, every one is tried."""
    best: dict[str, int] = {}
    wanted = sum(demanded.values())

    def assign(left: list[list[Place]], filled: dict[str, int], spoken_for: frozenset[str]) -> None:
        nonlocal best
        if sum(filled.values()) > sum(best.values()):
            best = filled
        if sum(best.values()) >= min(wanted, sum(filled.values()) + len(left)):  # no more can be filled
            return
        for role, souls in left[0]:
            if filled.get(role, 0) < demanded[role] and not souls & spoken_for:
                assign(left[1:], {**filled, role: filled.get(role, 0) + 1}, spoken_for | souls)
        assign(left[1:], filled, spoken_for)

    assign(people[:MAX_PEOPLE], {}, frozenset())
    return best
