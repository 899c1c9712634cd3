"""docker-compose.yml: valid, pinned, private, without a secret, and true to the programs it starts."""

import importlib.util
import json
import re
import subprocess
import tomllib
from collections.abc import Iterator
from importlib.resources import files

import pytest
import yaml
from jsonschema.validators import validator_for

from tests.deploy.compose import COMPOSE, DEPLOY, REPOSITORY, Service, load
from workers.embedded.temporal_server import temporal_binary
from workers.settings import Settings

SERVICES = load().services
OURS = {name: service for name, service in SERVICES.items() if service.build}
WORKERS = {name: service for name, service in OURS.items() if service.command == ("interlock", "worker")}

# What a worker reads from its environment.
SETTINGS = {f"INTERLOCK_{name.upper()}" for name in Settings.model_fields} | {
    "ANTHROPIC_API_KEY",
    "ANTHROPIC_BASE_URL",
    "OTEL_EXPORTER_OTLP_ENDPOINT",
    "TEMPORAL_ADDRESS",
    "TEMPORAL_NAMESPACE",
}
SECRET_NAME = re.compile(r"PASSWORD|PWD|SECRET|TOKEN|_KEY$")
# The Claude simulator takes any key, and the client insists on one.
NOT_A_SECRET = ("demo-worker", "ANTHROPIC_API_KEY", "the-simulator-takes-any")


def test_the_file_satisfies_the_compose_specification() -> None:
    vendored = files("check_jsonschema") / "builtin_schemas" / "vendor" / "compose-spec.json"
    schema = json.loads(vendored.read_text())
    problems = validator_for(schema)(schema).iter_errors(yaml.safe_load(COMPOSE.read_text()))
    assert [f"{problem.json_path}: {problem.message}" for problem in problems] == []


def test_the_file_uses_the_current_form() -> None:
    assert "version" not in yaml.safe_load(COMPOSE.read_text())
    assert [name for name, service in SERVICES.items() if service.container_name] == []


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_has_a_health_check_or_is_a_step_that_another_waits_for(name: str) -> None:
    waits = {service.depends_on[name].condition for service in SERVICES.values() if name in service.depends_on}
    if SERVICES[name].healthcheck is None:
        assert SERVICES[name].restart.startswith("on-failure:")
        assert waits == {"service_completed_successfully"}
    else:
        assert waits <= {"service_healthy"}


@pytest.mark.parametrize("image", sorted({service.image for service in SERVICES.values()}))
def test_an_image_is_pinned_to_a_version(image: str) -> None:
    assert re.fullmatch(r"[a-z/-]+:\d+\.\d+(\.\d+)?(-[a-z-]+)?", image)


def test_the_dockerfile_builds_on_a_pinned_image_and_has_every_target_that_is_asked_for() -> None:
    stages = re.findall(r"^FROM (\S+) AS (\w+)$", (DEPLOY / "Dockerfile").read_text(), re.M)
    names = {name for _, name in stages}
    assert {base for base, _ in stages} - names == {"python:3.11-slim-bookworm"}
    assert {service.build.target for service in OURS.values() if service.build} <= names


def test_our_images_carry_our_version() -> None:
    version = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]["version"]
    assert {service.image.partition(":")[2] for service in OURS.values()} == {version}


def test_temporal_is_the_version_that_the_tests_run_on() -> None:
    said = subprocess.run(
        [temporal_binary(), "--version"], capture_output=True, text=True, timeout=30, check=True
    ).stdout
    tested = re.search(r"Server ([\d.]+), UI ([\d.]+)", said)
    assert tested
    server, ui = tested.groups()
    images = {service.image for service in SERVICES.values() if service.image.startswith("temporalio/")}
    assert images == {
        f"temporalio/server:{server}",
        f"temporalio/admin-tools:{server}",
        f"temporalio/ui:{ui}",
    }


def test_a_variable_without_a_default_says_what_to_do() -> None:
    text = COMPOSE.read_text()
    names = set(re.findall(r"\$\{(\w+)", text))
    with_default = set(re.findall(r"\$\{(\w+):-[^}]+\}", text))
    with_advice = set(re.findall(r"\$\{(\w+):\?[^}]*run deploy/make-secrets[^}]*\}", text))
    assert with_advice == {"INTERLOCK_DEPLOYMENT"}
    assert names == with_default | with_advice


def secrets_in_environments() -> Iterator[tuple[str, str, str | None]]:
    for service_name, service in SERVICES.items():
        for name, value in service.environment.items():
            if SECRET_NAME.search(name) and not name.endswith("_FILE"):
                yield service_name, name, value


def test_no_password_or_key_stands_in_the_file() -> None:
    plain = [found for found in secrets_in_environments() if found[2] is not None and found != NOT_A_SECRET]
    assert plain == []


def test_no_address_carries_a_password() -> None:
    assert re.findall(r"://[^/\s@]*:[^/\s@]*@", COMPOSE.read_text()) == []


def test_a_password_file_is_a_secret_of_its_service() -> None:
    for name, service in SERVICES.items():
        for variable, value in service.environment.items():
            if variable.endswith("_FILE"):
                assert value in {f"/run/secrets/{secret}" for secret in service.secrets}, f"{name}: {variable}"


@pytest.mark.parametrize("name", [name for name, service in SERVICES.items() if service.ports])
def test_a_port_is_published_on_this_machine_alone(name: str) -> None:
    assert [port for port in SERVICES[name].ports if not port.startswith("127.0.0.1:")] == []


def test_the_published_ports_are_those_of_temporal_and_its_web_ui() -> None:
    assert {name for name, service in SERVICES.items() if service.ports} == {"temporal", "temporal-ui"}


def mounts(service: Service) -> Iterator[str]:
    for volume in service.volumes:
        yield volume.split(":")[0]


def test_what_is_mounted_exists() -> None:
    sources = {source for service in SERVICES.values() for source in mounts(service)}
    files = {source for source in sources if source.startswith(".")}
    assert [source for source in sorted(files) if not (REPOSITORY / source).exists()] == []
    assert sources - files == set(load().volumes)


@pytest.mark.parametrize("name", [name for name, service in SERVICES.items() if service.entrypoint])
def test_the_script_that_a_step_runs_exists(name: str) -> None:
    folder = SERVICES[name].volumes[0].removesuffix(":/deploy:ro")
    shell, script = SERVICES[name].entrypoint
    assert shell == "sh"
    assert (REPOSITORY / folder / script.removeprefix("/deploy/")).is_file()


def demo_variables() -> set[str]:
    """What demo/servers.toml takes from the environment."""
    servers = tomllib.loads((REPOSITORY / "demo" / "servers.toml").read_text())
    return set(re.findall(r"\$\{(\w+)\}", json.dumps(servers)))


def test_the_worker_is_told_what_it_knows_and_nothing_else() -> None:
    assert set(SERVICES["worker"].environment) <= SETTINGS


def test_the_demo_worker_is_told_what_it_and_its_servers_need() -> None:
    told = set(SERVICES["demo-worker"].environment)
    assert demo_variables() <= told
    assert told <= SETTINGS | demo_variables()


def test_only_the_demo_runs_in_development_mode_unless_the_operator_says_so() -> None:
    modes = {name: service.environment["INTERLOCK_MODE"] for name, service in WORKERS.items()}
    assert modes == {"worker": "${INTERLOCK_MODE:-production}", "demo-worker": "development"}


@pytest.mark.parametrize(
    "setting",
    ["TEMPORAL_NAMESPACE", "INTERLOCK_STORE", "INTERLOCK_STORE_PASSWORD_FILE", "INTERLOCK_DEPLOYMENT"],
)
def test_demo_and_production_share_nothing_that_is_kept(setting: str) -> None:
    assert len({service.environment[setting] for service in WORKERS.values()}) == len(WORKERS) == 2


def test_every_namespace_that_a_worker_uses_is_created() -> None:
    namespaces = {service.environment["TEMPORAL_NAMESPACE"] for service in WORKERS.values()}
    assert set(SERVICES["temporal-namespaces"].command) == namespaces


def starts_the_demo(service: Service) -> bool:
    return any(word.startswith("demo.") for word in service.command)


def test_the_demo_is_started_by_its_profile_alone() -> None:
    in_profile = {name for name, service in SERVICES.items() if service.profiles == ("demo",)}
    of_the_demo = {name for name, service in SERVICES.items() if starts_the_demo(service)}
    assert of_the_demo == {"demo-payments", "demo-mail", "claude-simulator"}
    assert in_profile == of_the_demo | {"demo-worker"}


def test_nothing_waits_for_what_its_profile_does_not_start() -> None:
    for name, service in SERVICES.items():
        for needed in service.depends_on:
            assert set(SERVICES[needed].profiles) <= set(service.profiles), f"{name} waits for {needed}"


@pytest.mark.parametrize("name", [name for name, service in SERVICES.items() if starts_the_demo(service)])
def test_a_demo_program_exists_and_is_checked_on_the_port_it_is_given(name: str) -> None:
    command, check = SERVICES[name].command, SERVICES[name].healthcheck
    assert command[:2] == ("python", "-m")
    assert importlib.util.find_spec(f"{command[2]}.__main__")
    assert check
    assert check.test[-1] == f"http://127.0.0.1:{command[command.index('--port') + 1]}/health"


@pytest.mark.parametrize("variable", ["INTERLOCK_DEMO_PAYMENTS_URL", "INTERLOCK_DEMO_MAIL_URL", "ANTHROPIC_BASE_URL"])
def test_the_demo_worker_finds_its_servers_where_they_listen(variable: str) -> None:
    url = re.fullmatch(r"http://([a-z-]+):(\d+)(/mcp)?", SERVICES["demo-worker"].environment[variable] or "")
    assert url
    assert url.group(2) in SERVICES[url.group(1)].command


@pytest.mark.parametrize("name", WORKERS)
def test_a_worker_is_the_installed_command(name: str) -> None:
    scripts = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]["scripts"]
    module, _, _function = scripts[SERVICES[name].command[0]].partition(":")
    assert importlib.util.find_spec(module)
