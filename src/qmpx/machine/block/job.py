"""A job: work that goes on after its command was answered, and is told of by events.

A job does its work in steps, each called by the machine's clock, so that a machine with
a virtual clock has jobs that take virtual time. What a step does is its class's.

Source: QEMU 7.2.22, observed: states, order of events, texts.
"""

import errno
import os
from typing import TYPE_CHECKING, ClassVar, Final

from qmpx.errors import GenericError
from qmpx.machine.block.job_claims import JobClaims
from qmpx.machine.block.job_errors import action, is_no_space, is_source_error
from qmpx.machine.block.job_filters import take_away
from qmpx.machine.block.job_groups import JobGroup
from qmpx.machine.block.job_states import GOES_ON_AS, MOVES, STANDS_AS, JobStatus
from qmpx.machine.block.permissions import ALL, Edge
from qmpx.machine.happenings import BlockJobFailed, BlockJobTold, JobMoved

if TYPE_CHECKING:
    from qmpx.machine.block.graph import BlockGraph
    from qmpx.machine.block.job_filters import JobFilter
    from qmpx.machine.block.nodes import Node
    from qmpx.machine.clock import Timer

_NONE: Final = (frozenset[str](), frozenset(ALL))
_CANCELED: Final = "Operation canceled"


class Job:
    """A job.

    Args:
        graph: The graph it works on.
        id_: Its id.
        auto_finalize: Whether it ends by itself when its work is done.
        auto_dismiss: Whether it is forgotten when it has ended.
        speed: Bytes a second that it may do; 0 for any.

    Attributes:
        status: Where it is in its life.
        total: Bytes, or parts, that there are to do.
        offset: How many of them are done.
        error: Why it failed; ``None`` if it did not.
        is_ready: Whether it waits to be completed.
        is_user_paused: Whether somebody has asked it to pause.
        io_status: ``ok``, or why it was paused: ``failed`` or ``nospace``.
        children: The nodes that must stay as they are meanwhile, and what each is to
            it.
        covered: The node that it puts another in front of.
        filter_name: What its user wants that to be called.
        filter: That node, while it is there.
        group: The jobs that it ends with.
        on_source_error: What is done if it cannot read.
        on_target_error: What is done if it cannot write.
    """

    type: str = ""
    """Its kind: ``mirror``, ``commit``, ..."""
    is_block_job: ClassVar[bool] = True
    cancels_at_once: ClassVar[bool] = True
    """Whether one that is cancelled ends before the command is answered."""
    filter_driver: ClassVar[str] = ""
    """What the node is that it puts in front of the one it covers; empty for none."""
    hides_its_filter: ClassVar[bool] = True
    """Whether that node is hidden from who asks for a drive, if nobody has named it."""
    stands_in_front: ClassVar[bool] = True
    """Whether the node that it puts in front of another is its own first."""
    starts_at_once: ClassVar[bool] = False
    """Whether there is nothing that it could wait for."""
    edges: ClassVar[dict[str, tuple[frozenset[str], frozenset[str]]]] = {}
    """What it does with its nodes, and lets others do, by what they are to it."""
    follows: ClassVar[bool] = False
    """Whether it becomes ready, and follows writes until it is told to end."""

    def __init__(
        self,
        graph: "BlockGraph",
        id_: str,
        *,
        auto_finalize: bool = True,
        auto_dismiss: bool = True,
        speed: int = 0,
    ) -> None:
        self.graph = graph
        self.id = id_
        self.auto_finalize = auto_finalize
        self.auto_dismiss = auto_dismiss
        self.speed = speed
        self.status = JobStatus.CREATED
        self.total = 0
        self.offset = 0
        self.error: str | None = None
        self.is_ready = False
        self.is_user_paused = False
        self.is_cancelled = False
        self.should_complete = False
        self.io_status = "ok"
        self.children: list[tuple[str, Node]] = []
        self.covered: Node | None = None
        self.filter_name: str | None = None
        self.filter: JobFilter | None = None
        self.group = JobGroup()
        self.group.jobs.append(self)
        self.on_source_error = "report"
        self.on_target_error = "report"
        self._timer: Timer | None = None
        self._is_paused = False
        self._holds = 0
        self._claims = JobClaims(self)

    # what each kind of job does

    def prepare(self) -> None:
        """Begin; `total` is to be known afterwards.

        Raises:
            OSError: It cannot begin: the job fails.
        """

    def step(self) -> int | None:
        """Do a piece of the work.

        Returns:
            How many bytes were done; ``None`` if there is nothing left to do.

        Raises:
            OSError: It cannot be done; `is_reading` tells which side.
        """
        raise NotImplementedError

    @property
    def has_done_all(self) -> bool:
        """Whether it need not wait for its speed any more, as nothing is left."""
        return False

    def passed(self) -> "list[tuple[Node, bool]]":
        """Return the nodes that data go through, and whether they are written there."""
        return []

    def skip(self) -> None:
        """Leave out what could not be done."""

    def after_drain(self) -> None:
        """Do what all requests having come to an end makes possible."""

    def finish(self) -> None:
        """Do what comes last, as the work was done well: the graph changes now.

        Raises:
            OSError: It cannot be done: the job fails.
            GenericError: The same.
        """

    def keeps_graph(self) -> None:
        """Leave the graph as it is in the end."""

    def back_ends(self) -> "list[tuple[Node, Edge]]":
        """Return the nodes that it reads or writes through back ends of its own."""
        return []

    def claim(self) -> None:
        """Let its nodes know what it needs of them."""
        self._claims.make()

    def edge(self, role: str) -> Edge:
        """Return what it needs of a node that is this to it."""
        return Edge(role, *self.edges.get(role, _NONE))

    def targets(self) -> "list[tuple[Node, Edge]]":
        """Return the nodes that the one that it puts in front writes to."""
        return []

    def clean(self) -> None:
        """Let go of everything, however it ended."""

    # the life

    def start(self) -> None:
        """Let it run."""
        self.move(JobStatus.RUNNING)
        if self._holds:
            self.move(STANDS_AS[self.status])
        try:
            self.prepare()
        except OSError as error:
            self.error = error.strerror or str(error)
        if self.starts_at_once:
            while self._timer is not None or self.status is JobStatus.RUNNING:
                self._go_on()
        elif self.is_block_job and not self.total and self.error is None:
            self._go_on()  # there is nothing to wait for
        else:
            self._later(0)

    def move(self, status: JobStatus) -> None:
        """Come to another state, and tell of it."""
        if status not in MOVES[self.status]:
            message = f"a job that is {self.status} cannot become {status}"
            raise GenericError(message)
        self.status = status
        self.graph.machine.tell(JobMoved(self.id, status.value))

    def hold(self) -> None:
        """Stand still while something is done to its nodes, until `let_run`."""
        self._holds += 1
        if self.status in STANDS_AS and not self._is_paused:
            self.move(STANDS_AS[self.status])

    def let_run(self) -> None:
        """Go on after `hold`."""
        self._holds -= 1
        if not self._holds and not self._is_paused and self.status in GOES_ON_AS:
            self.move(GOES_ON_AS[self.status])
            if self._timer is None:
                self._go_on()  # it was to go on while it stood still

    def pause(self) -> None:
        """Let it stand still."""
        self._is_paused = True
        self.rest()
        if self.status in STANDS_AS:
            self.move(STANDS_AS[self.status])

    def resume(self) -> None:
        """Let it go on."""
        self._is_paused = False
        self.io_status = "ok"
        if self.status in GOES_ON_AS and not self._holds:
            self.move(GOES_ON_AS[self.status])
        self._later(0)

    def _later(self, delay: float) -> None:
        self.rest()
        self._timer = self.graph.machine.clock.call_later(delay, self._go_on)

    def rest(self) -> None:
        """Do nothing more by itself."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def hasten(self) -> None:
        """Do not wait any longer, as somebody wants something of it."""
        if not self._is_paused and self.status in STANDS_AS:
            self._later(0)

    def _go_on(self) -> None:
        self._timer = None
        if self._is_paused or self.status not in STANDS_AS:
            return
        if self.error is not None or self.is_cancelled:
            self.abort()
            return
        if self.is_ready:
            if self.should_complete:
                self.end()
            return
        try:
            done = self.step()
        except OSError as error:
            self._fail(error)
            return
        if done is not None and not self.has_done_all:
            wait = done / self.speed if self.speed else 0
            if done and (passed := self.passed()):
                wait = max(wait, self.graph.pacing.longest_delay(passed, done))
            self._later(wait)
        elif self.follows:
            self._become_ready()
        else:
            self.end()

    def _fail(self, error: OSError) -> None:
        is_source = is_source_error(error)
        policy = self.on_source_error if is_source else self.on_target_error
        what = action(policy, error)
        operation = "read" if is_source else "write"
        self.graph.machine.tell(BlockJobFailed(self.id, operation, what))
        if what == "report":
            self.error = os.strerror(error.errno or errno.EIO)
            self.abort()
        elif what == "stop":
            self.is_user_paused = True
            self.pause()
            self.io_status = "nospace" if is_no_space(error) else "failed"
        else:
            self.skip()
            self._later(0)

    def _become_ready(self) -> None:
        self.is_ready = True
        self.move(JobStatus.READY)
        self.tell("ready")
        if self.should_complete:
            self._later(0)

    def tell(self, what: str) -> None:
        """Tell of it by an event, if it is a block job.

        Args:
            what: ``ready``, ``pending``, ``completed`` or ``cancelled``.
        """
        if self.is_block_job:
            self.graph.machine.tell(
                BlockJobTold(
                    *(what, self.id, self.type, self.total, self.offset, self.speed),
                    self.error if what == "completed" else None,
                )
            )

    def end(self) -> None:
        """The work is done: wait for those that end with it, and end."""
        self.rest()
        self.move(JobStatus.WAITING)
        self.group.end()

    def conclude(self) -> None:
        """It is over, well or not: tell, and be forgotten if that is wanted."""
        self.clean()
        released = self.let_go()
        if self.is_cancelled and self.error == _CANCELED:
            self.tell("cancelled")
        else:
            self.tell("completed")
        self.move(JobStatus.CONCLUDED)
        for node in released:
            self.graph.release(node)
        if self.auto_dismiss:
            self.dismiss()

    def let_go(self) -> list["Node"]:
        """Let nodes be changed again; return them."""
        released = [node for _, node in self.children if node is not self.filter]
        self.children = []
        self._claims.drop()
        take_away(self)
        return released

    def dismiss(self) -> None:
        """Forget it."""
        self.move(JobStatus.NULL)
        self.graph.jobs.forget(self)

    def abort(self) -> None:
        """End it, and those that end with it, as something went wrong."""
        self.group.abort(self)

    def give_up(self) -> None:
        """Do no more, as something went wrong."""
        if self.is_cancelled and self.error is None:
            self.error = _CANCELED
        if self.status in GOES_ON_AS:
            self.move(GOES_ON_AS[self.status])
        self.move(JobStatus.ABORTING)

    def cancel(self, *, force: bool) -> None:
        """Stop it.

        Args:
            force: Whether one that is ready is to be stopped as it is; else it ends
                well, but the graph stays as it is.
        """
        is_ready = self.status in (JobStatus.READY, JobStatus.STANDBY)
        if is_ready and not force:
            self.should_complete = True
            self.keeps_graph()
            if self._is_paused:
                self.is_user_paused = False
                self.resume()
            self.hasten()
            return
        self.is_cancelled = True
        if self._is_paused:
            self._is_paused = self.is_user_paused = False
            if not self.cancels_at_once and self.status in GOES_ON_AS:
                self.move(GOES_ON_AS[self.status])
        if self.cancels_at_once or self.status not in STANDS_AS:
            self.abort()
        else:
            self._later(0)

    def call_off(self) -> None:
        """Leave it, as it cannot begin after all."""
        self.clean()
        released = self.let_go()
        self.move(JobStatus.ABORTING)
        self.move(JobStatus.CONCLUDED)
        for node in released:
            self.graph.release(node)
        self.dismiss()
