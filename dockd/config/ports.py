"""Writes the bays' USB ports into the text of a site file, and leaves every other character of it as it is.

Comments are where people explain what they decided, so the text is edited at the places of the nodes and never written out anew.
"""

from collections.abc import Mapping

import yaml

from dockd.config.source import parse
from dockd.errors import ConfigError

_KEY = "usb_port"


def with_ports(content: bytes, ports: Mapping[str, str], *, file: str) -> bytes:
    """The site file's text with these ports.

    A bay that has a port gets the new one, a bay that is a folder becomes a port, and a bay that is not there yet is added
    after the others.

    Args:
        content: the file's, in UTF-8.
        ports: by the bay's id.
        file: names it in errors.

    Raises:
        ConfigError: it is no YAML that dockd takes, or has no list of bays to write into.
    """
    parse(content, file=file)  # what passes here has one document, no anchors, no tags and each key once
    text = content.decode("utf-8")
    bays = _bays(text, file)
    edits: list[tuple[int, int, str]] = []
    found: set[str] = set()
    for item in bays.value:
        if not isinstance(item, yaml.MappingNode):
            continue
        members = {str(key.value): (key, value) for key, value in item.value}
        bay = str(members["id"][1].value) if "id" in members else ""
        if bay in ports and bay not in found:
            found.add(bay)
            edits.append(_edit(text, item, members, ports[bay]))
    missing = [bay for bay in ports if bay not in found]
    if missing:
        edits.append(_addition(text, bays, {bay: ports[bay] for bay in missing}))
    for start, end, words in sorted(edits, reverse=True):
        text = text[:start] + words + text[end:]
    return text.encode("utf-8")


def _bays(text: str, file: str) -> yaml.SequenceNode:
    document = yaml.compose(text, Loader=yaml.SafeLoader)
    members = {key.value: value for key, value in document.value} if isinstance(document, yaml.MappingNode) else {}
    bays = members.get("bays")
    if not isinstance(bays, yaml.SequenceNode) or not bays.value:
        msg = "has no list of bays to write into, expected bays: with at least one entry"
        raise ConfigError(msg, file=file)
    return bays


def _edit(
    text: str, item: yaml.MappingNode, members: Mapping[str, tuple[yaml.Node, yaml.Node]], port: str
) -> tuple[int, int, str]:
    flow = bool(item.flow_style)
    if _KEY in members:
        value = members[_KEY][1]
        return value.start_mark.index, value.end_mark.index, _written(port, flow=flow)
    if "directory" in members:
        key, value = members["directory"]
        return key.start_mark.index, value.end_mark.index, f"{_KEY}: {_written(port, flow=flow)}"
    key, value = members["id"]
    end: int = value.end_mark.index
    if flow:
        return end, end, f", {_KEY}: {_written(port, flow=True)}"
    end = _line_end(text, end)
    return end, end, f"\n{' ' * key.start_mark.column}{_KEY}: {port}"


def _addition(text: str, bays: yaml.SequenceNode, ports: Mapping[str, str]) -> tuple[int, int, str]:
    if bays.flow_style:
        end = bays.value[-1].end_mark.index
        return end, end, "".join(f', {{id: "{bay}", {_KEY}: {_written(port, flow=True)}}}' for bay, port in ports.items())
    end = _line_end(text, _last_end(bays))
    margin = " " * bays.start_mark.column
    return end, end, "".join(f'\n{margin}- id: "{bay}"\n{margin}  {_KEY}: {port}' for bay, port in ports.items())


def _last_end(node: yaml.Node) -> int:
    """Where the last thing written in `node` ends; a block's own end lies behind the comments that follow it."""
    if not isinstance(node, yaml.CollectionNode) or node.flow_style:
        return int(node.end_mark.index)
    last = node.value[-1]  # only between brackets can a list be empty
    return _last_end(last[1] if isinstance(last, tuple) else last)


def _line_end(text: str, index: int) -> int:
    end = text.find("\n", index)
    end = len(text) if end < 0 else end
    return end - 1 if text[:end].endswith("\r") and end > index else end


def _written(port: str, *, flow: bool) -> str:
    """Between brackets a comma would end the text."""
    return f'"{port}"' if flow else port
