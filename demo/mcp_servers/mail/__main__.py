"""Run the pretend mail service over HTTP, or count the mails to an address."""

import argparse
from pathlib import Path

from demo.mcp_servers.program import add_http_options, failing_in_one_line, listen, options_of, serve_http


def main() -> None:
    options = _options().parse_args()
    with failing_in_one_line("mail"):
        if options.count_mails:
            _count_mails(options.data, options.count_mails)
        else:
            _serve(options)


def _options() -> argparse.ArgumentParser:
    parser = options_of("mail", "The pretend mail service, over HTTP.")
    add_http_options(parser)
    parser.add_argument("--count-mails", metavar="TO", help="print how many mails were sent to TO, and exit")
    return parser


def _count_mails(folder: Path, to: str) -> None:
    from demo.mcp_servers.mail.outbox import Outbox

    print(Outbox.open_existing(folder).sent_to(to).count)


def _serve(options: argparse.Namespace) -> None:
    listener = listen(options.host, options.port)
    from demo.mcp_servers.mail.outbox import Outbox
    from demo.mcp_servers.mail.server import build_server

    serve_http("mail", build_server(Outbox.open(options.data)), listener)


if __name__ == "__main__":
    main()
