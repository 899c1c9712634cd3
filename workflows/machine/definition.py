"""Declare states, read the transitions off the handlers' return types, and refuse every other move.

A handler's return annotation is the list of places the machine may go next:

    @REFUND.state(State.ASSESSING)
    async def assess(self) -> Literal[State.RULING, State.DECLINED]: ...

The type checker holds the body to it, `check()` holds the whole machine to it when its module is imported,
the diagram is drawn from it, and `move()` holds every run to it. Pure: no clock, no I/O, no Temporal.
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from datetime import timedelta
from enum import Enum
from typing import Any, Generic, Literal, TypeVar, get_args, get_origin, get_type_hints

from contracts.decisions import Verdict
from contracts.runs import BuiltIn
from workflows.machine.failing import Escalate, KeepTrying, Rule, UndoAll

StateT = TypeVar("StateT", bound=Enum)
HandlerT = TypeVar("HandlerT", bound=Callable[[Any], Awaitable[Any]])

Handler = Callable[[Any], Awaitable[Enum]]


class MachineDefinitionError(TypeError):
    """The machine as written cannot work. Raised when its module is imported."""


class IllegalTransition(RuntimeError):
    """A handler returned a state that its signature does not list."""


class Machine(Generic[StateT]):
    """States, handlers and the transitions between them.

    Beside its own states every machine has ESCALATED (waiting), CANCELLED and UNDO_INCOMPLETE (final), with
    implicit arrows: any busy state may escalate; an escalation resumes where its options say.
    """

    def __init__(
        self,
        states: type[StateT],
        *,
        initial: StateT,
        final: tuple[StateT, ...],
        good: tuple[StateT, ...],
        waiting: tuple[StateT, ...] = (),
    ) -> None:
        self.states = states
        self.initial = initial
        self.final = final
        self.good = good
        """The endings people hope for; `--wait` exits with 0 on these alone."""
        self.waiting = waiting
        self._handlers: dict[StateT, Handler] = {}
        self._successors: dict[StateT, tuple[StateT, ...]] = {}
        self._escapes: dict[StateT, dict[Verdict, StateT]] = {}
        self._fails: dict[StateT, Rule[StateT]] = {}

    def state(
        self,
        state: StateT,
        *,
        retry: StateT | None = None,
        skip: StateT | None = None,
        take_over: StateT | None = None,
        supply: bool = False,
        fails: Rule[StateT] | None = None,
    ) -> Callable[[HandlerT], HandlerT]:
        """Mark a method as the one handler of `state`.

        When `state` escalates a person may always retry (in `retry`, else in `state` itself) or abandon; `skip` and
        `take_over` name where the run may go on otherwise; `supply` says that a person may give the missing value.
        `fails` says what follows by itself when a step fails in it: by default it escalates.
        """

        def register(handler: HandlerT) -> HandlerT:
            if state in self._handlers:
                first = getattr(self._handlers[state], "__qualname__", "?")
                raise MachineDefinitionError(f"{state!r} already has a handler: {first}")
            self._handlers[state] = handler
            self._successors[state] = _declared_successors(handler, self.states)
            self._escapes[state] = _escapes(state, retry or state, skip, take_over, supply)
            self._fails[state] = fails or Escalate()
            return handler

        return register

    @property
    def transitions(self) -> Mapping[StateT, tuple[StateT, ...]]:
        """State -> the states its handler may return, in the order of its signature."""
        return self._successors

    def handler(self, state: StateT) -> Handler:
        """The one handler of a state that is not final."""
        return self._handlers[state]

    def escapes(self, state: StateT) -> Mapping[Verdict, StateT]:
        """How an escalation from `state` may be answered, and where each answer leads (abandoning always is)."""
        return self._escapes[state]

    def fails(self, state: StateT) -> Rule[StateT]:
        """What follows by itself when a step fails in `state`."""
        return self._fails[state]

    @property
    def failures(self) -> Mapping[StateT, StateT]:
        """State -> the state that follows by itself when a step of it fails; without those that only escalate."""
        found: dict[StateT, StateT] = {}
        for state, rule in self._fails.items():
            if isinstance(rule, UndoAll):
                found[state] = rule.to
            elif isinstance(rule, KeepTrying):
                found[state] = state
        return found

    def named(self, value: str) -> StateT | BuiltIn:
        """The state called `value`, one of the machine's own or a built-in one. Raises ValueError."""
        return BuiltIn(value) if value in set(BuiltIn) else self.states(value)

    def is_final(self, state: Enum) -> bool:
        """Nothing follows this state."""
        return state in self.final or state in (BuiltIn.CANCELLED, BuiltIn.UNDO_INCOMPLETE)

    def is_waiting(self, state: Enum) -> bool:
        """Only a person, a clock or a signal from outside can leave this state."""
        return state in self.waiting or state is BuiltIn.ESCALATED

    def move(self, current: StateT, following: Enum) -> StateT:
        """`following`, if the handler of `current` declares it. Raises IllegalTransition naming both ends."""
        declared = self._successors[current]
        if following not in declared:
            listed = ", ".join(repr(state.value) for state in declared)
            raise IllegalTransition(f"{current.value!r} declares {listed}; its handler returned {following!r}")
        return self.states(following.value)

    def check(self) -> None:
        """Every state is reachable, every busy state has one handler and a way to an end.

        Raises MachineDefinitionError naming every problem.
        """
        problems = [*self._name_problems(), *self._handler_problems(), *self._failure_problems()]
        problems += self._path_problems()
        if problems:
            raise MachineDefinitionError(f"{self.states.__module__}: " + "; ".join(problems))

    def _name_problems(self) -> Iterable[str]:
        for state in self.states:
            if state.value in set(BuiltIn):
                yield f"{state!r} has the name of a built-in state"
        yield from (f"{state!r} is good but not final" for state in self.good if state not in self.final)
        yield from (f"{state!r} is waiting and final" for state in self.waiting if state in self.final)

    def _handler_problems(self) -> Iterable[str]:
        for state in self.states:
            if state in self.final and state in self._handlers:
                yield f"{state!r} is final but has a handler"
            if state not in self.final and state not in self._handlers:
                yield f"{state!r} has no handler and is not final"

    def _failure_problems(self) -> Iterable[str]:
        for state, rule in self._fails.items():
            if isinstance(rule, KeepTrying) and (rule.times < 1 or rule.every <= timedelta()):
                yield f"{state!r} must keep trying at least once, after some time; {rule!r} does not"
            if not isinstance(rule, UndoAll):
                continue
            if not isinstance(rule.to, self.states):
                yield f"{state!r} undoes everything and goes to {rule.to!r}, which is none of {self.states.__name__}"
            elif state in self._reachable_from(rule.to):  # its keys are used up: nothing would be sent again
                yield f"{state!r} undoes everything and comes back by way of {rule.to!r}; its effects happen only once"

    def _path_problems(self) -> Iterable[str]:
        reachable = self._reachable_from(self.initial)
        yield from (
            f"{state!r} cannot be reached from {self.initial!r}" for state in self.states if state not in reachable
        )
        for state in self._handlers:
            if not any(target in self.final for target in self._reachable_from(state)):
                yield f"{state!r} cannot reach a final state"

    def _reachable_from(self, start: StateT) -> list[StateT]:
        reached, frontier = [start], [start]
        while frontier:
            for target in self._all_successors(frontier.pop()):
                if target not in reached:
                    reached.append(target)
                    frontier.append(target)
        return reached

    def _all_successors(self, state: StateT) -> tuple[StateT, ...]:
        by_itself = [self.failures[state]] if state in self.failures else []
        return (*self._successors.get(state, ()), *self._escapes.get(state, {}).values(), *by_itself)


def _escapes(
    state: StateT, retry: StateT, skip: StateT | None, take_over: StateT | None, supply: bool
) -> dict[Verdict, StateT]:
    escapes = {Verdict.RETRY: retry}
    if supply:
        escapes[Verdict.SUPPLY] = state
    if skip is not None:
        escapes[Verdict.SKIP] = skip
    if take_over is not None:
        escapes[Verdict.TAKE_OVER] = take_over
    return escapes


def _declared_successors(handler: Callable[..., Any], states: type[StateT]) -> tuple[StateT, ...]:
    annotation = get_type_hints(handler).get("return")
    targets = get_args(annotation) if get_origin(annotation) is Literal else ()
    if not targets or not all(isinstance(target, states) for target in targets):
        name = getattr(handler, "__qualname__", repr(handler))
        raise MachineDefinitionError(f"{name} must return Literal[{states.__name__}.X, ...]")
    return tuple(targets)
