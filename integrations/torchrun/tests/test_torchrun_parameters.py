"""What of torchrun's parameters becomes what of rdzv's; no torch is needed for that."""

from __future__ import annotations

import logging
from types import SimpleNamespace
from typing import Any

import pytest
from rdzv_torchrun._parameters import rdzv_parameters


def given(endpoint: str = "host:1", **config: Any) -> Any:
    """Return parameters as torch's launcher makes them: it always adds a timeout of 900 s."""
    return SimpleNamespace(
        backend="rdzv",
        endpoint=endpoint,
        run_id="job",
        min_nodes=2,
        max_nodes=4,
        local_addr=None,
        config={"timeout": 900, **config},
    )


def test_the_store_is_tcp_unless_it_is_named() -> None:
    """As torch's c10d serves a store of its own."""
    assert "tcp" == rdzv_parameters(given()).backend
    assert "etcd" == rdzv_parameters(given(store="etcd")).backend


def test_store_type_is_torchs_name_for_the_store() -> None:
    """`tcp` and `file` mean what they mean to c10d, and anything else is refused as there."""
    assert "file" == rdzv_parameters(given(store_type="file")).backend
    assert "tcp" == rdzv_parameters(given(store_type="tcp")).backend
    with pytest.raises(ValueError, match="store_type='redis' is not supported: choose one of tcp, file"):
        rdzv_parameters(given(store_type="redis"))


def test_two_stores_are_refused() -> None:
    """Neither wins silently; the same one twice is one."""
    assert "file" == rdzv_parameters(given(store="file", store_type="file")).backend
    with pytest.raises(ValueError, match="store='etcd' and store_type='file' name two stores"):
        rdzv_parameters(given(store="etcd", store_type="file"))


def test_torchs_names_of_stores_are_taken_too() -> None:
    """`store=etcd-v2` is etcd, and its etcd_prefix is key_prefix."""
    params = rdzv_parameters(given(store="etcd-v2", etcd_prefix="/torch/"))
    assert ("etcd", "/torch/") == (params.backend, params.get("key_prefix"))
    assert "etcd_prefix" not in params.config


def test_timeout_is_for_joining_unless_join_timeout_says_otherwise() -> None:
    """torch's launcher always gives a timeout: it must not be in the way of the option that torch's c10d reads."""
    assert {"timeout": 900} == rdzv_parameters(given()).config
    assert {"join_timeout": "60"} == rdzv_parameters(given(join_timeout="60")).config


def test_the_rest_is_passed_on_as_it_is() -> None:
    """Endpoint, run id, nodes and options."""
    params = rdzv_parameters(given(last_call_timeout="5", is_host="true"))
    assert ("host:1", "job", 2, 4) == (params.endpoint, params.run_id, params.min_nodes, params.max_nodes)
    assert ("5", "true") == (params.get("last_call_timeout"), params.get("is_host"))


def test_what_only_torchs_backends_know_is_left_out_and_said(caplog: pytest.LogCaptureFixture) -> None:
    """c10d with a file store does not mind is_host, and no dynamic backend minds rank: nor is it an error here."""
    with caplog.at_level(logging.WARNING, "rdzv"):
        params = rdzv_parameters(given(store="file", is_host="true", rank="3", read_timeout="9"))
    assert {"timeout": 900, "read_timeout": "9"} == params.config
    assert "is_host=true is left out: the store 'file' has no such option" in caplog.text
    assert "rank=3 is left out: ranks are agreed upon in every round" in caplog.text
