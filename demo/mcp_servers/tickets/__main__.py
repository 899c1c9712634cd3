"""Run the pretend ticket system over stdio."""

from demo.mcp_servers.program import failing_in_one_line, options_of, serve_stdio


def main() -> None:
    options = options_of("tickets", "The pretend ticket system, over stdio.").parse_args()
    with failing_in_one_line("tickets"):
        from demo.mcp_servers.tickets.desk import Desk
        from demo.mcp_servers.tickets.server import build_server

        serve_stdio("tickets", build_server(Desk(options.data)))


if __name__ == "__main__":
    main()
