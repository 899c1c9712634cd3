"""The skills file: who is which persona, and mistakes named with their place and the way out."""

import json
from pathlib import Path

import pytest

from contracts.signing import as_text
from contracts.skills import Caller
from tests.workers.resources.skills import TokenIssuer, known
from workers.resources.skills.tokens import KeySet
from workers.resources.skills_file import SkillsFileUnusable, load_skills
from workers.settings import REPOSITORY
from workflows.catalog import Catalog

PERSONA = '[personas.guest]\nclaims = { role = ["guest"] }\nstarts = ["errand"]\n'
ISSUER = '[issuers.a]\nissuer = "https://a.example.com"\nkeys = "a.json"\n'


def written(folder: Path, text: str) -> Path:
    path = folder / "skills.toml"
    path.write_text(text)
    return path


def test_the_demos_file_can_be_used_and_names_automations_there_are() -> None:
    skills = load_skills(REPOSITORY / "demo" / "skills.toml", [entry.name for entry in Catalog.load().entries()])

    assert list(skills.personas) == ["guest", "front_desk", "human_resources", "operations", "signatory", "manager"]
    offered = {name: set(persona.starts) for name, persona in skills.personas.items()}
    assert offered["guest"] == {"errand", "submit_guest_service_request"}
    assert offered["manager"] - offered["front_desk"] == {"compensate_checkout_failure"}
    assert skills.issuers == {}


def test_a_persona_is_whoever_holds_a_role_or_whose_token_has_a_claim(tmp_path: Path) -> None:
    text = PERSONA + '[personas.desk]\nroles = ["front_desk"]\nstarts = ["refund"]\noversees = ["refund"]\n'
    skills = load_skills(written(tmp_path, text), ["errand", "refund"])
    guest, nobody = Caller(name="guest:1", claims={"role": ("guest",)}), Caller(name="rita")

    def personas(caller: Caller, **facts: object) -> list[tuple[str, ...]]:
        return [persona.starts for persona in skills.personas_of(caller, known(**facts))]

    assert personas(guest) == [("errand",)]
    assert personas(guest, roles=("front_desk",)) == [("errand",), ("refund",)]
    assert personas(nobody) == []
    assert personas(Caller(name="rita", claims={"role": ("front_desk",)})) == []  # a claim is no role of the roster
    assert personas(nobody, everybody=True) == []  # of development without a roster, but not of this machine
    assert personas(Caller(name="rita", local=True), everybody=True) == [("errand",), ("refund",)]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("personas = 1", "personas must be tables; write [personas.NAME]"),
        ("[personas]\nguest = 1", "personas must be tables; write [personas.NAME]"),
        ("", "there is no persona, so nobody is offered anything"),
        ("[persona.guest]", "'persona' does not belong here"),
        ("resource =", "cannot be read as TOML"),
        (f'resource = "interlock"\n{PERSONA}', "resource is 'interlock'; write the public address"),
        ("[personas.guest]\nstarts = []", "personas.guest says not who it is; give roles"),
        ('[personas.guest]\nroles = "guest"', 'personas.guest.roles must be a list of names in quotes, for example ["'),
        ('[personas.guest]\nroles = ["a"]\nstart = []', "personas.guest.start is not a field this file knows"),
        ('[personas.guest]\nroles = ["a"]\ndecides = "yes"', "personas.guest.decides is 'yes'"),
        ('[personas.guest]\nclaims = { role = "guest" }', "personas.guest.claims.role must be a list of names"),
        ('[personas.guest]\nroles = ["a"]\nstarts = ["refnd"]', "personas.guest.starts names 'refnd', which is no aut"),
        ('[personas.guest]\nroles = ["a"]\noversees = ["x"]', "personas.guest.oversees names 'x', which is no autom"),
        (f'[issuers.a]\nissuer = "https://a.example.com"\n{PERSONA}', "issuers.a.keys is missing; add it"),
        (f'[issuers.a]\nissuer = "a"\nkeys = "a.json"\n{PERSONA}', "issuers.a.issuer is 'a'"),
        (f'{ISSUER}prefix = "guest"\n{PERSONA}', "issuers.a.prefix is 'guest'"),
        (
            f'{ISSUER}[issuers.b]\nissuer = "https://b.example.com"\nkeys = "b.json"\n{PERSONA}',
            "issuers.b.prefix is '', as that of issuers.a; each has one of its own",
        ),
    ],
)
def test_a_mistake_is_named_with_its_place_and_the_way_out(tmp_path: Path, text: str, problem: str) -> None:
    path = written(tmp_path, text)
    with pytest.raises(SkillsFileUnusable) as unusable:
        load_skills(path, ["errand"])

    assert str(unusable.value).startswith(f"{path}: {problem}")


def test_paths_are_taken_from_the_folder_of_the_file(tmp_path: Path) -> None:
    skills = load_skills(written(tmp_path, ISSUER + PERSONA), ["errand"])

    assert skills.issuers["a"].keys == tmp_path / "a.json"


@pytest.mark.parametrize(
    ("keys", "problem"),
    [
        (None, "the keys of an issuer cannot be read from"),
        ("{", "the keys of an issuer cannot be read from"),
        ("[]", "holds no JSON Web Key Set"),
        ('{"keys": []}', "holds no JSON Web Key Set"),
        ('{"keys": [{"kty": "OKP"}]}', "key 1 cannot be used"),
        ('{"keys": ["x"]}', "key 1 cannot be used"),
        ('{"keys": [{"kty": "oct", "k": "c2VjcmV0"}]}', "key 1 is no public half of a key"),
    ],
)
def test_keys_that_cannot_be_used_are_refused_with_the_way_out(tmp_path: Path, keys: str | None, problem: str) -> None:
    path = tmp_path / "keys.json"
    if keys is not None:
        path.write_text(keys)
    with pytest.raises(SkillsFileUnusable, match=problem):
        KeySet(path)


def test_a_file_with_a_private_half_is_refused(tmp_path: Path) -> None:
    issuer = TokenIssuer("https://a.example.com")
    path = tmp_path / "keys.json"
    path.write_text(json.dumps({"keys": [issuer.public() | {"d": as_text(issuer.key.private_bytes_raw())}]}))
    with pytest.raises(SkillsFileUnusable, match="is no public half"):
        KeySet(path)
