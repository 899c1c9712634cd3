"""The exit codes scripts rely on, and one exception for each way a command can fail."""

from typing import ClassVar, Final

DONE: Final = 0
REFUSED: Final = 1
WRONG_INPUT: Final = 2
NOT_REACHABLE: Final = 3
TIMED_OUT: Final = 4
INTERRUPTED: Final = 130
"""Ctrl-C, as shells have it."""


class CommandFailed(Exception):
    """A command ends without what was asked; its message is one line that says what to do next."""

    exit_code: ClassVar[int] = REFUSED


class Refused(CommandFailed):
    """What was asked may not be done, or the run ended otherwise than hoped."""


class WrongInput(CommandFailed):
    """What was given cannot be used; nothing was started."""

    exit_code = WRONG_INPUT


class NotReachable(CommandFailed):
    """The server, or a worker, does not answer."""

    exit_code = NOT_REACHABLE


class TimedOut(CommandFailed):
    """It took longer than the caller was ready to wait; it goes on all the same."""

    exit_code = TIMED_OUT
