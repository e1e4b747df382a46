"""Snapshots of a machine, inside the images of its disks.

Every disk that can be written holds a snapshot of its data; the first of them also
holds the machine: memory, parts and run state, as a stream that is kept (see
`qmpx.machine.migration`). The machine stands still while it is saved or restored;
monitors go on.

Source: QEMU 0.13, whose texts these are.
"""

from collections.abc import Iterator
from tempfile import SpooledTemporaryFile
from typing import IO, TYPE_CHECKING, Final

from qmpx.errors import GenericError
from qmpx.machine.drive import Drive
from qmpx.machine.happenings import MigrationMoved, MigrationPassBegan
from qmpx.machine.migration.stored import PIECE, pieces_of, read_machine
from qmpx.machine.migration.values import StreamError
from qmpx.machine.runstate import TRANSFERS, RunState
from qmpx.machine.values import Value

if TYPE_CHECKING:
    from qmpx.machine.block.image import Image, Snapshot
    from qmpx.machine.machine import Machine

MAX_IN_MEMORY: Final = 16 * 2**20
"""Bytes of a machine's state that are kept in memory before they go into the image; of
more, the host keeps a file that has no name."""

_SECOND: Final = 1_000_000  # microseconds


class SavedMachine(Value, frozen=True):
    """A machine that was saved.

    Attributes:
        id: The number that the image gave it.
        tag: The name that its user gave it; may be empty.
        state_size: Bytes of memory and parts.
        saved_at: When, in seconds since 1970.
        ran: How long it had run by then, in nanoseconds.
    """

    id: str
    tag: str
    state_size: int
    saved_at: int
    ran: int


class Snapshots:
    """The snapshots of a machine.

    Args:
        machine: The machine.

    Attributes:
        is_busy: Whether one is being saved or restored.
    """

    def __init__(self, machine: "Machine") -> None:
        self._machine = machine
        self.is_busy = False

    def stubborn(self) -> str | None:
        """Return the name of a drive that can be written and holds no snapshots."""
        for drive, image in self._drives():
            if not image.can_save:
                node = self._machine.blocks.drives.node_in(drive)
                return drive.device or ("" if node is None else node.name)
        return None

    def devices(self) -> list[str]:
        """Return the names of the drives that can hold snapshots."""
        return [name for name, _ in self._images()]

    def saved(self) -> list[SavedMachine]:
        """Return what the first drive that can hold snapshots holds, oldest first.

        Raises:
            GenericError: There is no such drive.
        """
        for _, image in self._images():
            return [
                SavedMachine(s.id, s.name, s.state_size, s.seconds, s.clock)
                for s in image.snapshots()
            ]
        message = "No available block device supports snapshots"
        raise GenericError(message)

    async def save(self, tag: str = "") -> None:
        """Save the machine; one that has the same tag or id is replaced.

        Cancelling is safe: nothing has been saved then.

        Args:
            tag: Its name; empty for none.

        Raises:
            GenericError: A drive that can be written cannot hold snapshots, none is
                there at all, or one failed.
        """
        self._check_all()
        images = list(self._images())
        if not images:
            message = "No block device can accept snapshots"
            raise GenericError(message)
        await self.save_in(tag, images)

    async def save_in(self, tag: str, images: "list[tuple[str, Image]]") -> None:
        """Save the machine in certain images, the first of which holds the state.

        Args:
            tag: Its name; empty for none. What has it already is replaced.
            images: The images, and what they are called.

        Raises:
            GenericError: It cannot be saved.
        """
        before = self._hold(RunState.SAVE_VM)
        try:
            with SpooledTemporaryFile(max_size=MAX_IN_MEMORY) as file:
                await self._migrate_to(file, before)
                if tag and (old := images[0][1].find_snapshot(tag)) is not None:
                    tag = old.name
                    self._delete(old.name or old.id, images)
                self._store(tag, file, images)
        finally:
            self._return_to(before)

    async def load(self, name: str, *, goes_on: bool = False) -> None:
        """Let the machine be what it was: disks, memory, parts and run state.

        If what was saved cannot be used, nothing is changed but that the machine stands
        still; cancelling leaves a machine that stands still and is not to be trusted.

        Args:
            name: The tag or the id.
            goes_on: Whether it runs then if it ran before, and not if it ran when it
                was saved.

        Raises:
            GenericError: There is none of that name in some drive that can be written,
                or it cannot be used.
        """
        images = list(self._images())
        if not images:
            message = "No block device supports snapshots"
            raise GenericError(message)
        self._check_all()
        await self.load_from(name, images, goes_on=goes_on)

    async def load_from(
        self, name: str, images: "list[tuple[str, Image]]", *, goes_on: bool
    ) -> None:
        """Let the machine be what it was, by certain images.

        Args:
            name: The tag or the id.
            images: The images, and what they are called; the first holds the state.
            goes_on: As for `load`.

        Raises:
            GenericError: One has none of that name, or it cannot be used.
        """
        before = after = self._hold(RunState.RESTORE_VM)
        if after is RunState.RUNNING:
            after = RunState.PAUSED
        try:
            found = [
                (device, image, image.find_snapshot(name)) for device, image in images
            ]
            for device, _, snapshot in found:
                if snapshot is None:
                    message = f"Could not find snapshot '{name}' on device '{device}'"
                    raise GenericError(message)
            saved = await self._restore(
                [(d, i, s) for d, i, s in found if s is not None]
            )
            after = before if goes_on else saved
        finally:
            self._return_to(after)

    def delete(self, name: str) -> None:
        """Forget a snapshot in all drives that have it.

        Args:
            name: The tag or the id.

        Raises:
            GenericError: No drive has it, or one cannot forget it.
        """
        images = list(self._images())
        if not images:
            message = "No block device supports snapshots"
            raise GenericError(message)
        self._delete(name, images)

    def delete_from(self, name: str, images: "list[tuple[str, Image]]") -> None:
        """Forget a snapshot in certain images, if they have it.

        Args:
            name: The tag or the id.
            images: The images, and what they are called.

        Raises:
            GenericError: One of them cannot forget it.
        """
        having = [each for each in images if each[1].find_snapshot(name) is not None]
        if having:
            self._delete(name, having)

    # The drives.

    def _drives(self) -> Iterator[tuple[Drive, "Image"]]:
        for drive in self._machine.drives.values():
            image = drive.image
            if image is not None and not drive.removable and not image.read_only:
                yield drive, image

    def _images(self) -> Iterator[tuple[str, "Image"]]:
        for drive, image in self._drives():
            if image.can_save:
                yield drive.device, image

    def _check_all(self) -> None:
        if self._machine.migration.is_active:
            message = "a migration is in progress"
            raise GenericError(message)
        for drive, image in self._drives():
            if not image.can_save:
                message = (
                    f"Device '{drive.device}' is writable but does not support "
                    "snapshots."
                )
                raise GenericError(message)

    def _delete(self, name: str, images: list[tuple[str, "Image"]]) -> None:
        is_found = False
        for device, image in images:
            snapshot = image.find_snapshot(name)
            if snapshot is None:
                continue
            is_found = True
            try:
                image.delete(snapshot)
            except OSError as error:
                message = (
                    f"Error {-(error.errno or 0)} while deleting snapshot on '{device}'"
                )
                raise GenericError(message) from error
        if not is_found:
            message = f"Could not find snapshot '{name}' on device '{images[0][0]}'"
            raise GenericError(message)

    # The machine.

    def _hold(self, state: RunState) -> RunState:
        """Let the machine stand still; return the state that it was in."""
        before = self._machine.state
        if before is RunState.RESTORE_VM and not self.is_busy:
            self.is_busy = True
            return before  # nothing was restored, and it has stood still since
        if state not in TRANSFERS.get(before, ()):
            message = f"a machine that is {before.value} cannot become {state.value}"
            raise GenericError(message)
        self._machine.transfer(state)
        self.is_busy = True
        return before

    def _return_to(self, state: RunState) -> None:
        self.is_busy = False
        now = self._machine.state
        if now is not state and now in (RunState.SAVE_VM, RunState.RESTORE_VM):
            self._machine.transfer(state)

    async def _migrate_to(self, file: IO[bytes], before: RunState) -> None:
        """Write the machine's state; whoever hears of migrations hears of this."""
        tell = self._machine.tell
        tell(MigrationMoved("setup"))
        tell(MigrationPassBegan(1))
        try:
            await self._collect(file, before)
        except GenericError:
            tell(MigrationMoved("failed"))
            raise
        tell(MigrationPassBegan(2))  # what has changed meanwhile: nothing
        tell(MigrationMoved("completed"))

    async def _collect(self, file: IO[bytes], before: RunState) -> None:
        import asyncio

        try:
            for piece in pieces_of(self._machine, before):
                file.write(piece)
                await asyncio.sleep(0)
        except (TypeError, ValueError, OSError) as error:
            message = f"the machine's state cannot be saved: {error}"
            raise GenericError(message) from error

    def _store(
        self, tag: str, file: IO[bytes], images: list[tuple[str, "Image"]]
    ) -> None:
        seconds, fraction = divmod(self._machine.clock.microseconds(), _SECOND)
        ran = self._machine.run_time.microseconds() * 1000
        file.seek(0)
        for number, (device, image) in enumerate(images):
            try:
                image.save(
                    tag,
                    iter(lambda: file.read(PIECE), b"") if number == 0 else (),
                    seconds=seconds,
                    nanoseconds=fraction * 1000,
                    clock=ran,
                )
            except OSError as error:
                message = f"Error while creating snapshot on '{device}'"
                raise GenericError(message) from error

    async def _restore(self, found: list[tuple[str, "Image", "Snapshot"]]) -> RunState:
        """Restore what was found; return the run state that was saved."""
        machine, (_, holder, snapshot) = self._machine, found[0]
        if snapshot.state_size == 0:
            message = (
                "This is a disk-only snapshot. Revert to it  offline using qemu-img"
            )
            raise GenericError(message)
        try:
            stored = await read_machine(
                machine, _state_of(holder, snapshot), is_trial=True
            )
        except (StreamError, OSError) as error:
            message = f"Error while loading VM state: {error}"
            raise GenericError(message) from error
        for device, image, shot in found:
            try:
                image.load(shot)
            except OSError as error:
                message = (
                    f"Error {-(error.errno or 0)} while activating snapshot "
                    f"'{shot.name}' on '{device}'"
                )
                raise GenericError(message) from error
        try:
            machine.memory.clear()
            await read_machine(machine, _state_of(holder, snapshot), is_trial=False)
            stored.parts.restore(machine)
        except (StreamError, OSError) as error:
            message = f"Error while loading VM state: {error}"
            raise GenericError(message) from error
        return stored.parts.run_state()


def _state_of(image: "Image", snapshot: "Snapshot") -> Iterator[bytes]:
    """Yield the machine's state of a snapshot in pieces."""
    offset = 0
    while data := image.read_state(snapshot, offset, PIECE):
        offset += len(data)
        yield data
