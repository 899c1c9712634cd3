"""Run the pretend property system over stdio."""

from demo.mcp_servers.program import failing_in_one_line, options_of, serve_stdio


def main() -> None:
    options = options_of("property", "The pretend property system, over stdio.").parse_args()
    with failing_in_one_line("property"):
        from demo.mcp_servers.property.register import Register
        from demo.mcp_servers.property.server import build_server

        serve_stdio("property", build_server(Register(options.data)))


if __name__ == "__main__":
    main()
