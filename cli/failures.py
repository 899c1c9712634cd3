"""Failures of the outside world that no command foresaw, in words and with an exit code."""

from cli.exits import CommandFailed, NotReachable, Refused, TimedOut, WrongInput


def explained(failure: Exception) -> CommandFailed:
    """The failure as people can act on it."""
    from temporalio.service import RPCError

    from workers.settings import SettingsWrong
    from workflows.catalog import UnknownAutomation
    from workflows.machine.definition import MachineDefinitionError

    if (known := of_what_is_configured(failure)) is not None:
        return known
    match failure:
        case RPCError():
            return explained_rpc(failure)
        case UnknownAutomation():
            return WrongInput(str(failure.args[0]))
        case SettingsWrong():
            return WrongInput(f"{failure}; correct the environment variable")
        case MachineDefinitionError() | ImportError():
            return WrongInput(f"the automations cannot be loaded: {failure}")
        case TimeoutError():
            return TimedOut("no answer in time; try again, or see `interlock doctor`")
        case _:
            return Refused(f"unforeseen {type(failure).__name__}: {failure}; INTERLOCK_TRACEBACK=1 shows where")


def of_what_is_configured(failure: Exception) -> CommandFailed | None:
    """The store and the files that settings name; their own sentences say what to do."""
    from activities.context_files import ContextBroken
    from policies.document import PolicyBroken
    from workers.resources.checkpoint_file import CheckpointsUnusable
    from workers.resources.key_file import KeyFileUnusable
    from workers.resources.notifying.file import NoticesFileUnusable
    from workers.resources.servers_file import ServersFileUnusable
    from workers.resources.skills_file import SkillsFileUnusable
    from workers.resources.store import errors

    match failure:
        case errors.StoreUrlWrong():
            return WrongInput(f"INTERLOCK_STORE: {failure}")
        case NoticesFileUnusable():
            return WrongInput(f"INTERLOCK_NOTICES: {failure}")
        case ServersFileUnusable():
            return WrongInput(f"INTERLOCK_SERVERS: {failure}")
        case SkillsFileUnusable():
            return WrongInput(f"INTERLOCK_SKILLS: {failure}")
        case PolicyBroken() | ContextBroken() | KeyFileUnusable() | CheckpointsUnusable():
            return WrongInput(str(failure))
        case errors.StoreUnreachable() | errors.StoreMissing():
            return NotReachable(str(failure))
        case errors.StoreTooNew() | errors.StoreOfAnotherMode() | errors.ContentDamaged():
            return Refused(str(failure))
        case _:
            return None


def explained_rpc(failure: Exception) -> CommandFailed:
    """An error of the Temporal server."""
    from temporalio.service import RPCError, RPCStatusCode

    assert isinstance(failure, RPCError)
    details = failure.grpc_status.details
    if any(detail.type_url.endswith("NamespaceNotFoundFailure") for detail in details):
        return NotReachable(f"{failure.message.rstrip('.')}; name another with --namespace or TEMPORAL_NAMESPACE")
    match failure.status:
        case RPCStatusCode.UNAVAILABLE | RPCStatusCode.DEADLINE_EXCEEDED | RPCStatusCode.CANCELLED:
            return NotReachable(f"the Temporal server does not answer: {failure.message}; see `interlock doctor`")
        case RPCStatusCode.UNAUTHENTICATED | RPCStatusCode.PERMISSION_DENIED:
            return NotReachable(f"the Temporal server refuses this client: {failure.message}; see TEMPORAL_API_KEY")
        case _:
            return Refused(f"the Temporal server refuses: {failure.message}")
