"""Witnesses: an answer is proof, so is that nobody is there; silence is none."""

from __future__ import annotations

import asyncio
import socket

import pytest

from qmpx.machine import RealClock
from qmpx.machine.migration import witness
from qmpx.machine.migration.witness import (
    ANSWER,
    MAX_QUESTIONS,
    QUESTION,
    Claim,
    Inquiry,
    Verdict,
    Witness,
)
from tests.loops import LOOPS, run_on

TOKEN = bytes(range(16))


async def ask(
    address: tuple[str, int], claim: Claim = Claim.LOST, token: bytes = TOKEN
) -> Verdict:
    verdict: asyncio.Future[Verdict] = asyncio.get_running_loop().create_future()
    Inquiry(address, token, claim, clock=RealClock(), on_verdict=verdict.set_result)
    return await verdict


@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
@pytest.mark.parametrize(
    "verdict", [Verdict.UNDECIDED, Verdict.MINE, Verdict.YOURS], ids=str
)
def test_it_answers_each_claim(loop: str, host: str, verdict: Verdict) -> None:
    async def main() -> None:
        claims: list[Claim] = []

        def judge(claim: Claim) -> Verdict:
            claims.append(claim)
            return verdict

        asked = Witness(host, TOKEN, judge)
        assert [await ask(asked.address, claim) for claim in Claim] == [verdict] * 3
        assert claims == list(Claim)
        asked.close()

    run_on(loop, main())


@pytest.mark.parametrize("loop", LOOPS)
def test_where_nobody_listens_any_more_the_other_is_gone(loop: str) -> None:
    async def main() -> None:
        asked = Witness("127.0.0.1", TOKEN, lambda _: Verdict.MINE)
        asked.close()
        assert await ask(asked.address) is Verdict.DEAD

    run_on(loop, main())


@pytest.mark.parametrize(
    "question",
    [
        QUESTION + TOKEN[::-1] + b"\x01",
        QUESTION + TOKEN + b"\x09",
        QUESTION.upper() + TOKEN + b"\x01",
        QUESTION + TOKEN + b"\x01 and more",
    ],
)
def test_what_is_no_question_of_its_own_is_not_answered(question: bytes) -> None:
    async def main() -> None:
        asked = Witness("127.0.0.1", TOKEN, lambda _: Verdict.MINE)
        reader, writer = await asyncio.open_connection(*asked.address)
        writer.write(question)
        assert await reader.read() == b""
        writer.close()
        asked.close()

    run_on("asyncio", main())


def test_another_migrations_token_proves_nothing() -> None:
    async def main() -> None:
        asked = Witness("127.0.0.1", TOKEN, lambda _: Verdict.MINE)
        assert await ask(asked.address, token=bytes(16)) is Verdict.SILENT
        asked.close()

    run_on("asyncio", main())


@pytest.mark.parametrize(
    "answer", [b"", b"x" * 13, ANSWER + b"\xfe", ANSWER + b"\x09", ANSWER[:5]]
)
def test_an_answer_that_is_none_proves_nothing(answer: bytes) -> None:
    async def reply(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(len(QUESTION) + 17)
        writer.write(answer)
        writer.close()

    async def main() -> None:
        server = await asyncio.start_server(reply, "127.0.0.1", 0)
        address = server.sockets[0].getsockname()
        assert await ask(address) is Verdict.SILENT
        server.close()

    run_on("asyncio", main())


def test_who_does_not_answer_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(witness, "ANSWER_LIMIT", 0.02)

    async def main() -> None:
        with socket.create_server(("127.0.0.1", 0)) as server:
            assert await ask(server.getsockname()) is Verdict.SILENT

    run_on("asyncio", main())


def test_who_asks_and_hangs_makes_room_for_the_next() -> None:
    async def main() -> None:
        asked = Witness("127.0.0.1", TOKEN, lambda _: Verdict.MINE)
        hanging = [
            await asyncio.open_connection(*asked.address) for _ in range(MAX_QUESTIONS)
        ]
        assert await ask(asked.address) is Verdict.MINE
        assert await hanging[0][0].read() == b""
        for _, writer in hanging:
            writer.close()
        asked.close()

    run_on("asyncio", main())


def test_a_question_that_is_taken_back_is_not_answered() -> None:
    async def main() -> None:
        asked = Witness("127.0.0.1", TOKEN, lambda _: Verdict.MINE)
        verdicts: list[Verdict] = []
        inquiry = Inquiry(
            asked.address,
            TOKEN,
            Claim.LOST,
            clock=RealClock(),
            on_verdict=verdicts.append,
        )
        inquiry.cancel()
        assert await ask(asked.address) is Verdict.MINE
        assert verdicts == []
        asked.close()

    run_on("asyncio", main())
