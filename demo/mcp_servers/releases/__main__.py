"""Run the pretend release system over stdio."""

from demo.mcp_servers.program import failing_in_one_line, options_of, serve_stdio


def main() -> None:
    options = options_of("releases", "The pretend release system, over stdio.").parse_args()
    with failing_in_one_line("releases"):
        from demo.mcp_servers.releases.fleet import Fleet
        from demo.mcp_servers.releases.server import build_server

        serve_stdio("releases", build_server(Fleet(options.data)))


if __name__ == "__main__":
    main()
