"""Policies: what becomes of what is deprecated or unstable."""

from __future__ import annotations

import pytest

from qmpx.errors import CommandError, GenericError
from qmpx.qapi.model import Feature
from qmpx.qapi.validation import CrashRequested, DisabledByPolicy, Policy

DEPRECATED, UNSTABLE = Feature("deprecated"), Feature("unstable")
OTHER = Feature("fine")


@pytest.mark.parametrize(
    ("text", "policy"),
    [
        ("", Policy()),
        ("deprecated-input=accept", Policy()),
        ("deprecated-input=crash", Policy(deprecated_input="crash")),
        (
            "unstable-input=reject,unstable-output=hide",
            Policy(unstable_input="reject", unstable_output="hide"),
        ),
    ],
)
def test_a_policy_is_written_as_for_qemus_option(text: str, policy: Policy) -> None:
    assert Policy.parse(text) == policy


@pytest.mark.parametrize(
    "text", ["x=accept", "deprecated-input=hide", "deprecated-output=crash", "hide"]
)
def test_what_is_no_policy_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"`|Invalid"):
        Policy.parse(text)


@pytest.mark.parametrize(
    ("policy", "features", "error", "text"),
    [
        ("", [DEPRECATED, UNSTABLE], None, ""),
        ("deprecated-input=reject", [UNSTABLE, OTHER], None, ""),
        ("unstable-input=reject", [DEPRECATED], None, ""),
        (
            "deprecated-input=reject,unstable-input=crash",
            [UNSTABLE, DEPRECATED],
            GenericError,
            "Deprecated parameter x disabled by policy",
        ),
        (
            "unstable-input=reject",
            [DEPRECATED, UNSTABLE],
            GenericError,
            "Unstable parameter x disabled by policy",
        ),
        (
            "deprecated-input=crash",
            [DEPRECATED],
            CrashRequested,
            "Deprecated parameter x disabled by policy",
        ),
    ],
)
def test_what_is_refused_and_how(
    policy: str, features: list[Feature], error: type[Exception] | None, text: str
) -> None:
    refuse = Policy.parse(policy).refusal("parameter", features)
    if error is None:
        assert refuse is None
        return
    assert refuse is not None
    with pytest.raises(error) as caught:
        refuse("x")
    assert text in str(caught.value)


def test_a_command_is_refused_as_if_it_were_not_there() -> None:
    refuse = Policy(deprecated_input="reject").refusal("command", [DEPRECATED])
    assert refuse is not None
    with pytest.raises(DisabledByPolicy) as caught:
        refuse("x")
    assert caught.value.error_class == "CommandNotFound"


def test_a_crash_is_no_error_that_could_be_sent() -> None:
    assert not issubclass(CrashRequested, CommandError)


@pytest.mark.parametrize(
    ("policy", "features", "hidden"),
    [
        ("", [DEPRECATED, UNSTABLE], False),
        ("deprecated-output=hide", [DEPRECATED], True),
        ("deprecated-output=hide", [UNSTABLE, OTHER], False),
        ("unstable-output=hide", [UNSTABLE], True),
        ("deprecated-input=reject", [DEPRECATED], False),
    ],
)
def test_what_is_hidden(policy: str, features: list[Feature], hidden: bool) -> None:
    made = Policy.parse(policy)
    assert made.hides(features) is hidden
    assert made.hides_nothing is (policy in ("", "deprecated-input=reject"))
