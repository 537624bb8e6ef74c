"""The JSON Schemas are up to date, and agree with the loader about what single keys may say."""

import json
from pathlib import Path

import pytest
import yaml
from jsonschema import Draft202012Validator

import dockd.config
from dockd.config.schema import Kind, printed, schema

ROOT = Path(__file__).parents[3]
SHIPPED = Path(dockd.config.__file__).parent
# What several keys say together, what no pattern can say, and what YAML 1.1's reader turned into something good.
BEYOND_A_SCHEMA = {
    "bad": {
        "anchor", "bay-folder-inside-spool", "bay-folder-twice", "bay-id-twice", "bay-is-two-things",
        "bay-port-twice",
        "s3-with-what-it-has-not", "s3-without-bucket", "tus-with-bucket", "tus-read-back", "unsigned-where-receipts-are-signed",
        "hub-bays",
        "lamp-command-relative",
        "lamp-of-one-and-three",
        "lamp-of-two-leds",
        "lamp-shared", "bay-without-folder", "client-certificate-alone", "directive",
        "duplicate-key", "erased-without-directory-erase", "erased-without-erasing", "http-to-elsewhere",
        "integer-leading-zero", "invisible-character", "kiosk-layout-incomplete",
        "kiosk-layout-twice", "kiosk-layout-unknown-bay", "merge-key", "password-in-url", "path-dots", "sexagesimal",
        "surrogate-escape", "time-zone", "tls-file-over-http", "yes-for-boolean",
    },
    "bad_profiles": {
        "expression-broken", "expression-nested-set", "expression-without-group", "facts-are-evidence", "folder-climbs",
        "ignore-all", "ignore-folder", "ignore-recordings", "sidecar-is-recording", "usb-without-filesystem",
        "filesystem-without-usb", "marks-without-sidecars",
        "charging-curve-falls",
        "owner-without-ext4",
        "volumes-and-path-on-none",
        "volumes-erased",
        "volumes-of-one-name",
        "volumes-on-one-disk",
        "volumes-without-usb",
    },
}  # fmt: skip


@pytest.mark.parametrize("kind", list(Kind))
def test_the_schema_that_ships_is_the_models(kind: Kind) -> None:
    """Whoever changes the model prints it again: dockd config schema KIND > dockd/config/KIND.schema.json."""
    assert (SHIPPED / f"{kind}.schema.json").read_text(encoding="utf-8") == printed(kind)


@pytest.mark.parametrize("kind", list(Kind))
def test_every_key_is_described(kind: Kind) -> None:
    """An editor has a sentence to show for each."""
    whole = json.loads(printed(kind))
    Draft202012Validator.check_schema(whole)
    for name, one in whole["$defs"].items():
        for key, value in one.get("properties", {}).items():
            assert value.get("description"), f"{name}.{key}"


@pytest.mark.parametrize(
    ("kind", "path"), [(Kind.SITE, ROOT / "config" / "site.example.yaml"), (Kind.PROFILE, SHIPPED / "profiles" / "dcf.yaml")]
)
def test_what_ships_is_valid(kind: Kind, path: Path) -> None:
    """The example and the shipped profile show no red line in an editor."""
    Draft202012Validator(schema(kind)).validate(yaml.safe_load(path.read_text(encoding="utf-8")))


@pytest.mark.parametrize("folder", ["bad", "bad_profiles"])
def test_the_schema_refuses_what_the_loader_refuses(folder: str) -> None:
    """But for what no schema can say, which is listed here."""
    kind = Kind.SITE if folder == "bad" else Kind.PROFILE
    validator = Draft202012Validator(schema(kind))
    accepted = set()
    for path in (Path(__file__).parent / folder).glob("*.yaml"):
        try:
            content = yaml.safe_load(path.read_bytes())
        except (yaml.YAMLError, ValueError):
            continue
        if validator.is_valid(content):
            accepted.add(path.stem)
    assert accepted == BEYOND_A_SCHEMA[folder]


@pytest.mark.parametrize("kind", list(Kind))
def test_every_default_is_what_the_key_may_say(kind: Kind) -> None:
    """An editor puts it there as it stands."""
    whole = json.loads(printed(kind))
    parts = [whole, *whole["$defs"].values()]
    keys = [each for part in parts for each in part.get("properties", {}).values() if each.get("default", "") != ""]
    assert keys
    for each in keys:
        Draft202012Validator({**each, "$defs": whole["$defs"]}).validate(each["default"])
