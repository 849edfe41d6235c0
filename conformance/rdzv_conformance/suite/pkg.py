"""RDZV-PKG: how the backend is packaged."""

# ruff: noqa: N802 - a test's name carries its clause
from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from importlib.resources import files
from typing import Any

from rdzv_conformance.contract.labels import clause
from rdzv_conformance.harness.backend_under_test import BackendUnderTest
from rdzv_conformance.harness.expect import Unsupported, equal, fail, shown_error, that
from rdzv_conformance.harness.register import Register
from rdzv_core import (
    CONTRACT_VERSION,
    BackendRegistry,
    RendezvousBackend,
    SupportsDelete,
    SupportsListing,
    SupportsMembership,
    SupportsStore,
    SupportsWatch,
)
from rdzv_core.registry import BackendInfo, normalize

IMPORT_LIMIT = 60
_IMPORT = "import sys, importlib; importlib.import_module(sys.argv[1]); print('\\n'.join(sys.modules))"


class Packaging:
    """The backend is a distribution like any other, and keeps to itself."""

    @clause("RDZV-PKG-1")
    def test_RDZV_PKG_1_it_is_found_by_its_entry_point(self, under_test: BackendUnderTest) -> None:
        """A registry that knows the installed distributions alone finds it."""
        registry = BackendRegistry()
        name = under_test.open().backend.name
        found = [info for info in registry.list() if info.name == normalize(name)]
        that(found, f"no installed distribution has an entry point {name!r} in the group rdzv_core.backends")
        registry.load(under_test.parameters().backend if len(found) > 1 else name)

    @clause("RDZV-PKG-2")
    def test_RDZV_PKG_2_its_name_is_the_one_it_is_selected_by(self, under_test: BackendUnderTest) -> None:
        """The instance, and a sibling of it, say the name that was asked for; it does not change."""
        register = under_test.open()
        named = normalize(register.backend.name)
        asked = normalize(under_test.target.backend.rpartition(":")[2])
        if asked in ("c10d", "etcd-v2"):
            asked = named  # core's aliases, resolved by core
        equal("the backend's name", named, asked)
        equal("the name of a sibling", normalize(register.sibling("sibling").backend.name), asked)

    @clause("RDZV-PKG-3")
    def test_RDZV_PKG_3_it_is_a_backend_of_a_contract_that_we_speak(self, under_test: BackendUnderTest) -> None:
        """It derives from RendezvousBackend and states a version of the contract that this suite speaks."""
        backend = under_test.open().backend
        that(isinstance(backend, RendezvousBackend), f"{backend!r} does not derive from RendezvousBackend")
        equal("contract_version", backend.contract_version, CONTRACT_VERSION)

    @clause("RDZV-PKG-4")
    def test_RDZV_PKG_4_its_package_ships_py_typed(self, under_test: BackendUnderTest) -> None:
        """A type checker finds the types of the package."""
        package = _module_of(under_test).partition(".")[0]
        try:
            marker = files(package) / "py.typed"
        except TypeError:
            fail(f"{package} is a single module: only a package can ship py.typed")
        that(marker.is_file(), f"the package {package} ships no file py.typed")

    @clause("RDZV-PKG-5")
    def test_RDZV_PKG_5_importing_it_imports_no_other_backend(self, under_test: BackendUnderTest) -> None:
        """A fresh interpreter that imports it has loaded no package of another installed backend."""
        mine = _module_of(under_test)
        others = {_package(info) for info in BackendRegistry().list()} - {mine.partition(".")[0], "rdzv_core"}
        ran = subprocess.run(  # noqa: S603 - this interpreter, our own line
            [sys.executable, "-c", f"import sys; sys.path[:] = {sys.path!r}; {_IMPORT}", mine],
            capture_output=True,
            text=True,
            timeout=IMPORT_LIMIT,
            check=False,
        )
        that(ran.returncode == 0, f"importing {mine} in a fresh interpreter failed: {ran.stderr.strip()[-300:]}")
        loaded = others & {name.partition(".")[0] for name in ran.stdout.split()}
        that(not loaded, f"importing {mine} imports other backends' packages: {', '.join(sorted(loaded))}")

    @clause("RDZV-PKG-6")
    def test_RDZV_PKG_6_it_claims_what_it_can_do(self, under_test: BackendUnderTest) -> None:
        """Methods of a capability that is claimed answer; methods that work without the claim are reported."""
        register, unclaimed = under_test.open(), []
        for capability, (what, probe) in PROBES.items():
            name = capability.__name__
            methods = capability.__abstractmethods__  # type: ignore[attr-defined]
            claimed = isinstance(register.backend, capability)
            if not claimed and not all(callable(getattr(register.backend, method, None)) for method in methods):
                continue
            try:
                probe(register)
            except Exception as error:  # noqa: BLE001 - whatever it is, it is no answer
                that(not claimed, f"the backend claims {name}, but {what} raised {shown_error(error)}")
            else:
                unclaimed += [] if claimed else [f"{what} works, but the backend does not derive from {name}"]
        for claim in ("durable", "secure"):
            value = getattr(register.backend, claim, False)
            that(isinstance(value, bool), f"{claim} is {value!r}: it must be True or False")
        if unclaimed:
            raise Unsupported(f"true but not claimed: {'; '.join(unclaimed)}")


PROBES: dict[type, tuple[str, Callable[[Register], object]]] = {
    SupportsWatch: ("wait_state(None, 0)", lambda at: at.call("wait_state", at.backend.wait_state, None, 0.0)),  # type: ignore[attr-defined]
    SupportsMembership: ("count()", lambda at: at.call("count()", at.backend.count)),  # type: ignore[attr-defined]
    SupportsStore: ("store('probe').num_keys()", lambda at: at.call("store", _num_keys, at.backend)),
    SupportsListing: ("list_keys()", lambda at: at.call("list_keys()", at.backend.list_keys)),  # type: ignore[attr-defined]
    SupportsDelete: ("delete_state()", lambda at: at.call("delete_state()", at.backend.delete_state)),  # type: ignore[attr-defined]
}
"""What tells whether a capability works, without leaving anything in a register that nobody has written."""


def _num_keys(backend: Any) -> object:
    return backend.store("probe").num_keys()


def _module_of(under_test: BackendUnderTest) -> str:
    """Return the module of the entry point, or of the class where it was registered in code."""
    backend = under_test.open().backend
    for info in BackendRegistry().list():
        if info.name == normalize(backend.name):
            return info.target.partition(":")[0]
    return type(backend).__module__


def _package(info: BackendInfo) -> str:
    return info.target.partition(":")[0].partition(".")[0]
