"""Every bad input ends in one line that names the field and what to do; nothing is started, no server is asked."""

import json
from pathlib import Path

import pytest

from cli.main import run
from contracts.runs import MAX_INPUT_BYTES

NOBODY = ("--address", "127.0.0.1:1")
"""A start that got as far as the server would exit with 3."""

ASSIGNMENTS = {
    "unknown automation": (("refnd",), "no automation 'refnd'; there are: refund, errand"),
    "missing field": (("refund",), "order_id is missing; add it to the file, or give --set order_id=VALUE"),
    "text for a number": (("refund", "--set", "order_id=A-1", "--set", "limit_cents=much"), "limit_cents should be"),
    "a fraction of a cent": (("refund", "--set", "order_id=A-1", "--set", "limit_cents=1.5"), "limit_cents should be"),
    "truth for a number": (("refund", "--set", "order_id=A-1", "--set", "limit_cents=true"), "limit_cents should be"),
    "a number for text": (("refund", "--set", "order_id=17"), "--set 'order_id=\"17\"'"),
    "negative amount": (
        ("refund", "--set", "order_id=A-1", "--set", "limit_cents=-4"),
        "limit_cents should be greater",
    ),
    "not a number": (("refund", "--set", "order_id=A-1", "--set", "limit_cents=NaN"), "--set limit_cents: NaN is not"),
    "infinity": (
        ("refund", "--set", "order_id=A-1", "--set", "limit_cents=1e999"),
        "--set limit_cents: 1e999 is too large",
    ),
    "beyond exact numbers": (("refund", "--set", "order_id=A-1", "--set", f"limit_cents={2**60}"), "limit_cents: this"),
    "unknown field": (("refund", "--set", "order_id=A-1", "--set", "order=A-1"), "order is no field of 'refund'"),
    "a field that is no object": (("refund", "--set", "order_id=A-1", "--set", "order_id.x=1"), "--set order_id.x:"),
    "no field at all": (("refund", "--set", "A-1"), "--set 'A-1' does not say which field"),
    "a field set twice": (("refund", "--set", "order_id=A", "--set", "order_id=B"), "--set order_id is given twice"),
    "five megabytes": (
        ("refund", "--set", f"order_id={'A' * 5_000_000}"),
        "order_id: the input has 5000015 bytes and",
    ),
    "a missing file": (("refund", "--from", "no/such.json"), "--from 'no/such.json' cannot be read: No such file"),
    "a folder": (("refund", "--from", "."), "--from '.' cannot be read: Is a directory"),
    "an escape sequence": (("refund", "--set", "order_id=\x1b[2J"), "order_id"),
    "a timeout without waiting": (("refund", "--timeout", "1s"), "--timeout says how long to wait; give --wait"),
    "no duration": (("refund", "--wait", "--timeout", "soon"), "--timeout 'soon' is no duration"),
    "an endless duration": (("refund", "--wait", "--timeout", "999999999d"), "--timeout '999999999d' is too long"),
    "an unknown option": (("refund", "--frm", "x"), "No such option"),
    "no automation": ((), "Missing argument 'automation'"),
    "nobody asks": (
        ("refund", "--set", "order_id=A-1", "--as", "x" * 201),
        "--as has 201 characters and may",
    ),
}

FILES = {
    "broken JSON": ('{"order_id": }', "is not JSON: Expecting value at line 1, column 14"),
    "an empty file": ("", "is not JSON: Expecting value at line 1, column 1"),
    "no object": ('["A-1"]', "holds no JSON object"),
    "a field given twice": ('{"order_id": "A-1", "order_id": "A-2"}', "the field 'order_id' is given twice"),
    "a nested field given twice": ('{"order_id": {"a": 1, "a": 2}}', "the field 'a' is given twice"),
    "NaN": ('{"order_id": "A-1", "limit_cents": NaN}', "NaN is not a JSON number"),
    "-Infinity": ('{"order_id": "A-1", "limit_cents": -Infinity}', "-Infinity is not a JSON number"),
    "null": ('{"order_id": null}', "order_id should be a valid string, not None"),
    "half a character": ('{"order_id": "\\ud800"}', "order_id: this text has no exact JSON form"),
    "nested beyond reading": ("[" * 200_000, "nested too deeply"),
    "nested beyond checking": (
        '{"order_id": ' + "[" * 600 + "]" * 600 + "}",
        "order_id is nested more than 50 levels deep",
    ),
    "a number of a million digits": ('{"limit_cents": ' + "9" * 1_000_000 + "}", "--from"),
    "too much": (json.dumps({"order_id": "A-1", "extra": "x" * MAX_INPUT_BYTES}), "extra: the input has"),
    "five megabytes": (json.dumps({"order_id": "x" * 5_000_000}), "order_id: the input has 5000015 bytes"),
}


@pytest.mark.parametrize(("arguments", "named"), ASSIGNMENTS.values(), ids=ASSIGNMENTS.keys())
def test_bad_input_ends_in_one_line_and_exit_code_2(
    arguments: tuple[str, ...], named: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code = run(["runs", "start", *arguments, *NOBODY])

    assert_one_line(code, named, capsys)


@pytest.mark.parametrize(("content", "named"), FILES.values(), ids=FILES.keys())
def test_a_bad_file_ends_in_one_line_and_exit_code_2(
    content: str, named: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "input.json"
    file.write_text(content)

    code = run(["runs", "start", "refund", "--from", str(file), *NOBODY])

    assert_one_line(code, named, capsys)


def test_a_file_that_is_not_text_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "input.json"
    file.write_bytes(b'{"order_id": "\xff\xfe\xff"}')

    assert_one_line(run(["runs", "start", "refund", "--from", str(file), *NOBODY]), "is not text in UTF-8", capsys)


def test_a_file_larger_than_anything_sensible_is_not_even_parsed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "input.json"
    file.write_bytes(b" " * (17 * 1024 * 1024))

    assert_one_line(run(["runs", "start", "refund", "--from", str(file), *NOBODY]), "has more than 16777216", capsys)


def test_good_input_gets_as_far_as_the_server(capsys: pytest.CaptureFixture[str]) -> None:
    """What makes the tests above mean something."""
    assert run(["runs", "start", "refund", "--set", "order_id=A-1", *NOBODY]) == 3


def assert_one_line(code: int, named: str, capsys: pytest.CaptureFixture[str]) -> None:
    out, err = capsys.readouterr()
    assert (code, out) == (2, ""), err
    assert len(err.splitlines()) == 1, err
    assert len(err) < 600, err[:600]
    assert named in err
    assert err.isprintable() or err[:-1].isprintable()


SKILLS = '[personas.guest]\nclaims = { role = ["guest"] }\nstarts = ["errand"]\n'
SERVING = {
    "a skills file that is not there": (("--skills", "no.toml"), "INTERLOCK_SKILLS: no.toml: cannot be read as TOML"),
    "HTTP without a skills file": (("--http", "8710"), "--http needs a skills file with `resource` and [issuers.NAME]"),
    "HTTP without issuers": (("--http", "8710", "--skills", "some.toml"), "--http needs a skills file with `resource`"),
    "an address without a port": (
        ("--http", "localhost", "--skills", "whole.toml"),
        "--http 'localhost' is no address",
    ),
    "a port there is not": (("--http", "127.0.0.1:70000", "--skills", "whole.toml"), "is no address; give HOST:PORT"),
    "a host that is elsewhere": (
        ("--http", "192.0.2.1:0", "--skills", "whole.toml"),
        "192.0.2.1:0: cannot listen there",
    ),
}


@pytest.mark.parametrize(("arguments", "problem"), SERVING.values(), ids=SERVING)
def test_skills_that_cannot_be_served_so_are_told_in_one_line_before_any_server_is_asked(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: tuple[str, ...],
    problem: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "some.toml").write_text(SKILLS)
    issuer = '[issuers.a]\nissuer = "https://a.example.com"\nkeys = "a.json"\n'
    (tmp_path / "whole.toml").write_text(f'resource = "https://b.example.com/mcp"\n{issuer}{SKILLS}')
    code = run(["mcp", "serve", *arguments, *NOBODY])
    out, err = capsys.readouterr()

    assert (code, out) == (2, "")
    assert problem in err.splitlines()[-1]
