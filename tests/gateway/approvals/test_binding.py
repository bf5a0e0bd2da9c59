"""What an approval is bound to: anything that could matter makes another digest, spelling does not."""

from __future__ import annotations

import json

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from watchkeeper.core.errors import Invalid
from watchkeeper.gateway.approvals.binding import Bound, bind
from watchkeeper.policy.digest import version_of
from watchkeeper.policy.engine import PolicyEngine

BOUND = Bound("default", "agent:claude", "bank", "tools/call", "pay", "sha256:one", "p-1", ("mine.pay",))
PARAMS = b'{"name":"pay","arguments":{"to":"ada","sum":10}}'
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@pytest.mark.behaviour("approvals.bound")
@pytest.mark.parametrize("field", Bound.__struct_fields__)
def test_each_part_of_what_is_bound_makes_another_digest(field: str) -> None:
    other = ("x",) if field == "rules" else "x"
    assert bind(msgspec.structs.replace(BOUND, **{field: other}), PARAMS) != bind(BOUND, PARAMS)


@pytest.mark.behaviour("approvals.bound")
@pytest.mark.parametrize(
    "params",
    [
        b'{"name":"pay","arguments":{"to":"ada","sum":11}}',
        b'{"name":"pay","arguments":{"to":"ada","sum":10.0}}',
        b'{"name":"pay","arguments":{"to":"ada","sum":"10"}}',
        b'{"name":"pay","arguments":{"to":"ada ","sum":10}}',
        b'{"name":"pay","arguments":{"to":"ad\xd0\xb0","sum":10}}',
        b'{"name":"pay","arguments":{"to":"ada","sum":10,"more":null}}',
        b'{"name":"pay","arguments":{"to":"ada","sum":10},"requestState":"x"}',
        b'{"name":"pay","arguments":{"to":"ada","sum":10},"inputResponses":{}}',
        b'{"name":"pay"}',
        b"",
    ],
)
def test_a_changed_argument_is_another_call(params: bytes) -> None:
    assert bind(BOUND, params) != bind(BOUND, PARAMS)


@pytest.mark.behaviour("approvals.bound")
def test_integers_that_meet_in_a_double_are_two_calls() -> None:
    one, other = (b'{"arguments":{"to":%d}}' % number for number in (2**53, 2**53 + 1))
    assert bind(BOUND, one) != bind(BOUND, other)


@pytest.mark.behaviour("approvals.same-call")
@pytest.mark.parametrize(
    "params",
    [
        b'{"arguments":{"sum":10,"to":"ada"},"name":"pay"}',
        b' { "name" : "pay", "arguments" : {"to":"\\u0061da", "sum": 10 } } ',
        b'{"_meta":{"progressToken":7,"traceparent":"00-1"},"name":"pay","arguments":{"to":"ada","sum":10}}',
    ],
)
def test_the_same_call_spelt_otherwise_is_the_same(params: bytes) -> None:
    assert bind(BOUND, params) == bind(BOUND, PARAMS)


@pytest.mark.behaviour("approvals.unreadable")
@pytest.mark.parametrize(
    "params",
    [
        b'{"name":"pay","arguments":{"to":"ada","to":"eve"}}',
        b'{"name":"pay","name":"read"}',
        b'{"name":',
        b"[1]",
        b'{"a":' * 200 + b"1" + b"}" * 200,
    ],
)
def test_parameters_that_can_be_read_in_two_ways_are_refused(params: bytes) -> None:
    with pytest.raises(Invalid):
        bind(BOUND, params)


@pytest.mark.behaviour("approvals.same-call")
@settings(max_examples=200, deadline=None)
@given(st.dictionaries(st.text(max_size=5), JSON, max_size=4))
def test_order_and_spacing_never_matter_and_values_always_do(tree: dict[str, object]) -> None:
    tree.pop("_meta", None)
    plain = json.dumps(tree).encode()
    turned = json.dumps(dict(reversed(tree.items())), indent=2, ensure_ascii=False).encode("utf-8", "surrogatepass")
    assert bind(BOUND, plain) == bind(BOUND, turned)
    assert bind(BOUND, json.dumps({**tree, "\0more": 1}).encode()) != bind(BOUND, plain)


def test_the_version_of_policies_changes_with_any_of_them_and_not_with_their_order() -> None:
    policies = PolicyEngine.load().policies
    version = version_of(policies)
    assert version_of(tuple(reversed(policies))) == version
    assert version_of(policies[1:]) != version
    changed = msgspec.structs.replace(policies[0], tree={**policies[0].tree, "annotations": {"id": "x"}})
    assert version_of((changed, *policies[1:])) != version
