"""The registry: names in, factories out, and nobody harmed by anybody's broken plugin."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import importlib_metadata
import pytest

from rdzv_core import (
    BackendConflictError,
    BackendLoadError,
    BackendNotFoundError,
    BackendRegistry,
    Option,
    RendezvousBackend,
    RendezvousParameters,
    accepts_options,
)
from rdzv_core import create_backend as create
from rdzv_core._handler.settings import HANDLER_OPTIONS
from rdzv_core.memory import MemoryBackend
from rdzv_core.options import options_of

Params = Callable[..., RendezvousParameters]
SIZE = Option("size", int, 1, "how big", positive=True)


class Backend(MemoryBackend):
    """A backend of any name."""

    shown = "mystore"

    @property
    def name(self) -> str:
        return self.shown


@accepts_options(SIZE)
def create_backend(params: RendezvousParameters) -> RendezvousBackend:
    return Backend(params)


def another(params: RendezvousParameters) -> RendezvousBackend:
    return Backend(params)


class Site:
    """A folder on the path, into which distributions are written by hand."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def install(self, dist: str, entry_points: str, code: str = "", metadata: str | None = None) -> None:
        info = self.folder / f"{dist.replace('-', '_')}-1.2.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(metadata or f"Metadata-Version: 2.1\nName: {dist}\nVersion: 1.2\n")
        (info / "entry_points.txt").write_text(entry_points)
        (self.folder / f"{dist.replace('-', '_')}.py").write_text(code)


WORKING = """
from rdzv_core.memory import MemoryBackend

class Store(MemoryBackend):
    name = "mystore"
"""


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """A folder of installed distributions, on the path."""
    before = set(sys.modules)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield Site(tmp_path)
    for name in set(sys.modules) - before:
        if name.startswith("rdzv_out_"):
            del sys.modules[name]


def point(target: str, name: str = "mystore", dist: str | None = None) -> importlib_metadata.EntryPoint:
    made = importlib_metadata.EntryPoint(name, target, "rdzv_core.backends")
    return made._for(_Dist(dist)) if dist else made  # type: ignore[no-untyped-call]


class _Dist:
    def __init__(self, name: str) -> None:
        self.name = name

    def read_text(self, file: str) -> str:
        return f"Name: {self.name}\nVersion: 1.0\n"


def test_D3_a_name_registered_twice_with_another_creator_is_an_error() -> None:
    """D3: another creator under a name that is taken is refused; the same creator again is not an error."""
    registry = BackendRegistry(list)
    registry.register("mystore", create_backend)
    registry.register("MyStore", create_backend)
    with pytest.raises(ValueError, match="registered already"):
        registry.register("MYSTORE", another)


def test_D3_the_same_class_method_is_the_same_creator() -> None:
    """D3: a class's from_params is a new object each time it is asked for, and the same creator all the same."""
    registry = BackendRegistry(list)
    registry.register("mystore", Backend.from_params)
    registry.register("mystore", Backend.from_params)


@pytest.mark.parametrize("name", ["", " ", "a:b", "c10d", "etcd_v2"])
def test_a_name_that_could_never_be_selected_is_not_registered(name: str) -> None:
    """An empty name, one with a colon, or an alias is refused."""
    with pytest.raises(ValueError, match="backend name"):
        BackendRegistry(list).register(name, create_backend)


def test_a_class_is_registered_as_it_would_be_installed(make_params: Params) -> None:
    """A class with from_params is as good as a function, and goes before an installed backend of its name."""
    registry = BackendRegistry(lambda: [point("no_such_module:x")])
    registry.register("mystore", Backend)
    assert isinstance(registry.create(make_params("mystore")), Backend)


@pytest.mark.parametrize("asked", ["my-store", "My_Store", "MY.STORE", " my--store "])
def test_names_are_matched_as_project_names_are(asked: str, make_params: Params) -> None:
    """Case, dashes, underscores and dots make no difference."""

    class MyStore(Backend):
        shown = "my_store"

    registry = BackendRegistry(list)
    registry.register("my-store", MyStore)
    assert registry.create(make_params(asked)).name == "my_store"


def test_D4_a_backend_of_another_name_is_refused(make_params: Params) -> None:
    """D4: a factory that returns a backend of another name is refused, and its backend closed."""
    made: list[Backend] = []
    registry = BackendRegistry(list)
    registry.register("other", lambda params: made.append(Backend(params)) or made[0])  # type: ignore[func-returns-value]
    with pytest.raises(BackendLoadError, match=r"'other' was asked for, but .* returned 'mystore'"):
        registry.create(make_params("other"))
    assert "closed" in repr(made[0])


def test_what_is_no_backend_is_refused(make_params: Params) -> None:
    """A factory that gives something else is told what it must give."""
    registry = BackendRegistry(list)
    registry.register("odd", lambda params: "a string")  # type: ignore[arg-type, return-value]
    with pytest.raises(
        BackendLoadError, match=r"returned 'a string', which does not derive from rdzv_core.RendezvousBackend"
    ):
        registry.create(make_params("odd"))


def test_a_backend_of_a_later_contract_is_refused(make_params: Params) -> None:
    """A backend that speaks a contract that this core does not know says what to update."""

    class Later(Backend):
        contract_version = 99

    registry = BackendRegistry(list)
    registry.register("mystore", Later)
    with pytest.raises(BackendLoadError, match=r"contract version 99.* `pip install -U rdzv-core`"):
        registry.create(make_params("mystore"))


def test_D5_an_out_of_tree_package_is_found_once_it_is_on_the_path(site: Site, make_params: Params) -> None:
    """D5: a package is found by its entry point with nothing registered in code, and not before it is on the path."""
    registry = BackendRegistry()
    with pytest.raises(BackendNotFoundError, match="mystore"):
        registry.create(make_params("mystore"))
    site.install("rdzv-out-mystore", "[rdzv_core.backends]\nmystore = rdzv_out_mystore:Store\n", WORKING)
    backend = registry.create(make_params("mystore"))
    assert type(backend).__module__ == "rdzv_out_mystore"
    assert ("mystore", "rdzv-out-mystore", "1.2", "rdzv_out_mystore:Store") in [
        (info.name, info.distribution, info.version, info.target) for info in registry.list()
    ]
    backend.close()


def test_E18_a_plugin_is_imported_when_it_is_selected_and_only_that_one(site: Site, make_params: Params) -> None:
    """E18: listing imports nothing; selecting a backend imports it and no other."""
    for name in ("one", "two"):
        code = WORKING.replace("mystore", name)
        site.install(f"rdzv-out-{name}", f"[rdzv_core.backends]\n{name} = rdzv_out_{name}:Store\n", code)
    registry = BackendRegistry()
    assert {"one", "two"} <= {info.name for info in registry.list()}
    assert not {"rdzv_out_one", "rdzv_out_two"} & set(sys.modules)
    registry.create(make_params("one")).close()
    assert {"rdzv_out_one", "rdzv_out_two"} & set(sys.modules) == {"rdzv_out_one"}


BROKEN = {
    "a missing module": ("import no_such_module_anywhere", "ModuleNotFoundError: .*no_such_module_anywhere"),
    "a syntax error": ("def (", "SyntaxError"),
    "an exit": ("import sys; sys.exit(3)", "SystemExit: 3"),
    "an odd exception": ("class Odd(BaseException): ...\nraise Odd('so')", "Odd: so"),
    "a missing name": ("x = 1", "AttributeError"),
    "something that cannot be called": ("Store = 7", "7 is neither a factory nor a class with from_params"),
    "a wrong options table": (
        "def Store(params): ...\nStore.options = ('x',)",
        "'x', which is not an rdzv_core.Option",
    ),
}


@pytest.mark.parametrize(("code", "said"), BROKEN.values(), ids=BROKEN)
def test_E18_a_broken_plugin_is_told_from_a_missing_one(code: str, said: str, site: Site, make_params: Params) -> None:
    """E18: a plugin whose import fails is an error that names distribution, version, target and reason."""
    site.install("rdzv-out-broken", "[rdzv_core.backends]\nbroken = rdzv_out_broken:Store\n", code)
    registry = BackendRegistry()
    with pytest.raises(BackendLoadError, match=said) as caught:
        registry.create(make_params("broken"))
    assert "'broken' of rdzv-out-broken 1.2 (rdzv_out_broken:Store) is installed but broken" in str(caught.value)
    assert caught.value.__cause__ is not None
    registry.create(make_params("memory")).close()


@pytest.mark.parametrize(
    ("requires", "said"),
    [
        (
            "Requires-Dist: no-such-client>=2\n",
            "rdzv-out-needy needs what is not installed: run `pip install no-such-client`",
        ),
        (
            "",
            "the module 'no_such_client' is of a distribution that is not installed, and that rdzv-out-needy does not",
        ),
        ("Requires-Dist: pytest; extra == 'test'\n", "that rdzv-out-needy does not name among its dependencies"),
    ],
)
def test_E18_a_missing_dependency_is_named(requires: str, said: str, site: Site, make_params: Params) -> None:
    """E18: what the plugin needs and what is not there, or is not declared: to reinstall the plugin would not help."""
    metadata = f"Metadata-Version: 2.1\nName: rdzv-out-needy\nVersion: 1.2\n{requires}"
    code = "import no_such_client.deep"
    site.install("rdzv-out-needy", "[rdzv_core.backends]\nneedy = rdzv_out_needy:Store\n", code, metadata=metadata)
    with pytest.raises(BackendLoadError) as caught:
        BackendRegistry().create(make_params("needy"))
    assert said in str(caught.value)
    assert "reinstall" not in str(caught.value)


def test_ctrl_c_during_an_import_is_not_taken_for_a_broken_plugin(site: Site) -> None:
    """Somebody who interrupts a slow import interrupts the program."""
    site.install("rdzv-out-slow", "[rdzv_core.backends]\nslow = rdzv_out_slow:Store\n", "raise KeyboardInterrupt")
    with pytest.raises(KeyboardInterrupt):
        BackendRegistry().load("slow")


@pytest.mark.parametrize("entry_points", ["[rdzv_core.backends]\ntorn\n", "[rdzv_core.backends]\nodd = a b c:\n", "["])
def test_E18_torn_metadata_harms_nobody_else(entry_points: str, site: Site, make_params: Params) -> None:
    """E18: a distribution whose entry points cannot be read hides its own backends at most."""
    site.install("rdzv-out-torn", entry_points)
    site.install("rdzv-out-mystore", "[rdzv_core.backends]\nmystore = rdzv_out_mystore:Store\n", WORKING)
    registry = BackendRegistry()
    assert {"memory", "mystore"} <= {info.name for info in registry.list()}
    registry.create(make_params("mystore")).close()


def test_a_distribution_without_a_name_still_works(site: Site, make_params: Params) -> None:
    """Metadata that does not tell name and version leaves them open."""
    site.install("rdzv-out-x", "[rdzv_core.backends]\nmystore = rdzv_out_x:Store\n", WORKING, metadata="Summary: x\n")
    registry = BackendRegistry()
    assert [info.target for info in registry.list() if info.name == "mystore"] == ["rdzv_out_x:Store"]
    registry.create(make_params("mystore")).close()


def test_a_missing_first_party_backend_names_what_to_install() -> None:
    """`backend="etcd"` without its plugin says `pip install rdzv-etcd`, and what is installed."""
    registry = BackendRegistry(lambda: [point("x:y", dist="x")])
    with pytest.raises(BackendNotFoundError, match=r"'etcd'.*`pip install rdzv-etcd`.*installed: mystore"):
        registry.load("etcd")
    with pytest.raises(ValueError, match="etcd"):
        registry.load("etcd")


def test_a_misspelt_backend_gets_the_near_match() -> None:
    """A name that is nearly one gets that one; a name like no other gets a way out all the same."""
    registry = BackendRegistry(list)
    with pytest.raises(BackendNotFoundError, match="did you mean 'memory'"):
        registry.load("memroy")
    with pytest.raises(BackendNotFoundError, match="install the distribution that provides it"):
        registry.load("zzzzzz")


HERE = f"{__name__}:create_backend"


def two_claims() -> list[importlib_metadata.EntryPoint]:
    return [point("json:dumps", dist="first-dist"), point("rdzv_core.memory:MemoryBackend", dist="second-dist")]


def test_two_distributions_of_one_name_are_both_named() -> None:
    """A name that two distributions claim is an error that names both and how to pick one."""
    with pytest.raises(
        BackendConflictError, match=r"first-dist and by second-dist.*first-dist:mystore or second-dist:"
    ):
        BackendRegistry(two_claims).load("mystore")


@pytest.mark.parametrize("asked", ["second-dist:mystore", "Second_Dist:My_Store"])
def test_a_distribution_and_a_name_pick_one(asked: str) -> None:
    """`dist:name` picks one of the two, spelt as loosely as a name."""
    claims = [point("json:dumps", "my-store", "first-dist"), point("json:loads", "my_store", "second-dist")]
    claims.append(point("json:loads", "mystore", "second-dist"))
    loaded: object = BackendRegistry(lambda: claims).load(asked)
    assert loaded is json.loads


def test_a_backend_picked_by_its_distribution_has_its_plain_name(make_params: Params) -> None:
    """What `dist:name` makes is checked against the name alone."""
    registry = BackendRegistry(lambda: [point("rdzv_core.memory:MemoryBackend", "memory", dist="second-dist")])
    assert registry.create(make_params("second-dist:memory")).name == "memory"


def test_a_distribution_that_does_not_provide_the_name_is_told_who_does() -> None:
    """`dist:name` of the wrong distribution names the right one."""
    with pytest.raises(
        BackendNotFoundError, match="does not provide it: give first-dist:mystore or second-dist:mystore"
    ):
        BackendRegistry(two_claims).load("third:mystore")


def test_one_distribution_that_claims_a_name_twice_is_broken() -> None:
    """Two targets for one name within a distribution are for its authors to fix; one target twice does not matter."""
    claims = [point("json:dumps", "my-store", "d"), point("json:loads", "my_store", "d")]
    with pytest.raises(BackendLoadError, match="d provides backend 'my-store' more than once, as json:dumps and as"):
        BackendRegistry(lambda: claims).load("my-store")
    assert callable(BackendRegistry(lambda: [claims[0], claims[0]]).load("my-store"))


def test_E16_options_are_checked_before_anything_is_created(make_params: Params) -> None:
    """E16: an unknown or bad option is refused before the factory is called."""
    called: list[Any] = []

    @accepts_options(SIZE)
    def factory(params: RendezvousParameters) -> RendezvousBackend:
        called.append(params)
        return Backend(params)

    registry = BackendRegistry(list)
    registry.register("mystore", factory)
    with pytest.raises(ValueError, match=r"unknown option sise='2' .* did you mean 'size'"):
        registry.create(make_params("mystore", sise="2"))
    with pytest.raises(ValueError, match="size='0' must be a positive integer"):
        registry.create(make_params("mystore", size="0"))
    assert called == []
    registry.create(make_params("mystore", size="2", other=1), [Option("other", int, 0, "the handler's")]).close()
    assert [params.get_as_int("size") for params in called] == [2]


def test_a_class_may_carry_its_options(make_params: Params) -> None:
    """A class with an options table accepts just these, through from_params too."""

    class WithOptions(Backend):
        options = (SIZE,)

    registry = BackendRegistry(list)
    registry.register("mystore", WithOptions)
    registry.create(make_params("mystore", size=3)).close()
    with pytest.raises(ValueError, match="accepted are size"):
        registry.create(make_params("mystore", other=3))


def stores(registry: BackendRegistry) -> list[tuple[str, dict[str, Any]]]:
    made: list[tuple[str, dict[str, Any]]] = []

    def factory_of(name: str) -> Callable[[RendezvousParameters], RendezvousBackend]:
        @accepts_options(Option("read_timeout", int, 60, "x"), Option("key_prefix", str, "", "x"))
        def create(params: RendezvousParameters) -> RendezvousBackend:
            made.append((name, params.config))
            backend = Backend(params)
            backend.shown = name
            return backend

        return create

    for name in ("tcp", "file", "etcd"):
        registry.register(name, factory_of(name))
    return made


@pytest.mark.parametrize(
    ("store_type", "store"), [("tcp", "tcp"), ("tCp", "tcp"), ("file", "file"), ("fIlE", "file"), (None, "tcp")]
)
def test_B1_c10d_is_an_alias_by_store_type_in_any_case(store_type: str | None, store: str, make_params: Params) -> None:
    """B1: `backend="c10d"` chooses tcp or file by store_type, tcp if it is not given; other options are passed on."""
    registry = BackendRegistry(list)
    made = stores(registry)
    registry.create(make_params("c10d", store_type=store_type, read_timeout="10", use_libuv=True)).close()
    assert made == [(store, {"read_timeout": "10"})]


def test_B1_etcd_v2_is_an_alias_of_etcd(make_params: Params) -> None:
    """B1: `backend="etcd-v2"`, a name of the reference's, is etcd, and its prefix has the name that it has here."""
    registry = BackendRegistry(list)
    made = stores(registry)
    registry.create(make_params("etcd-v2", etcd_prefix="/x")).close()
    assert made == [("etcd", {"key_prefix": "/x"})]


def test_B11_an_unknown_store_type_names_those_supported(make_params: Params) -> None:
    """B11: a store_type that is neither is a ValueError that names both."""
    with pytest.raises(ValueError, match="store_type='zookeeper' is not supported: choose one of tcp, file"):
        BackendRegistry(list).create(make_params("c10d", store_type="zookeeper"))


def test_a_default_sibling_is_made_by_the_same_factory(make_params: Params) -> None:
    """A backend that does not say otherwise has siblings made from its own resolved parameters."""

    class TwoMethods(RendezvousBackend):
        name = "mystore"

        def __init__(self, params: RendezvousParameters) -> None:
            self.params = params

        def get_state(self) -> None:
            return None

        def set_state(self, state: bytes, token: Any = None) -> None:
            return None

    registry = BackendRegistry(list)
    registry.register("mystore", TwoMethods)
    params = make_params("mystore")
    sibling = registry.create(params).sibling("other")
    assert isinstance(sibling, TwoMethods)
    assert sibling.params.key == params.for_purpose("other").key
    again = sibling.sibling("third")
    assert isinstance(again, TwoMethods)
    assert again.params.key == params.for_purpose("third").key


def test_an_option_of_the_handlers_name_is_refused(make_params: Params) -> None:
    """A backend whose `timeout` is another than the handler's would be given the handler's: both are named."""

    @accepts_options(Option("timeout", float, 1.0, "seconds for a call"))
    def factory(params: RendezvousParameters) -> RendezvousBackend:
        pytest.fail("it was made")

    registry = BackendRegistry(list)
    registry.register("mystore", factory)
    with pytest.raises(
        BackendLoadError, match=r"factory\) defines an option 'timeout' \(seconds for a call\), but"
    ) as e:
        create(make_params("mystore"), registry)
    assert "the handler's on every backend (join_timeout under" in str(e.value)


@pytest.mark.parametrize("name", [info.name for info in BackendRegistry().list()])
def test_no_installed_backend_has_an_option_of_the_handlers(name: str) -> None:
    """The handler's options are added to, and every backend here is asked."""
    ours = {option.name for option in HANDLER_OPTIONS}
    assert not ours & {option.name for option in options_of(BackendRegistry().load(name))}
