"""The embedded store of rdzv: a tcp server that any node can host.

`create_backend` is what `backend="tcp"` selects; `TcpServer` hosts a store without a backend, `TcpStore` looks at one
below its registers. `import rdzv_tcp` opens nothing.
"""

from rdzv_tcp._backend import TcpBackend, create_backend
from rdzv_tcp._server import TcpServer
from rdzv_tcp._store import Health, TcpStore

__all__ = ["Health", "TcpBackend", "TcpServer", "TcpStore", "create_backend"]
