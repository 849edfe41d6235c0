"""The tests, one section of the contract a file. None of them imports pytest: all that a test is given is a
`BackendUnderTest`."""

from rdzv_conformance.suite.cas import CompareAndSet
from rdzv_conformance.suite.closing import Closing
from rdzv_conformance.suite.concurrency import Concurrency
from rdzv_conformance.suite.conn import Connection
from rdzv_conformance.suite.contents import Contents
from rdzv_conformance.suite.durable import Durable
from rdzv_conformance.suite.faults import Faults
from rdzv_conformance.suite.fencing import Fencing
from rdzv_conformance.suite.forks import Forks
from rdzv_conformance.suite.freshness import Freshness
from rdzv_conformance.suite.holding_up import HoldingUp
from rdzv_conformance.suite.leases import Leases
from rdzv_conformance.suite.life import Life
from rdzv_conformance.suite.listing import Listing
from rdzv_conformance.suite.membership import Membership
from rdzv_conformance.suite.models import Models
from rdzv_conformance.suite.names import Names
from rdzv_conformance.suite.outages import Outages
from rdzv_conformance.suite.param import Parameters
from rdzv_conformance.suite.pkg import Packaging
from rdzv_conformance.suite.run import Isolation
from rdzv_conformance.suite.secure import Secure
from rdzv_conformance.suite.state import State
from rdzv_conformance.suite.store import KeyValueStore
from rdzv_conformance.suite.store_values import StoreValues
from rdzv_conformance.suite.submit import Submitting
from rdzv_conformance.suite.tokens import Tokens
from rdzv_conformance.suite.watch import Watch


class Suite(
    State,
    Contents,
    Freshness,
    CompareAndSet,
    Fencing,
    Tokens,
    Concurrency,
    Isolation,
    Names,
    Connection,
    Forks,
    Outages,
    Faults,
    Life,
    Closing,
    Parameters,
    Packaging,
    Submitting,
    Listing,
    Watch,
    HoldingUp,
    Membership,
    Leases,
    KeyValueStore,
    StoreValues,
    Durable,
    Secure,
    Models,
):
    """Every test of the contract."""


__all__ = ["Suite"]
