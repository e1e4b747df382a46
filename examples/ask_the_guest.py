"""Ask a guest's agent, though the guest may not be up yet, or slow, or busy.

Clients made for monitors hang here: the agent does not greet, older ones leave ids
out, and a reply that comes late is taken for the next one's. This one waits until the
agent answers, runs a program in the guest and fetches a file.

Usage: ask_the_guest.py [ADDRESS]; without an address it starts an agent on this host.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

import qmpx
from qmpx import agent


def ask(address: str) -> None:
    """Wait for the agent, and ask it."""
    with agent.connect(address, wait=10) as guest:
        guest.wait_ready(timeout=60)
        if not guest.supports("guest-exec"):
            print("this agent may not start programs")
            return
        kernel = guest.exec("/bin/uname", "-s", timeout=10, check=True)
        print("kernel:", kernel.stdout.decode().strip())
        print("host names:", guest.read_file("/etc/hosts").count(b"localhost") > 0)


def main() -> None:
    """Ask the agent that is named, or one of our own."""
    if len(sys.argv) > 1:
        ask(sys.argv[1])
        return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "agent")
        command = ["qemu-ga", "-m", "unix-listen", "-p", str(path), "-t", folder]
        try:
            process = subprocess.Popen([*command, "-f", f"{folder}/pid"])  # noqa: S603
        except FileNotFoundError:
            print("there is no qemu-ga here: name the address of an agent")
            return
        with process:
            try:
                ask(str(path))
            except qmpx.QmpxError as error:
                print("failed:", error)
            finally:
                process.terminate()


if __name__ == "__main__":
    main()
