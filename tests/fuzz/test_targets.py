"""Every fuzz target holds for its seeds, for what once broke it, and for a few random inputs; no fuzzer needed."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fuzz.source import Source, seed
from fuzz.table import TARGETS
from protocol import native

EXAMPLES = 60
INPUTS = st.builds(seed, st.binary(max_size=200), st.binary(max_size=250)) | st.binary(max_size=400)


@pytest.mark.parametrize("name", TARGETS)
def test_a_target_holds_for_its_seeds(name: str) -> None:
    target = TARGETS[name]
    for one in (*target.seeds, *target.found(name)):
        target.run(one)


@pytest.mark.parametrize("name", TARGETS)
def test_a_target_holds_for_random_inputs(name: str) -> None:
    @settings(max_examples=EXAMPLES)
    @given(INPUTS)
    def holds(one: bytes) -> None:
        TARGETS[name].run(one)

    holds()


def test_an_input_without_choices_is_all_payload() -> None:
    source = Source(seed(b"hello"))
    assert source.spent
    assert source.pieces() == [b"hello"]
    assert isinstance(source.value(native.Request), native.Hello)


def test_choices_make_values_that_go_over_the_wire() -> None:
    for number in range(256):
        request = Source(bytes([200]) + bytes([number] * 200)).value(native.Request)
        assert native.decode_request(native.encode(request)) == request
