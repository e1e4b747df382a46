"""What a guest agent does not do as it should, for tests."""

from dataclasses import dataclass, field


@dataclass(slots=True)
class AgentBehaviour:
    """How an agent differs from one that does all that it should.

    Attributes:
        starts_after: Seconds of the machine's running until it is there; ``None``:
            never.
        echoes_ids: Whether its replies have ids; those before QEMU 4.0 had none.
        disabled: Commands that its administrator does not allow.
        is_deaf: Whether it hears nothing until its client connects anew.
        stale: What is in the port from an earlier client: a reply, for example.
        delays: Seconds until some commands are answered; the others wait behind them.
    """

    starts_after: float | None = 0.0
    echoes_ids: bool = True
    disabled: set[str] = field(default_factory=set)
    is_deaf: bool = False
    stale: bytes = b""
    delays: dict[str, float] = field(default_factory=dict)
