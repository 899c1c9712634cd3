"""The steps of the gate by name, in the order in which a call takes them, and how the table groups them."""

from collections.abc import Mapping

STEPS: Mapping[str, str] = {
    "breakers.admit": "preparing",
    "starts.find": "preparing",
    "toolbox.definitions": "preparing",
    "authority.pinned": "preparing",
    "ledger.sent": "preparing",  # a compensation alone
    "ledger.find": "preparing",
    "authority.rules_and_roster": "ruling",
    "taints.of": "ruling",
    "totals.peek": "ruling",
    "totals.reserve": "ruling",
    "ledger.claim": "claiming",
    "freezes.over": "claiming",
    "ledger.mark_sent": "claiming",
    "ledger.send_new": "claiming",  # a read alone
    "taints.add": "sent",
    "toolbox.call": "sent",
    "ledger.release": "sent",  # when nothing reached the server
    "ledger.looked_up": "sent",  # when no answer came, and it was looked up and not found
    "ledger.finish": "recording",
    "totals.release": "recording",  # when the tool said no
    "breakers.record": "completing",
}
"""Port and method -> group. Each is a place to be killed at, once before it and once after it."""

ENTERED, COMPLETING = "activity entered", "activity completing"
AMID = "amid toolbox.call"
"""The bank has the call; its answer is not here."""
GROUPS = ("entering", "preparing", "ruling", "claiming", "sent", "recording", "completing")

FAILPOINTS = (
    ENTERED,
    *(f"{when} {step}" for step in STEPS for when in ("before", "after")),
    AMID,
    COMPLETING,
)


def group_of(phase: str) -> str:
    """The group in which a call stands that has come to `phase`."""
    if phase == ENTERED:
        return "entering"
    if phase == COMPLETING:
        return "completing"
    when, _, step = phase.partition(" ")
    if (when, step) in (("after", "ledger.mark_sent"), ("after", "ledger.send_new")):
        return "sent"
    if (when, step) == ("after", "ledger.finish"):
        return "completing"
    if (when, step) == ("after", "toolbox.call"):
        return "recording"
    return STEPS[step]


def may_have_happened(phase: str) -> bool:
    """Whether the call has been sent, or may have been, and its outcome is not known to be recorded."""
    return group_of(phase) in ("sent", "recording") or phase == "before ledger.mark_sent"


def is_effect_in_flight(phase: str) -> bool:
    """Whether the effect is on its way: sent, and its outcome not recorded."""
    return group_of(phase) in ("sent", "recording")
