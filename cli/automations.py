"""The automations this command line knows: ours, and those of INTERLOCK_AUTOMATIONS."""

from cli.exits import WrongInput
from contracts.runs import BuiltIn
from workers.settings import Settings
from workflows.catalog import Catalog, CatalogEntry, UnknownAutomation


def load_catalog() -> Catalog:
    """All of them. Raises SettingsWrong, MachineDefinitionError, ImportError."""
    return Catalog.load(Settings.read().automations)


def find_automation(name: str) -> CatalogEntry:
    """One of them. Raises WrongInput naming those there are."""
    try:
        return load_catalog().find(name)
    except UnknownAutomation as unknown:
        raise WrongInput(str(unknown.args[0])) from unknown


def states_of(catalog: Catalog) -> set[str]:
    """Every state a run can be in."""
    own = {str(state.value) for entry in catalog.entries() for state in entry.machine.states}
    return own | {state.value for state in BuiltIn}


def is_good(automation: str, state: str) -> bool:
    """Whether an ending is one that people hope for."""
    machine = load_catalog().find(automation).machine
    return state in {good.value for good in machine.good}
