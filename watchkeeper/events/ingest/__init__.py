"""Facts from elsewhere: other gateways' logs, OTLP, OCSF, JSON lines. A team keeps its gateway and gets the watch.

What another system says is not verified, and never mixed with what our own gateway decided: it has kinds of its own
(`gateway.request.observed`, `ingest.event.received`), actors of its own (`ingested:SOURCE/NAME`) and the label
`ingested`.
"""

from typing import TYPE_CHECKING

from watchkeeper.core.doors import door

if TYPE_CHECKING:
    from watchkeeper.events.ingest.model import Malformed, Observation, Reader
    from watchkeeper.events.ingest.recorder import Intake, Tally
    from watchkeeper.events.ingest.settings import IngestSettings, SourceSettings
else:
    __getattr__ = door(
        __name__,
        {
            "model": ("Malformed", "Observation", "Reader"),
            "recorder": ("Intake", "Tally"),
            "settings": ("IngestSettings", "SourceSettings"),
        },
    )

__all__ = ["IngestSettings", "Intake", "Malformed", "Observation", "Reader", "SourceSettings", "Tally"]
