"""The people of the demo, their keys, and how what they decide comes into force: by the CLI's commands alone."""

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple, Protocol


class Person(NamedTuple):
    """Somebody of the demo's company."""

    subject: str
    role: str


ANNA, BEN = Person("anna", "roster_admin"), Person("ben", "roster_admin")
OLGA = Person("olga", "operator")
FIONA, FRANK = Person("fiona", "finance_manager"), Person("frank", "finance_manager")
DORA = Person("dora", "finance_director")
SAM = Person("sam", "support_lead")
MIRA = Person("mira", "duty_manager")
HELEN, MARCUS = Person("helen", "hr_manager"), Person("marcus", "line_manager")
SINA = Person("sina", "security_officer")
CARLA, SVEN = Person("carla", "change_manager"), Person("sven", "service_owner")
NORA = Person("nora", "data_steward")
RITA = Person("rita", "support_agent")

WHO_DECIDE = (FIONA, FRANK, DORA, SAM, MIRA, HELEN, MARCUS, SINA, CARLA, SVEN, NORA)
EVERYBODY = (ANNA, BEN, OLGA, *WHO_DECIDE, RITA)
REQUESTER, APPROVER = RITA.subject, FIONA.subject
PASSPHRASE = "nobody-is-here-to-type-it"  # noqa: S105 - the demo's keys open nothing but the demo


class Command(Protocol):
    """Runs one command of the CLI in the open; of what it prints, only lines that begin with one of `shows`."""

    def __call__(self, *arguments: str, shows: tuple[str, ...]) -> int: ...


def mail_of(subject: str) -> str:
    """Where notices to a person go."""
    return f"{subject}@example.com"


def environment(folder: Path, mode: str) -> dict[str, str]:
    """Where commands find keys and roster; in production also what opens the keys, which no terminal is asked for."""
    places = {"INTERLOCK_KEYS": folder / "keys", "INTERLOCK_ROSTER": folder / "approvers.toml"}
    if mode == "production":
        places["INTERLOCK_PASSPHRASE_FILE"] = folder / "passphrase"
    return {name: str(path.absolute()) for name, path in places.items()}


def enrol(command: Command, variables: Mapping[str, str], mode: str) -> None:
    """Make everybody's key, and put the roster in force: in production two roster admins sign it."""
    if mode == "production":
        passphrase = Path(variables["INTERLOCK_PASSPHRASE_FILE"])
        passphrase.touch(mode=0o600)
        passphrase.write_text(PASSPHRASE)
    unlocked = ("--no-passphrase",) if mode == "development" else ()
    for person in EVERYBODY if mode == "production" else (ANNA, *WHO_DECIDE, RITA):
        facts = ("--role", person.role, "--mail", mail_of(person.subject))
        command("approvers", "enrol", person.subject, *facts, *unlocked, shows=())
    for admin in (ANNA, BEN) if mode == "production" else (ANNA,):
        signing = ("--as", admin.subject, "--reason", "first roster")
        command("approvers", "apply", *signing, shows=("roster version", "signed by", "missing"))


def activate(command: Command) -> None:
    """Put the rules and the tools as they are published now in force, signed by the operator."""
    signing = ("--as", OLGA.subject, "--reason", "first rules and tools")
    command("policy", "activate", *signing, shows=("policy version", "signed by"))
    command("tools", "pin", "--all", *signing, shows=("pins version", "signed by"))
