"""Loads a site file: the model from its YAML, then what no single key can say."""

from collections.abc import Iterator
from pathlib import Path

from msgspec import structs

from dockd.config.fill import fill, place_of
from dockd.config.handing_over import archive_keys
from dockd.config.model import ArchiveSettings, Site
from dockd.config.office import Alerts
from dockd.config.problems import Problems
from dockd.config.roster import read_roster
from dockd.config.rules import NO_BAY, is_loopback
from dockd.config.source import Mapping, Node, Place, read
from dockd.core.handover import HandoverError
from dockd.core.names import plain
from dockd.core.policy import UNCATEGORISED
from dockd.core.readiness import Needs


def load_site(path: Path) -> Site:
    """The site file's content, with its roster's cameras; nothing else is looked at, so that it can be checked on any machine.

    Raises:
        ConfigError: with every problem that was found, each `file:line:col: what, and what was expected` on a line of its own.
    """
    site, node = _read_site(path)
    site = _with_roster(site, path)
    problems = Problems(str(path))
    _check_cameras(site, node, problems)
    if problems:
        raise problems.error()
    return site


def load_site_without_roster(path: Path) -> Site:
    """The site file's content with its own cameras alone: for whoever is about to write the roster.

    Raises:
        ConfigError: as `load_site`.
    """
    return _read_site(path)[0]


def roster_of(site: Site, path: Path) -> Path | None:
    """Where the roster of the site file at `path` lies, None if it names none."""
    return None if site.roster is None else path.with_name(site.roster)


def _read_site(path: Path) -> tuple[Site, Node]:
    node = read(path)
    problems = Problems(str(path))
    site = fill(Site, node, problems)
    if site is not None:
        _check_bays(site, node, problems)
        _check_lamps(site, node, problems)
        _check_folders(site, node, problems)
        _check_archive(site.archive, node, problems)
        _check_proofs(site, node, problems)
        _check_light(site, node, problems)
        _check_hubs(site, node, problems)
        _check_categories(site, node, problems)
        _check_kiosk(site, node, problems)
        _check_alerts(site.alerts, node, problems)
    if problems or site is None:
        raise problems.error()
    return site, node


def _with_roster(site: Site, path: Path) -> Site:
    roster = roster_of(site, path)
    return site if roster is None else structs.replace(site, cameras=site.cameras + read_roster(roster))


def _check_bays(site: Site, node: Node, problems: Problems) -> None:
    """Each bay has its own id, and is one thing at one place."""
    ids: dict[str, int] = {}
    ports: dict[str, int] = {}
    for index, bay in enumerate(site.bays):
        first = ids.setdefault(bay.id.lower(), index)
        if first != index:
            msg = f"bays[{index}].id: {bay.id!r} is also the id of bays[{first}], expected one of its own"
            problems.add(place_of(node, "bays", index, "id"), msg)
        if (bay.directory is None) == (bay.usb_port is None):
            found = "has neither directory nor usb_port" if bay.directory is None else "has both directory and usb_port"
            problems.add(place_of(node, "bays", index), f"bays[{index}]: {found}, expected exactly one of them")
        elif bay.usb_port is not None and ports.setdefault(bay.usb_port, index) != index:
            msg = f"bays[{index}].usb_port: also the port of bays[{ports[bay.usb_port]}], expected one of its own"
            problems.add(place_of(node, "bays", index, "usb_port"), msg)


def _check_lamps(site: Site, node: Node, problems: Problems) -> None:
    """A lamp is one LED or three; no LED belongs to two bays, and what is called is where it says that it is."""
    owners: dict[str, int] = {}
    for index, bay in enumerate(site.bays):
        if bay.lamp is None:
            continue
        place = place_of(node, "bays", index, "lamp")
        three = (bay.lamp.take_it, bay.lamp.leave_it, bay.lamp.get_help)
        if (bay.lamp.led is None) == (None in three) or (bay.lamp.led is not None and any(three)):
            msg = f"bays[{index}].lamp: expected either led, or all three of take_it, leave_it and get_help"
            problems.add(place, msg)
            continue
        for name in bay.lamp.wiring().names():
            if name in owners:
                msg = f"bays[{index}].lamp: {name} lights bays[{owners[name]}] already, expected an LED of its own"
                problems.add(place, msg)
            owners[name] = index
    if site.lamps is not None and not site.lamps.command[0].startswith("/"):
        msg = f"lamps.command: {site.lamps.command[0]} is not an absolute path, expected one such as /usr/local/bin/dock-lamp"
        problems.add(place_of(node, "lamps", "command"), msg)


def _check_folders(site: Site, node: Node, problems: Problems) -> None:
    """No folder of the dock lies in another: one would be taken for a camera."""
    taken: list[tuple[str, Path]] = [("spool.directory", site.spool.directory)]
    for index, bay in enumerate(site.bays):
        if bay.directory is None:
            continue
        for owner, directory in taken:
            if bay.directory == directory or bay.directory in directory.parents or directory in bay.directory.parents:
                msg = f"bays[{index}].directory: {bay.directory} and {owner} ({directory}) overlap, expected a folder of its own"
                problems.add(place_of(node, "bays", index, "directory"), msg)
                break
        taken.append((f"bays[{index}].directory", bay.directory))


def _check_archive(archive: ArchiveSettings, node: Node, problems: Problems) -> None:
    pairs = {"client_cert": archive.client_cert, "client_key": archive.client_key}
    missing = [name for name, file in pairs.items() if file is None]
    if len(missing) == 1:
        (present,) = pairs.keys() - set(missing)
        msg = f"archive.{present}: stands alone, expected {missing[0]} beside it"
        problems.add(_key_place(node, "archive", present), msg)
    if archive.url.startswith("http:"):
        for name in ("ca_file", "client_cert", "client_key"):
            if getattr(archive, name) is not None:
                msg = f"archive.{name}: has no effect on an http address, expected an https url or no {name}"
                problems.add(_key_place(node, "archive", name), msg)


def _check_proofs(site: Site, node: Node, problems: Problems) -> None:
    """An archive either signs what it holds, or is looked at by the dock; the second erases nothing unless the site says so."""
    archive = site.archive
    wrong = _wrong_of_tus(archive) if archive.kind == "tus" else _wrong_of_s3(archive)
    for key, msg in wrong:
        problems.add(_key_place(node, "archive", key) if key else place_of(node, "archive"), msg)
    looked_at = "S3" if archive.kind == "s3" else "read-back" if archive.proof == "read-back" else ""
    if looked_at and site.erase.policy != "never" and not site.erase.unsigned:
        msg = (
            f"erase.policy: {site.erase.policy} never happens with {looked_at}, whose proofs nobody signs; expected never, "
            "or unsigned: true beside it"
        )
        problems.add(place_of(node, "erase", "policy"), msg)
    if site.erase.unsigned and not looked_at:
        msg = "erase.unsigned: has no effect on an archive that signs receipts, expected no unsigned"
        problems.add(place_of(node, "erase", "unsigned"), msg)


def _wrong_of_tus(archive: ArchiveSettings) -> Iterator[tuple[str, str]]:
    """The key that is wrong, empty for one that is missing, and what to say."""
    if archive.proof == "receipt" and not archive.key:
        yield "", "archive: key is missing, expected the public key with which the archive signs its receipts, or proof read-back"
    try:
        archive_keys(archive)
    except HandoverError as exc:
        yield "handovers", f"archive.handovers: these do not lead to the key: {exc}; expected what dockd vault rotate printed"
    if archive.handovers and not archive.key:
        yield "handovers", "archive.handovers: has no effect without a key, expected a key, or no handovers"
    if archive.proof == "read-back" and archive.key:
        yield "key", "archive.key: nothing is signed with proof read-back, expected no key, or proof receipt"
    if archive.proof == "read-back" and archive.id is None:
        yield "", "archive: id is missing, expected a name for an archive that does not introduce itself"
    if archive.s3 is not None:
        yield "s3", "archive.s3: has no effect on a tus archive, expected kind s3, or no s3"


def _wrong_of_s3(archive: ArchiveSettings) -> Iterator[tuple[str, str]]:
    if archive.s3 is None:
        yield "", "archive: s3 is missing, expected the section with the bucket"
    if archive.handovers:
        yield "handovers", "archive.handovers: S3 signs nothing, expected none"
    if archive.key:
        yield "key", "archive.key: S3 signs nothing, expected no key"
    if archive.proof != "receipt":
        yield "proof", "archive.proof: has no effect on S3, where the store shows how it is proved; expected no proof"
    if archive.token_file is not None:
        yield "token_file", "archive.token_file: has no effect on S3, expected s3.credentials_file"
    if archive.s3 is not None and archive.s3.kms_key is not None and archive.s3.encryption != "aws:kms":
        yield "s3", "archive.s3.kms_key: has no effect without encryption aws:kms"


def _check_light(site: Site, node: Node, problems: Problems) -> None:
    """A light that could never say: take it, would be found out at the end of the first shift."""
    if site.ready.needs is not Needs.ERASED:
        return
    place = place_of(node, "ready", "needs")
    if site.erase.policy == "never":
        problems.add(
            place, "ready.needs: erased never happens under erase.policy never, expected delete or clear there, or archived here"
        )
    elif any(bay.directory is not None for bay in site.bays) and not site.erase.directory_erase:
        msg = "ready.needs: erased needs erase.directory_erase: true in directory bays, expected that, or archived here"
        problems.add(place, msg)


def _check_hubs(site: Site, node: Node, problems: Problems) -> None:
    """A bay draws from one hub, and has a port whose power can be cut at all."""
    known = {bay.id: bay for bay in site.bays}
    owners: dict[str, int] = {}
    names: dict[str, int] = {}
    for index, hub in enumerate(() if site.charging is None else site.charging.hubs):
        place = ("charging", "hubs", index)
        if names.setdefault(hub.name, index) != index:
            msg = f"charging.hubs[{index}].name: {hub.name!r} is also hubs[{names[hub.name]}], expected one of its own"
            problems.add(place_of(node, *place, "name"), msg)
        for at, bay in enumerate(hub.bays):
            key = f"charging.hubs[{index}].bays[{at}]"
            if bay not in known:
                msg = f"{key}: no bay has the id {bay!r}, expected one of {', '.join(sorted(known))}"
            elif known[bay].usb_port is None:
                msg = f"{key}: bay {bay!r} is a folder, which draws nothing, expected a bay with a usb_port"
            elif bay in owners:
                msg = f"{key}: bay {bay!r} is at hubs[{owners[bay]}] already, expected it at one hub"
            else:
                owners[bay] = index
                continue
            problems.add(place_of(node, *place, "bays", at), msg)


def _check_kiosk(site: Site, node: Node, problems: Problems) -> None:
    """Every bay has its one place on the page: one that is missing there would be missed at the end of a shift."""
    if site.kiosk is None or site.kiosk.layout is None:
        return
    known = {bay.id for bay in site.bays}
    places: set[str] = set()
    for row, ids in enumerate(site.kiosk.layout):
        for column, bay in enumerate(ids):
            where = f"kiosk.layout[{row}][{column}]"
            if bay != NO_BAY and bay not in known:
                msg = f"{where}: no bay has the id {bay!r}, expected one of {', '.join(sorted(known))}, or {NO_BAY} for no bay"
                problems.add(place_of(node, "kiosk", "layout", row, column), msg)
            elif bay in places:
                problems.add(place_of(node, "kiosk", "layout", row, column), f"{where}: bay {bay!r} stands there twice")
            places |= {bay} - {NO_BAY}
    if missing := known - places:
        msg = f"kiosk.layout: bays without a place: {', '.join(sorted(missing))}, expected every bay once"
        problems.add(place_of(node, "kiosk", "layout"), msg)


def _check_categories(site: Site, node: Node, problems: Problems) -> None:
    """Each word means one category, and the word for none means none."""
    meant = {plain(UNCATEGORISED): (-1, "what nobody named")}
    for index, category in enumerate(site.categories):
        words = [(category.name, "name", ()), *((word, f"words[{at}]", (at,)) for at, word in enumerate(category.words))]
        for word, key, place in words:
            other, called = meant.setdefault(plain(word), (index, f"categories[{index}].{key}"))
            if other != index or not plain(word):
                found = f"means the same as {called}" if plain(word) else "has neither letter nor digit"
                msg = f"categories[{index}].{key}: {word!r} {found}, expected a word of its own"
                problems.add(place_of(node, "categories", index, key.partition("[")[0], *place), msg)


def _check_cameras(site: Site, node: Node, problems: Problems) -> None:
    """Each camera is listed once, and somebody can be missed."""
    listed: set[str] = set()
    for index, camera in enumerate(site.cameras):
        if camera.serial in listed:
            msg = f"camera {camera.serial} is listed twice, here and in {site.roster or 'this list'}, expected it once"
            problems.add(place_of(node, "cameras", index, "serial"), msg)
        listed.add(camera.serial)
    if site.alerts.undocked_hours is not None and not any(camera.shift_ends for camera in site.cameras):
        msg = "alerts.undocked_hours: has no effect without a camera's shift_ends, expected one, or no undocked_hours"
        problems.add(place_of(node, "alerts", "undocked_hours"), msg)


def _check_alerts(alerts: Alerts, node: Node, problems: Problems) -> None:
    """A password crosses no network in the clear, and does not stand alone."""
    email = alerts.email
    if email is None:
        return
    if email.security == "none" and not is_loopback(email.server):
        msg = "alerts.email.security: none would show alerts to the network, expected starttls or tls (none only to loopback)"
        problems.add(place_of(node, "alerts", "email", "security"), msg)
    if (email.user is None) != (email.password_file is None):
        present, missing = ("user", "password_file") if email.password_file is None else ("password_file", "user")
        msg = f"alerts.email.{present}: stands alone, expected {missing} beside it"
        problems.add(place_of(node, "alerts", "email", present), msg)


def _key_place(node: Node, section: str, key: str) -> Place:
    inside = node.values[section] if isinstance(node, Mapping) else node
    return inside.keys[key] if isinstance(inside, Mapping) else inside.place
