"""What shown results do not do without: values as they were written, cuts that are seen, rows that are all reached."""

from tests.mutants.protection import In

READING = "tests/activities/test_result_reading.py"
PREVIEWS = "tests/activities/test_result_previews.py"
SHAPES = "tests/activities/test_result_shapes.py"
SEARCHING = "tests/activities/test_result_searching.py"
VALUES = In("activities/results/values.py", READING)
ABRIDGING = In("activities/results/abridging.py", PREVIEWS)
PAGES = In("activities/results/pages.py", READING)
ANSWERS = In("activities/results/reading.py", READING)
MATCHING = In("activities/results/matching.py", READING)
ROWS = In("activities/results/rows.py", READING)
SEARCHES = In("activities/results/searching.py", SEARCHING)

OF_RESULTS = (
    VALUES.off(
        "results: numbers are not rounded",
        "parse_float=Number, parse_constant",
        "parse_float=lambda text: Number(float(text)), parse_constant",
        "test_a_value_is_equal_by_what_it_is",
    ),
    VALUES.off(
        "results: what is shown is what was written",
        'return _STRING_OR_SPACE.sub(r"\\1", raw)',
        "return json.dumps(json.loads(raw), ensure_ascii=False, separators=(',', ':'))",
        "test_numbers_names_and_order_survive_whatever_they_are",
    ),
    VALUES.off(
        "results: space within strings stays",
        'rf"({_STRING})|[ \\t\\r\\n]++"',
        'r"(^)|[ \\t\\r\\n]++"',
        "test_every_row_of_any_table_is_reached_once_and_exactly",
    ),
    VALUES.off(
        "results: nesting is bounded",
        "end == len(raw) and _flat_enough(value.parsed)",
        "end == len(raw)",
        f"{SHAPES}::test_what_is_nested_beyond_measure_is_text",
    ),
    ABRIDGING.off(
        "results: no character is cut",
        '.decode(errors="ignore")',
        '.decode(errors="replace")',
        "test_no_character_is_cut_in_two",
    ),
    ABRIDGING.off(
        "results: a string in part does not look whole",
        'return f"<{quoted(shown)[:-1]}{mark}"',
        "return quoted(shown)",
        "test_of_one_enormous_row_the_short_values_are_shown_whole_and_the_way_to_the_long_one",
    ),
    PAGES.off(
        "results: a row is shown whole, or as a part",
        "left -= byte_size(line) + 1",
        "left -= 1",
        "test_every_row_of_any_table_is_reached_once_and_exactly",
    ),
    PAGES.off(
        "results: a row in part says how it goes on",
        "return Page([line, going_on(row, characters)], [row.number])",
        "return Page([line], [row.number])",
        "test_a_row_that_is_larger_than_an_answer_is_read_by_its_parts",
    ),
    ANSWERS.off(
        "results: the next page begins behind the last row",
        "if number > after",
        "if number > after + 1",
        "test_every_row_of_any_table_is_reached_once_and_exactly",
        "test_what_is_found_is_paged_to_the_end_too",
    ),
    ANSWERS.off(
        "results: an answer has a limit",
        'return clipped("\\n".join(_page(part, request, found, limit)), limit)',
        'return "\\n".join(_page(part, request, found, limit))',
        "test_no_answer_exceeds_its_limit_and_each_is_always_the_same",
    ),
    MATCHING.off(
        "results: numbers are equal by their value",
        "Decimal(written) == exactly",
        "written == str(wanted)",
        "test_a_value_is_equal_by_what_it_is",
    ),
    MATCHING.off(
        "results: a column there is not is said",
        "if unknown is not None:",
        "if False:",
        "test_a_request_that_does_not_fit_names_the_field_and_what_there_is",
    ),
    ROWS.off(
        "results: a query looks into all that is nested",
        "return any(_in_item(item, needle) for item in value)",
        "return False",
        "test_query_finds_values_in_whichever_case_but_not_names_of_columns",
        "test_every_value_of_any_document_is_found_by_its_text",
    ),
    SEARCHES.off(
        "results: what is escaped is searched too",
        """b"\\\\" not in content and b'""' not in content""",
        "True",
        "test_what_is_escaped_in_csv_is_found_too",
        "test_whatever_is_in_a_result_is_found_and_no_answer_exceeds_its_limit",
    ),
)
