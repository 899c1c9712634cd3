"""The command `interlock`: finds the command, and turns whatever happens into one line and an exit code."""

import importlib
import os
import sys
from collections.abc import Callable, Sequence
from typing import Annotated, Any, NoReturn

import typer
from typer.core import TyperGroup

from cli import exits
from cli.exits import CommandFailed

COMMANDS = {
    "runs": ("cli.runs", "app", "Start, follow and cancel runs; find those that are stuck."),
    "approvals": ("cli.approvals", "app", "Read what waits for people, and decide it."),
    "policy": ("cli.policy", "app", "Check the rules, ask them, and make them active."),
    "approvers": ("cli.approvers", "app", "Say who may decide: people, keys, roles, delegations, absences."),
    "machines": ("cli.machines", "app", "Look at the automations and their states."),
    "servers": ("cli.servers", "app", "Look at the declared MCP servers and their tools."),
    "tools": ("cli.tools", "app", "Compare tools with what was accepted of them, and accept them."),
    "freeze": ("cli.freeze", "freeze", "Stop what would be sent, at once and everywhere; show what is stopped."),
    "thaw": ("cli.thaw", "thaw", "Take a freeze back: what waited goes on by itself."),
    "notices": ("cli.notices", "app", "See what people could not be told, and send it anew."),
    "audit": ("cli.audit", "app", "Show what happened, verify the account of it, and export it."),
    "store": ("cli.store", "app", "Erase what is kept about somebody."),
    "mcp": ("cli.mcp", "app", "Offer the automations to MCP clients, as tools."),
    "worker": ("cli.worker", "worker", "Run a worker."),
    "dev": ("cli.dev", "dev", "Run everything on this machine, for development."),
    "doctor": ("cli.doctor", "doctor", "Check that what is configured works."),
}


class CommandsByName(TyperGroup):
    """Imports a command when it is called, so that `interlock --help` and every other command start quickly."""

    def list_commands(self, ctx: Any) -> list[str]:
        """The names, in the order people meet them."""
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """What the help lists: name and purpose, nothing imported."""
        if cmd_name not in COMMANDS:
            return None
        return typer.core.TyperCommand(cmd_name, help=COMMANDS[cmd_name][2])

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
        """The real command."""
        name, _, rest = super().resolve_command(ctx, args)
        return name, _load(name) if name else None, rest


app = typer.Typer(cls=CommandsByName, add_completion=False, pretty_exceptions_enable=False)


def _print_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"interlock {version('interlock')}")
        raise typer.Exit


@app.callback(no_args_is_help=True)
def interlock(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """The layer between Claude, a company's MCP servers and the people who answer for what happens."""


def main() -> NoReturn:
    """The entry point. Leaves without tidying up the interpreter: the SDK's runtime may crash one that exits."""
    code = run(sys.argv[1:])
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:  # the reader has gone away
            code = code or exits.REFUSED
    os._exit(code)


def run(arguments: Sequence[str]) -> int:
    """Run one command; its exit code. Never raises."""
    try:
        returned = app(list(arguments), prog_name="interlock", standalone_mode=False)
        return returned if isinstance(returned, int) else exits.DONE
    except CommandFailed as failure:
        _show_traceback_if_asked(failure)
        return _failed(str(failure), failure.exit_code)
    except typer.TyperException as misuse:
        return _misused(misuse)
    except (KeyboardInterrupt, typer.Abort):
        return exits.INTERRUPTED
    except SystemExit as leaving:
        return leaving.code if isinstance(leaving.code, int) else exits.REFUSED
    except Exception as failure:  # noqa: BLE001 - the last line of defence: a user never sees a traceback unasked
        return _unforeseen(failure)


def _load(name: str) -> Any:
    module, attribute, purpose = COMMANDS[name]
    command: typer.Typer | Callable[..., Any] = getattr(importlib.import_module(module), attribute)
    if not isinstance(command, typer.Typer):
        single = typer.Typer(add_completion=False)
        single.command(name)(command)
        command = single
    loaded = typer.main.get_command(command)
    loaded.name, loaded.help = name, loaded.help or purpose
    return loaded


def _failed(line: str, code: int) -> int:
    from cli.printing import tell

    tell(line)
    return code


def _misused(misuse: typer.TyperException) -> int:
    context = getattr(misuse, "ctx", None)
    message = misuse.format_message()
    if not message:  # no arguments at all: the help has been printed
        return exits.WRONG_INPUT
    where = context.command_path if context is not None else "interlock"
    return _failed(f"{message.rstrip('.')}; see `{where} --help`", exits.WRONG_INPUT)


def _unforeseen(failure: Exception) -> int:
    _show_traceback_if_asked(failure)
    from cli.failures import explained

    known = explained(failure)
    return _failed(str(known), known.exit_code)


def _show_traceback_if_asked(failure: Exception) -> None:
    if os.environ.get("INTERLOCK_TRACEBACK"):
        import traceback

        traceback.print_exception(failure)


if __name__ == "__main__":
    main()
