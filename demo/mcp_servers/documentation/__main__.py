"""Run the pretend documentation over stdio."""

from demo.mcp_servers.program import failing_in_one_line, options_of, serve_stdio


def main() -> None:
    options = options_of("documentation", "The pretend documentation, over stdio.").parse_args()
    with failing_in_one_line("documentation"):
        from demo.mcp_servers.documentation.library import Library
        from demo.mcp_servers.documentation.server import build_server

        serve_stdio("documentation", build_server(Library(options.data)))


if __name__ == "__main__":
    main()
