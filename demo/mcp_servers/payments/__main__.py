"""Run the pretend payment provider over HTTP, or count an order's credits."""

import argparse
from pathlib import Path

from demo.mcp_servers.program import add_http_options, failing_in_one_line, listen, options_of, serve_http


def main() -> None:
    options = _options().parse_args()
    with failing_in_one_line("payments"):
        if options.count_credits:
            _count_credits(options.data, options.count_credits)
        else:
            _serve(options)


def _options() -> argparse.ArgumentParser:
    parser = options_of("payments", "The pretend payment provider, over HTTP.")
    add_http_options(parser)
    parser.add_argument(
        "--hold-answers",
        type=Path,
        metavar="FILE",
        help="while FILE exists, do effects but withhold their answers",
    )
    parser.add_argument("--count-credits", metavar="ORDER", help="print how many credits of ORDER stand, and exit")
    return parser


def _count_credits(folder: Path, order_id: str) -> None:
    from demo.mcp_servers.payments.ledger import PaymentLedger

    print(PaymentLedger.open_existing(folder).credits(order_id).count)


def _serve(options: argparse.Namespace) -> None:
    listener = listen(options.host, options.port)
    from demo.mcp_servers.payments.ledger import PaymentLedger
    from demo.mcp_servers.payments.server import AnswerHold, build_server

    ledger = PaymentLedger.open(options.data)
    serve_http("payments", build_server(ledger, AnswerHold(options.hold_answers)), listener)


if __name__ == "__main__":
    main()
