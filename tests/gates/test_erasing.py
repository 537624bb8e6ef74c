"""Nothing but the eraser can take anything off a camera, and proofs are made where they are checked."""

import ast
import re
from collections.abc import Iterator

import pytest

from tests.gates.source import calls, imported, modules, text, tracked

ERASER = "dockd/clearance/eraser.py"

REMOVERS = {
    ERASER: "a camera's recordings, under a permit",
    "dockd/cli/bays.py": "the temporary name of the site file that ports were written into",
    "dockd/config/acceptance.py": "gives the file that says what an admin accepted its name",
    "dockd/config/importing.py": "gives a roster that was written its name",
    "dockd/demo/folder.py": "what an earlier demo left in the folder that it made itself",
    "dockd/demo/stage.py": "moves the demo's own cameras in and out of its bays",
    "dockd/control/backup.py": "the copy of the journal that it made itself, once it was sent",
    "dockd/cli/journal.py": "a backup that it began itself and could not finish",
    "dockd/dsse.py": "the temporary name of a new private key",
    "dockd/helper/kept.py": "the helper's own small files: holds, and what it has begun to clear",
    "dockd/helper/lamps.py": "notes, in the helper's own runtime folder, of lamps that are lit",
    "dockd/helper/port_power.py": "notes, in the helper's own runtime folder, of ports that are without power",
    "dockd/journal/file.py": "lock and probe files beside the journal",
    "dockd/journal/rebuild.py": "the temporary journal that was rebuilt",
    "dockd/durable.py": "gives a finished copy in the spool its final name",
    "dockd/offload/spool.py": "recordings in the spool that the archive has proved",
    "dockd/offload/verifying.py": "copies in the spool that differ from the camera",
    "dockd/power/command.py": "notes, in the daemon's own runtime folder, of lamps that are lit",
    "dockd/vault/rotation.py": "puts the vault's next key in the place of its present one",
    "dockd/vault/store.py": "the vault's own temporary names",
    "dockd/web/control.py": "the control socket that a dead daemon left, and its own at the end",
}
"""Every module that removes or renames a file, and whose."""

_REMOVES = re.compile(
    r"(^os\.(unlink|remove|rmdir|removedirs|rename|renames|replace)|^shutil\.(rmtree|move)"
    r"|\.(unlink|rmdir|rename|hardlink_to|rmtree)|^(unlink|rmtree|rmdir|removedirs))$"
)
_WRITES = {"O_WRONLY", "O_RDWR", "O_CREAT", "O_TRUNC", "O_APPEND", "O_TMPFILE"}

SEALED = {
    "ArchiveProof": "dockd/core/proof.py",
    "ClearancePermit": "dockd/core/clearance.py",
    "OverwritePermit": "dockd/core/clearance.py",
    "VerifiedRecording": "dockd/core/recording.py",
}
"""What can be made in one place only: the types that carry the one rule."""

_FORGERIES = ("pickle", "marshal", "shelve", "copyreg", "ctypes.pythonapi", "copy")


def _removes(tree: ast.AST) -> bool:
    return any(_REMOVES.search(called) for called, _ in calls(tree))


def _functions(tree: ast.Module) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    return (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


def _takes(function: ast.FunctionDef | ast.AsyncFunctionDef, wanted: str) -> bool:
    arguments = function.args.posonlyargs + function.args.args + function.args.kwonlyargs
    return any(each.annotation is not None and ast.unparse(each.annotation) == wanted for each in arguments)


def test_every_module_that_removes_files_is_named_with_a_reason() -> None:
    """A new unlink, rmdir or rename anywhere in dockd is added to the list here, and seen by whoever reviews it."""
    assert {name for name, tree in modules().items() if _removes(tree)} == set(REMOVERS)


def test_of_the_modules_that_reach_a_camera_only_the_eraser_removes() -> None:
    """No module that can open anything on a camera removes or renames, except the eraser."""
    reaching = {
        name
        for name, tree in modules().items()
        if name.startswith("dockd/camera/") or any(each.startswith("dockd.camera") for each in imported(tree))
    }
    assert ERASER in reaching
    assert {name for name in reaching if _removes(modules()[name])} == {ERASER}


def test_nothing_on_a_camera_is_opened_for_writing() -> None:
    """The one package that opens files on a camera knows no flag that writes, creates or truncates."""
    for name, tree in modules().items():
        if name.startswith("dockd/camera/"):
            attributes = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
            assert not attributes & _WRITES, name
            assert not any(called in {"open", "?.open"} or called.endswith("write_bytes") for called, _ in calls(tree)), name


def test_the_eraser_removes_only_what_a_permit_covers() -> None:
    """The one function that unlinks takes one covered file, and is called only by a function that takes the permit."""
    tree = modules()[ERASER]
    removing = [each for each in _functions(tree) if _removes(each)]
    assert [each.name for each in removing] == ["_unlink"]
    assert _takes(removing[0], "Covered")
    callers = [each for each in _functions(tree) if any(called == "_unlink" for called, _ in calls(each))]
    assert [each.name for each in callers] == ["erase"]
    assert _takes(callers[0], "ClearancePermit")
    assert len(re.findall(r"\b_unlink\b", text(ERASER))) == 2, "it is neither passed on nor called elsewhere"


@pytest.mark.parametrize("made", sorted(SEALED))
def test_what_carries_the_rule_is_made_in_one_module(made: str) -> None:
    """Proofs, permits and verified recordings are constructed where they are checked, and nowhere else in dockd."""
    makers = {name for name, tree in modules().items() if any(called.rpartition(".")[2] == made for called, _ in calls(tree))}
    assert makers == {SEALED[made]}


def test_no_seal_leaves_its_module() -> None:
    """No module of dockd and no test names another module's seal."""
    keepers = {
        name
        for name in tracked()
        if name.endswith(".py") and not name.startswith("tests/gates/") and re.search(r"\b_SEAL\b", text(name))
    }
    assert keepers == set(SEALED.values())


def test_no_object_is_made_behind_its_constructor() -> None:
    """Nothing in dockd unpickles, copies, or reaches for `__new__` or `__setattr__`: that is how seals are forged."""
    for name, tree in modules().items():
        forging = [each for each in imported(tree) if each.split(".")[0] in _FORGERIES or each in _FORGERIES]
        assert not forging, name
        attributes = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
        assert not attributes & {"__new__", "__setattr__", "__reduce__"}, name


WRITING = {
    "writer": {"dockd/helper/overwriting.py"},
    "writable": {"dockd/helper/erasing.py"},
    "overwrite": {"dockd/helper/clearing.py"},
    "Begun": {"dockd/helper/begun.py"},
    "BegunBook": {"dockd/helper/session.py"},
}
"""What opens a camera's disk for writing, or leads there, by the last part of its name, and who alone calls it."""


@pytest.mark.parametrize("name", sorted(WRITING))
def test_a_cameras_disk_is_opened_for_writing_only_on_the_way_from_a_permit(name: str) -> None:
    """Each step is called in one module, so that whoever reviews these few has seen every write to a camera."""
    callers = {
        module
        for module, tree in modules().items()
        if module.startswith("dockd/helper/") and any(called.rpartition(".")[2] == name for called, _ in calls(tree))
    }
    assert callers == WRITING[name]


def test_writes_are_let_through_in_two_places() -> None:
    """While files are removed under a permit, and while a disk is overwritten under one; everywhere else they are shut."""
    letting = {
        module
        for module, tree in modules().items()
        for called, call in calls(tree)
        if called.rpartition(".")[2] == "let_write" and any(ast.unparse(each.value) == "True" for each in call.keywords)
    }
    assert letting == {"dockd/helper/docked.py", "dockd/helper/overwriting.py"}


def test_what_overwrites_a_disk_was_begun_under_a_permit() -> None:
    """`begin` takes the permit, `overwrite` takes what was begun, and the eraser's delete takes the permit for deleting."""
    for module, function, wanted in (
        ("dockd/helper/begun.py", "begin", "OverwritePermit"),
        ("dockd/helper/overwriting.py", "overwrite", "Begun"),
        ("dockd/helper/clearing.py", "clear", "OverwritePermit"),
        ("dockd/helper/erasing.py", "_delete", "ClearancePermit"),
    ):
        (found,) = [each for each in _functions(modules()[module]) if each.name == function]
        assert _takes(found, wanted), function
