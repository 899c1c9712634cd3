"""Run the pretend archive over stdio."""

from demo.mcp_servers.program import failing_in_one_line, options_of, serve_stdio


def main() -> None:
    options = options_of("archive", "The pretend archive, over stdio.").parse_args()
    with failing_in_one_line("archive"):
        from demo.mcp_servers.archive.server import build_server
        from demo.mcp_servers.archive.stacks import Stacks

        serve_stdio("archive", build_server(Stacks(options.data)))


if __name__ == "__main__":
    main()
