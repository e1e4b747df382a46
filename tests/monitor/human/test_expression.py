"""Expressions: what each comes to, where it ends, what is said of those that fail."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qmpx.monitor.human.expression import LineError, evaluate, no_register, wrap

REGISTERS = {"eip": 0xFFF0, "cs.base": 0xFFFF0000, "r_1": -1, "": 7}


def read_register(name: str) -> int:
    """Read a register of a small machine."""
    return REGISTERS[name]


@pytest.mark.parametrize(
    "text", ["18446744073709551616", "9" * 5000, "1+0x1" + "0" * 16]
)
def test_a_number_of_more_than_64_bits_is_wrong_today(text: str) -> None:
    with pytest.raises(LineError, match=r"^number too large$"):
        evaluate(text, refuses_large=True)


def test_the_largest_number_is_right_today() -> None:
    assert evaluate("18446744073709551615", refuses_large=True).number == -1


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("0", 0),
        ("255", 255),
        ("0x1F", 31),
        ("0Xff", 255),
        ("017", 15),
        ("00", 0),
        ("'a'", 97),
        ("'''", 39),
        ("' '", 32),
        ("1+2", 3),
        ("1 + 2 - 5", -2),
        ("+5", 5),
        ("-5", -5),
        ("--5", 5),
        ("~0", -1),
        ("-~ + 1", 2),
        ("2*3*4", 24),
        ("7/2", 3),
        ("-7/2", -3),
        ("7/-2", -3),
        ("7%4", 3),
        ("-7%4", -3),
        ("7%-4", 3),
        ("100/10/5", 2),
        ("12&10", 8),
        ("12|3", 15),
        ("6^3", 5),
        ("1|2+4", 7),
        ("1+2|4", 7),
        ("1+2*3", 7),
        ("2*3+1", 7),
        ("6&2*3", 6),
        ("1+2&3", 3),
        ("1-2-3", -4),
        ("(1+2)*3", 9),
        ("((((1))))", 1),
        ("-(1+2)", -3),
        ("2*-3", -6),
        ("2*(3+4)*5", 70),
        ("10-(2-3)", 11),
        ("(1|2)^(3&1)", 2),
        ("$eip", 0xFFF0),
        ("$cs.base + $eip", 0xFFFFFFF0),
        ("$r_1", -1),
        ("$", 7),
        ("-$eip", -0xFFF0),
        ("0x7fffffffffffffff", 2**63 - 1),
        ("0x7fffffffffffffff+1", -(2**63)),
        ("0xffffffffffffffff", -1),
        ("18446744073709551616", -1),
        ("9" * 5000, -1),
        ("0" * 5000 + "1", 1),
        ("-0x7fffffffffffffff-2", 2**63 - 1),
        ("(-0x7fffffffffffffff-1)/-1", -(2**63)),
        ("0x4000000000000000*4", 0),
        ("-" * 3001 + "1", -1),
        ("(" * 2000 + "1" + ")" * 2000, 1),
    ],
)
def test_it_comes_to(text: str, number: int) -> None:
    assert evaluate(text, 0, read_register) == (number, len(text))


@pytest.mark.parametrize(
    ("text", "number", "rest"),
    [
        ("1 2", 1, "2"),
        ("1)", 1, ")"),
        ("08", 0, "8"),
        ("0xg", 0, "xg"),
        ("0x", 0, "x"),
        ("12ab", 12, "ab"),
        ("'a'b", 97, "b"),
        ("1 + 2 .3", 3, ".3"),
        ("$eip/x", None, "x"),
        ("(1) 2", 1, "2"),
        ("\t 5 \v\f\r\n", 5, ""),
        ("5\xa0", 5, "\xa0"),
    ],
)
def test_it_ends_where_no_more_belongs_to_it(
    text: str, number: int | None, rest: str
) -> None:
    if number is None:
        with pytest.raises(LineError, match="invalid char in expression"):
            evaluate(text, 0, read_register)
        return
    assert evaluate(text, 0, read_register) == (number, len(text) - len(rest))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "unexpected end of expression"),
        ("   ", "unexpected end of expression"),
        ("1+", "unexpected end of expression"),
        ("(", "unexpected end of expression"),
        ("-", "unexpected end of expression"),
        ("abc", "invalid char in expression"),
        ("*2", "invalid char in expression"),
        ("()", "invalid char in expression"),
        (")", "invalid char in expression"),
        ("1+@", "invalid char in expression"),
        ("é", "invalid char in expression"),
        ("(1", "')' expected"),
        ("((1)", "')' expected"),
        ("(1 2)", "')' expected"),
        ("1/0", "division by zero"),
        ("1%0", "division by zero"),
        ("1/0*", "division by zero"),
        ("(1/0", "division by zero"),
        ("1/(2-2)@", "division by zero"),
        ("1/0x", "division by zero"),
        ("1+2/-0", "division by zero"),
        ("$foo", "unknown register"),
        ("1+$foo", "unknown register"),
        ("'", "character constant expected"),
        ("'a", "missing terminating ' character"),
        ("''", "missing terminating ' character"),
        ("'ab'", "missing terminating ' character"),
        ("'é'", "missing terminating ' character"),
    ],
)
def test_it_says_what_is_wrong(text: str, said: str) -> None:
    with pytest.raises(LineError) as caught:
        evaluate(text, 0, read_register)
    assert str(caught.value) == said


def test_a_byte_that_is_no_character_is_signed_as_on_a_pc() -> None:
    assert evaluate("'\udcff'").number == -1


def test_it_begins_where_it_is_told_to() -> None:
    assert evaluate("cpu  3 4", 3) == (3, 7)


def test_without_a_machine_no_register_is_known() -> None:
    with pytest.raises(LookupError):
        no_register("eip")


def test_a_registers_name_is_cut_where_qemu_cuts_it() -> None:
    names: list[str] = []

    def keep(name: str) -> int:
        names.append(name)
        return 1

    assert evaluate("$" + "r" * 200, 0, keep) == (1, 201)
    assert names == ["r" * 127]


OPERATORS = st.sampled_from("+-*&|^")


@given(
    st.lists(st.tuples(st.integers(0, 2**64 - 1), OPERATORS), max_size=8),
    st.integers(0, 2**64 - 1),
)
def test_it_binds_as_qemus_grammar_says(
    terms: list[tuple[int, str]], last: int
) -> None:
    levels = {"*": 3, "&": 2, "|": 2, "^": 2, "+": 1, "-": 1}
    numbers = [*(number for number, _ in terms), last]
    operators = [operator for _, operator in terms]
    text = "".join(f"{number}{operator}" for number, operator in terms) + str(last)
    for level in (3, 2, 1):
        kept_numbers, kept_operators = numbers[:1], list[str]()
        for operator, number in zip(operators, numbers[1:], strict=True):
            if levels[operator] == level:
                left = kept_numbers.pop()
                kept_numbers.append(
                    {
                        "*": left * number,
                        "&": left & number,
                        "|": left | number,
                        "^": left ^ number,
                        "+": left + number,
                        "-": left - number,
                    }[operator]
                )
            else:
                kept_numbers.append(number)
                kept_operators.append(operator)
        numbers, operators = kept_numbers, kept_operators
    assert evaluate(text) == (wrap(numbers[0]), len(text))


@given(st.text("0123456789abx()+-*/%&|^~' $", max_size=40))
def test_any_text_has_a_value_or_a_fault(text: str) -> None:
    try:
        number, end = evaluate(text, 0, read_register)
    except LineError:
        return  # any other exception fails the test
    assert -(2**63) <= number < 2**63
    assert 0 < end <= len(text)
