"""What becomes of each request: the one place where they are told apart."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from rdzv_tcp._protocol import (
    Answer,
    Claim,
    Delete,
    Enter,
    Get,
    HealthRequest,
    Leave,
    ListKeys,
    Members,
    RawGet,
    Renew,
    Request,
    Set,
    StoreAdd,
    StoreCompareSet,
    StoreCount,
    StoreDelete,
    StoreGet,
    StoreSet,
    StoreWrite,
    Wait,
    WaitMembers,
    WireError,
    WriteRequest,
)
from rdzv_tcp._server.info import ServerInfo
from rdzv_tcp._server.member_service import MemberService
from rdzv_tcp._server.outcomes import Caller, Outcome
from rdzv_tcp._server.register_service import RegisterService
from rdzv_tcp._server.store_service import StoreService
from rdzv_tcp._state.state import Effect


class Service:
    """Handles requests of connections that have been let in, and applies writes when it is their turn."""

    def __init__(
        self, info: ServerInfo, registers: RegisterService, members: MemberService, stores: StoreService
    ) -> None:
        self._info = info
        self._members = members
        self._stores = stores
        self._handlers: dict[type, Callable[[Any, Caller], Outcome]] = {
            HealthRequest: self._health,
            Get: registers.get,
            RawGet: registers.raw_get,
            ListKeys: registers.list_keys,
            Wait: registers.wait,
            Set: registers.write,
            Delete: registers.write,
            Renew: members.renew,
            Members: members.view,
            WaitMembers: members.wait,
            Claim: members.claim,
            Enter: members.enter,
            Leave: members.leave,
            StoreGet: stores.get,
            StoreCount: stores.count,
            StoreSet: stores.write,
            StoreCompareSet: stores.write,
            StoreAdd: stores.write,
            StoreDelete: stores.write,
        }
        self._appliers: dict[type, Callable[[Any, Caller], Effect]] = {
            **dict.fromkeys((Set, Delete), registers.apply),
            **dict.fromkeys((Enter, Renew, Leave), members.apply),
            **dict.fromkeys((StoreSet, StoreCompareSet, StoreAdd, StoreDelete), stores.apply),
        }

    def handle(self, request: Request, caller: Caller) -> Outcome:
        """Return what comes of a request. Raises `WireError` for one that ends the connection."""
        handler = self._handlers.get(type(request))
        if handler is None:
            raise WireError("this connection has been introduced already")
        return handler(request, caller)

    def apply(self, request: WriteRequest, caller: Caller, displaced: str | None = None) -> Effect:
        """Do what a write asks; `displaced` is the store that it displaces, where that was decided before."""
        if displaced is not None:
            return self._stores.apply(cast(StoreWrite, request), caller, displaced)
        return self._appliers[type(request)](request, caller)

    def disconnected(self, caller: Caller) -> None:
        """Note that a connection has ended."""
        self._members.disconnected(caller)

    def _health(self, _: HealthRequest, __: Caller) -> Answer:
        return self._info.health()
