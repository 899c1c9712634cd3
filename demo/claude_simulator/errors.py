"""The API's own way of saying no."""

from demo.claude_simulator.json_values import JsonObject

STATUS_OF_TYPE = {
    "invalid_request_error": 400,
    "authentication_error": 401,
    "billing_error": 402,
    "permission_error": 403,
    "not_found_error": 404,
    "request_too_large": 413,
    "rate_limit_error": 429,
    "api_error": 500,
    "timeout_error": 504,
    "overloaded_error": 529,
}
TYPE_OF_STATUS = {status: error_type for error_type, status in STATUS_OF_TYPE.items()}


class ApiError(Exception):
    """A request the API would refuse, with the type and the words it would use."""

    def __init__(self, message: str, error_type: str = "invalid_request_error") -> None:
        super().__init__(message)
        self.message = message
        self.error_type = error_type

    @property
    def status(self) -> int:
        return STATUS_OF_TYPE[self.error_type]


def error_body(error_type: str, message: str, request_id: str, code: str = "") -> JsonObject:
    error: JsonObject = {"type": error_type, "message": message}
    if code:
        error["details"] = {"error_code": code}
    return {"type": "error", "error": error, "request_id": request_id}
