"""Whatever bytes a site file or a profile holds, only ConfigError comes out, and it names the file."""

import json
from contextlib import suppress
from pathlib import Path
from typing import get_args, get_origin

import msgspec
import pytest
import yaml
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

import dockd.config
from dockd.config import Site, load_profile, load_site
from dockd.config.acceptance import accept, in_force, path_of
from dockd.config.fill import unwrapped
from dockd.errors import ConfigError

SITE = (Path(__file__).parents[3] / "config" / "site.example.yaml").read_bytes()
PROFILE = (Path(dockd.config.__file__).parent / "profiles" / "dcf.yaml").read_bytes()
PIECES = [
    b"&a ", b"*a", b"!!python/name:os.system ", b"<<: ", b"? ", b"- ", b"[", b"{", b"}", b"\n", b"\t", b"%YAML 9.9\n", b"---\n",
    b'"\\U00110000"', b'"\\ud800"', b"\x00", b"\xff", b"\xe2\x80\xae", b"\xc2\x85", b"9" * 4400, b"0x", b".inf", b"1e999", b"~",
    b"''", b"|\n", b">-\n", b": ", b"#", b"%YAML 1." + b"1" * 4400 + b"\n---\n", b"(" * 150, b"http://[", b"@", b"://", b"/../",
]  # fmt: skip
FEW_AND_SLOW = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])


@st.composite
def mutated(draw: st.DrawFn, original: bytes) -> bytes:
    """`original` with a few cuts, repeats and insertions."""
    content = original
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(content)))
        end = draw(st.integers(start, min(len(content), start + 80)))
        piece = draw(st.sampled_from(PIECES) | st.binary(max_size=12) | st.just(content[start:end] * 2) | st.just(b""))
        content = content[:start] + piece + content[end:]
    return content


def only_config_errors(path: Path, content: bytes, *, profile: bool) -> None:
    """Load `content`; any error but ConfigError escapes and fails the test."""
    path.write_bytes(content)
    error: ConfigError | None = None
    try:
        (load_profile if profile else load_site)(path)
    except ConfigError as exc:
        error = exc
    if error is not None:
        assert error.file == str(path)
        lines = error.message.split("\n")
        assert all(line.startswith(f"{path}:") and line.isprintable() for line in lines), lines


@FEW_AND_SLOW
@given(content=st.binary(max_size=400), profile=st.booleans())
def test_random_bytes_give_only_config_errors(tmp_path: Path, content: bytes, *, profile: bool) -> None:
    """Noise of any kind."""
    only_config_errors(tmp_path / "fuzz.yaml", content, profile=profile)


@FEW_AND_SLOW
@given(content=mutated(SITE))
@example(content=SITE.replace(b"Baltimore", b'"\\U00110000"'))
@example(content=b"%YAML 1." + b"1" * 5000 + b"\n---\n" + SITE)
def test_a_damaged_site_file_gives_only_config_errors(tmp_path: Path, content: bytes) -> None:
    """Slips of the hand and malice alike."""
    only_config_errors(tmp_path / "site.yaml", content, profile=False)


@FEW_AND_SLOW
@given(content=mutated(PROFILE))
@example(content=PROFILE.replace(b"(\\S+)", b"(" * 120 + b")" * 120))
@example(content=PROFILE.replace(b"(\\S+)", b"(a{99999999999999999999})"))
def test_a_damaged_profile_gives_only_config_errors(tmp_path: Path, content: bytes) -> None:
    """Regular expressions included."""
    only_config_errors(tmp_path / "profile.yaml", content, profile=True)


@pytest.mark.parametrize("levels", [33, 1000, 200_000])
def test_nesting_gives_only_config_errors(tmp_path: Path, levels: int) -> None:
    """However deep."""
    for opening in (b"[", b"{a: ", b"- ", b"a:\n "):
        only_config_errors(tmp_path / "deep.yaml", opening * levels, profile=False)


def _keys(model: type[msgspec.Struct]) -> set[str]:
    """Every key that a site file may have, wherever."""
    found = set()
    for field in msgspec.structs.fields(model):
        kind, _ = unwrapped(field.type)
        inner = get_args(kind)[0] if get_origin(kind) is tuple else kind
        found.add(field.encode_name)
        if isinstance(inner, type) and issubclass(inner, msgspec.Struct):
            found |= _keys(inner)
    return found


words = st.sampled_from(sorted(_keys(Site))) | st.text(max_size=8)
scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=12)
    | st.sampled_from(
        [
            "delete",
            "clear",
            "/srv/x",
            "1 GiB",
            "tus",
            "s3",
            "https://a.example/",
            "18:00",
            "ed25519:AAAA",
            "America/New_York",
            "en",
        ]
    )
)
trees = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=4), max_leaves=25
)
GOOD_TREE = yaml.safe_load(SITE)


@FEW_AND_SLOW
@given(tree=trees, at=st.lists(st.sampled_from(sorted(GOOD_TREE)), max_size=3))
def test_any_tree_of_yaml_gives_only_config_errors(tmp_path: Path, tree: object, at: list[str]) -> None:
    """By itself, and in the place of sections of a good site file: known keys with values that nobody expects there."""
    content: object = tree
    if at:
        content = GOOD_TREE | dict.fromkeys(at, tree)
    only_config_errors(
        tmp_path / "site.yaml", yaml.safe_dump(content, allow_unicode=True).encode("utf-8", "replace"), profile=False
    )


@FEW_AND_SLOW
@given(content=st.binary(max_size=200) | trees.map(lambda tree: json.dumps(tree).encode()))
def test_any_acceptance_gives_only_config_errors(tmp_path: Path, content: bytes) -> None:
    """Whatever lies beside a site file, nothing but what was accepted is ever in force."""
    site_file = tmp_path / "site.yaml"
    site_file.write_bytes(SITE)
    path_of(site_file).write_bytes(content)
    path_of(site_file).chmod(0o644)
    with pytest.raises(ConfigError):
        in_force(site_file)


@FEW_AND_SLOW
@given(tree=trees, at=st.sampled_from(["archive", "erase", "categories", "retain_days", "unencrypted_spool"]))
def test_a_tampered_acceptance_is_read_as_it_is_or_refused(tmp_path: Path, tree: object, at: str) -> None:
    """Never a traceback."""
    site_file = tmp_path / "site.yaml"
    site_file.write_bytes(SITE)
    accept(site_file, load_site(site_file), by="ann", at="now", unencrypted_spool=False)
    content = json.loads(path_of(site_file).read_bytes())
    content["guarded"][at] = tree
    path_of(site_file).write_text(json.dumps(content))
    with suppress(ConfigError):
        in_force(site_file)
