"""The dock's way to its witness: what it makes of every answer."""

from base64 import b64encode
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from aiohttp import web

from dockd.archive.protocol import Elsewhere, NoWitness
from dockd.archive.settings import TusSettings
from dockd.archive.witness import TusWitness
from dockd.core.note import Checkpoint, Note
from dockd.dsse import SigningKey
from dockd.errors import ArchiveBusyError, ArchiveDeniedError, ArchiveUnreachableError, LogRefusedError
from tests.sim.consignments import HurriedClock

_KEY, _DOCK = SigningKey.generate(), SigningKey.generate()
_TEXT = Checkpoint("dockd/d/0123456789abcdef", 7, bytes(32)).text()
_NOTE = Note(_TEXT, (_DOCK.sign_note("dockd/d/0123456789abcdef", _TEXT),))
_TUS = {"Tus-Resumable": "1.0.0"}
_GOOD = _KEY.cosign("a", _TEXT, 1_790_000_000).line().encode()

Serve = Callable[..., Awaitable[TusWitness]]


@pytest.fixture
async def serve() -> AsyncIterator[Serve]:
    """Makes an archive that answers every checkpoint with one answer, and a way to it."""
    started: list[web.AppRunner] = []
    ways: list[TusWitness] = []

    async def start(answer: web.Response | None = None, **introduction: object) -> TusWitness:
        async def introduce(_request: web.Request) -> web.Response:
            return web.json_response({"archive": "a", "key": _KEY.public_text, "witness": True} | introduction)

        async def judge(request: web.Request) -> web.Response:
            assert request.headers["Dockd-Log-Key"] == _DOCK.public_text
            body = await request.read()
            assert body == b"old 3\n" + b64encode(b"x" * 32) + b"\n\n" + _NOTE.encode()
            assert answer is not None
            return answer

        app = web.Application()
        app.router.add_get("/archive", introduce)
        app.router.add_post("/add-checkpoint", judge)
        runner = web.AppRunner(app)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        started.append(runner)
        url = f"http://127.0.0.1:{runner.addresses[0][1]}/files/"
        ways.append(TusWitness(TusSettings(url, "d", (_KEY.public_text,), "t"), HurriedClock()))
        return ways[-1]

    yield start
    for way in ways:
        await way.close()
    for runner in started:
        await runner.cleanup()


async def ask(way: TusWitness) -> object:
    """Show it the checkpoint."""
    return await way.add_checkpoint(_NOTE, old_size=3, proof=[b"x" * 32], key=_DOCK.public_text)


async def test_an_archive_that_does_not_say_so_is_no_witness(serve: Serve) -> None:
    """Nothing is sent to an archive that never said that it witnesses logs."""
    assert await ask(await serve(witness=False)) == NoWitness()


async def test_only_the_cosignature_is_taken_from_an_answer(serve: Serve) -> None:
    """Lines of others that came with it are left out, and the time is the archive's."""
    other = SigningKey.generate().cosign("b", _TEXT, 5).line().encode()
    answer = await ask(await serve(web.Response(body=other + _GOOD, headers=_TUS)))
    assert getattr(answer, "time_s", None) == 1_790_000_000
    assert getattr(answer, "note", None) == Note(_TEXT, (*_NOTE.signatures, _KEY.cosign("a", _TEXT, 1_790_000_000)))


async def test_a_size_is_told(serve: Serve) -> None:
    """The archive wants the proof from elsewhere."""
    headers = _TUS | {"Content-Type": "text/x.tlog.size"}
    assert await ask(await serve(web.Response(status=409, body=b"5\n", headers=headers))) == Elsewhere(5)


@pytest.mark.parametrize(
    ("answer", "error", "words"),
    [
        (
            web.Response(status=409, body=b"five\n", headers=_TUS | {"Content-Type": "text/x.tlog.size"}),
            ArchiveUnreachableError,
            "where the log stands",
        ),
        (web.Response(status=409, text="a fork", headers=_TUS), LogRefusedError, "a fork"),
        (web.Response(status=422, text="a fork", headers=_TUS), LogRefusedError, "a fork"),
        (web.Response(status=403, text="wait", headers=_TUS), LogRefusedError, "wait"),
        (web.Response(status=404, text="not yours", headers=_TUS), LogRefusedError, "not yours"),
        (web.Response(status=409, text="a proxy"), ArchiveUnreachableError, "not a tus archive"),
        (web.Response(status=401, text="who?", headers=_TUS), ArchiveDeniedError, "who?"),
        (web.Response(status=503, text="later", headers=_TUS), ArchiveBusyError, "later"),
        (web.Response(text="thanks", headers=_TUS), ArchiveUnreachableError, "something else"),
        (web.Response(body=b"\xff\n", headers=_TUS), ArchiveUnreachableError, "something else"),
        (
            web.Response(body=SigningKey.generate().cosign("a", _TEXT, 5).line().encode(), headers=_TUS),
            LogRefusedError,
            "not the pinned one",
        ),
    ],
)
async def test_whatever_is_no_cosignature_is_an_error(
    serve: Serve, answer: web.Response, error: type[Exception], words: str
) -> None:
    """Refusals are told apart from an archive that is away or is none."""
    with pytest.raises(error, match=words):
        await ask(await serve(answer))
