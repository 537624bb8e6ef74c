"""What people see and touch of an installed dock besides its screen: lamps whose masters die, a badge reader in its sandbox."""

import re
from pathlib import Path

from tests.rig.cameras import build
from tests.rig.docks import EIGHT, Dock, custody
from tests.rig.guest import Guest
from tests.rig.image import ROOT
from tests.rig.machine import Machine
from tests.rig.outside import Outside
from tests.rig.prepared import Prepared
from tests.rig.scenario_usb import dock_camera, ready, usb_dock

_LOG = "/var/lib/dockd/lamp.log"
_PROGRAM = f'#!/bin/sh\necho "$*" >>{_LOG}\n'
_DAEMON = "$(systemctl show -P MainPID dockd.service)"


async def until_it_is(guest: Guest, led: str, trigger: str, file: str, value: str) -> None:
    """Wait until the kernel's LED does something by itself, and how."""
    await guest.until(rf"cd {led}; grep -qF '[{trigger}]' trigger && grep -qx {value} {file}")


async def last_said(guest: Guest) -> str:
    """What the program was told last of the first bay."""
    return (await guest.sh(f"grep '^1 ' {_LOG} | tail -n 1")).strip()


async def test_lamps_ask_for_help_when_whoever_lights_them_dies(
    prepared_machine: Prepared, place: Path, outside: Outside
) -> None:
    """Killed, or hung until the watchdog ends it: the kernel's LED and a program are told; after a stop in order all is dark."""
    camera = build(place, "CAM-1")
    async with Machine(prepared_machine.docking(place), place / "console") as machine:
        guest = machine.guest
        # The machine's keyboard has LEDs, which the kernel offers as any other's.
        led = (await guest.sh("modprobe -a ledtrig-timer ledtrig-pattern; ls -d /sys/class/leds/*::numlock | head -n 1")).strip()
        await guest.write("/usr/local/bin/dock-lamp", _PROGRAM, mode="0755")
        # So that it can be seen before a restart shows what is so again.
        await guest.write("/run/systemd/system/dockd.service.d/stays.conf", "[Service]\nRestart=no\n")
        await guest.sh("systemctl daemon-reload")
        dock = usb_dock(machine, outside)
        bays = [EIGHT[0] | {"lamp": {"led": Path(led).name}}, *EIGHT[1:]]
        dock.site = {"bays": bays, "lamps": {"command": ["/usr/local/bin/dock-lamp"]}}
        await ready(dock)
        await dock_camera(machine, camera, "1")
        for death in (f"kill -9 {_DAEMON}", f"kill -STOP {_DAEMON}"):
            await dock.lamp_until("1", lamp="take it")
            await until_it_is(guest, led, "none", "brightness", "1")
            await guest.until(f"grep '^1 ' {_LOG} | tail -n 1 | grep -qx '1 take it'")
            await guest.sh(death)
            await guest.until("systemctl is-failed --quiet dockd.service")
            await until_it_is(guest, led, "timer", "delay_on", "150")
            assert await last_said(guest) == "1 get help"
            await dock.start()
        await dock.lamp_until("1", lamp="take it")
        await until_it_is(guest, led, "none", "brightness", "1")
        await guest.sh("systemctl kill -s KILL dockd-helper.service")
        await until_it_is(guest, led, "timer", "delay_on", "150")
        # The daemon hears of it, and has the next helper show what is so.
        await until_it_is(guest, led, "none", "brightness", "1")
        await guest.sh("systemctl stop dockd.service", timeout_s=600)
        await until_it_is(guest, led, "none", "brightness", "0")
        assert await last_said(guest) == "1 off"
        await dock.archived([camera])


_READER = "/dev/input/by-path/platform-i8042-serio-0-event-kbd"


async def show_badge(machine: Machine, number: str) -> None:
    """A reader types a badge's number and Enter; here it is the machine's keyboard."""
    for key in (*number, "ret"):
        await machine.qmp.order("send-key", {"keys": [{"type": "qcode", "data": key}], "hold-time": 50})


async def test_badge_reader_is_read_in_the_daemons_sandbox_and_by_nobody_else(
    prepared_machine: Prepared, place: Path, outside: Outside
) -> None:
    """Shut out as installed; with docs/charging.md's drop-in a badge checks a camera out, and no other program hears its keys."""
    camera = build(place, "CAM-1")
    (drop_in,) = re.findall(
        r"```ini\n# systemctl edit dockd.service\n(.+?)```", (ROOT / "docs/charging.md").read_text(), re.DOTALL
    )
    async with Machine(prepared_machine.docking(place), place / "console") as machine:
        guest = machine.guest
        await guest.until(f"test -c {_READER}")
        dock = Dock(machine, outside)
        dock.site = {"checkout": {"reader": _READER, "badges": [{"badge": "4711", "officer": "A. Smith"}]}}
        await ready(dock)
        await dock.heard("badge reader cannot be used")
        await guest.write("/etc/systemd/system/dockd.service.d/reader.conf", drop_in)
        await guest.sh("systemctl daemon-reload")
        await dock.start()
        await dock.heard("badge reader is there")
        await dock_camera(machine, camera, "1")
        await dock.lamp_until("1", lamp="take it")
        await guest.sh(f"setsid cat {_READER} </dev/null >/run/heard 2>/dev/null &")
        await guest.until("ls -l /proc/$(pgrep -x cat)/fd | grep -q /dev/input/event")
        await show_badge(machine, "4711")
        shown = await dock.lamp_until("1", officer="A. Smith")
        assert shown["lamp"] == "take it"
        assert shown["reason"].startswith("It is for A. Smith, until ")
        (entry,) = await custody(guest, "camera.checked-out")
        assert (entry["camera"], entry["officer"], entry["by"]) == ("CAM-1", "A. Smith", "badge")
        assert (await guest.sh("wc -c </run/heard")).strip() == "0"
        # Nothing was heard because nobody else may hear: without the daemon, somebody does.
        await guest.sh("systemctl stop dockd.service", timeout_s=600)
        await show_badge(machine, "4711")
        await guest.until("test -s /run/heard")
