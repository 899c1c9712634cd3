"""Run the pretend mail server, or look at what it took: python -m demo.mail_sink --data DIR --port 8725."""

import argparse
import asyncio
import signal
from pathlib import Path

from demo.mail_sink.folder import MailFolder

LONGEST_MAIL_BYTES = 1_000_000


def main() -> None:
    options = _parser().parse_args()
    folder = MailFolder(options.data)
    if options.count:
        print(len(folder.sent_to(options.count)))
    elif options.show_last:
        _show_last(folder, options.show_last)
    else:
        _serve(folder, options)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m demo.mail_sink", description="A mail server that delivers nothing."
    )
    parser.add_argument("--data", type=Path, required=True, metavar="DIR", help="folder of the mails")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on")
    parser.add_argument("--port", type=int, default=8725, help="port to listen on")
    parser.add_argument("--count", metavar="TO", help="print how many mails were sent to TO, and exit")
    parser.add_argument("--show-last", metavar="TO", help="print the last mail to TO, and exit; 1 when there is none")
    return parser


def _show_last(folder: MailFolder, recipient: str) -> None:
    mails = folder.sent_to(recipient)
    if not mails:
        raise SystemExit(f"mail_sink: no mail to {recipient}")
    body = mails[-1].get_body()
    print(f"To: {mails[-1]['To']}\nSubject: {mails[-1]['Subject']}\n\n{body.get_content() if body else ''}", end="")


def _serve(folder: MailFolder, options: argparse.Namespace) -> None:
    try:
        folder.make()
        asyncio.run(_take_mails(folder, options.host, options.port))
    except (OSError, OverflowError) as problem:
        where = f"{options.host}:{options.port}"
        raise SystemExit(f"mail_sink: cannot listen on {where} or write to {options.data}: {problem}") from None


async def _take_mails(folder: MailFolder, host: str, port: int) -> None:
    from aiosmtpd.smtp import SMTP, Envelope, Session

    class Taking:
        """Called by the library with every whole mail."""

        async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
            assert isinstance(envelope.content, bytes)
            folder.keep(envelope.content, envelope.rcpt_tos)
            return "250 kept"

    def session() -> SMTP:
        return SMTP(Taking(), data_size_limit=LONGEST_MAIL_BYTES, hostname="mail-sink")

    loop = asyncio.get_running_loop()
    server = await loop.create_server(session, host, port)
    told_to_stop = asyncio.Event()
    for told in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(told, told_to_stop.set)
    await told_to_stop.wait()
    server.close()


if __name__ == "__main__":
    main()
