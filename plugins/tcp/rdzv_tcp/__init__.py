"""The embedded store of rdzv: a tcp server that any node can host.

`create_backend` is what `backend="tcp"` selects; `TcpServer` hosts a store without a backend, `TcpStore` looks at one
below its registers. `import rdzv_tcp` opens nothing.
"""

from rdzv_tcp._backend import TcpBackend, create_backend
from rdzv_tcp._raw_store import Health, TcpStore
from rdzv_tcp._server.server import TcpServer

__all__ = ["Health", "TcpBackend", "TcpServer", "TcpStore", "create_backend"]
