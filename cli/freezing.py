"""Press the stop button, and take it back: signed where people must sign, recorded, told, and in force at once."""

import secrets
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from pydantic import JsonValue, ValidationError

from activities.freezes import Standing
from activities.telling import alarm_of_freeze, alarm_of_thaw
from cli.exits import Refused, WrongInput
from cli.office import office_here
from cli.option_problems import option_problem
from cli.printing import tell
from cli.signatories import signatory
from contracts.authority import DocumentKind
from contracts.freezing import Freeze, FreezeScope, Thaw, freeze_id
from contracts.signing import SignedFor

if TYPE_CHECKING:
    from workers.office import Office
    from workers.resources.freezes import Pressed


async def press(scope: FreezeScope, target: str, reason: str, name: str) -> Standing:
    """Freeze: recorded, and in force for every later send. Raises Refused when this person may not, WrongInput."""
    reason = _given(reason)
    async with office_here() as office:
        now = datetime.now(UTC)
        roster, by = await signatory(office, name, now, "this freeze")
        try:
            unsigned = Freeze(
                deployment=office.deployment,
                scope=scope,
                target=target,
                reason=reason,
                subject=by.subject,
                key_id=by.key.key_id if by.key else "",
                nonce=secrets.token_urlsafe(24),
                issued_at=now,
            )
        except ValidationError as error:
            raise option_problem(error, {"subject": "--as", "target": f"--{scope.value}"}) from error
        freeze = unsigned.model_copy(update={"signature": by.sign(SignedFor.FREEZE, unsigned)})
        await office.store.freezes.freeze(freeze, alarm_of_freeze(freeze, roster, now), now)
        _say_who_is_told(office)
        stands = {each.id: each for each in await standing_freezes(office)}
        await _tell_if_unknown(office, freeze)
        return stands[freeze.id]


async def take_back(named: str, reason: str, name: str) -> tuple[Standing, Sequence[Standing]]:
    """Thaw one freeze; what it was, and what stands all the same. Raises Refused, and WrongInput for an unknown one."""
    reason = _given(reason)
    async with office_here() as office:
        pressed = _named(await office.freezes.pressed(), named)
        now = datetime.now(UTC)
        roster, by = await signatory(office, name, now, "this thaw")
        try:
            unsigned = Thaw(
                deployment=office.deployment,
                freeze=pressed.nonce,
                reason=reason,
                subject=by.subject,
                key_id=by.key.key_id if by.key else "",
                nonce=secrets.token_urlsafe(24),
                issued_at=now,
            )
        except ValidationError as error:
            raise option_problem(error, {"subject": "--as"}) from error
        thaw = unsigned.model_copy(update={"signature": by.sign(SignedFor.THAW, unsigned)})
        notices = alarm_of_thaw(thaw, pressed.standing, roster, now)
        if not await office.store.freezes.thaw(thaw, pressed.recorded_thaw, notices, now):
            raise Refused(f"somebody else has just thawed {named}; see `interlock freeze --list`")
        _say_who_is_told(office)
        return pressed.standing, await _others(office, pressed.standing)


async def standing_freezes(office: "Office") -> tuple[Standing, ...]:
    """What is stopped now, in the eyes of the gate, the oldest first."""
    return await office.freezes.standing()


async def read_freezes() -> "tuple[Pressed, ...]":
    """Every freeze there ever was, the oldest first."""
    async with office_here() as office:
        return await office.freezes.pressed()


def document(pressed: "Pressed") -> dict[str, JsonValue]:
    """A freeze for programs."""
    shown = pressed.standing.model_dump(mode="json") | {"stands": pressed.thaw is None}
    if pressed.thaw is None:
        return shown | {"thawed": None}
    ended = pressed.model_dump(mode="json")["thawed_at"]
    return shown | {"thawed": {"by": pressed.thaw.subject, "reason": pressed.thaw.reason, "at": ended}}


async def _others(office: "Office", thawed: Standing) -> tuple[Standing, ...]:
    """What stands now. Raises Refused when the one that was just thawed is among it."""
    stand = await standing_freezes(office)
    for each in stand:
        if each.id == thawed.id and each.not_thawed:
            raise Refused(f"the thaw of {each.id} is recorded and does not count: {each.not_thawed}; it stands")
    return stand


def _named(pressed: "Sequence[Pressed]", named: str) -> "Pressed":
    """The one that stands under this id, or nonce. Raises WrongInput, and Refused when it was thawed already."""
    found = [each for each in pressed if named in (each.nonce, each.standing.id)]
    if len(found) > 1:  # eight digits
        found = [each for each in found if each.thaw is None] or found
    if not found:
        stand = ", ".join(each.standing.id for each in pressed if each.thaw is None) or "none"
        raise WrongInput(f"no freeze is called {named!r:.60}; those that stand: {stand}")
    if len(found) > 1:
        raise WrongInput(f"several freezes are called {named}; name one of: {', '.join(each.nonce for each in found)}")
    if (over := found[0].thaw) is not None:
        raise Refused(f"{freeze_id(found[0].nonce)} was thawed already by {over.subject!r}: {over.reason}")
    return found[0]


async def _tell_if_unknown(office: "Office", freeze: Freeze) -> None:
    """A misspelt name stops nothing: said after it is recorded, so that nothing holds up the stop itself."""
    if freeze.scope is FreezeScope.ALL:
        return
    known = await _known(office, freeze.scope)
    if known and freeze.target not in known:
        what = f"no {freeze.scope.value} {freeze.target!r} is known here, so this may stop nothing"
        tell(f"{what}; there are: {', '.join(known)}")


async def _known(office: "Office", scope: FreezeScope) -> list[str]:
    if scope is FreezeScope.AUTOMATION:
        from cli.automations import load_catalog

        try:
            return [entry.name for entry in load_catalog().entries()]
        except Exception:  # noqa: BLE001 - an automation of the user's own may raise anything; the freeze stands
            return []
    pins = await office.documents.in_force(DocumentKind.PINS)
    tools = sorted(pins.content) if pins is not None and isinstance(pins.content, dict) else []
    return tools if scope is FreezeScope.TOOL else list(dict.fromkeys(tool.partition(".")[0] for tool in tools))


def _given(reason: str) -> str:
    if not reason.strip():
        raise WrongInput("--reason is empty; say why, everybody who waits reads it")
    return reason


def _say_who_is_told(office: "Office") -> None:
    if not office.tells_people:
        tell("nobody is told of this: no channel is declared; set INTERLOCK_NOTICES as the workers have it")
