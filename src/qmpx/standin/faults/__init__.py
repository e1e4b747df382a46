"""What goes wrong between a monitor and its clients, on purpose.

The menu is in `menu`, one fault and its conditions in `fault`; a `FaultPlan` holds the
faults of one monitor, `channel` does what they say, and `scenario` reads them from a
file.
"""

from qmpx.standin.faults.fault import CONDITIONS, Fault
from qmpx.standin.faults.kind import Kind, Parameter, Point
from qmpx.standin.faults.members import FaultError
from qmpx.standin.faults.menu import FAULTS
from qmpx.standin.faults.plan import FaultPlan
from qmpx.standin.faults.scenario import Scenario, ScenarioError, read_scenario

__all__ = [
    "CONDITIONS",
    "FAULTS",
    "Fault",
    "FaultError",
    "FaultPlan",
    "Kind",
    "Parameter",
    "Point",
    "Scenario",
    "ScenarioError",
    "read_scenario",
]
