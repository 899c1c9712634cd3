"""The conformance suite, and a client from npm, against `interlock mcp serve` on loopback: `make conformance`.

`python -m tests.conformance automations` has the client from npm run every automation, and nothing else.
"""

import asyncio
import json
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from urllib.parse import urlsplit

from tests.conformance.automations import problems_by_automation
from tests.conformance.installed import NotInstalled, Verdict, install, run_node, run_suite
from tests.conformance.npm_client import problems_of
from tests.conformance.scenarios import FIXTURE_CHECKS, VERSIONS, WITHOUT_A_FIXTURE, fixture_of
from tests.conformance.token_proxy import with_token
from tests.end_to_end.processes import INTERLOCK, with_our_packages
from tests.end_to_end.setup import COMPLAINED_OF, Setup, a_setup
from tests.end_to_end.skills_clients import SERVE, http_endpoint
from tests.workers.resources.skills import RESOURCE, STAFF, TokenIssuer

SKILLS = f"""
resource = "{RESOURCE}"
[issuers.staff]
issuer = "{STAFF}"
keys = "staff.json"
[personas.front_desk]
claims = {{ role = ["front_desk"] }}
starts = ["refund"]
oversees = ["refund"]
decides = true
"""
LIFETIME_SECONDS = 3600


def problems_with(verdict: Verdict) -> list[str]:
    """What keeps a scenario from passing, without what only a server made for tests can pass."""
    excusable = FIXTURE_CHECKS.get(verdict.scenario, frozenset())
    return [
        f"{check}: {message}"
        for check, message in verdict.failures
        if check not in excusable or not message.startswith(WITHOUT_A_FIXTURE)
    ]


def table(verdicts: Sequence[Verdict]) -> Iterator[str]:
    """A line for each scenario, then what failed."""
    for verdict in verdicts:
        fixture, problems = fixture_of(verdict.scenario), problems_with(verdict)
        if fixture:
            said = f"asks for a fixture {fixture}" + ("; passes all the same" if not problems else "")
        else:
            said = "FAILED" if problems else f"passed, {verdict.passed} checks"
        yield f"{verdict.version}  {verdict.scenario:46} {said}"
        yield from (f"    {problem}" for problem in problems if not fixture)


def failed(verdicts: Sequence[Verdict]) -> list[str]:
    """The scenarios that can be asked of any server, and did not pass."""
    return [
        f"{each.version} {each.scenario}"
        for each in verdicts
        if not fixture_of(each.scenario) and (problems_with(each) or not each.passed)
    ]


async def judged(setup: Setup, folder: Path) -> list[str]:
    """Run everything, print it, and return what failed."""
    issuer = TokenIssuer(STAFF)
    issuer.publish(folder / "staff.json")
    (folder / "skills.toml").write_text(SKILLS)
    claims = issuer.claims(sub="front-desk", role="front_desk")
    token = issuer.token(**{**claims, "exp": claims["iat"] + LIFETIME_SECONDS})
    address = ("--address", setup.planned.temporal.address)
    async with http_endpoint(folder, "--skills", str(folder / "skills.toml"), *address) as url:
        over_http = await _npm_client(COMPLAINED_OF[-1], "http", url, token)
        async with with_token(urlsplit(url).port or 0, token) as port:
            suite = f"http://localhost:{port}/mcp"
            verdicts = [each for version in VERSIONS for each in await asyncio.to_thread(run_suite, version, suite)]
    over_stdio = await _npm_client(COMPLAINED_OF[-2], "stdio", *INTERLOCK, *SERVE, *address, "--as", "front-desk")
    say("\n".join(table(verdicts)))
    clients = [*(f"npm client over HTTP: {each}" for each in over_http), *over_stdio]
    say(f"npm client, over HTTP and over stdio: {'; '.join(clients) or 'passed'}")
    return [*failed(verdicts), *clients]


async def _npm_client(order: str, *way: str) -> list[str]:
    told = await asyncio.to_thread(run_node, "client.mjs", order, *way, environment=with_our_packages())
    try:
        return problems_of(json.loads(told.splitlines()[-1]), order)
    except (ValueError, IndexError, KeyError) as error:
        return [f"it told no story ({type(error).__name__}): {told[-500:]}"]


async def suite_and_client(folder: Path) -> list[str]:
    """The suite and the client's story, in a setup of their own."""
    async with a_setup(folder) as setup:
        return await judged(setup, folder)


async def automations(folder: Path) -> list[str]:
    """Every automation by the client from npm, in a company of its own."""
    failed = []
    async for automation, problems in problems_by_automation(folder):
        say(f"npm client  {automation:46} {'FAILED' if problems else 'passed'}")
        failed += [f"npm client, {automation}: {problem}" for problem in problems]
    return failed


PARTS = {"suite": suite_and_client, "automations": automations}


async def run(parts: Sequence[str]) -> list[str]:
    """These parts; what failed."""
    failed = []
    for part in parts:
        with tempfile.TemporaryDirectory() as folder:
            failed += await PARTS[part](Path(folder))
    return failed


def say(text: str) -> None:
    """Some lines, at once."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def main() -> int:
    """Exit code 0 when everything passes, 1 when something does not, 2 when it could not be installed."""
    try:
        install()
    except NotInstalled as problem:
        say(str(problem))
        return 2
    problems = asyncio.run(run(sys.argv[1:] or tuple(PARTS)))
    say(f"failed: {'; '.join(problems) or 'nothing'}")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
