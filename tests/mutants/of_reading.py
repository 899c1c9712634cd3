"""What keeps the demo's servers from doing more than reading where a tool only reads."""

from tests.mutants.protection import In

READER = In("demo/mcp_servers/reader.py", "tests/demo/test_reading.py")
DATAFILE = In("demo/mcp_servers/datafile.py", "tests/demo/test_reading.py")
ONLY_VIEWS = "test_whoever_reads_sees_the_views_and_nothing_else"

OF_READING = (
    READER.off(
        "reading: the file is opened for reading",
        "?mode=ro",
        "?mode=rw",
        "test_each_lock_holds_without_the_others",
    ),
    READER.off(
        "reading: only queries are taken",
        '    connection.execute("PRAGMA query_only = ON")\n',
        "",
        "test_each_lock_holds_without_the_others",
    ),
    READER.off(
        "reading: whoever reads selects and does nothing else",
        "permitted = False",
        "permitted = True",
        "test_whoever_reads_can_do_nothing_but_select",
    ),
    READER.off(
        "reading: a table is read by its own view alone",
        "inside == table and column in columns_of.get(table, ())",
        "column in columns_of.get(table, ())",
        ONLY_VIEWS,
    ),
    READER.off(
        "reading: whatever is called like a view reads no more than the view",
        "inside == table and column in columns_of.get(table, ())",
        "inside == table",
        ONLY_VIEWS,
    ),
    READER.off(
        "reading: what is no view is not read",
        "            return table in columns_of\n",
        "            return True\n",
        ONLY_VIEWS,
    ),
    READER.off(
        "reading: a query that takes too long is ended",
        "    connection.set_progress_handler(lambda: time.monotonic() > ends_at, INSTRUCTIONS_BETWEEN_LOOKS)\n",
        "",
        "test_a_query_that_takes_too_long_is_ended_by_the_database_and_says_what_to_do",
        "test_a_tool_whose_query_takes_too_long_says_so",
    ),
    DATAFILE.off(
        "reading: a killed writer keeps nobody from reading",
        "if error.sqlite_errorcode != sqlite3.SQLITE_READONLY_ROLLBACK:",
        "if True:",
        "test_what_a_killed_writer_left_half_done_is_taken_back_and_keeps_nobody_from_reading",
    ),
    In("demo/mcp_servers/orders/query.py", "tests/demo/test_reading.py").off(
        "reading: a condition is only a value",
        '"customer_id": "customer_id = ?",',
        '"customer_id": "customer_id = ? OR true",',
        "test_orders_are_found_by_every_condition_at_once_and_a_condition_is_only_a_value",
    ),
)
