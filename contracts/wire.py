"""The one data converter: client, worker, tests and replayer must share it."""

from typing import Any

from pydantic_core import SchemaSerializer
from pydantic_core.core_schema import any_schema
from temporalio.api.common.v1 import Payload
from temporalio.contrib.pydantic import PydanticJSONPlainPayloadConverter
from temporalio.converter import (
    CompositePayloadConverter,
    DataConverter,
    DefaultPayloadConverter,
    JSONPlainPayloadConverter,
)

_SERIALIZER = SchemaSerializer(any_schema())


class ConciseJson(PydanticJSONPlainPayloadConverter):
    """JSON of pydantic models without the fields that are as by default: history stays small, and readable.

    The default of a field is therefore part of the recorded format: never change one, add a field instead.
    """

    def to_payload(self, value: Any) -> Payload | None:
        """See temporalio.converter.EncodingPayloadConverter."""
        data = _SERIALIZER.to_json(value, exclude_defaults=True)
        return Payload(metadata={"encoding": self.encoding.encode()}, data=data)


class ConcisePayloadConverter(CompositePayloadConverter):
    """What the SDK converts, with ConciseJson for JSON."""

    def __init__(self) -> None:
        usual = DefaultPayloadConverter.default_encoding_payload_converters
        concise = ConciseJson()
        super().__init__(*(concise if isinstance(each, JSONPlainPayloadConverter) else each for each in usual))


DATA_CONVERTER = DataConverter(payload_converter_class=ConcisePayloadConverter)
