"""The company's pretend systems in memory: the rules by which they refuse, and that what was done can be taken back."""

import subprocess
import sys
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from mcp import Client

from demo.mcp_servers.identity import server as identity
from demo.mcp_servers.identity.directory import Directory
from demo.mcp_servers.people_records import server as people_records
from demo.mcp_servers.people_records.archive import MOST_BYTES, Archive
from demo.mcp_servers.people_records.records import PaperKind
from demo.mcp_servers.refusals import Refused
from demo.mcp_servers.tickets import server as tickets
from demo.mcp_servers.tickets.desk import Desk
from demo.mcp_servers.tickets.records import TicketKind
from tests.demo import asking
from tests.demo.asking import ask

ROOT = Path(__file__).parents[2]
LENA = {"employee_id": "E-2041", "reference": "ours"}
LETTER: dict[str, Any] = LENA | {"kinds": ["contract", "identity"], "idempotency_key": "letter-1"}
LAPTOP: dict[str, Any] = LENA | {"kind": "hardware", "needed_by": "2027-01-04", "idempotency_key": "ticket-1"}
MAIL: dict[str, Any] = LENA | {
    "full_name": "Lena Hoffmann",
    "system": "mail",
    "bank_details": "",
    "idempotency_key": "account-1",
}


async def refusal(client: Client, tool: str, **arguments: object) -> str:
    """The sentence of the system itself, without what the SDK puts before it."""
    return (await asking.refusal(client, tool, **arguments)).removeprefix(f"Error executing tool {tool}: ")


# The personnel records ---------------------------------------------------------------------------------------


async def test_papers_are_told_by_reference_and_digest_and_never_handed_out(tmp_path: Path) -> None:
    archive = Archive(tmp_path)
    paper = archive.store("E-2041", PaperKind.CONTRACT, "contract.pdf", b"signed twice")
    async with Client(people_records.build_server(archive)) as client:
        papers = await ask(client, "papers_of", employee_id="E-2041")
        found = await ask(client, "find_paper", employee_id="E-2041", reference=paper.reference)
        why = await refusal(client, "find_paper", employee_id="E-2042", reference=paper.reference)
    assert papers["contract"] == {"reference": paper.reference, "digest": paper.digest}
    assert (papers["identity"], papers["withdrawal"]) == (None, None)
    assert (found["kind"], found["size_bytes"], found["replaced_by"]) == ("contract", 12, None)
    assert "signed" not in str(papers) + str(found)
    assert why == f"no paper '{paper.reference}' stands in the records of E-2042; store it first"


def test_the_same_content_is_the_same_paper_and_another_one_replaces_it(tmp_path: Path) -> None:
    archive = Archive(tmp_path)
    first = archive.store("E-2041", PaperKind.CONTRACT, "contract.pdf", b"a draft")
    assert archive.store("E-2041", PaperKind.CONTRACT, "again.pdf", b"a draft") == first
    second = archive.store("E-2041", PaperKind.CONTRACT, "contract.pdf", b"signed")
    standing = archive.papers_of("E-2041").contract
    assert standing is not None and standing.reference == second.reference != first.reference
    assert archive.find_paper("E-2041", first.reference).replaced_by == second.reference


@pytest.mark.parametrize(
    ("employee", "content", "sentence"),
    [
        ("E-2041", b"", "'x.pdf' is empty; hand in the paper itself"),
        ("E-2041", b"x" * (MOST_BYTES + 1), f"at most {MOST_BYTES} are taken: scan it smaller"),
        ("E-9999", b"x", "there is no employee 'E-9999'; look up the number in the contract"),
    ],
)
def test_what_is_no_paper_of_somebody_is_not_taken_in(
    tmp_path: Path, employee: str, content: bytes, sentence: str
) -> None:
    with pytest.raises(Refused, match=sentence.replace("(", "\\(")):
        Archive(tmp_path).store(employee, PaperKind.CONTRACT, "x.pdf", content)


async def test_nobody_is_asked_for_what_stands_nor_once_they_have_withdrawn(tmp_path: Path) -> None:
    archive = Archive(tmp_path)
    async with Client(people_records.build_server(archive)) as client:
        letter = await ask(client, "ask_for_papers", **LETTER)
        assert await ask(client, "ask_for_papers", **LETTER) == letter
        another = await refusal(client, "ask_for_papers", **LETTER | {"kinds": ["tax_form"]})
        archive.store("E-2041", PaperKind.IDENTITY, "passport.png", b"Lena")
        stands = await refusal(client, "ask_for_papers", **LETTER | {"idempotency_key": "letter-2"})
        never = await refusal(
            client, "ask_for_papers", **LETTER | {"idempotency_key": "letter-3", "kinds": ["withdrawal"]}
        )
        archive.store("E-2041", PaperKind.WITHDRAWAL, "letter.pdf", b"I will not come")
        gone = await refusal(client, "ask_for_papers", **LETTER | {"idempotency_key": "letter-4"})
        letters = await ask(client, "letters_to", employee_id="E-2041")
    assert letter["kinds"] == ["contract", "identity"]
    assert "was used for another letter" in another
    assert stands == "the identity stands as DOC-1007; nobody is asked for a paper twice"
    assert never.startswith("nobody is asked for a withdrawal")
    assert gone == "E-2041 has withdrawn; nothing more is asked of them"
    assert letters["count"] == 1


def test_first_days_are_mondays_some_weeks_from_the_first_start_and_can_be_moved(tmp_path: Path) -> None:
    archive = Archive(tmp_path, lambda: date(2026, 12, 1))
    assert archive.find_person("E-2043").first_day == date(2026, 12, 21)
    assert archive.find_person("E-2044").first_day == date(2026, 11, 23)
    assert archive.agree_first_day("E-2043", date(2027, 1, 4)).first_day == date(2027, 1, 4)


@pytest.mark.parametrize(
    ("told", "code", "said"),
    [
        (("E-2041", "contract", "FILE"), 0, "DOC-1007 sha256:"),
        (("E-2041", "diploma", "FILE"), 1, "people_records: there is no kind of paper 'diploma'; there are: contract"),
        (("E-2041", "contract", "no/such.pdf"), 1, "people_records: cannot read 'no/such.pdf': No such file"),
        (("E-9999", "contract", "FILE"), 1, "people_records: there is no employee 'E-9999'"),
    ],
)
def test_a_paper_is_taken_in_from_the_command_line(
    tmp_path: Path, told: tuple[str, str, str], code: int, said: str
) -> None:
    paper = tmp_path / "paper.pdf"
    paper.write_bytes(b"signed twice")
    given = [str(paper) if each == "FILE" else each for each in told]
    command = [sys.executable, "-m", "demo.mcp_servers.people_records", "--data", str(tmp_path), "--store", *given]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert (ended.returncode, (ended.stdout if code == 0 else ended.stderr).startswith(said)) == (code, True)


# The service desk --------------------------------------------------------------------------------------------


async def test_a_person_has_one_open_ticket_of_a_kind_and_a_repeated_key_is_the_same_ticket(tmp_path: Path) -> None:
    async with Client(tickets.build_server(Desk(tmp_path))) as client:
        ticket = await ask(client, "create_ticket", **LAPTOP)
        assert await ask(client, "create_ticket", **LAPTOP) == ticket
        second = await refusal(client, "create_ticket", **LAPTOP | {"idempotency_key": "ticket-2"})
        another = await refusal(client, "create_ticket", **LAPTOP | {"kind": "workplace"})
        by_hand = await refusal(client, "create_ticket", **LAPTOP | {"idempotency_key": "t-3", "kind": "take_back"})
        await ask(client, "create_ticket", **LAPTOP | {"idempotency_key": "ticket-3", "kind": "workplace"})
        found = await ask(client, "tickets_of", employee_id="E-2041", reference="ours")
    assert second == "E-2041 has IT-1001 for hardware already, for 'ours'"
    assert "was used for another ticket" in another
    assert by_hand.startswith("a take_back is opened by the desk itself")
    assert (found["standing_count"], len(found["tickets"])) == (2, 2)


def test_what_is_needed_sooner_than_it_usually_takes_is_express(tmp_path: Path) -> None:
    today = date(2026, 12, 1)
    desk = Desk(tmp_path, lambda: today)
    soon = desk.create("E-2041", TicketKind.HARDWARE, today + timedelta(days=9), "ours", "1")
    later = desk.create("E-2042", TicketKind.HARDWARE, today + timedelta(days=10), "ours", "2")
    assert (soon.express, later.express) == (True, False)


async def test_tickets_are_closed_by_their_own_reference_and_handed_out_hardware_is_fetched_once(
    tmp_path: Path,
) -> None:
    async with Client(tickets.build_server(Desk(tmp_path))) as client:
        await ask(client, "create_ticket", **LAPTOP)
        await ask(client, "create_ticket", **LAPTOP | {"idempotency_key": "ticket-2", "kind": "workplace"})
        theirs = await ask(client, "close_tickets", **LENA | {"reference": "theirs"})
        await ask(client, "finish_ticket", ticket_id="IT-1001")
        closed = await ask(client, "close_tickets", **LENA)
        again = await ask(client, "close_tickets", **LENA)
        found = await ask(client, "tickets_of", **LENA)
        why = await refusal(client, "finish_ticket", ticket_id="IT-1002")
    assert (theirs["closed_count"], theirs["take_back"]) == (0, None)
    assert (closed["closed_count"], closed["take_back"]) == (1, "IT-1003")
    assert (again["closed_count"], again["take_back"]) == (0, "IT-1003")
    assert [ticket["status"] for ticket in found["tickets"]] == ["done", "closed", "open"]
    assert "no ticket 'IT-1002' to be done" in why


# The directory -----------------------------------------------------------------------------------------------


async def test_names_are_unique_never_given_twice_and_the_same_in_every_system(tmp_path: Path) -> None:
    async with Client(identity.build_server(Directory(tmp_path))) as client:
        first = await refusal(client, "create_account", **MAIL | {"system": "source_code"})
        mail = await ask(client, "create_account", **MAIL)
        assert await ask(client, "create_account", **MAIL) == mail
        code = await ask(client, "create_account", **MAIL | {"system": "source_code", "idempotency_key": "a-2"})
        twice = await refusal(client, "create_account", **MAIL | {"idempotency_key": "a-3"})
        another = await refusal(client, "create_account", **MAIL | {"reference": "theirs"})
        disabled = await ask(client, "disable_accounts", **LENA)
        namesake = MAIL | {"employee_id": "E-2050", "idempotency_key": "a-4"}
        third = await ask(client, "create_account", **namesake)
    assert first == "no source_code account before a mail account; create that of E-2041 first"
    assert (mail["name"], code["name"]) == ("lena.hoffmann2", "lena.hoffmann2"), "a colleague has the other name"
    assert twice == "E-2041 has a mail account already: 'lena.hoffmann2'"
    assert "was used for another account" in another
    assert (disabled["disabled_count"], third["name"]) == (2, "lena.hoffmann3")


@pytest.mark.parametrize("bank_details", ["", "somewhere", "DOC-"])
async def test_there_is_no_payroll_account_before_bank_details(tmp_path: Path, bank_details: str) -> None:
    async with Client(identity.build_server(Directory(tmp_path))) as client:
        await ask(client, "create_account", **MAIL)
        pay = MAIL | {"system": "payroll", "idempotency_key": "a-2", "bank_details": bank_details}
        assert (await refusal(client, "create_account", **pay)).startswith("no payroll account before bank details")
        paid = await ask(client, "create_account", **pay | {"bank_details": "DOC-1004"})
        odd = await refusal(
            client,
            "create_account",
            **pay | {"system": "production", "idempotency_key": "a-3", "bank_details": "DOC-1"},
        )
    assert paid["bank_details"] == "DOC-1004"
    assert odd == "a production account has nothing to do with bank details; leave them out"


async def test_accounts_are_disabled_by_their_own_reference_and_nothing_is_a_success(tmp_path: Path) -> None:
    async with Client(identity.build_server(Directory(tmp_path))) as client:
        await ask(client, "create_account", **MAIL)
        theirs = await ask(client, "disable_accounts", **LENA | {"reference": "theirs"})
        ours = await ask(client, "disable_accounts", **LENA)
        again = await ask(client, "disable_accounts", **LENA)
        found = await ask(client, "accounts_of", **LENA)
        why = await refusal(client, "create_account", **MAIL | {"full_name": "李娜", "idempotency_key": "a-9"})
    assert [each["disabled_count"] for each in (theirs, ours, again)] == [0, 1, 0]
    assert (found["active_count"], found["accounts"][0]["status"]) == (0, "disabled")
    assert "give the name in Latin letters" in why
