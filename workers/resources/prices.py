"""What a turn costs: configured prices per model prefix, never a closed list of models."""

from collections.abc import Mapping

from pydantic import Field

from contracts.claude import Usage
from contracts.model import Model

_MILLION = 1_000_000


class Price(Model):
    """Millionths of the configured currency per million tokens."""

    input_micros: int = Field(ge=0)
    output_micros: int = Field(ge=0)
    cache_read_micros: int = Field(ge=0)
    cache_write_micros: int = Field(ge=0)


Prices = Mapping[str, Price]
"""Model prefix -> price; the longest prefix that fits counts."""


def cost_micros(usage: Usage, model: str, prices: Prices) -> int:
    """The cost of `usage`, rounded up; 0 for a model without a configured price."""
    fitting = [prefix for prefix in prices if model.startswith(prefix)]
    if not fitting:
        return 0
    price = prices[max(fitting, key=len)]
    exact = (
        usage.input_tokens * price.input_micros
        + usage.output_tokens * price.output_micros
        + usage.cache_read_tokens * price.cache_read_micros
        + usage.cache_write_tokens * price.cache_write_micros
    )
    return -(-exact // _MILLION)
