"""The catalogue of events: what each kind of `events.kinds` holds, exactly enough that a program can rely on it.

Every kind has a sentence, a schema, an example and a class of retention (`events.retention`). The bodies are made where
things happen, by gateways, registry and playbooks; what is written here is held against what they record, by tests.
Nothing is refused for it: a body that does not fit is recorded and exported all the same.
"""

from watchkeeper.events.catalogue.entries import ENTRIES
from watchkeeper.events.catalogue.examples import example_of, examples
from watchkeeper.events.catalogue.fits import misfit
from watchkeeper.events.catalogue.schema import problems, schema_of

__all__ = ["ENTRIES", "example_of", "examples", "misfit", "problems", "schema_of"]
