"""Says whether the node is there, and with which settings: the document of its state topic."""

from datetime import datetime

import sonyc_device
from sonyc_contract.messages import dump_message
from sonyc_contract.reports import NodeState, Presence
from sonyc_device.clock import Clock
from sonyc_device.effective import InEffect
from sonyc_device.labelling import NodeFacts


class StateDocument:
    """Makes birth, changes and will of each connection; one thread calls it."""

    def __init__(self, facts: NodeFacts, *, bundle: str, clock: Clock, in_effect: InEffect) -> None:
        """Take what the document says; `bundle` is a digest."""
        self._facts = facts
        self._bundle = bundle
        self._clock = clock
        self._in_effect = in_effect
        self._connection = ""
        self._connected_utc: datetime = clock.utc()

    def __call__(self, presence: Presence, connection: str, reason: str) -> bytes:
        """Give the document of a connection, which begins when it is asked for first."""
        if connection != self._connection:
            self._connection, self._connected_utc = connection, self._clock.utc()
        message = NodeState(
            node=self._facts.node,
            connection=connection,
            connected_utc=self._connected_utc,
            clock=self._clock.quality(),
            state=presence,
            reason=reason,
            session=self._facts.session,
            run=self._facts.run,
            agent_version=sonyc_device.__version__,
            bundle=self._bundle,
            settings=self._in_effect.now.said(),
        )
        return dump_message(message)
