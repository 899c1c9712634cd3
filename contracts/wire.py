"""The one data converter: client, worker, tests and replayer must share it."""

from temporalio.contrib.pydantic import PydanticPayloadConverter, ToJsonOptions
from temporalio.converter import DataConverter


class ConcisePayloadConverter(PydanticPayloadConverter):
    """JSON of pydantic models without the fields nobody set: history stays small, and readable in the Web UI.

    The default of a field is therefore part of the recorded format: never change one, add a field instead.
    """

    def __init__(self) -> None:
        super().__init__(ToJsonOptions(exclude_unset=True))


DATA_CONVERTER = DataConverter(payload_converter_class=ConcisePayloadConverter)
