"""Jobs: work that goes on after its command was answered, and is told of by events.

A job does its work in steps, each called by the machine's clock, so that a machine with
a virtual clock has jobs that take virtual time. What a step does is its class's.

Source: QEMU 7.2.22, observed: states, order of events, texts.
"""

import errno
import os
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, ClassVar, Final

from qmpx.errors import DeviceNotActive, GenericError
from qmpx.machine.block.job_states import MOVES, VERBS, JobStatus
from qmpx.machine.happenings import BlockJobFailed, BlockJobTold, JobMoved

if TYPE_CHECKING:
    from qmpx.machine.block.graph import BlockGraph
    from qmpx.machine.block.nodes import Node
    from qmpx.machine.clock import Timer

MAX_JOBS: Final = 1024
"""Jobs of one machine, those included that nobody has dismissed yet."""

_ID: Final = re.compile(r"[A-Za-z][A-Za-z0-9._-]*")

_PAUSABLE: Final = (JobStatus.RUNNING, JobStatus.READY)
_PAUSED: Final = (JobStatus.PAUSED, JobStatus.STANDBY)
_CANCELED: Final = "Operation canceled"


class JobGroup:
    """Jobs that end together: all well, or none.

    Attributes:
        jobs: The jobs.
    """

    def __init__(self) -> None:
        self.jobs: list[Job] = []


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
        busy_nodes: The nodes that must stay as they are meanwhile.
        covered: The node that it stands in front of.
        filter_name: What the node is called that stands there for it.
        is_filter_named: Whether its user has chosen that name: then all see it.
        filter_after: The node that was the newest before it.
        group: The jobs that it ends with.
        on_source_error: What is done if it cannot read.
        on_target_error: What is done if it cannot write.
    """

    type: str = ""
    """Its kind: ``mirror``, ``commit``, ..."""
    is_block_job: ClassVar[bool] = True
    cancels_at_once: ClassVar[bool] = True
    """Whether one that is cancelled ends before the command is answered."""
    drains_at_start: ClassVar[bool] = False
    """Whether its beginning interrupts it, which shows as a pause."""
    filter_driver: ClassVar[str] = ""
    """What the node is that it puts in front of the one it covers; empty for none."""
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
        self.busy_nodes: list[Node] = []
        self.covered: Node | None = None
        self.filter_name: str | None = None
        self.is_filter_named = False
        self.filter_after = ""
        self.group = JobGroup()
        self.group.jobs.append(self)
        self.on_source_error = "report"
        self.on_target_error = "report"
        self._timer: Timer | None = None
        self._is_paused = False

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

    def is_reading_error(self, error: OSError) -> bool:
        """Whether an error of `step` is one of the source."""
        return getattr(error, "is_source", False)

    def finish(self) -> None:
        """Do what comes last, as the work was done well: the graph changes now.

        Raises:
            OSError: It cannot be done: the job fails.
            GenericError: The same.
        """

    def clean(self) -> None:
        """Let go of everything, however it ended."""

    # the life

    def start(self) -> None:
        """Let it run."""
        self.move(JobStatus.RUNNING)
        if self.drains_at_start:
            self.drain()
        try:
            self.prepare()
        except OSError as error:
            self.error = error.strerror or str(error)
        if self.is_block_job and not self.total and self.error is None:
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

    def drain(self) -> None:
        """Let requests come to an end, which shows as a short pause."""
        if self.status in _PAUSABLE and not self._is_paused:
            before = self.status
            self._pause_state()
            self.move(before)

    def _pause_state(self) -> None:
        is_running = self.status is JobStatus.RUNNING
        self.move(JobStatus.PAUSED if is_running else JobStatus.STANDBY)

    def pause(self) -> None:
        """Let it stand still."""
        self._is_paused = True
        self._stop_timer()
        if self.status in _PAUSABLE:
            self._pause_state()

    def resume(self) -> None:
        """Let it go on."""
        self._is_paused = False
        self.io_status = "ok"
        if self.status in _PAUSED:
            is_paused = self.status is JobStatus.PAUSED
            self.move(JobStatus.RUNNING if is_paused else JobStatus.READY)
        self._later(0)

    def _later(self, delay: float) -> None:
        self._stop_timer()
        self._timer = self.graph.machine.clock.call_later(delay, self._go_on)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def hasten(self) -> None:
        """Do not wait any longer, as somebody wants something of it."""
        if not self._is_paused and self.status in _PAUSABLE:
            self._later(0)

    def _go_on(self) -> None:
        self._timer = None
        if self._is_paused or self.status not in _PAUSABLE:
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
        if done is not None:
            wait = done / self.speed if self.speed else 0
            self._later(max(wait, self._held_back(done)))
        elif self.follows:
            self._become_ready()
        else:
            self.end()

    def _held_back(self, done: int) -> float:
        """Return for how long throttle groups let it wait, in seconds."""
        if not done:
            return 0.0
        pacing = self.graph.pacing
        delays = [
            pacing.delay(node, done, is_write=is_write)
            for node, is_write in self.passed()
        ]
        return max(delays, default=0.0)

    def passed(self) -> "list[tuple[Node, bool]]":
        """Return the nodes that data go through, and whether they are written there."""
        return []

    def _fail(self, error: OSError) -> None:
        is_source = self.is_reading_error(error)
        policy = self.on_source_error if is_source else self.on_target_error
        is_full = error.errno == errno.ENOSPC
        if policy == "auto":
            policy = "report"
        if policy == "enospc":
            policy = "stop" if is_full else "report"
        operation = "read" if is_source else "write"
        self.graph.machine.tell(BlockJobFailed(self.id, operation, policy))
        if policy == "report":
            self.error = os.strerror(error.errno or errno.EIO)
            self.abort()
        elif policy == "stop":
            self.is_user_paused = True
            self.pause()
            self.io_status = "nospace" if is_full else "failed"
        else:
            self.skip()
            self._later(0)

    def skip(self) -> None:
        """Leave out what could not be done."""

    def _become_ready(self) -> None:
        self.is_ready = True
        self.move(JobStatus.READY)
        self._tell("ready")
        if self.should_complete:
            self._later(0)

    def _tell(self, what: str) -> None:
        if self.is_block_job:
            self.graph.machine.tell(
                BlockJobTold(
                    *(what, self.id, self.type, self.total, self.offset, self.speed),
                    self.error if what == "completed" else None,
                )
            )

    def end(self) -> None:
        """The work is done: wait for those that end with it, and end."""
        self._stop_timer()
        self.move(JobStatus.WAITING)
        alive = [job for job in self.group.jobs if job.status is not JobStatus.WAITING]
        if alive:
            return
        for job in self.group.jobs:
            job.move(JobStatus.PENDING)
            if not job.auto_finalize:
                job._tell("pending")  # noqa: SLF001 - another of our kind
        if all(job.auto_finalize for job in self.group.jobs):
            finalize(self.group)

    def conclude(self) -> None:
        """It is over, well or not: tell, and be forgotten if that is wanted."""
        self.clean()
        released = self.let_go()
        if self.is_cancelled and self.error == _CANCELED:
            self._tell("cancelled")
        else:
            self._tell("completed")
        self.move(JobStatus.CONCLUDED)
        for node in released:
            self.graph.release(node)
        if self.auto_dismiss:
            self.dismiss()

    def let_go(self) -> list["Node"]:
        """Let nodes be changed again; return them."""
        for node in self.busy_nodes:
            node.busy.remove(f"block job: {self.type}")
        released, self.busy_nodes = self.busy_nodes, []
        if self.covered is not None:
            self.covered.covers.remove(self.id)
            self.covered = None
        return released

    def dismiss(self) -> None:
        """Forget it."""
        self.move(JobStatus.NULL)
        self.graph.jobs.forget(self)

    def abort(self) -> None:
        """End it, and those that end with it, as something went wrong."""
        for job in self.group.jobs:
            job._stop_timer()  # noqa: SLF001 - another of our kind
            if job is not self:
                job.is_cancelled = True
        for job in self.group.jobs:
            if job.is_cancelled and job.error is None:
                job.error = _CANCELED
            while job.status in _PAUSED:
                job.move(
                    JobStatus.RUNNING
                    if job.status is JobStatus.PAUSED
                    else JobStatus.READY
                )
            job.move(JobStatus.ABORTING)
        for job in self.group.jobs:
            job.conclude()

    # what may be asked of it

    def require(self, verb: str) -> None:
        """Make sure that it takes a verb now.

        Raises:
            GenericError: It does not.
        """
        if self.status not in VERBS[verb]:
            message = (
                f"Job '{self.id}' in state '{self.status}' cannot accept command "
                f"verb '{verb}'"
            )
            raise GenericError(message)

    def set_speed(self, speed: int) -> None:
        """Let it do so many bytes a second; 0 for any.

        Raises:
            GenericError: It can't now, or the speed is none.
        """
        self.require("set-speed")
        if speed < 0:
            message = "Parameter 'speed' expects a non-negative value"
            raise GenericError(message)
        self.speed = speed
        self.hasten()

    def user_pause(self) -> None:
        """Pause, as somebody asks.

        Raises:
            GenericError: It can't now, or does.
        """
        self.require("pause")
        if self.is_user_paused:
            message = "Job is already paused"
            raise GenericError(message)
        self.is_user_paused = True
        self.pause()

    def user_resume(self) -> None:
        """Go on, as somebody asks.

        Raises:
            GenericError: It can't now, or was not asked to pause.
        """
        if not self.is_user_paused:
            message = "Can't resume a job that was not paused"
            raise GenericError(message)
        self.require("resume")
        self.is_user_paused = False
        self.resume()

    def complete(self) -> None:
        """End, as it is ready.

        Raises:
            GenericError: It is not.
        """
        self.require("complete")
        self.should_complete = True
        self.hasten()

    def cancel(self, *, force: bool) -> None:
        """Stop it.

        Args:
            force: Whether one that is ready is to be stopped as it is; else it ends
                well, but the graph stays as it is.

        Raises:
            GenericError: It can't now.
        """
        self.require("cancel")
        if self.is_ready and not force:
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
        if self.cancels_at_once or self.status not in _PAUSABLE:
            self.abort()
        else:
            self._later(0)

    def keeps_graph(self) -> None:
        """Leave the graph as it is in the end."""

    def user_finalize(self) -> None:
        """End, as all is done.

        Raises:
            GenericError: It is not.
        """
        self.require("finalize")
        finalize(self.group)

    def user_dismiss(self) -> None:
        """Be forgotten, as it is over.

        Raises:
            GenericError: It is not.
        """
        self.require("dismiss")
        self.dismiss()


def finalize(group: JobGroup) -> None:
    """Let jobs do what comes last, all of them or none."""
    for job in group.jobs:
        try:
            job.finish()
        except OSError as error:
            job.error = error.strerror or str(error)
        except GenericError as error:
            job.error = error.desc
        if job.error is not None:
            job.abort()
            return
    for job in list(group.jobs):
        job.conclude()


class Jobs(dict[str, Job]):
    """The jobs of a machine, by id.

    Args:
        graph: What they work on.
    """

    def __init__(self, graph: "BlockGraph") -> None:
        super().__init__()
        self.graph = graph

    def new_id(self, id_: str | None, default: str | None) -> str:
        """Return the id of a new job.

        Args:
            id_: What was given.
            default: What it is called if nothing was.

        Raises:
            GenericError: It is none, or taken.
        """
        chosen = id_ if id_ is not None else (default or "")
        if not _ID.fullmatch(chosen):
            message = f"Invalid job ID '{chosen}'"
            raise GenericError(message)
        if chosen in self:
            message = f"Job ID '{chosen}' already in use"
            raise GenericError(message)
        if len(self) >= MAX_JOBS:
            message = f"more than {MAX_JOBS} jobs"
            raise GenericError(message)
        return chosen

    @property
    def filters(self) -> list[Job]:
        """The jobs with a node in front of another, oldest first."""
        return [
            job
            for job in self.values()
            if job.filter_driver and job.covered is not None and job.filter_name
        ]

    @property
    def filter_names(self) -> set[str]:
        """What these nodes are called."""
        return {str(job.filter_name) for job in self.filters}

    def begin(self, job: Job, *, is_started: bool = True) -> None:
        """Enter a job, and start it."""
        self[job.id] = job
        self.graph.machine.tell(JobMoved(job.id, JobStatus.CREATED.value))
        for node in job.busy_nodes:
            node.busy.append(f"block job: {job.type}")
        if job.covered is not None:
            job.covered.covers.append(job.id)
            if job.filter_driver:
                job.is_filter_named = job.filter_name is not None
                job.filter_name = job.filter_name or self.graph.new_name()
                job.filter_after = next(reversed(self.graph.nodes), "")
        if is_started:
            job.start()

    def forget(self, job: Job) -> None:
        """Strike it off."""
        self.pop(job.id, None)

    def find(self, id_: str) -> Job:
        """Return a job by its id.

        Raises:
            GenericError: There is none.
        """
        if id_ not in self:
            message = "Job not found"
            raise GenericError(message)
        return self[id_]

    def find_block_job(self, id_: str) -> Job:
        """Return a job that works on block nodes by its id.

        Raises:
            DeviceNotActive: There is none.
        """
        job = self.get(id_)
        if job is None or not job.is_block_job:
            error = DeviceNotActive(device=id_)
            error.desc = f"Block job '{id_}' not found"
            raise error
        return job

    def drain(self) -> None:
        """Let all requests come to an end, which shows as short pauses."""
        for job in list(self.values()):
            if job.is_block_job:
                job.drain()

    def each(self, do: Callable[[Job], None]) -> None:
        """Do something to each."""
        for job in list(self.values()):
            do(job)
