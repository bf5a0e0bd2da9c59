"""Names of a record in other letter case than rules have them."""

from __future__ import annotations

from watchkeeper.detect.sigma.spelling import Spelling


def test_names_in_other_letter_case_are_found_and_exact_ones_stay() -> None:
    spelling = Spelling({"CommandLine", "User"})
    assert spelling.spelled({"commandline": "a", "Other": 1}) == {"commandline": "a", "CommandLine": "a", "Other": 1}
    assert spelling.spelled({"COMMANDLINE": "a"})["CommandLine"] == "a"
    both = {"commandline": "a", "CommandLine": "b"}
    assert spelling.spelled(both) == both


def test_a_record_without_such_names_is_the_same_object() -> None:
    spelling = Spelling({"CommandLine"})
    record = {"CommandLine": "a", "Other": 1}
    assert spelling.spelled(record) is record
    assert spelling.spelled(record) is record
