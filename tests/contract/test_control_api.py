"""The control API held to its own description: a running daemon is asked all that it allows, and much that it does not.

schemathesis makes the requests from GET /api/v1/openapi.json and judges the answers: their status, their form, that what is
outside the schema is refused, and that nothing makes the daemon fail.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, settings
from jsonschema import Draft202012Validator

from dockd.cli.asking import ask
from dockd.web import openapi
from dockd.web.lists import Nothing
from dockd.web.routes import PREFIX, ROUTES
from tests.sim import unix_http
from tests.sim.dock_process import DockProcess, Site

SCHEMA = schemathesis.openapi.from_dict(openapi.document())


@pytest.fixture(scope="module")
def dock(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DockProcess]:
    """A running daemon with nothing in its bays and nobody at its archive."""
    with DockProcess(tmp_path_factory.mktemp("dock"), None, Site()) as running:
        yield running
        assert running.alive(), "the daemon outlived everything that it was asked"
        assert not running.said("control request failed")


def test_the_daemon_serves_the_document(dock: DockProcess) -> None:
    """The one that the tests are made from."""
    served = unix_http.session(dock.control).get(f"{unix_http.ORIGIN}{PREFIX}/openapi.json")
    assert served.json() == json.loads(openapi.printed())


@SCHEMA.parametrize()
@settings(
    max_examples=40,
    deadline=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.explicit, Phase.generate],
)
def test_every_answer_is_as_described(case: "schemathesis.Case[Any]", dock: DockProcess) -> None:
    """Whatever is sent, the daemon answers as the document says, in time, and goes on."""
    if "wait_s" in case.query:
        case.query["wait_s"] = 0 if case.query["wait_s"] in range(31) else case.query["wait_s"]
    case.call_and_validate(base_url=f"{unix_http.ORIGIN}{PREFIX}", session=unix_http.session(dock.control))


def test_the_document_is_complete() -> None:
    """Each route is in it with a sentence and a right, each message with every field described."""
    document = openapi.document()
    assert {(path, method.upper()) for path, methods in document["paths"].items() for method in methods} == {
        *((route.path, route.method) for route in ROUTES),
        ("/openapi.json", "GET"),
        ("/journal", "GET"),
    }
    for name, one in document["components"]["schemas"].items():
        Draft202012Validator.check_schema(one)
        assert one["description"], name
        for field, given in one.get("properties", {}).items():
            assert given.get("description"), f"{name}.{field}"
    assert "Nothing" not in document["components"]["schemas"]
    assert Nothing in {route.query for route in ROUTES}


def test_the_document_ships() -> None:
    """dockd/web/openapi.json is what the daemon serves; print it anew after a change: its `printed()`."""
    shipped = Path(openapi.__file__).with_name("openapi.json").read_text(encoding="utf-8")
    assert shipped == openapi.printed()


def test_no_wait_is_longer_than_a_client_waits(dock: DockProcess) -> None:
    """A question to which there is no new answer is answered after the time that was asked for."""
    ask(dock.control, "/custody", query={"first": 2**62, "wait_s": 1}, waits_s=5)
