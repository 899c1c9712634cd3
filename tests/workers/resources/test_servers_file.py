"""The servers file: what it says is what is declared, and every mistake in it is named with its way out."""

import re
from datetime import timedelta
from pathlib import Path

import pytest

from contracts.servers import BreakerRule, Limits, Rate, ServerRules
from contracts.tools import EffectClass, KeyDelivery, Risk, Taint
from tests.workers.resources.doubles import ROOT
from workers.resources.servers_file import ServerDeclaration, ServersFileUnusable, load_servers

HEAD = 'owner = "finance"\npurpose = "payments"\n'
STDIO = f'[servers.pay]\n{HEAD}transport = "stdio"\ncommand = ["pay"]\n'
HTTP = f'[servers.pay]\n{HEAD}transport = "http"\nurl = "https://pay.example/mcp"\n'


def loaded(folder: Path, text: str, **environment: str) -> tuple[ServerDeclaration, ...]:
    path = folder / "servers.toml"
    path.write_text(text)
    return load_servers(path, environment)


def problem(folder: Path, text: str, **environment: str) -> str:
    with pytest.raises(ServersFileUnusable) as caught:
        loaded(folder, text, **environment)
    message = str(caught.value)
    assert "servers.toml" in message and "\n" not in message
    return message


def test_servers_come_in_the_order_of_the_file_with_all_they_declare(tmp_path: Path) -> None:
    text = (
        STDIO.replace('["pay"]', '["${BIN}/pay", "--region=${REGION}"]')
        + 'env = { REGION = "${REGION}-1" }\ncredential = "file:/run/secrets/pay"\nenv_name = "TOKEN"\ntrusted = true\n'
        + '[servers.pay.tools."issue.credit"]\neffect_class = "keyed"\ntimeout = "PT1M30S"\n'
        + 'key = { argument = "key", horizon = "P1DT12H" }\n'
        + HTTP.replace("pay]", "a]")
    )
    pay, a = loaded(tmp_path, text, BIN="/opt", REGION="eu")
    assert (pay.name, a.name) == ("pay", "a")
    assert pay.command == ("/opt/pay", "--region=eu") and pay.env == {"REGION": "eu-1"} and pay.trusted
    rule = pay.rule("issue.credit")
    assert rule.effect_class is EffectClass.KEYED and rule.timeout == timedelta(seconds=90) and rule.key
    assert rule.key.delivery() == KeyDelivery(argument="key", horizon_seconds=36 * 3600)
    assert (a.url, a.header, a.scheme, a.protocol, a.trusted) == (
        "https://pay.example/mcp",
        "Authorization",
        "Bearer",
        "auto",
        False,
    )
    assert a.rule("unheard of").effect_class is None


def test_which_argument_of_which_tool_holds_a_plan_is_said_of_the_server_as_a_whole(tmp_path: Path) -> None:
    (pay,) = loaded(
        tmp_path, STDIO + '[servers.pay.tools.open]\nplan = "steps"\n[servers.pay.tools.close]\nrisk = "low"\n'
    )
    assert pay.as_rules().plans == {"open": "steps"}


def test_what_is_said_of_a_tool_comes_before_what_is_said_of_its_server(tmp_path: Path) -> None:
    said = 'risk = "low"\nreads = ["private"]\nsends_out = false\n'
    text = HTTP + said + '[servers.pay.tools.a]\nrisk = "high"\nreads = []\n[servers.pay.tools.b]\nsends_out = true\n'
    (pay,) = loaded(tmp_path, text)
    a, b, other = pay.rule("a"), pay.rule("b"), pay.rule("unheard of")
    assert (a.risk, a.reads, a.sends_out) == (Risk.HIGH, (), False)
    assert (b.risk, b.reads, b.sends_out) == (Risk.LOW, (Taint.PRIVATE,), True)
    assert (other.risk, other.reads, other.sends_out) == (Risk.LOW, (Taint.PRIVATE,), False)


def test_where_nothing_is_said_nothing_is_known(tmp_path: Path) -> None:
    (pay,) = loaded(tmp_path, HTTP)
    assert (pay.rule("a").risk, pay.rule("a").reads, pay.rule("a").sends_out) == (None, None, None)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (STDIO.replace('["pay"]', '["${NOPE}"]'), ["servers.pay.command", "'NOPE'", "export NOPE"]),
        (STDIO + 'colour = "red"\n', ["servers.pay.colour", "spelling"]),
        (STDIO.replace('command = ["pay"]\n', ""), ["servers.pay", "no command"]),
        (STDIO.replace('command = ["pay"]', "command = []"), ["servers.pay.command"]),
        (STDIO + 'url = "http://x/mcp"\n', ["servers.pay", "remove the url"]),
        (HTTP + 'command = ["pay"]\n', ["servers.pay", "remove the command"]),
        (HTTP.replace('url = "https://pay.example/mcp"\n', ""), ["servers.pay", "no url"]),
        (HTTP.replace("https:", "ftp:"), ["servers.pay.url", "ftp:"]),
        (HTTP + 'env = { A = "1" }\n', ["servers.pay", "env"]),
        (STDIO + 'credential = "env:TOKEN"\n', ["servers.pay", "env_name"]),
        (STDIO.replace(HEAD, ""), ["servers.pay.owner", "missing", "1 more"]),
        (HTTP + '[servers.pay.tools.a]\ntimeout = "30s"\n', ["servers.pay.tools.a.timeout", "ISO 8601"]),
        (HTTP + "[servers.pay.tools.a]\ntimeout = 30\n", ["servers.pay.tools.a.timeout", "ISO 8601", "PT30S"]),
        (HTTP + '[servers.pay.tools.a]\ntimeout = "PT0S"\n', ["servers.pay.tools.a.timeout"]),
        (HTTP + '[servers.pay.tools.a]\neffect_class = "keyed"\n', ["servers.pay.tools.a", "no key"]),
        (HTTP + '[servers.pay.tools.a]\nkey = { horizon = "P1D" }\n', ["servers.pay.tools.a.key", "nowhere"]),
        (HTTP + '[servers.pay.tools.a]\neffect_class = "safe"\n', ["servers.pay.tools.a.effect_class", "'safe'"]),
        (STDIO + '[servers.pay.tools.a]\nkey = { header = "K" }\n', ["servers.pay", "tools.a.key", "no headers"]),
        (HTTP + '[servers.pay.tools.a]\nrisk = "huge"\n', ["servers.pay.tools.a.risk", "'huge'", "'low'"]),
        (
            HTTP + '[servers.pay.tools.a]\nreads = "private"\n',
            ["servers.pay.tools.a.reads", "'private'", "write a list"],
        ),
        (
            HTTP + '[servers.pay.tools.a]\nreads = ["public"]\n',
            ["servers.pay.tools.a.reads.0", "'public'", "untrusted"],
        ),
        (HTTP + '[servers.pay.tools.a]\nsends_out = "no"\n', ["servers.pay.tools.a.sends_out", "'no'", "boolean"]),
        (HTTP + "sends_out = 0\n", ["servers.pay.sends_out", "boolean"]),
        (STDIO.replace("servers.pay", 'servers."a b"'), ["servers.a b", "'a b'"]),
        ('[server.pay]\nowner = "x"\n', ["[servers.NAME]", "'server'"]),
        ("servers = 1\n", ["[servers.NAME]"]),
        ("", ["[servers.NAME]"]),
        ("[servers.pay\n", ["TOML"]),
    ],
)
def test_a_mistake_is_named_with_its_place_and_the_way_out(tmp_path: Path, text: str, said: list[str]) -> None:
    message = problem(tmp_path, text)
    assert all(part in message for part in said), message


def test_a_secret_pasted_in_place_of_a_reference_is_not_shown(tmp_path: Path) -> None:
    message = problem(tmp_path, HTTP + 'credential = "sk-canary"\n')
    assert "servers.pay.credential" in message and "canary" not in message and "env:NAME" in message


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ServersFileUnusable, match=r"nowhere\.toml.*--servers"):
        load_servers(tmp_path / "nowhere.toml", {})


def test_the_servers_of_the_demo_can_be_declared() -> None:
    path = ROOT / "demo" / "servers.toml"
    environment = dict.fromkeys(re.findall(r"\$\{(\w+)\}", path.read_text()), "http://127.0.0.1:1/mcp")
    names = {server.name for server in load_servers(path, environment)}
    assert {"orders", "payments", "crm", "mail"} <= names


def test_breaker_and_limits_are_as_the_file_says_and_else_the_usual_ones(tmp_path: Path) -> None:
    said = (
        'breaker = { window = 20, failures = 0.5, open = "PT10S", longest = "PT1M" }\n'
        'limits = { concurrency = 2, rate = "600/min", arguments = "4KiB", answer = "1MiB" }\n'
    )
    assert loaded(tmp_path, STDIO + said)[0].as_rules() == ServerRules(
        breaker=BreakerRule(window=20, failures=0.5, open=timedelta(seconds=10), longest=timedelta(minutes=1)),
        limits=Limits(concurrency=2, rate=Rate(calls=600, seconds=60), arguments=4096, answer=1024 * 1024),
    )
    assert loaded(tmp_path, STDIO)[0].as_rules() == ServerRules()


@pytest.mark.parametrize(
    ("line", "field", "way_out"),
    [
        ('limits = { arguments = "128KiB" }', "limits.arguments", "more than is ever let through; give 64KiB or less"),
        ('limits = { answer = "5MiB" }', "limits.answer", "more than is ever let through; give 4096KiB or less"),
        ('limits = { answer = "0B" }', "limits.answer", 'for example "512B", "64KiB" or "4MiB"'),
        ("limits = { answer = 1000 }", "limits.answer", 'for example "512B", "64KiB" or "4MiB"'),
        ('limits = { rate = "10" }', "limits.rate", 'for example "10/s", "600/min" or "100/h"'),
        ('limits = { rate = "0/s" }', "limits.rate", 'for example "10/s", "600/min" or "100/h"'),
        ("limits = { concurrency = 0 }", "limits.concurrency", "greater than or equal to 1; correct it"),
        ("limits = { places = 3 }", "limits.places", "is not a field this file knows"),
        ("breaker = { failures = 30 }", "breaker.failures", "less than 1; correct it"),
        ("breaker = { window = 0 }", "breaker.window", "greater than or equal to 1; correct it"),
        ("breaker = { open = 30 }", "breaker.open", "ISO 8601 duration in quotes"),
        ('breaker = { open = "PT20M" }', "breaker", "make longest at least as long"),
    ],
)
def test_a_wrong_breaker_or_limit_is_named_with_its_way_out(
    tmp_path: Path, line: str, field: str, way_out: str
) -> None:
    said = problem(tmp_path, STDIO + line)
    assert f"servers.pay.{field} " in said and way_out in said
