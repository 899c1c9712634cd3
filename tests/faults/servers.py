"""The servers file of the suite: the bank, with what an operator says of its tools."""

import sys
from pathlib import Path

from tests.end_to_end.processes import REPOSITORY
from tests.faults.planned import CLASS_OF

KEYED = 'key = {{ argument = "idempotency_key", horizon = "PT24H" }}'
MORE = {
    "set_limit": "",
    "transfer": KEYED,
    "place_order": "",
    "write_note": "",
    "reverse_transfer": f'{KEYED}\nundoes = {{{{ tool = "transfer", same = ["account_id", "memo"] }}}}',
    "cancel_order": f'{KEYED}\nundoes = {{{{ tool = "place_order", same = ["account_id", "memo"] }}}}',
    "balance": "",
}
"""What else is said of each tool.

Once the gate looks orders up, `place_order` gets:
key = { argument = "reference" }
lookup = { tool = "find_orders", key = "reference", list = "/orders", match = "/reference", slowest = "PT1S" }
and `set_limit`: resource = { account = "account_id" }. See `expected.py` for what is flipped with it.
"""
ORDER_REFERENCE = 'key = {{ argument = "reference" }}'


def servers_file(folder: Path, reached: str, data: Path, timeout_seconds: int) -> Path:
    """The file, for a bank that is reached at this URL, or, with none, as a child of the worker."""
    path = folder / "servers.toml"
    path.write_text("\n".join(_lines(reached, data, timeout_seconds)))
    return path


def _lines(url: str, data: Path, timeout_seconds: int) -> list[str]:
    lines = ["[servers.bank]", 'owner = "finance"', 'purpose = "accounts"', "sends_out = false", "reads = []"]
    if url:
        lines += ['transport = "http"', f'url = "{url}"']
    else:
        command = [sys.executable, "-m", "tests.faults.bank.crooked_stdio", "--data", str(data)]
        lines += ['transport = "stdio"', f"command = {command}", f'env = {{ PYTHONPATH = "{REPOSITORY}" }}']
    lines += ["[servers.bank.tools.find_orders]", 'effect_class = "read"']
    for tool, effect_class in CLASS_OF.items():
        more = MORE[tool] if tool != "place_order" else ORDER_REFERENCE
        lines += [f"[servers.bank.tools.{tool}]", f'effect_class = "{effect_class.value}"', more.format()]
        lines += [f'timeout = "PT{timeout_seconds}S"']
    return lines
