"""What the documentation answers with."""

from datetime import date

from pydantic import Field

from demo.mcp_servers.record import Record


class Heading(Record):
    page_id: str
    title: str
    section: str
    in_force_since: date


class Page(Heading):
    text: str


class Match(Heading):
    excerpt: str = Field(description="where the words stand, in **double stars**")


class Headings(Record):
    count: int
    pages: list[Heading]


class Matches(Record):
    count: int
    pages: list[Match] = Field(description="the best match first")
