"""Run the pretend change register over stdio."""

from demo.mcp_servers.program import failing_in_one_line, options_of, serve_stdio


def main() -> None:
    options = options_of("changes", "The pretend change register, over stdio.").parse_args()
    with failing_in_one_line("changes"):
        from demo.mcp_servers.changes.register import ChangeRegister
        from demo.mcp_servers.changes.server import build_server

        serve_stdio("changes", build_server(ChangeRegister(options.data)))


if __name__ == "__main__":
    main()
