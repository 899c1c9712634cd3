"""Run the pretend vault over stdio."""

from demo.mcp_servers.program import failing_in_one_line, options_of, serve_stdio


def main() -> None:
    options = options_of("vault", "The pretend vault, over stdio.").parse_args()
    with failing_in_one_line("vault"):
        from demo.mcp_servers.vault.server import build_server
        from demo.mcp_servers.vault.strongroom import Strongroom

        serve_stdio("vault", build_server(Strongroom(options.data)))


if __name__ == "__main__":
    main()
