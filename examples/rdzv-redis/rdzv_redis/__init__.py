"""A rendezvous over Redis: a register, a watch by pub/sub, members with leases, and stores for rounds."""

from rdzv_core import Store, SupportsListing, SupportsStore
from rdzv_redis._membership import RedisMembership
from rdzv_redis._store import RedisStore

__all__ = ["RedisBackend"]


class RedisBackend(RedisMembership, SupportsStore, SupportsListing):
    """Everything that a rendezvous can use. All instances of a process share a few connections and one thread."""

    def store(self, prefix: str) -> Store:
        self.guard.check()
        return RedisStore(self, prefix)

    def list_keys(self) -> list[str]:
        with self.calling():
            found: list[str] = []
            cursor = b"0"
            while True:
                cursor, keys = self.send("SCAN", cursor, "MATCH", "rdzv.*", "COUNT", 1000, "TYPE", "string")
                found += [key.decode("utf-8", "replace") for key in keys]
                if cursor == b"0":
                    return sorted(set(found))

    def delete_leftovers(self) -> None:
        run = self.params.for_purpose("").key
        with self.calling():
            stores = self.send("ZRANGE", f"{run}:stores", 0, -1)
            self.send("DEL", *self._keys, f"{run}:stores", *stores)
            self.send("PUBLISH", self._keys[0], "")
