"""The tests of all sections as one class."""

from rdzv_conformance.suite.cas import CompareAndSet
from rdzv_conformance.suite.closing import Closing
from rdzv_conformance.suite.coming import Coming
from rdzv_conformance.suite.concurrency import Concurrency
from rdzv_conformance.suite.conn import Connection
from rdzv_conformance.suite.contents import Contents
from rdzv_conformance.suite.cut_answers import CutAnswers
from rdzv_conformance.suite.durable import Durable
from rdzv_conformance.suite.durable_kept import DurableKept
from rdzv_conformance.suite.durable_members import DurableMembers
from rdzv_conformance.suite.durable_odd import DurableOdd
from rdzv_conformance.suite.expiry import Expiry
from rdzv_conformance.suite.extremes import Extremes
from rdzv_conformance.suite.faults import Faults
from rdzv_conformance.suite.fencing import Fencing
from rdzv_conformance.suite.forks import Forks
from rdzv_conformance.suite.freshness import Freshness
from rdzv_conformance.suite.holding_up import HoldingUp
from rdzv_conformance.suite.lasting import Lasting
from rdzv_conformance.suite.late_answers import LateAnswers
from rdzv_conformance.suite.leases import Leases
from rdzv_conformance.suite.life import Life
from rdzv_conformance.suite.listing import Listing
from rdzv_conformance.suite.long_waits import LongWaits
from rdzv_conformance.suite.member_forks import MemberForks
from rdzv_conformance.suite.member_processes import MemberProcesses
from rdzv_conformance.suite.member_races import MemberRaces
from rdzv_conformance.suite.member_waits import MemberWaits
from rdzv_conformance.suite.membership import Membership
from rdzv_conformance.suite.models import Models
from rdzv_conformance.suite.names import Names
from rdzv_conformance.suite.outages import Outages
from rdzv_conformance.suite.overtaken import Overtaken
from rdzv_conformance.suite.param import Parameters
from rdzv_conformance.suite.pkg import Packaging
from rdzv_conformance.suite.prompt_ends import PromptEnds
from rdzv_conformance.suite.promptness import Promptness
from rdzv_conformance.suite.run import Isolation
from rdzv_conformance.suite.secrets import Secrets
from rdzv_conformance.suite.secure import Secure
from rdzv_conformance.suite.silence import Silence
from rdzv_conformance.suite.state import State
from rdzv_conformance.suite.store import KeyValueStore
from rdzv_conformance.suite.store_calls import StoreCalls
from rdzv_conformance.suite.store_edges import StoreEdges
from rdzv_conformance.suite.store_races import StoreRaces
from rdzv_conformance.suite.store_values import StoreValues
from rdzv_conformance.suite.submit import Submitting
from rdzv_conformance.suite.submit_among import SubmittedAmong
from rdzv_conformance.suite.submit_values import SubmittedValues
from rdzv_conformance.suite.submit_waits import SubmittedWaits
from rdzv_conformance.suite.submitted_alike import SubmittedAlike
from rdzv_conformance.suite.tokens import Tokens
from rdzv_conformance.suite.unreachable import Unreachable
from rdzv_conformance.suite.unrelated import Unrelated
from rdzv_conformance.suite.views import Views
from rdzv_conformance.suite.wait_times import WaitTimes
from rdzv_conformance.suite.wake_ups import WakeUps
from rdzv_conformance.suite.watch import Watch
from rdzv_conformance.suite.within import Within


class Suite(
    Lasting,  # the first: pytest runs its tests last
    State,
    Contents,
    Within,
    Coming,
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
    LateAnswers,
    Silence,
    Unreachable,
    Faults,
    CutAnswers,
    Life,
    Closing,
    Parameters,
    Packaging,
    Submitting,
    SubmittedAmong,
    SubmittedWaits,
    SubmittedValues,
    SubmittedAlike,
    Listing,
    Watch,
    Unrelated,
    WaitTimes,
    LongWaits,
    WakeUps,
    Promptness,
    PromptEnds,
    HoldingUp,
    Membership,
    Overtaken,
    Leases,
    Expiry,
    Views,
    MemberWaits,
    MemberProcesses,
    MemberForks,
    MemberRaces,
    KeyValueStore,
    StoreValues,
    StoreEdges,
    StoreCalls,
    StoreRaces,
    Extremes,
    Durable,
    DurableKept,
    DurableOdd,
    DurableMembers,
    Secure,
    Secrets,
    Models,
):
    """Every test of the contract."""


__all__ = ["Suite"]
