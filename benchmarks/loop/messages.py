"""What crosses between the loop's workflow and its activities."""

from typing import Any

from pydantic import BaseModel

TASK_QUEUE = "loop"


class Question(BaseModel):
    """One turn: the whole transcript goes along, as in every loop of this kind."""

    messages: list[Any]


class Reply(BaseModel):
    """The model's answer."""

    content: list[Any]
    stop_reason: str


class Call(BaseModel):
    """One tool call, as the model asks for it."""

    id: str
    name: str
    input: Any


class Entry(BaseModel):
    """An entry that is posted once somebody has allowed it."""

    entry: str


class Approval(BaseModel):
    """Somebody's yes."""

    approver: str
