"""Run the pretend directory of accounts over stdio."""

from demo.mcp_servers.program import failing_in_one_line, options_of, serve_stdio


def main() -> None:
    options = options_of("identity", "The pretend directory of accounts, over stdio.").parse_args()
    with failing_in_one_line("identity"):
        from demo.mcp_servers.identity.directory import Directory
        from demo.mcp_servers.identity.server import build_server

        serve_stdio("identity", build_server(Directory(options.data)))


if __name__ == "__main__":
    main()
