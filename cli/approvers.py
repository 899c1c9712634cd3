"""`interlock approvers`: who may decide; their keys, delegations and absences; and putting all of it in force."""

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from cli import exits
from cli.durations import read_duration
from cli.enrolling import Enrolment, as_person, enrol
from cli.exits import WrongInput
from cli.keys import Keeping
from cli.moments import read_moment
from cli.outside import as_argument
from cli.printing import local_time, say, say_json, tell
from cli.roster_file import RosterFile
from cli.server import someone
from contracts.authority import ROSTER_ADMIN, DocumentKind
from contracts.roster import Absence, Delegation, Person

app = typer.Typer(no_args_is_help=True, add_completion=False)

SubjectArgument = Annotated[str, typer.Argument(help="The person, as the roster names them.", metavar="SUBJECT")]
RosterOption = Annotated[Path, typer.Option("--roster", help="The roster file.", envvar="INTERLOCK_ROSTER")]
ReasonOption = Annotated[str, typer.Option("--reason", help="Why; it is kept.")]
AsOption = Annotated[str, typer.Option("--as", help="Who you are.", envvar="INTERLOCK_APPROVER")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]
ROSTER = Path("approvers.toml")
_UNTIL = "The last day, a moment with its zone, or how long from now."


@app.command("enrol")
def enrol_command(
    subject: SubjectArgument,
    role: Annotated[list[str] | None, typer.Option("--role", help="A role they hold; give it once for each.")] = None,
    name: Annotated[str, typer.Option("--name", help="The name people know them by.")] = "",
    mail: Annotated[str, typer.Option("--mail", help="Where notices go.")] = "",
    alias: Annotated[
        list[str] | None, typer.Option("--alias", help="Another name under which they ask for runs.")
    ] = None,
    emergency: Annotated[
        list[str] | None, typer.Option("--break-glass", help="A role they may take for a while in an emergency.")
    ] = None,
    service: Annotated[bool, typer.Option("--service", help="A program that starts runs, and never decides.")] = False,
    store: Annotated[Keeping, typer.Option("--store", help="Where the private key is kept.")] = Keeping.FILE,
    valid_for: Annotated[str, typer.Option("--valid-for", help="How long the key counts.")] = "365d",
    no_passphrase: Annotated[
        bool, typer.Option("--no-passphrase", help="Development only: whoever reads the file can sign.")
    ] = False,
    roster: RosterOption = ROSTER,
) -> int:
    """Make a key on this machine, and enter its public half in the roster file; again for a further key."""
    facts = {"name": name, "mail": mail, "aliases": tuple(alias or ()), "break_glass": tuple(emergency or ())}
    enrolled = enrol(
        Enrolment(
            person=as_person(subject, roles=tuple(role or ()), service=service, **facts),
            roster=roster,
            keeping=store,
            valid_for=read_duration("--valid-for", valid_for),
            passphrase=not no_passphrase,
        )
    )
    say(f"made key {enrolled.key_id} for {subject}, until {local_time(enrolled.valid_until)}")
    say(f"private half: {enrolled.kept_in} ({store.value}); it stays on this machine")
    say(f"public half: {roster}")
    if no_passphrase:
        tell(f"the key file has no passphrase: whoever can read it signs as {subject}")
    if enrolled.earlier:
        say(f"earlier keys stay valid: {', '.join(enrolled.earlier)}; the oldest signs until it ends, or is chosen")
        say(f"choose another with INTERLOCK_KEY={enrolled.key_id}, once it is in force")
    _say_apply(roster)
    return exits.DONE


@app.command("list")
def list_command(
    file: Annotated[
        Path | None, typer.Option("--file", help="Show this file, not the roster in force.", metavar="FILE")
    ] = None,
    as_json: JsonOption = False,
) -> int:
    """List who is in the roster in force, with their keys; delegations, absences, and what waits for signatures."""
    from cli.roster_view import from_file, lines, read_view

    view = from_file(RosterFile.read(file).roster) if file else asyncio.run(read_view())
    if as_json:
        say_json(view.model_dump(mode="json"))
        return exits.DONE
    for line in lines(view, datetime.now(UTC)):
        say(line)
    return exits.DONE


@app.command("revoke")
def revoke_command(
    subject: SubjectArgument,
    reason: ReasonOption,
    key: Annotated[str, typer.Option("--key", help="Only this one; else all of their keys.", metavar="ID")] = "",
    roster: RosterOption = ROSTER,
) -> int:
    """Mark a person's keys in the roster file as revoked: what was signed with them stops to count, too."""
    file = RosterFile.read(roster)
    now = datetime.now(UTC).replace(microsecond=0)
    standing = [each.key_id for each in _person(file, subject).keys if each.revoked_at is None]
    revoked = [each for each in standing if key in ("", each)]
    if not revoked:
        what = f"no key {key!r} that still counts" if key else "no key that still counts"
        raise WrongInput(f"{subject!r} has {what} in {roster}; there are: {', '.join(standing) or 'none'}")
    file.revoke(subject, revoked, now, _given("--reason", reason))
    file.save()
    for key_id in revoked:
        say(f"revoked key {key_id} of {subject}")
    say("rules and pins that were made active with it must be made active again, by somebody else")
    _say_apply(roster)
    return exits.DONE


@app.command("delegate")
def delegate_command(
    delegator: Annotated[str, typer.Argument(help="Who lends their role.", metavar="FROM")],
    delegate: Annotated[str, typer.Argument(help="Who holds it meanwhile.", metavar="TO")],
    role: Annotated[list[str], typer.Option("--role", help="The role; give it once for each.")],
    until: Annotated[str, typer.Option("--until", help=_UNTIL)],
    reason: ReasonOption,
    since: Annotated[str, typer.Option("--from", help="The first day, or a moment; else now.")] = "",
    roster: RosterOption = ROSTER,
) -> int:
    """Enter in the roster file that one person lends roles to another for a while."""
    file, now = RosterFile.read(roster), datetime.now(UTC).replace(microsecond=0)
    person = _person(file, delegator)
    held = {each.role for each in file.roster.holdings(person.subject, now)}
    if missing := [each for each in role if each not in held]:
        raise WrongInput(f"{delegator!r} does not hold {missing[0]!r}; they hold: {', '.join(sorted(held)) or 'none'}")
    if person.subject == _person(file, delegate).subject:
        raise WrongInput(f"TO: {delegate!r} is who lends the role; name somebody else")
    begin, end = _span(since, until, now)
    file.delegate(
        Delegation(
            delegator=person.subject,
            delegate=_person(file, delegate).subject,
            roles=tuple(role),
            valid_from=begin,
            valid_until=end,
            reason=_given("--reason", reason),
        )
    )
    file.save()
    say(f"{delegator} lends {', '.join(role)} to {delegate}, from {local_time(begin)} to {local_time(end)}")
    _say_apply(roster)
    return exits.DONE


@app.command("absent")
def absent_command(
    subject: SubjectArgument,
    until: Annotated[str, typer.Option("--until", help=_UNTIL)],
    since: Annotated[str, typer.Option("--from", help="The first day, or a moment; else now.")] = "",
    roster: RosterOption = ROSTER,
) -> int:
    """Enter in the roster file that a person is away: no decision of theirs counts meanwhile."""
    file, now = RosterFile.read(roster), datetime.now(UTC).replace(microsecond=0)
    begin, end = _span(since, until, now)
    file.absent(Absence(subject=_person(file, subject).subject, valid_from=begin, valid_until=end))
    file.save()
    say(f"{subject} is away from {local_time(begin)} to {local_time(end)}")
    _say_apply(roster)
    return exits.DONE


@app.command("apply")
def apply_command(reason: ReasonOption, roster: RosterOption = ROSTER, signer: AsOption = "") -> int:
    """Sign the roster file, and put it in force once two roster admins have signed the same."""
    from cli.activating import activate_document
    from cli.roster_view import say_changes

    wanted = RosterFile.read(roster).roster
    asyncio.run(say_changes(wanted))
    return asyncio.run(
        activate_document(
            DocumentKind.ROSTER, wanted.model_dump(mode="json"), signer=someone("--as", signer), reason=reason
        )
    )


@app.command("break-glass")
def break_glass_command(
    role: Annotated[str, typer.Option("--role", help="The role to take.")],
    reason: Annotated[str, typer.Option("--reason", help="What happened; everybody concerned reads it.")],
    lasts: Annotated[str, typer.Option("--for", help="How long, at most 4h.")] = "1h",
    name: AsOption = "",
) -> int:
    """Take a role in an emergency, for a short while: signed, recorded, and never part of a quorum."""
    from cli.breaking_glass import break_glass

    grant = asyncio.run(break_glass(someone("--as", name), role, reason, read_duration("--for", lasts)))
    tell(f"BREAK GLASS: {grant.subject} holds {grant.role} until {local_time(grant.expires_at)}: {grant.reason}")
    say(f"recorded: {grant.nonce}, signed with {grant.key_id}")
    say("it counts at once, is in the audit chain, and is never part of a quorum")
    return exits.DONE


def _person(file: RosterFile, name: str) -> Person:
    person = file.roster.person(name)
    if person is None:
        people = ", ".join(each.subject for each in file.roster.people)
        raise WrongInput(f"{name!r} is nobody in {file.path}; there are: {people or 'none'}")
    return person


def _span(since: str, until: str, now: datetime) -> tuple[datetime, datetime]:
    begin = read_moment("--from", since, now) if since else now
    end = read_moment("--until", until, now, last=True)
    if end <= begin:
        raise WrongInput(f"--until {until!r} is not after the beginning, {local_time(begin)}; give a later one")
    return begin, end


def _given(option: str, text: str) -> str:
    if not text.strip() or len(text) > 300:
        raise WrongInput(f"{option} needs 1 to 300 characters; say why")
    return text


def _say_apply(roster: Path) -> None:
    say(f"next: interlock approvers apply --roster {as_argument(str(roster))} --as NAME --reason WHY")
    say(f"      outside development two people with the role {ROSTER_ADMIN} do that, with the same file")
