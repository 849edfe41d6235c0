"""The membership: a hash and two sorted sets for each run, changed by scripts, by the clock of the server."""

import secrets
from typing import Any, NamedTuple

from rdzv_core import MemberLease, MembersView, SupportsMembership, Token
from rdzv_core.abc import Member
from rdzv_core.validation import checked_payload, checked_ttl
from rdzv_redis._watch import RedisWatch

# Every script begins with this. A member ends when its time is over, but where nobody has looked for half of its ttl
# the server may have stood still, and where the server is another one it was away: then its ttl begins again.
TEND = """
local data, order, ends = KEYS[1], KEYS[2], KEYS[3]
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local function change() redis.call('HINCRBY', data, 'version', 1); redis.call('PUBLISH', data, '') end
local function remove(id)
    redis.call('ZREM', order, id); redis.call('ZREM', ends, id)
    redis.call('HDEL', data, 'payload ' .. id, 'sequence ' .. id, 'ttl ' .. id)
    change()
end
local function tend()
    local current = string.match(redis.call('INFO', 'server'), 'run_id:(%w+)')
    local seen, server, shortest = unpack(redis.call('HMGET', data, 'seen', 'server', 'shortest'))
    if not seen then
        if ARGV[1] ~= '' then
            redis.call('HSET', data, 'incarnation', ARGV[1], 'seen', now, 'server', current, 'shortest', 1e12)
        end
        return
    end
    local gap, is_new = now - seen, server ~= current
    if is_new or gap * 2 > tonumber(shortest) then
        for _, id in ipairs(redis.call('ZRANGE', order, 0, -1)) do
            local ttl = tonumber(redis.call('HGET', data, 'ttl ' .. id))
            if is_new or gap * 2 > ttl then redis.call('ZADD', ends, 'GT', now + ttl, id) end
        end
    end
    if is_new or gap * 8 > tonumber(shortest) then redis.call('HSET', data, 'seen', now, 'server', current) end
    for _, id in ipairs(redis.call('ZRANGEBYSCORE', ends, '-inf', now)) do remove(id) end
end
tend()
"""
ENTER = (
    TEND
    + """
local id, payload, ttl = unpack(ARGV, 2)
local ahead, shortest = redis.call('ZCARD', order), redis.call('HGET', data, 'shortest')
if ahead == 0 or tonumber(ttl) < tonumber(shortest) then redis.call('HSET', data, 'shortest', ttl) end
redis.call('ZADD', order, redis.call('HINCRBY', data, 'entered', 1), id)
redis.call('ZADD', ends, now + ttl, id)
redis.call('HSET', data, 'payload ' .. id, payload, 'sequence ' .. id, 0, 'ttl ' .. id, ttl)
change()
return {redis.call('HGET', data, 'incarnation'), ahead}
"""
)
RENEW = (
    TEND
    + """
local id, sequence, payload = unpack(ARGV, 2)
local last, there, ttl = unpack(redis.call('HMGET', data, 'sequence ' .. id, 'payload ' .. id, 'ttl ' .. id))
if not last then return 0 end
if tonumber(sequence) < tonumber(last) then return 1 end
redis.call('HSET', data, 'sequence ' .. id, sequence)
redis.call('ZADD', ends, now + ttl, id)
if payload and payload ~= there then redis.call('HSET', data, 'payload ' .. id, payload); change() end
return 1
"""
)
LEAVE = TEND + "if redis.call('ZSCORE', order, ARGV[2]) then remove(ARGV[2]) end"
LIST = (
    TEND
    + """
local ids, payloads = redis.call('ZRANGE', order, 0, ARGV[2]), {}
for number, id in ipairs(ids) do payloads[number] = redis.call('HGET', data, 'payload ' .. id) end
return {redis.call('HMGET', data, 'incarnation', 'version', 'shortest'), redis.call('ZCARD', order), ids, payloads}
"""
)


class _Look(NamedTuple):
    view: MembersView
    size: int
    shortest_ttl: float


class RedisMembership(RedisWatch, SupportsMembership):
    """The members of the run, whatever the purpose of this register."""

    @property
    def _keys(self) -> list[str]:
        run = self.params.for_purpose("").key
        return [f"{run}:members", f"{run}:members:order", f"{run}:members:ends"]

    def enter(self, payload: bytes, ttl: float) -> MemberLease:
        payload, ttl, member = checked_payload(payload), checked_ttl(ttl), secrets.token_hex(16)
        with self.calling():
            incarnation, ahead = self._run(ENTER, member, payload, max(1, round(ttl * 1000)))
        return MemberLease(ttl, incarnation.decode(), member, ahead=ahead)

    def update(self, member: MemberLease, payload: bytes) -> bool:
        return self._renew(member, checked_payload(payload))

    def refresh(self, member: MemberLease) -> bool:
        return self._renew(member)

    def _renew(self, member: MemberLease, *payload: bytes) -> bool:
        with self.calling():
            return bool(self._run(RENEW, member.id, member.next_sequence(), *payload))

    def leave(self, member: MemberLease) -> None:
        with self.calling():
            self._run(LEAVE, member.id)

    def members(self) -> MembersView:
        return self._look(-1).view

    def first(self, k: int) -> MembersView:
        view = self._look(min(max(k, 1), 2**31) - 1).view
        return view if k > 0 else view._replace(members=())

    def count(self) -> int:
        return self._look(0).size

    def wait_members(self, version: Token | None, timeout: float) -> bool:
        def look() -> tuple[bool, float]:
            seen = self._look(0)
            # Often enough for the shortest lease: a server on which nobody looks ends none.
            return version is None or seen.view.version != version, seen.shortest_ttl / 4

        return self.wait(self._keys[0], look, timeout, every=lambda seconds: seconds)[0]

    def _look(self, last: int) -> _Look:
        with self.calling():
            (incarnation, version, shortest), count, ids, payloads = self._run(LIST, last)
        name = (incarnation or b"").decode()
        members = tuple(Member(each.decode(), payload) for each, payload in zip(ids, payloads, strict=True))
        view = MembersView(name, f"{name}:{(version or b'0').decode()}", members)
        return _Look(view, count, float(shortest or "inf") / 1000)

    def _run(self, script: str, *arguments: str | bytes | float) -> Any:
        """Run a script; it gives the membership an incarnation if it has none, but not for one who only observes."""
        return self.run(script, self._keys, "" if self.params.observing else secrets.token_hex(16), *arguments)
