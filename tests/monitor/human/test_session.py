"""A person's conversation over a real socket: what comes, and when nothing does."""

from __future__ import annotations

import asyncio
import logging
import os
import re
import socket
from typing import TYPE_CHECKING, Any

import pytest

from qmpx.errors import DeviceNotFound, GenericError, InvalidParameterValue
from qmpx.monitor import Monitor
from qmpx.monitor.human import CommandTable, HumanSession
from qmpx.monitor.human.builtin import commands as builtin
from qmpx.monitor.registry import SessionLike  # noqa: TC001 - handlers' annotations
from tests.loops import settle

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.monitor.conftest import Run

BANNER = "QEMU 0.13.0 monitor - type 'help' for more information\r\n"
VERSION = {"qemu": {"major": 0, "minor": 13, "micro": 0}, "package": ""}


class Person:
    """Somebody at a terminal: what they see is only read when they look."""

    def __init__(self, sock: socket.socket) -> None:
        sock.settimeout(0)
        self.sock = sock
        self._seen = b""

    async def type(self, text: str | bytes) -> None:
        """Type something."""
        data = text if isinstance(text, bytes) else text.encode()
        await asyncio.get_running_loop().sock_sendall(self.sock, data)

    async def see(self, end: str = "(qemu) ") -> str:
        """Return what is shown up to *end*, which has to be the last of it."""
        loop = asyncio.get_running_loop()
        while not self._seen.endswith(end.encode()):
            data = await loop.sock_recv(self.sock, 1 << 18)
            assert data, f"closed after {self._seen!r}"
            self._seen += data
        seen, self._seen = self._seen, b""
        return seen.decode()

    async def enter(self, line: str, end: str = "(qemu) ") -> str:
        """Type a line, and return what comes behind its echo."""
        await self.type(line + "\r")
        before, _, answer = (await self.see(end)).partition("\r\n")
        assert before == echo(line)
        return answer

    async def now(self) -> str:
        """Return what is shown once everybody has come to rest."""
        await settle()
        try:
            while data := self.sock.recv(1 << 18):
                self._seen += data
                await settle()
        except BlockingIOError:
            pass
        seen, self._seen = self._seen, b""
        return seen.decode()

    async def rest(self) -> str:
        """Return all that is shown up to the end of the conversation."""
        loop = asyncio.get_running_loop()
        while data := await loop.sock_recv(self.sock, 1 << 18):
            self._seen += data
        return self._seen.decode()


class Stage:
    """A monitor for people, and gates at which its commands wait."""

    def __init__(self) -> None:
        self.gates: dict[str, asyncio.Future[Any]] = {}
        self.sessions: list[Any] = []
        self.passwords: list[str] = []
        table = CommandTable(builtin)

        @table.human("say", "text:s", help="say a text")
        def say(*, text: str) -> str:
            return f"{text}\n"

        @table.human("who", help="keep the session")
        def who(target: str, session: SessionLike) -> str:
            self.sessions.append(session)
            return f"{target}\n"

        @table.human("wait", "at:s", help="wait at a gate")
        async def wait(*, at: str) -> str:
            return await self.wait(at)

        @table.command("fail", "kind:s", help="fail")
        def fail(*, kind: str) -> None:
            raise ERRORS[kind]

        @table.human("fail_late", "kind:s", help="fail after a while")
        async def fail_late(*, kind: str) -> None:
            await self.wait("fail")
            raise ERRORS[kind]

        async def ask_person(
            _: str, session: HumanSession, *, then: str | None = None
        ) -> str | None:
            session.print("It is locked.\n")
            self.passwords.append(await session.read_password("Password: "))
            if then == "again":
                self.passwords.append(await session.read_password("Again: "))
            elif then == "wait":
                await self.wait("ask")
            return "open\n" if then else None

        @table.command("ask", "then:s?", help="ask for a password", human=ask_person)
        def ask(*, then: str | None = None) -> None: ...

        @table.human("end", help="show no prompt any more")
        def end(session: HumanSession) -> str:
            session.hold_prompt()
            return "bye\n"

        @table.human("large", "size:i", help="print much")
        def large(*, size: int) -> str:
            return "x" * size + "\n"

        self.table = table
        self.monitor = Monitor("box", version=VERSION, human=table)

    async def wait(self, at: str) -> str:
        """Wait at a gate."""
        self.gates[at] = asyncio.get_running_loop().create_future()
        return f"{await self.gates[at]}\n"


ERRORS: dict[str, Exception] = {
    "class": DeviceNotFound(device="foo"),
    "text": GenericError("it does not work"),
    "hint": InvalidParameterValue(name="driver", expected="a name").hinting("Try ?\n"),
    "defect": ZeroDivisionError("a defect"),
}


@pytest.fixture
def stage() -> Stage:
    """Make a monitor to be served."""
    return Stage()


@pytest.fixture
def people() -> Iterator[list[Person]]:
    """Keep who is there; all leave at the end."""
    there: list[Person] = []
    yield there
    for person in there:
        person.sock.close()


def echo(line: str, shown: str = "") -> str:
    """Return what is shown while *line* is typed behind a prompt.

    Args:
        line: What is typed.
        shown: What is shown of it, character for character, if not itself.
    """
    shown = shown or line
    steps = range(len(line))
    return "".join("\x1b[D" * n + shown[: n + 1] + "\x1b[K" for n in steps)


async def come(path: str, people: list[Person]) -> Person:
    """Let somebody come, and see the first prompt."""
    sock = socket.socket(socket.AF_UNIX)
    sock.connect(path)
    person = Person(sock)
    people.append(person)
    assert await person.see() == BANNER + "(qemu) "
    return person


def test_lines_are_echoed_and_answered(
    run: Run, stage: Stage, path: str, people: list[Person]
) -> None:
    async def main() -> None:
        async with stage.monitor.serve(human=[path]):
            person = await come(path, people)
            await person.type("who\r")
            assert await person.see() == f"{echo('who')}\r\nbox\r\n(qemu) "
            assert await person.enter("foo") == "unknown command: 'foo'\r\n(qemu) "
            assert await person.enter("") == "(qemu) "
            assert await person.enter('say "a\\nb"') == "a\r\nb\r\n(qemu) "

    run(main())


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("class", "Device 'foo' not found\r\n"),
        ("text", "it does not work\r\n"),
        ("hint", "Parameter 'driver' expects a name\r\nTry ?\r\n"),
    ],
)
def test_an_error_is_told_in_words(
    run: Run, stage: Stage, path: str, people: list[Person], kind: str, said: str
) -> None:
    async def main() -> None:
        async with stage.monitor.serve(human=[path]):
            person = await come(path, people)
            assert await person.enter(f"fail {kind}") == f"{said}(qemu) "
            await person.type(f"fail_late {kind}\r")
            await person.now()
            stage.gates["fail"].set_result(None)
            assert await person.see() == f"{said}(qemu) "

    run(main())


def test_an_error_reads_as_the_monitor_describes_it(
    run: Run, stage: Stage, path: str, people: list[Person]
) -> None:
    stage.monitor.describe_error = lambda error: error.error_class

    async def main() -> None:
        async with stage.monitor.serve(human=[path]):
            person = await come(path, people)
            assert await person.enter("fail class") == "DeviceNotFound\r\n(qemu) "

    run(main())


def test_a_defect_is_logged_and_ends_nothing(
    run: Run,
    stage: Stage,
    path: str,
    people: list[Person],
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def main() -> None:
        async with stage.monitor.serve(human=[path]):
            person = await come(path, people)
            answer = await person.enter("fail defect")
            assert answer == "An undefined error has occurred\r\n(qemu) "
            assert await person.enter("say x") == "x\r\n(qemu) "

    run(main())
    assert [record.getMessage() for record in caplog.records] == ["command fail failed"]


def test_what_is_wrong_with_a_text_in_quotes_is_logged(
    run: Run,
    stage: Stage,
    path: str,
    people: list[Person],
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def main() -> None:
        async with stage.monitor.serve(human=[path]):
            person = await come(path, people)
            assert await person.enter('say "x') == "say: string expected\r\n(qemu) "

    run(main())
    assert caplog.messages == ["a person's line: unterminated string"]


def test_there_is_no_prompt_while_a_command_waits_and_what_is_typed_is_kept(
    run: Run, stage: Stage, path: str, people: list[Person]
) -> None:
    async def main() -> None:
        async with stage.monitor.serve(human=[path]):
            person = await come(path, people)
            await person.type("wait a\r")
            assert (await person.now()).endswith("wait a\x1b[K\r\n")
            await person.type("say b\r")
            assert await person.now() == ""
            stage.gates["a"].set_result("a")
            assert await person.now() == (
                f"a\r\n(qemu) {echo('say b')}\r\nb\r\n(qemu) "
            )

    run(main())


def test_others_are_served_while_a_command_waits(
    run: Run, stage: Stage, path: str, people: list[Person]
) -> None:
    async def main() -> None:
        async with stage.monitor.serve(human=[path]):
            one, other = await come(path, people), await come(path, people)
            await one.type("wait a\r")
            await one.now()
            assert await other.enter("say x") == "x\r\n(qemu) "
            stage.gates["a"].set_result("a")
            assert await one.see() == "a\r\n(qemu) "

    run(main())


def test_a_password_is_asked_for(
    run: Run, stage: Stage, path: str, people: list[Person]
) -> None:
    async def main() -> None:
        async with stage.monitor.serve(human=[path]):
            person = await come(path, people)
            answer = await person.enter("ask", end="Password: ")
            assert answer == "It is locked.\r\nPassword: "
            await person.type("ab\r")
            assert await person.see() == f"{echo('ab', '**')}\r\n(qemu) "
            assert stage.passwords == ["ab"]
            assert await person.enter("info history") == (
                "0: 'ask'\r\n1: 'info history'\r\n(qemu) "
            )

    run(main())


def test_two_passwords_may_be_asked_for_and_typed_ahead(
    run: Run, stage: Stage, path: str, people: list[Person]
) -> None:
    async def main() -> None:
        async with stage.monitor.serve(human=[path]):
            person = await come(path, people)
            await person.type("ask again\rab\rc\rsay x\r")
            assert await person.now() == (
                f"{echo('ask again')}\r\nIt is locked.\r\n"
                f"Password: {echo('ab', '**')}\r\nAgain: {echo('c', '*')}\r\nopen\r\n"
                f"(qemu) {echo('say x')}\r\nx\r\n(qemu) "
            )
            assert stage.passwords == ["ab", "c"]

    run(main())


def test_a_command_may_wait_after_it_asked(
    run: Run, stage: Stage, path: str, people: list[Person]
) -> None:
    async def main() -> None:
        async with stage.monitor.serve(human=[path]):
            person = await come(path, people)
            await person.enter("ask wait", end="Password: ")
            await person.type("ab\r")
            assert (await person.now()).endswith("**\x1b[K\r\n")
            stage.gates["ask"].set_result("")
            assert await person.see() == "open\r\n(qemu) "

    run(main())


def test_who_gives_up_a_password_gives_up_the_command(
    run: Run, stage: Stage, path: str, people: list[Person]
) -> None:
    async def main() -> None:
        async with stage.monitor.serve(human=[path]):
            person = await come(path, people)
            await person.enter("ask again", end="Password: ")
            await person.type("ab\x03")
            assert (await person.see()).endswith("^C\r\n(qemu) ")
            assert stage.passwords == []
            assert await person.enter("say x") == "x\r\n(qemu) "

    run(main())


def test_who_leaves_at_a_password_leaves_nothing_behind(
    run: Run, stage: Stage, path: str, people: list[Person]
) -> None:
    async def main() -> None:
        async with stage.monitor.serve(human=[path]) as server:
            for leave in (socket.socket.close, half_close):
                person = await come(path, people)
                await person.enter("ask", end="Password: ")
                leave(person.sock)
                await settle()
                assert not server.sessions
            assert stage.passwords == []
            assert not stage.monitor.tasks

    run(main())


def half_close(sock: socket.socket) -> None:
    """Send no more."""
    sock.shutdown(socket.SHUT_WR)


def test_a_command_is_carried_through_when_its_person_has_left(
    run: Run, stage: Stage, path: str, people: list[Person]
) -> None:
    async def main() -> None:
        async with stage.monitor.serve(human=[path]) as server:
            person = await come(path, people)
            await person.type("wait a\r")
            await person.now()
            person.sock.close()
            stage.gates["a"].set_result("a")
            await settle()
            assert not server.sessions
            assert not stage.monitor.tasks

    run(main())


def test_at_the_end_of_input_all_is_answered_first(
    run: Run, stage: Stage, path: str, people: list[Person]
) -> None:
    async def main() -> None:
        async with stage.monitor.serve(human=[path]):
            person = await come(path, people)
            await person.type("wait a\rsay b\rsay c")
            half_close(person.sock)
            await person.now()
            stage.gates["a"].set_result("a")
            assert await person.rest() == (
                f"a\r\n(qemu) {echo('say b')}\r\nb\r\n(qemu) {echo('say c')}"
            )

    run(main())


def test_a_session_that_shows_no_prompt_any_more_reads_nothing_more(
    run: Run, stage: Stage, path: str, people: list[Person]
) -> None:
    async def main() -> None:
        async with stage.monitor.serve(human=[path]) as server:
            person = await come(path, people)
            await person.type("end\rsay x\r")
            assert (await person.now()).endswith("\r\nbye\r\n")
            await server.close()
            assert await person.rest() == ""

    run(main())


def test_many_lines_at_once_are_run_in_their_order(
    run: Run, stage: Stage, path: str, people: list[Person]
) -> None:
    async def main() -> None:
        async with stage.monitor.serve(human=[path]):
            person, other = await come(path, people), await come(path, people)
            numbers = range(200)
            await person.type("".join(f"say {number}\r" for number in numbers))
            assert await other.enter("say x") == "x\r\n(qemu) "
            seen = ""
            while not seen.endswith("\r\n199\r\n(qemu) "):
                seen += await person.see()
            answers = re.findall(r"\r\n(\d+)\r\n\(qemu\) ", seen)
            assert answers == [str(number) for number in numbers]

    run(main())


def test_who_does_not_read_is_not_read_from(
    run: Run, stage: Stage, path: str, people: list[Person]
) -> None:
    async def main() -> None:
        async with stage.monitor.serve(human=[path]) as server:
            person = await come(path, people)
            lines = "large 100000\r" * 100
            await person.type(lines)
            await settle(200)
            (session,) = server.sessions
            assert session.channel is not None
            assert session.channel.unsent < 300_000
            seen = ""
            while seen.count("(qemu) ") < 100:
                seen += await person.see()
            assert seen.count("x" * 100_000) == 100

    run(main())


def test_a_line_is_kept_for_the_next_who_comes(
    run: Run, stage: Stage, path: str, people: list[Person]
) -> None:
    async def main() -> None:
        async with stage.monitor.serve(human=[path]):
            person = await come(path, people)
            await person.enter("say x")
            await person.type("half a li")
            await person.now()
            person.sock.close()
            other = await come(path, people)
            await other.type("\x1b[A")
            assert await other.now() == "say x\x1b[K"
            await other.type("\r")
            assert await other.see() == "\r\nx\r\n(qemu) "

    run(main())


def test_tab_completes_what_the_table_has(
    run: Run, stage: Stage, path: str, people: list[Person]
) -> None:
    async def main() -> None:
        async with stage.monitor.serve(human=[path]):
            person = await come(path, people)
            await person.type("inf\thi\t\r")
            assert "info history \x1b[K\r\n0: " in await person.see()
            await person.type("fa\t")
            shown = "fail       fail_late  \r\n(qemu) fail\x1b[K"
            assert (await person.now()).endswith(shown)

    run(main())


def test_what_cannot_complete_is_logged_and_harms_nobody(
    run: Run,
    stage: Stage,
    path: str,
    people: list[Person],
    caplog: pytest.LogCaptureFixture,
) -> None:
    def complete(_: Any, __: str) -> list[str]:
        raise ZeroDivisionError

    stage.table.completions["s"] = complete

    async def main() -> None:
        async with stage.monitor.serve(human=[path]):
            person = await come(path, people)
            await person.type("say \tx\r")
            assert (await person.see()).endswith("\r\nx\r\n(qemu) ")

    with caplog.at_level(logging.ERROR):
        run(main())
    assert caplog.messages == ["a line cannot be completed: 'say '"]


def test_a_register_is_the_sessions(
    run: Run, stage: Stage, path: str, people: list[Person]
) -> None:
    def read_register(session: SessionLike, name: str) -> int:
        return {"two": session.frontend.processor + 2}[name]

    stage.table.read_register = read_register

    async def main() -> None:
        async with stage.monitor.serve(human=[path]):
            person = await come(path, people)
            assert await person.enter("large $two") == "xx\r\n(qemu) "
            answer = await person.enter("large $three")
            assert answer == "unknown register\r\n(qemu) "

    run(main())


def test_descriptors_come_with_what_is_typed(
    run: Run, stage: Stage, path: str, people: list[Person]
) -> None:
    async def main() -> None:
        async with stage.monitor.serve(human=[path]):
            person = await come(path, people)
            with open("/dev/null", "rb") as file:  # noqa: ASYNC230
                socket.send_fds(person.sock, [b"who\r"], [file.fileno()])
            assert await person.see()
            (session,) = stage.sessions
            os.close(session.pending.take())

    run(main())


def test_a_server_that_closes_lets_a_command_end_and_waits_for_no_password(
    run: Run, stage: Stage, path: str, people: list[Person]
) -> None:
    async def main() -> None:
        async with stage.monitor.serve(human=[path]) as server:
            one, other = await come(path, people), await come(path, people)
            await one.type("wait a\r")
            await other.enter("ask", end="Password: ")
            await one.now()
            closing = asyncio.ensure_future(server.close())
            await settle()
            assert not closing.done()
            stage.gates["a"].set_result("a")
            await closing
            assert await one.rest() == "a\r\n(qemu) "
            assert await other.rest() == ""

    run(main())


def test_a_command_that_does_not_end_is_cancelled_in_the_end(
    run: Run, stage: Stage, path: str, people: list[Person]
) -> None:
    async def main() -> None:
        async with stage.monitor.serve(human=[path]) as server:
            person = await come(path, people)
            await person.type("wait a\r")
            await person.now()
            await server.close(grace=0.01)
            assert stage.gates["a"].cancelled()

    run(main())


def test_people_and_programs_share_a_monitor(
    run: Run, stage: Stage, directory: Any, people: list[Person]
) -> None:
    path, qmp = str(directory / "h"), str(directory / "q")

    async def main() -> None:
        async with stage.monitor.serve(qmp, human=[path]) as server:
            person = await come(path, people)
            assert [str(address) for address in server.addresses] == [
                f"unix:{qmp}",
                f"unix:{path}",
            ]
            assert await person.enter("say x") == "x\r\n(qemu) "

    run(main())


def test_over_telnet_its_commands_are_taken_out(run: Run, stage: Stage) -> None:
    async def main() -> None:
        async with stage.monitor.serve(human=["telnet:127.0.0.1:0"]) as server:
            (address,) = server.addresses
            assert re.fullmatch(r"telnet:127\.0\.0\.1:[1-9]\d*", str(address))
            sock = socket.create_connection(("127.0.0.1", int(str(address)[17:])))
            with sock:
                person = Person(sock)
                loop = asyncio.get_running_loop()
                offers = await loop.sock_recv(sock, 12)
                assert offers == bytes.fromhex("fffb01fffb03fffb00fffd00")
                assert await person.see() == BANNER + "(qemu) "
                await person.type(
                    b"\xff\xfd\x01sa\xff\xfa\x18\x00x\xff\xf0y\xff\xf1 x\r"
                )
                assert (await person.see()).endswith("say x\x1b[K\r\nx\r\n(qemu) ")

    run(main())
