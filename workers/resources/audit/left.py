"""What stands of erased runs where they were emptied: the record of the erasure alone tells of it, by one digest."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from workers.resources.audit.findings import Finding
from workers.resources.audit.told import Row, Told
from workers.resources.store.erasure_records import Digests, left_digest


class Left:
    """Give it every row that an erasure may have emptied; then compare."""

    def __init__(self, erased: Mapping[str, Told]) -> None:
        self._erased = erased
        self._rows: dict[str, dict[str, Digests]] = {run: {} for run in erased}

    def besides(self, what: str, rows: Iterable[Row]) -> Iterator[Row]:
        """The rows; those of erased runs without the fields that earlier records tell of in vain."""
        for row in rows:
            if row.run in self._rows:
                self._rows[row.run][f"{what} {row.name}"] = row.erasable
                kept = {name: value for name, value in row.values.items() if name not in row.erasable}
                yield replace(row, values=kept)
            else:
                yield row

    def findings(self) -> Iterator[Finding]:
        """Runs of which something else stands than their erasure has left."""
        for run, told in self._erased.items():
            if left_digest(self._rows[run]) != told.values["left"]:
                problem = f"what stands of the run {run!r} is not what its erasure has left"
                yield Finding(stream=told.stream, seq=told.seq, problem=problem)
