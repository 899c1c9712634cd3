"""Run the pretend personnel records over stdio, or take in a paper as the staff portal does."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from demo.mcp_servers.program import failing_in_one_line, options_of, serve_stdio

if TYPE_CHECKING:
    from demo.mcp_servers.people_records.archive import Archive


def main() -> None:
    options = _options().parse_args()
    with failing_in_one_line("people_records"):
        from demo.mcp_servers.people_records.archive import Archive

        archive = Archive(options.data)
        if options.store:
            _store(archive, *options.store)
        else:
            from demo.mcp_servers.people_records.server import build_server

            serve_stdio("people_records", build_server(archive))


def _options() -> argparse.ArgumentParser:
    parser = options_of("people_records", "The pretend personnel records, over stdio.")
    parser.add_argument(
        "--store",
        nargs=3,
        metavar=("EMPLOYEE", "KIND", "FILE"),
        help="take in a paper, print its reference and its digest, and exit",
    )
    return parser


def _store(archive: "Archive", employee_id: str, kind: str, file: str) -> None:
    from demo.mcp_servers.people_records.records import PaperKind
    from demo.mcp_servers.refusals import Refused

    kinds = [each.value for each in PaperKind]
    if kind not in kinds:
        raise Refused(f"there is no kind of paper {kind!r}; there are: {', '.join(kinds)}")
    try:
        content = Path(file).read_bytes()
    except OSError as error:
        raise Refused(f"cannot read {file!r}: {error.strerror}; name a file that is there") from error
    paper = archive.store(employee_id, PaperKind(kind), Path(file).name, content)
    print(paper.reference, paper.digest)


if __name__ == "__main__":
    main()
