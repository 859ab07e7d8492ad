"""What an attempt came to that returned a value or was stopped: a value as JSON text, or an error that says why not."""

from __future__ import annotations

from omnidaemon.app.bridge import StopReason
from omnidaemon.app.error_texts import attempt_error, message_of, short_repr, traceback_of
from omnidaemon.domain.durations import duration_text
from omnidaemon.domain.outcome import AttemptError, ErrorKind, Failed, Interrupted, Outcome, Returned
from omnidaemon.domain.sizes import limit_text
from omnidaemon.ports.codec import Codec


def returned(value: object, codec: Codec, most_bytes: int) -> Outcome:
    """The value as JSON text, of so many bytes at most. What cannot be encoded is final: the call was paid for, another
    would fare no better. Its error shows the value on a line of its own, which no log repeats."""
    try:
        encoded = codec.encode_result(value)
    except Exception as error:  # noqa: BLE001 - a property of people's own value may raise anything
        message = f"{error}\n(the value was {short_repr(value)})"
    else:
        if len(encoded) <= most_bytes:
            return Returned(value=encoded)
        message = (
            f"the result has {limit_text(len(encoded), most_bytes, 'OMNIDAEMON_RESULT_MAX_BYTES')}; "
            "return a reference to the data instead\n"
            f"(it began with {encoded[:200]!r})"
        )
    error_value = AttemptError(type="ResultNotEncodable", message=message_of(message), kind=ErrorKind.UNENCODABLE)
    return Failed(error=error_value, is_final=True)


def interrupted(reason: StopReason | None, limit_seconds: float | None, error: BaseException) -> Outcome:
    """What an attempt came to that was stopped for this reason, and ended with this error; without a reason it was
    cancelled from inside, and has failed like any other."""
    match reason:
        case StopReason.TIMED_OUT:
            timeout = AttemptError(
                type="Timeout",
                message=f"the attempt took longer than {duration_text(limit_seconds or 0.0)}",
                kind=ErrorKind.TIMEOUT,
                traceback=traceback_of(error),
            )
            return Failed(error=timeout)
        case StopReason.REQUESTED:
            return Interrupted(is_requested=True)
        case StopReason.DRAINING | StopReason.LOST:
            return Interrupted(is_requested=False)
        case None:
            return Failed(error=attempt_error(error, ErrorKind.ERROR))
