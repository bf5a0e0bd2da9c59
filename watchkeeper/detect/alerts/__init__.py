"""From what was found to what people are told: exceptions, grouping, throttling, what is known about it, how bad it is.

`admission` is what the stream asks; `raising` and `telling` word the events. Nothing here is ever dropped: what is held
back is counted, and the count is told. Above: the stream (`detector`), which commits this memory with its cursor, and
response, which tails the alerts.
"""

from typing import TYPE_CHECKING

from watchkeeper.core.doors import door

if TYPE_CHECKING:
    from watchkeeper.detect.alerts.admission import AlertAdmission, Knowledge, Limits
    from watchkeeper.detect.alerts.model import EXCEPTED, FAILED, RAISED, REPEATED, THROTTLED
    from watchkeeper.detect.alerts.plain import PlainAdmission
    from watchkeeper.detect.alerts.raising import alert_for, alert_of, failure_for
else:
    __getattr__ = door(
        __name__,
        {
            "admission": ("AlertAdmission", "Knowledge", "Limits"),
            "model": ("EXCEPTED", "FAILED", "RAISED", "REPEATED", "THROTTLED"),
            "plain": ("PlainAdmission",),
            "raising": ("alert_for", "alert_of", "failure_for"),
        },
    )

__all__ = [
    "EXCEPTED",
    "FAILED",
    "RAISED",
    "REPEATED",
    "THROTTLED",
    "AlertAdmission",
    "Knowledge",
    "Limits",
    "PlainAdmission",
    "alert_for",
    "alert_of",
    "failure_for",
]
