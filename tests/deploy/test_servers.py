"""The servers files that docker-compose.yml gives its workers can be loaded where they are used."""

import re
from pathlib import Path

from tests.deploy.compose import DEPLOY, REPOSITORY, load
from tests.workflows.refund_world import CLASSES, REFERENCES, UNDOES
from workers.resources.servers_file import load_servers


def test_the_example_for_production_is_complete_once_it_is_uncommented(tmp_path: Path) -> None:
    uncommented = tmp_path / "servers.toml"
    uncommented.write_text(re.sub(r"^#(?=\S)", "", (DEPLOY / "servers.toml").read_text(), flags=re.M))
    (payments,) = load_servers(uncommented, environment={})
    assert payments.name == "payments"
    assert payments.tools.keys() == {"issue_credit"}


def test_the_demo_worker_reaches_every_demo_server_with_what_it_is_told() -> None:
    told = {name: value for name, value in load().services["demo-worker"].environment.items() if value is not None}
    servers = load_servers(REPOSITORY / "demo" / "servers.toml", environment=told)
    assert {server.name for server in servers} == {
        "orders",
        "payments",
        "crm",
        "mail",
        "documentation",
        "property",
        "housekeeping",
        "compliance",
        "people_records",
        "tickets",
        "identity",
        "changes",
        "releases",
        "vault",
        "archive",
    }
    assert {server.url for server in servers if server.transport == "http"} == {
        "http://demo-payments:8701/mcp",
        "http://demo-mail:8702/mcp",
    }


def test_the_stories_know_what_undoes_what_as_the_demo_declares_it() -> None:
    told = {name: value for name, value in load().services["demo-worker"].environment.items() if value is not None}
    servers = load_servers(REPOSITORY / "demo" / "servers.toml", environment=told)
    every = {f"{server.name}.{tool}": rule for server in servers for tool, rule in server.tools.items()}
    rules = {name: every[name] for name in CLASSES}  # stories of checkouts read the file itself
    assert {name: rule.undoes for name, rule in rules.items() if rule.undoes} == UNDOES
    assert {name: rule.reference for name, rule in rules.items() if rule.reference} == REFERENCES
