"""Skills: what MCP clients are offered of the automations, who calls, and what they are answered."""

from pydantic import Field, JsonValue

from contracts.model import Model, Moment


class Caller(Model):
    """Who calls a skill, as it was proved: by a token, or by being the user of this machine."""

    name: str = Field(min_length=1, max_length=200)
    """As policy will see them as the requester."""
    claims: dict[str, tuple[str, ...]] = {}
    """Of the token: name of a claim -> its values. They choose skills, and never count as roles of the roster."""
    local: bool = False
    """The user of this machine, over standard input: there is no token."""


class Skill(Model):
    """One tool that a caller is offered."""

    name: str
    description: str
    takes: dict[str, JsonValue]
    """JSON Schema of its arguments."""
    answers: dict[str, JsonValue]
    """JSON Schema of what it answers."""
    reads: bool
    """It changes nothing."""


class Question(Model):
    """What a run waits for from people, without anything that would decide it."""

    request: str
    asks: str
    who: str = ""
    """Who may decide."""
    until: Moment | None = None
    """None: it waits until somebody answers."""
    answers: tuple[str, ...] = ()
    """What can be said to it, signed."""
    command: str
    """What a person runs to read it; that prints how it is decided."""


class RunHandle(Model):
    """A run as its caller sees it."""

    run: str
    automation: str
    state: str = ""
    """Where it is; empty: it has just been started, `run_status` tells."""
    final: bool = False
    good: bool | None = None
    """Whether it ended as people hope for; None while it is under way."""
    attached: bool = False
    """It was started for the same business case before, and nothing was started now."""
    reason: str = ""
    """Why it is where it is."""
    facts: dict[str, JsonValue] = {}
    answer: str = ""
    """What it came to, in words, where the automation has any."""
    waits_for: tuple[Question, ...] = ()
    next: str = ""
    """What the caller does next."""


class PendingApprovals(Model):
    """The requests that the caller may decide at this moment, the most urgent first."""

    requests: tuple[Question, ...]
    others: int = 0
    """Open requests that other people decide."""
    problem: str = ""
    """Why the caller may decide nothing at this moment."""


class ApprovalAnswer(Model):
    """What became of a signed statement; or what a person must run to make one."""

    decided: bool
    outcome: str = ""
    """`approved`, `rejected`, `returned`, an option, or `counted` while a quorum is not reached."""
    message: str
    command: str = ""
    """What a person must run; no tool can do it for them."""


class WhoQuery(Model):
    """Asks who somebody is, by the roster in force."""

    name: str = Field(min_length=1, max_length=200)


class KnownAs(Model):
    """Who somebody is, by the roster in force at this moment."""

    subject: str
    """One name for one person, whichever of their names was given; of strangers, the name that was given."""
    roles: tuple[str, ...] = ()
    service: bool = False
    everybody: bool = False
    """Development without a roster: everybody holds every role."""
    problem: str = ""
    """Why this name must not be taken for anybody: it is only similar to that of somebody in the roster."""
