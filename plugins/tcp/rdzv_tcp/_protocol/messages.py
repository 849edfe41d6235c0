"""All messages, by direction and by what they are about, and how they are decoded; docs/tcp-wire.md specifies them."""

from __future__ import annotations

from typing import Final, TypeAlias

import msgspec

from rdzv_tcp._protocol.handshake_messages import Challenge, Hello, Proof, Refused, Welcome
from rdzv_tcp._protocol.member_messages import (
    Changed,
    Claim,
    Ended,
    Enter,
    Entered,
    Leave,
    Members,
    Renew,
    View,
    WaitMembers,
)
from rdzv_tcp._protocol.register_messages import (
    Absent,
    Corrupt,
    Delete,
    Done,
    Found,
    Get,
    Kept,
    Keys,
    ListKeys,
    RawGet,
    Set,
    Unchanged,
    Value,
    Wait,
)
from rdzv_tcp._protocol.server_messages import Failed, HealthReport, HealthRequest
from rdzv_tcp._protocol.store_messages import (
    Count,
    Missing,
    NoInteger,
    Over,
    StoreAdd,
    StoreCompareSet,
    StoreCount,
    StoreDelete,
    StoreGet,
    StoreSet,
    Values,
)

RegisterRequest: TypeAlias = Get | Set | Delete | Wait | RawGet | ListKeys
MemberRequest: TypeAlias = Claim | Enter | Renew | Leave | Members | WaitMembers
StoreRequest: TypeAlias = StoreSet | StoreGet | StoreCompareSet | StoreAdd | StoreDelete | StoreCount
Request: TypeAlias = Hello | Proof | HealthRequest | RegisterRequest | MemberRequest | StoreRequest

RegisterAnswer: TypeAlias = Found | Absent | Corrupt | Done | Kept | Unchanged | Value | Keys
MemberAnswer: TypeAlias = Entered | Ended | View | Changed | Done | Unchanged
StoreAnswer: TypeAlias = Values | Missing | Count | NoInteger | Over | Value | Done | Kept | Absent
Answer: TypeAlias = Welcome | Refused | Challenge | Failed | HealthReport | RegisterAnswer | MemberAnswer | StoreAnswer

RegisterWrite: TypeAlias = Set | Delete
MemberWrite: TypeAlias = Enter | Renew | Leave
StoreWrite: TypeAlias = StoreSet | StoreCompareSet | StoreAdd | StoreDelete
WriteRequest: TypeAlias = RegisterWrite | MemberWrite | StoreWrite
"""What changes the server's state, and is in the log before it is answered."""

decode_request: Final = msgspec.msgpack.Decoder(Request).decode
decode_answer: Final = msgspec.msgpack.Decoder(Answer).decode
