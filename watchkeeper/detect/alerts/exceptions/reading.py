"""What a person wrote as an exception's condition, read as a Sigma selection; what is not understood is refused."""

from __future__ import annotations

import msgspec

from watchkeeper.core.errors import Invalid, Misconfigured
from watchkeeper.detect.alerts.exceptions.model import LONGEST_DAYS, Draft, Where
from watchkeeper.detect.conditions.fields import is_field
from watchkeeper.detect.conditions.model import Condition
from watchkeeper.detect.conditions.scope import comparisons_of, fields_of

_HINT = "see docs/guides/alerts.md, Exceptions"
_FIELDS = 20
_VALUES = 1_000
_BYTES = 32_768
_REASON = 2_000


def checked(draft: Draft) -> Condition:
    """The condition of a draft that may become an exception. Raises `Invalid`, saying what is wrong with it."""
    if not draft.reason.strip():
        raise Invalid("an exception needs a reason", hint="say why this need not wake anybody")
    if len(draft.reason) > _REASON:
        raise Invalid(f"the reason has more than {_REASON} characters", hint="say it shorter")
    if not 0 < draft.days <= LONGEST_DAYS:
        raise Invalid(f"an exception ends after at most {LONGEST_DAYS} days", hint="give --days, and look again then")
    return condition_of(draft.where)


def condition_of(where: Where) -> Condition:
    """What a selection means. Raises `Invalid`."""
    from sigma.exceptions import SigmaError  # noqa: PLC0415 — half a second, for who writes an exception only
    from sigma.rule.detection import SigmaDetections  # noqa: PLC0415

    from watchkeeper.detect.conditions.reading import read_condition  # noqa: PLC0415

    if not isinstance(where, dict) or not where or len(where) > _FIELDS:
        raise Invalid(f"an exception names 1 to {_FIELDS} fields", hint=_HINT)
    if sum(len(one) if isinstance(one, list) else 1 for one in where.values()) > _VALUES:
        raise Invalid(f"an exception has at most {_VALUES} values", hint=_HINT)
    try:
        if len(msgspec.json.encode(where)) > _BYTES:
            raise Invalid("the exception's condition is too long", hint=_HINT)
        found = SigmaDetections.from_dict({"where": dict(where), "condition": "where"})
        condition = read_condition(found.parsed_condition[0].parse())
    except Misconfigured as error:
        raise Invalid(error.reason, hint=error.hint) from error
    except (SigmaError, msgspec.MsgspecError, AttributeError, KeyError, TypeError, ValueError, RecursionError) as error:
        raise Invalid(f"not a condition: {str(error)[:200]}", hint=_HINT) from error
    _refuse_strange(condition)
    return condition


def _refuse_strange(condition: Condition) -> None:
    for name in sorted(fields_of(condition)):
        if name == "*" or not is_field(name):
            raise Invalid(
                f"no event has a field {name[:80]!a}",
                hint="fields are the members of an event, or body.NAME; `watchkeeper events kinds` shows them",
            )
    if not list(comparisons_of(condition)):
        raise Invalid("the condition says nothing", hint=_HINT)
