"""The servers file of the suite: the bank, with what an operator says of its tools."""

import sys
from pathlib import Path

from tests.end_to_end.processes import REPOSITORY
from tests.faults.planned import CLASS_OF

KEYED = 'key = { argument = "idempotency_key", horizon = "PT24H" }'
LOOKUP = (
    'lookup = { tool = "find_orders", key = "reference", list = "/orders", match = "/reference", slowest = "PT3S" }'
)
"""The bank is late by a second and a half at most, and may be busy."""
MORE = {
    "set_limit": 'resource = { account = "account_id" }',
    "transfer": KEYED,
    "place_order": f'key = {{ argument = "reference" }}\n{LOOKUP}',
    "write_note": "",
    "reverse_transfer": f'{KEYED}\nundoes = {{ tool = "transfer", same = ["account_id", "memo"] }}',
    "cancel_order": f'{KEYED}\nundoes = {{ tool = "place_order", same = ["account_id", "memo"] }}',
    "balance": "",
}
"""What else is said of each tool."""
BUSY_AND_OFTEN_ILL = (
    "limits = { concurrency = 20 }",
    'breaker = { window = 10, failures = 0.9, open = "PT1S", longest = "PT2S" }',
)
"""So many faults would keep an ordinary breaker open."""


def servers_file(folder: Path, reached: str, data: Path, timeout_seconds: int) -> Path:
    """The file, for a bank that is reached at this URL, or, with none, as a child of the worker."""
    path = folder / "servers.toml"
    path.write_text("\n".join(_lines(reached, data, timeout_seconds)))
    return path


def _lines(url: str, data: Path, timeout_seconds: int) -> list[str]:
    lines = ["[servers.bank]", 'owner = "finance"', 'purpose = "accounts"', "sends_out = false", "reads = []"]
    lines += BUSY_AND_OFTEN_ILL
    if url:
        lines += ['transport = "http"', f'url = "{url}"']
    else:
        command = [sys.executable, "-m", "tests.faults.bank.crooked_stdio", "--data", str(data)]
        lines += ['transport = "stdio"', f"command = {command}", f'env = {{ PYTHONPATH = "{REPOSITORY}" }}']
    lines += ["[servers.bank.tools.find_orders]", 'effect_class = "read"']
    for tool, effect_class in CLASS_OF.items():
        lines += [f"[servers.bank.tools.{tool}]", f'effect_class = "{effect_class.value}"', MORE[tool]]
        lines += [f'timeout = "PT{timeout_seconds}S"']
    return lines
