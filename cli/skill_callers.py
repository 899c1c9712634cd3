"""Who calls a skill, and what they may do: by the roster in force, and by the skills file where there is one."""

from dataclasses import dataclass

from cli.server import Server
from contracts.roster import canonical_name
from contracts.runs import RunView
from contracts.skills import Caller, KnownAs, WhoQuery
from workers.resources.skills_file import Skills
from workflows.catalog import Catalog


@dataclass(frozen=True)
class Allowed:
    """What one caller is offered at this moment."""

    name: str
    """One name for one person: the requester that policy sees."""
    starts: tuple[str, ...] = ()
    """Automations, in the order of the catalog."""
    oversees: frozenset[str] = frozenset()
    decides: bool = False
    somebody: bool = False
    """They are a persona, whatever that one may do."""

    def sees(self, view: RunView) -> bool:
        """Whether a run is theirs to follow: they asked for it, or oversee all of its automation."""
        return view.automation in self.oversees or canonical_name(view.requester) == canonical_name(self.name)


@dataclass(frozen=True)
class Callers:
    """Looks every caller up anew: roster and roles may change at any time."""

    server: Server
    catalog: Catalog
    skills: Skills | None
    """None: there is no skills file, and the user of this machine may do what the command line lets them."""

    async def allowed(self, caller: Caller) -> Allowed:
        """What the caller is offered. Raises the ways in which a command can fail."""
        known = await self.server.read("who_is", WhoQuery(name=caller.name), KnownAs)
        if known.problem:
            return Allowed(name=caller.name)
        names = tuple(entry.name for entry in self.catalog.entries())
        if self.skills is None:
            everything = Allowed(known.subject, names, frozenset(names), decides=True, somebody=True)
            return everything if caller.local else Allowed(known.subject)
        personas = self.skills.personas_of(caller, known)
        starts = {automation for persona in personas for automation in persona.starts}
        return Allowed(
            name=known.subject,
            starts=tuple(name for name in names if name in starts),
            oversees=frozenset(automation for persona in personas for automation in persona.oversees),
            decides=any(persona.decides for persona in personas),
            somebody=bool(personas),
        )
