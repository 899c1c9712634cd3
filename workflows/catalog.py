"""The one list of automations that the CLI and the workers read: ours, and those of an outside folder."""

import importlib
import importlib.util
import inspect
import sys
import traceback
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, get_type_hints

from pydantic import BaseModel
from temporalio import workflow

from contracts.business_cases import business_key_of
from contracts.model import Model
from contracts.runs import MOST_AROUND, Case, StartStatement
from workflows.machine.automation import Automation
from workflows.machine.definition import Machine, MachineDefinitionError

OURS = (
    "workflows.refund.workflow",
    "workflows.errand",
    "workflows.guest_checkout.workflow",
    "workflows.support_escalation.workflow",
    "workflows.employee_onboarding.workflow",
    "workflows.operations_change.workflow",
    "workflows.upsert_contact",
    "workflows.check_in_guest",
    "workflows.submit_guest_service_request",
    "workflows.submit_maintenance_request",
    "workflows.compensate_checkout_failure.workflow",
)
MAY_REDEFINE = {"machine", "name", "owner_role", "may_start", "summary", "facts", "situation", "answer_ref"}
"""What an automation says of itself."""
OUTSIDE_PREFIX = "interlock_automation_"


class UnknownAutomation(LookupError):
    """No automation of that name."""


@dataclass(frozen=True)
class CatalogEntry:
    """One automation: everything the CLI and the workers need of it, read off its workflow class."""

    name: str
    workflow: type[Automation[Any]]
    request: type[Model]
    case: type[Case]
    machine: Machine[Any]
    module: str

    @property
    def description(self) -> str:
        """The first line of its module."""
        return (inspect.getdoc(sys.modules[self.module]) or self.name).splitlines()[0]

    def business_key(self, request: BaseModel) -> str:
        """What identifies the business case: the named fields' values; long or unsafe ones by their digest."""
        return business_key_of(request)

    def first_case(self, request: Model, start: StartStatement) -> Case:
        """The state a run starts with."""
        return self.case.model_validate({"request": request, "start": start})


class Catalog:
    """Automations by name."""

    def __init__(self, entries: Iterable[CatalogEntry], outside: Path | None = None) -> None:
        self._entries: dict[str, CatalogEntry] = {}
        self._others = f"there is no other in {outside}/workflows" if outside else "others: set INTERLOCK_AUTOMATIONS"
        for entry in entries:
            if entry.name in self._entries:
                first = self._entries[entry.name].module
                raise MachineDefinitionError(f"two automations are called {entry.name!r}: {first} and {entry.module}")
            self._entries[entry.name] = entry
        for entry in self._entries.values():
            self._check_children(entry, ())

    @classmethod
    def load(cls, outside: Path | None = None) -> "Catalog":
        """Ours, and every `workflows/*.py` of the folder `outside`. Raises MachineDefinitionError, ImportError."""
        modules = [importlib.import_module(name) for name in OURS]
        if outside is not None:
            modules += [_import_file(path) for path in sorted((outside / "workflows").glob("*.py"))]
        return cls((entry for module in modules for entry in _entries_of(module)), outside)

    def find(self, name: str) -> CatalogEntry:
        """The automation called `name`. Raises UnknownAutomation naming those there are."""
        if name not in self._entries:
            known = ", ".join(self._entries)
            raise UnknownAutomation(f"no automation {name!r}; there are: {known} ({self._others})")
        return self._entries[name]

    def entries(self) -> tuple[CatalogEntry, ...]:
        """All of them, in the order they were found."""
        return tuple(self._entries.values())

    def owner_roles(self) -> dict[str, str]:
        """Automation -> the role that chooses when its runs escalate."""
        return {name: entry.workflow.owner_role for name, entry in self._entries.items()}

    def may_start(self) -> dict[str, tuple[str, ...]]:
        """Automation -> those that its runs may start as child runs."""
        return {name: entry.workflow.may_start for name, entry in self._entries.items()}

    def _check_children(self, entry: CatalogEntry, around: tuple[str, ...]) -> None:
        """Raises MachineDefinitionError for a child that is unknown, its own ancestor, or too deep."""
        inside = (*around, entry.name)
        for child in entry.workflow.may_start:
            chain = " > ".join((*inside, child))
            if child not in self._entries:
                known = ", ".join(self._entries)
                raise MachineDefinitionError(f"{entry.module}: may_start names {child!r}; there are: {known}")
            if child in inside:
                raise MachineDefinitionError(f"{entry.module}: a run may not stand inside its own kind: {chain}")
            if len(inside) > MOST_AROUND:
                raise MachineDefinitionError(
                    f"{entry.module}: at most {MOST_AROUND + 1} runs stand inside each other: {chain}"
                )
            self._check_children(self._entries[child], inside)

    def outside_modules(self) -> tuple[str, ...]:
        """Names of the modules that were loaded from the outside folder."""
        return tuple(entry.module for entry in self._entries.values() if entry.module.startswith(OUTSIDE_PREFIX))


def run_id(automation: str, business_key: str, earlier_starts: int = 0) -> str:
    """The workflow id of a run: `refund/A-17`, and `refund/A-17~2` when it is deliberately started anew."""
    return f"{automation}/{business_key}" + (f"~{earlier_starts + 1}" if earlier_starts else "")


def _entries_of(module: ModuleType) -> Iterable[CatalogEntry]:
    for _, found in inspect.getmembers(module, inspect.isclass):
        if issubclass(found, Automation) and found is not Automation and found.__module__ == module.__name__:
            yield _entry(found, module.__name__)


def _entry(automation: type[Automation[Any]], module: str) -> CatalogEntry:
    problem = _problem_with(automation)
    if problem:
        raise MachineDefinitionError(f"{module}.{automation.__name__}: {problem}")
    automation.machine.check()
    case: type[Case] = _run_hints(automation)["case"]
    request = case.model_fields["request"].annotation
    assert isinstance(request, type) and issubclass(request, Model)
    return CatalogEntry(automation.name, automation, request, case, automation.machine, module)


def _problem_with(automation: type[Automation[Any]]) -> str:
    definition = workflow._Definition.from_class(automation)
    if definition is None:
        return "it has no @workflow.defn"
    if definition.name != getattr(automation, "name", None):
        return f"@workflow.defn(name=...) is {definition.name!r}; give the class the same `name`"
    if not hasattr(inspect.getattr_static(automation, "__init__"), "__temporal_workflow_init"):
        return "its __init__(self, case) has no @workflow.init, by which a run is given its case"
    if not isinstance(getattr(automation, "machine", None), Machine):
        return "it names no `machine`"
    if taken := sorted(_redefined(automation)):
        return f"it redefines {taken[0]!r}, which every automation has; call it otherwise"
    case = _run_hints(automation).get("case")
    if not (isinstance(case, type) and issubclass(case, Case) and "request" in case.model_fields):
        return "`run` must take one parameter `case`, a Case with a field `request`"
    request = case.model_fields["request"].annotation
    return "" if isinstance(request, type) and issubclass(request, Model) else "`request` must be a Model"


def _redefined(automation: type[Automation[Any]]) -> set[str]:
    """Names that are not its own: a handler's helper of such a name would take the place of the machinery."""
    own = {name for name in vars(automation) if not name.startswith("__")}
    return {name for name in own if hasattr(Automation, name)} - MAY_REDEFINE


def _run_hints(automation: type[Automation[Any]]) -> Mapping[str, Any]:
    run = getattr(automation, "run", None)
    return get_type_hints(run) if run is not None else {}


def _import_file(path: Path) -> ModuleType:
    name = OUTSIDE_PREFIX + path.stem
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} cannot be imported")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException as error:
        del sys.modules[name]
        if isinstance(error, Exception) and not isinstance(error, MachineDefinitionError):
            raise ImportError(f"{_place(path, error)}: {type(error).__name__}: {error}") from error
        raise
    return module


def _place(path: Path, error: Exception) -> str:
    """The file, and the line of it that could not be executed."""
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(path)]
    line = error.lineno if isinstance(error, SyntaxError) else next(reversed(lines), None)
    return f"{path}:{line}" if line else str(path)
