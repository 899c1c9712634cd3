"""Run the pretend housekeeping board over stdio."""

from demo.mcp_servers.program import failing_in_one_line, options_of, serve_stdio


def main() -> None:
    options = options_of("housekeeping", "The pretend housekeeping board, over stdio.").parse_args()
    with failing_in_one_line("housekeeping"):
        from demo.mcp_servers.housekeeping.board import Board
        from demo.mcp_servers.housekeeping.server import build_server

        serve_stdio("housekeeping", build_server(Board(options.data)))


if __name__ == "__main__":
    main()
