"""Drive a machine with the blocking client.

Starts ``qmpx serve`` as a program of its own, connects as soon as it listens, and does
what the talk on QMP of 2010 showed: ask for the status, eject a CD-ROM, meet an error.
Against a real QEMU only the address would be another one.
"""

import subprocess
import sys
import tempfile

import qmpx
from qmpx.errors import DeviceNotFound


def converse(address: str, server: subprocess.Popen[bytes]) -> None:
    """Connect to *address*, where *server* is about to listen, and talk."""

    def is_alive() -> bool:
        return server.poll() is None

    # `wait` is for a program that is starting; `alive` ends the wait if it has died.
    with qmpx.connect(address, wait=20.0, alive=is_alive, timeout=10.0) as vm:
        print("version:", vm.greeting.version["qemu"])
        print("status:", vm.execute("query-status")["status"])

        vm.execute("eject", device="ide1-cd0")
        try:
            vm.execute("eject", device="foobar")
        except DeviceNotFound as error:
            print("refused:", error)

        # Subscribe first, then send, then wait: so no event is missed.
        with vm.events("STOP") as events:
            vm.execute("stop")
            print("event:", events.get(timeout=5.0).name)

        name, drives = vm.execute_many(["query-name", "query-block"])
        print("name:", name["name"])
        print("empty:", [d["device"] for d in drives if "inserted" not in d])
        vm.execute("quit")


def main() -> None:
    """Start a server, talk with it, and see that it ends well."""
    with tempfile.TemporaryDirectory() as directory:
        address = f"unix:{directory}/qmp.sock"
        command = [sys.executable, "-m", "qmpx", "serve", "--qmp", address]
        with subprocess.Popen([*command, "--name", "example"]) as server:  # noqa: S603
            try:
                converse(address, server)
                print("server:", server.wait(10.0))
            finally:
                server.terminate()


if __name__ == "__main__":
    main()
