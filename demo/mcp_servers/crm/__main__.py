"""Run the pretend customer file over stdio."""

from demo.mcp_servers.program import failing_in_one_line, options_of, serve_stdio


def main() -> None:
    options = options_of("crm", "The pretend customer file, over stdio.").parse_args()
    with failing_in_one_line("crm"):
        from demo.mcp_servers.crm.cards import CardIndex
        from demo.mcp_servers.crm.server import build_server

        serve_stdio("crm", build_server(CardIndex(options.data)))


if __name__ == "__main__":
    main()
