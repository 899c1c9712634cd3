"""Run the pretend compliance log over stdio."""

from demo.mcp_servers.program import failing_in_one_line, options_of, serve_stdio


def main() -> None:
    options = options_of("compliance", "The pretend compliance log, over stdio.").parse_args()
    with failing_in_one_line("compliance"):
        from demo.mcp_servers.compliance.journal import Journal
        from demo.mcp_servers.compliance.server import build_server

        serve_stdio("compliance", build_server(Journal(options.data)))


if __name__ == "__main__":
    main()
