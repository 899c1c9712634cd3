"""What is frozen, read from the store at every question: a freeze is believed, a thaw only when it may be."""

from datetime import datetime
from typing import Protocol

from pydantic import ValidationError

from activities.authority import NothingInForce
from activities.freezes import Standing
from activities.thawing import Then, problem_with_freeze, problem_with_thaw, revoked_since
from contracts.authority import BreakGlass
from contracts.deployment import Deployment
from contracts.freezing import Freeze, FreezeScope, Thaw, freeze_id
from contracts.model import Model, Moment
from contracts.roster import Roster
from workers.resources.store.freezes import FreezeRow, SqlFreezes


class Rosters(Protocol):
    """Who is who, now and at any time before."""

    async def roster(self) -> Roster:
        """The roster in force; the same object until another is. Raises NothingInForce."""

    async def roster_at(self, at: Moment) -> Roster:
        """The roster that was in force then; empty when none was. Raises NothingInForce."""

    async def break_glass(self) -> tuple[BreakGlass, ...]:
        """The emergency grants that were recorded."""


class Pressed(Model):
    """A freeze of now or of before."""

    nonce: str
    standing: Standing
    """As it stands, or stood."""
    recorded_thaw: str | None = None
    """Whatever is recorded as its thaw, unread."""
    thaw: Thaw | None = None
    """The thaw that ended it; None while it stands."""
    thawed_at: Moment | None = None


class StoredFreezes:
    """The port `activities.freezes.Freezes`. One statement when nothing was ever frozen, and no memory of what stands.

    What is remembered is which thaws were verified, byte by byte, under the roster in force: they are verified once.
    """

    def __init__(self, rows: SqlFreezes, rosters: Rosters, deployment: Deployment) -> None:
        self._rows, self._rosters, self._deployment = rows, rosters, deployment
        self._verified: dict[FreezeRow, Thaw] = {}
        self._under: Roster | None = None

    async def over(self, automation: str, server: str, tool: str) -> Standing | None:
        """The oldest freeze over such a call. Raises StoreUnreachable."""
        return next((each for each in await self.standing() if each.covers(automation, server, tool)), None)

    async def standing(self) -> tuple[Standing, ...]:
        """Every freeze that stands, the oldest first. Raises StoreUnreachable."""
        return tuple(each.standing for each in await self.pressed() if each.thaw is None)

    async def pressed(self) -> tuple[Pressed, ...]:
        """Every freeze there ever was, the oldest first. Raises StoreUnreachable."""
        return tuple([await self._pressed(row) for row in await self._rows.all()])

    async def _pressed(self, row: FreezeRow) -> Pressed:
        freeze = _freeze_in(row)
        thaw, not_thawed = (None, "") if row.thaw is None else await self._thaw_of(row, freeze)
        doubt = "" if thaw else await self._doubt(row, freeze)
        return Pressed(
            nonce=row.nonce,
            standing=_standing(row, freeze, doubt, not_thawed),
            recorded_thaw=row.thaw,
            thaw=thaw,
            thawed_at=_moment(row.thawed_at) if thaw else None,
        )

    async def _doubt(self, row: FreezeRow, freeze: Freeze | None) -> str:
        if freeze is None:
            return "what stands in the store cannot be read, so it is over everything"
        try:
            then = await self._then(_moment(row.frozen_at))
            return problem_with_freeze(freeze, then, self._deployment)
        except NothingInForce as nothing:
            return str(nothing)

    async def _thaw_of(self, row: FreezeRow, freeze: Freeze | None) -> tuple[Thaw | None, str]:
        """The thaw that counts, or why the one that is recorded does not."""
        try:
            roster = await self._rosters.roster()
            if roster is not self._under:  # it may have revoked a key
                self._verified, self._under = {}, roster
            verified = self._verified  # by the time this one is, another roster may be in force
            if known := verified.get(row):
                return known, ""
            thaw = Thaw.model_validate_json(row.thaw or "")
            if problem := revoked_since(thaw, roster) or await self._problem(thaw, row, freeze):
                return None, problem
        except NothingInForce as nothing:
            return None, str(nothing)
        except ValidationError:
            return None, "it cannot be read"
        verified[row] = thaw
        return thaw, ""

    async def _problem(self, thaw: Thaw, row: FreezeRow, freeze: Freeze | None) -> str:
        then = await self._then(_moment(row.thawed_at))
        frozen_at = freeze.issued_at if freeze else None
        return problem_with_thaw(thaw, row.nonce, frozen_at, then, self._deployment)

    async def _then(self, at: datetime | None) -> Then:
        if at is None:
            raise NothingInForce("the store does not say when it was recorded")
        return Then(roster=await self._rosters.roster_at(at), grants=await self._rosters.break_glass(), at=at)


def _freeze_in(row: FreezeRow) -> Freeze | None:
    """None when it cannot be read, or is another one than that of this row."""
    try:
        freeze = Freeze.model_validate_json(row.freeze)
    except ValidationError:
        return None
    return freeze if freeze.nonce == row.nonce else None


def _standing(row: FreezeRow, freeze: Freeze | None, doubt: str, not_thawed: str) -> Standing:
    """What cannot be read is over everything: nobody knows what else it was over."""
    if freeze is None:
        scope, target, by, reason = FreezeScope.ALL, "", "", ""
    else:
        scope, target, by, reason = freeze.scope, freeze.target, freeze.subject, freeze.reason
    return Standing(
        id=freeze_id(row.nonce),
        scope=scope,
        target=target,
        by=by,
        reason=reason,
        since=_moment(row.frozen_at),
        doubt=doubt,
        not_thawed=not_thawed,
    )


def _moment(text: str | None) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text or "")
    except ValueError:
        return None
    return moment if moment.tzinfo else None
