"""Run the pretend order system over stdio."""

from demo.mcp_servers.program import failing_in_one_line, options_of, serve_stdio


def main() -> None:
    options = options_of("orders", "The pretend order system, over stdio.").parse_args()
    with failing_in_one_line("orders"):
        from demo.mcp_servers.orders.book import OrderBook
        from demo.mcp_servers.orders.server import build_server

        serve_stdio("orders", build_server(OrderBook(options.data)))


if __name__ == "__main__":
    main()
