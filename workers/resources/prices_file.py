"""Read the prices of models from a TOML file."""

import tomllib
from pathlib import Path

from pydantic import Field, ValidationError

from contracts.model import Model
from workers.resources.prices import Price, Prices

_MICROS = 1_000_000


class PricesFileUnusable(ValueError):
    """The prices file cannot be used; the message names the file, the model and the field."""


class _Listed(Model):
    """Per million tokens, in the file's currency."""

    input: float = Field(ge=0)
    output: float = Field(ge=0)
    cache_read: float | None = Field(default=None, ge=0)
    cache_write: float | None = Field(default=None, ge=0)

    def price(self) -> Price:
        read = self.input * 0.1 if self.cache_read is None else self.cache_read
        write = self.input * 1.25 if self.cache_write is None else self.cache_write
        return Price(
            input_micros=round(self.input * _MICROS),
            output_micros=round(self.output * _MICROS),
            cache_read_micros=round(read * _MICROS),
            cache_write_micros=round(write * _MICROS),
        )


class _File(Model):
    currency: str = "USD"
    models: dict[str, _Listed] = {}


def load_prices(path: Path | None) -> Prices:
    """Model prefix -> price; empty without a file. Raises PricesFileUnusable."""
    if path is None:
        return {}
    try:
        listed = _File.model_validate(tomllib.loads(path.read_text()))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise PricesFileUnusable(f"{path}: {'.'.join(map(str, first['loc']))}: {first['msg']}") from error
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise PricesFileUnusable(
            f"{path}: {error}; give INTERLOCK_PRICES a TOML file with [models.PREFIX] tables"
        ) from error
    return {prefix: model.price() for prefix, model in listed.models.items()}
