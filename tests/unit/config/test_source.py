"""The strict part of YAML: what values mean, where they stand, and what is refused."""

import math
import os
from pathlib import Path

import pytest

from dockd.config.source import Mapping, Node, Place, Scalar, Sequence, parse, read
from dockd.errors import ConfigError


def plain(node: Node) -> object:
    """The node as plain data."""
    match node:
        case Scalar(value=value):
            return value
        case Sequence(items=items):
            return [plain(item) for item in items]
        case Mapping(values=values):
            return {key: plain(value) for key, value in values.items()}


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("no", "no"),
        ("on", "on"),
        ("Yes", "Yes"),
        ("true", True),
        ("FALSE", False),
        ("tRue", "tRue"),
        ("~", None),
        ("null", None),
        ("", None),
        ("1", 1),
        ("-7", -7),
        ("0", 0),
        ("010", "010"),
        ("0o17", 15),
        ("0x1F", 31),
        ("1_000", "1_000"),
        ("1:30", "1:30"),
        ("2026-11-24", "2026-11-24"),
        ("1.5", 1.5),
        ("-.inf", float("-inf")),
        ("1e3", 1000.0),
        ("9" * 5000, "9" * 5000),
        ('"1"', "1"),
        ("'true'", "true"),
        ("'it''s'", "it's"),
        ("=", "="),
    ],
)
def test_scalars_follow_the_core_schema_of_yaml_1_2(written: str, meant: object) -> None:
    """Words that YAML 1.1 turns into booleans, octals, minutes and dates stay words."""
    value = plain(parse(f"key: {written}\n".encode(), file="f"))
    assert value == {"key": meant}
    assert isinstance(value, dict)
    assert type(value["key"]) is type(meant)


def test_not_a_number_is_a_number_of_its_own() -> None:
    """`.nan` is resolved, though nothing in the model accepts it."""
    node = parse(b".nan", file="f")
    assert isinstance(node, Scalar)
    assert isinstance(node.value, float)
    assert math.isnan(node.value)


def test_every_value_and_key_has_its_place() -> None:
    """Lines and columns begin at 1 and count characters, in any style of writing."""
    node = parse("é: {a: [1, 'ü', x]}\nlist:\r\n  - one\r\n  -   two\r\n".encode(), file="f")
    assert isinstance(node, Mapping)
    assert node.keys == {"é": Place(1, 1), "list": Place(2, 1)}
    inner, items = node.values["é"], node.values["list"]
    assert isinstance(inner, Mapping)
    assert isinstance(items, Sequence)
    letters = inner.values["a"]
    assert isinstance(letters, Sequence)
    assert [item.place for item in letters.items] == [Place(1, 9), Place(1, 12), Place(1, 17)]
    assert [item.place for item in items.items] == [Place(3, 5), Place(4, 7)]


def test_a_byte_order_mark_is_let_be() -> None:
    """Windows editors write one."""
    assert plain(parse(b"\xef\xbb\xbfa: b\n", file="f")) == {"a": "b"}


def test_a_file_of_many_aliases_is_refused_at_the_first() -> None:
    """A billion laughs costs nothing."""
    lines = ["a: &a [x, x]"] + [f"{chr(98 + n)}: &{chr(98 + n)} [*{chr(97 + n)}, *{chr(97 + n)}]" for n in range(20)]
    with pytest.raises(ConfigError, match=r"^f:1:4: anchors"):
        parse("\n".join(lines).encode(), file="f")


@pytest.mark.parametrize("opening", ["[", "{a: ", "- ", "? "])
def test_depth_without_end_is_refused(opening: str) -> None:
    """No depth reaches the interpreter's recursion limit."""
    with pytest.raises(ConfigError, match=r"^f:\d+:\d+: (more than 32 levels|not YAML)"):
        parse((opening * 3000).encode(), file="f")


def test_a_character_that_no_yaml_allows_has_its_place() -> None:
    """PyYAML gives an offset; the admin gets line and column."""
    with pytest.raises(ConfigError, match=r"^f:2:4: character U\+0007 is not allowed, expected printable text$"):
        parse(b"a: b\nc: \x07\n", file="f")


def test_text_over_several_lines_is_one_value() -> None:
    """Block text keeps its line ends; whether they are welcome is each key's own matter."""
    assert plain(parse(b"a: |\n  one\n  two\n", file="f")) == {"a": "one\ntwo\n"}


def test_a_file_too_large_to_review_is_refused(tmp_path: Path) -> None:
    """One MiB and a byte is too much, one MiB is not."""
    path = tmp_path / "site.yaml"
    path.write_bytes(b"#" * ((1 << 20) - 5) + b"\na: b")
    assert plain(read(path)) == {"a": "b"}
    path.write_bytes(b"#" * ((1 << 20) - 4) + b"\na: b")
    with pytest.raises(ConfigError, match="larger than 1048576 bytes, expected a file that a person can review") as caught:
        read(path)
    assert caught.value.file == str(path)


def test_what_is_no_plain_file_is_refused_without_waiting(tmp_path: Path) -> None:
    """A pipe nobody writes to, a folder, a device, a name with a zero and a file that is not there."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    for path in (pipe, tmp_path, Path("/dev/zero"), Path("a\0b")):
        with pytest.raises(ConfigError, match=r"expected a YAML file") as caught:
            read(path)
        assert str(caught.value).startswith(f"{path}: ")
    with pytest.raises(ConfigError, match=r"cannot be read \(No such file or directory\)"):
        read(tmp_path / "nowhere.yaml")
