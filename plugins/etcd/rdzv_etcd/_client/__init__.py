"""A small etcd client: one request at the bottom, keys at the top. Each module knows only those below it.

`client` > `shared_clients` > `shared_watch` > `gateway` (which endpoint, and when to give up) > `session` (the login) >
`transport` (one request) > `pool` > `connections` > `sockets` > `scope` (deadlines and cancellation).
"""
