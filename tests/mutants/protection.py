"""One named protection: where it stands, how it is switched off, and which tests must then fail."""

from dataclasses import dataclass

FORGE = "tests/forge/test_forge.py::test_one_of_each_kind_is_refused_as_it_arrives_and_at_the_gate"


@dataclass(frozen=True)
class Protection:
    """One protection. `there` stands exactly once in the file; with `instead` in its place nobody is protected."""

    name: str
    file: str
    there: str
    instead: str
    tests: tuple[str, ...]

    def switched_off(self, text: str) -> str:
        """The file without the protection. Raises ValueError when it does not stand there exactly once."""
        if text.count(self.there) != 1:
            raise ValueError(f"{self.name}: it stands {text.count(self.there)} times in {self.file}; name it anew")
        return text.replace(self.there, self.instead)


@dataclass(frozen=True)
class In:
    """A file, and the tests of what it protects; `off` names one protection in it."""

    file: str
    tests: str

    def off(self, name: str, there: str, instead: str, *tests: str) -> Protection:
        """`tests`: names in the file of tests; whole ids when the tests stand elsewhere."""
        ids = tuple(test if "::" in test else f"{self.tests}::{test}" for test in tests)
        return Protection(name, self.file, there, instead, ids)
