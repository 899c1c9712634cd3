"""The one data converter: client, worker, tests and replayer must share it."""

from temporalio.contrib.pydantic import pydantic_data_converter

DATA_CONVERTER = pydantic_data_converter
