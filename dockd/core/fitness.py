"""Whether a dock is fit for tonight: one judgement for each part, from what was measured of it.

GOOD needs nobody. LOOK works tonight, but somebody should look soon. BAD means that cameras that come tonight may not be taken,
delivered or given back as they should be.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

_HOUR_S = 3600.0
_DAY_S = 24 * _HOUR_S
BACKUP_EVERY_S = 7 * _DAY_S
ONE_CAMERA_BYTES = 64 * 10**9
"""What one full camera brings."""
LEAST_MEMORY_BYTES = 256 * 10**6
HOT_C, TOO_HOT_C = 75.0, 90.0
MOST_OFFSET_S = 2.0


class Grade(StrEnum):
    """How one part of the dock is."""

    GOOD = "good"
    LOOK = "look"
    BAD = "bad"


@dataclass(frozen=True, slots=True)
class Check:
    """One line of the self-test.

    Attributes:
        part: what was looked at.
        grade: how it is.
        reason: what was found, as one sentence.
        cure: what an admin should do, empty where all is good.
    """

    part: str
    grade: Grade
    reason: str
    cure: str = ""


def fit(checks: Sequence[Check]) -> bool:
    """Whether nothing is bad."""
    return all(each.grade is not Grade.BAD for each in checks)


def bays(count: int, in_need: Mapping[str, str]) -> Check:
    """Bays that show: get help, with the reason of each."""
    if not in_need:
        return Check("bays", Grade.GOOD, f"{_counted(count, 'bay')} can take a camera.")
    words = "; ".join(f"bay {bay}: {reason}" for bay, reason in in_need.items())
    grade = Grade.BAD if len(in_need) == count else Grade.LOOK
    return Check(
        "bays", grade, f"{len(in_need)} of {_counted(count, 'bay')} needs help: {words}", "Do what docs/runbook.md says."
    )


def ports(wanted: Sequence[str], guarded: Sequence[str], refusal: str = "") -> Check:
    """USB bays that the helper guards; `refusal` says why it could not be asked."""
    cure = "systemctl restart dockd-helper dockd, then look at: systemctl status dockd-helper"
    if not wanted:
        return Check("ports", Grade.GOOD, "No bay is a USB port.")
    if refusal:
        return Check("ports", Grade.BAD, f"The helper that opens cameras cannot be asked: {refusal}", cure)
    if missing := sorted(set(wanted) - set(guarded)):
        words = f"The helper does not guard bay {', '.join(missing)}: what is plugged in there is not let in."
        return Check("ports", Grade.BAD, words, cure)
    return Check("ports", Grade.GOOD, f"The helper guards {_counted(len(wanted), 'USB bay')}.")


def hub_power(bays: Sequence[str], switch: Sequence[str], cannot: Mapping[str, str], over: Sequence[str]) -> Check:
    """Ports whose power is shared out.

    Args:
        bays: all of them, in the order of the site file.
        switch: those that were seen to switch.
        cannot: those that do not, and why.
        over: hubs from which what may not be cut draws more than they have.
    """
    if not bays:
        return Check("hub power", Grade.GOOD, "No hub's power is shared out: every bay always has power.")
    untried = [bay for bay in bays if bay not in {*switch, *cannot}]
    parts = [f"switch: bay {', '.join(switch)}"] if switch else []
    parts += [f"can switch, not tried yet: bay {', '.join(untried)}"] if untried else []
    parts += [f"bay {bay} does not switch ({why})" for bay, why in cannot.items()]
    parts += [f"hub {hub} gives more than its budget" for hub in over]
    words = "; ".join(parts)
    words = words[0].upper() + words[1:] + "."
    if cannot or over:
        cure = "Charging goes on, but not by plan. Take a hub that switches, fewer bays, or a larger supply: docs/charging.md."
        return Check("hub power", Grade.LOOK, words, cure)
    return Check("hub power", Grade.GOOD, words)


def disk(*, usable_bytes: int, size_bytes: int, spare_bytes: int | None = None) -> Check:
    """Room in the spool beyond what is kept free.

    Args:
        usable_bytes: for cameras that come, what proved copies would make way for included.
        size_bytes: of the disk.
        spare_bytes: what may be taken before proved copies go early; None where the site keeps none.
    """
    words = f"there is room for {_gigabytes(usable_bytes)} on a disk of {_gigabytes(size_bytes)}."
    cure = "Let uploads make room: see dockd queue. If the archive is away for long, give the spool a larger disk."
    if usable_bytes <= 0:
        return Check("disk", Grade.BAD, f"Nothing can be copied: {words}", cure)
    if usable_bytes < ONE_CAMERA_BYTES:
        return Check("disk", Grade.LOOK, f"A full camera would not fit: {words}", cure)
    if spare_bytes is not None and spare_bytes < ONE_CAMERA_BYTES:
        words = f"A full camera makes copies go before spool.keep_days are over: {words}"
        return Check("disk", Grade.LOOK, words, "Give the spool a larger disk, or say fewer days in the site file.")
    return Check("disk", Grade.GOOD, words[0].upper() + words[1:])


def encryption(*, encrypted: bool) -> Check:
    """Whether whoever takes the dock's disk can read it."""
    if encrypted:
        return Check("encryption", Grade.GOOD, "The spool's disk is encrypted (dm-crypt).")
    words = "The spool's disk is not encrypted: whoever takes it can read every recording on it."
    return Check("encryption", Grade.LOOK, words, "Put the spool on LUKS: docs/INSTALL.md, A spool elsewhere.")


def seal(unsealed_why: str, waiting: int) -> Check:
    """Whether anybody can still write to a verified recording.

    Args:
        unsealed_why: why the spool's file system seals none; empty if it does.
        waiting: copies that are not sealed yet.
    """
    if unsealed_why:
        words = f"Verified recordings are watched and hashed again as they are sent, but not sealed: {unsealed_why}."
        return Check("seal", Grade.GOOD, words)
    words = "Verified recordings are sealed (fs-verity): nobody can write to them"
    return Check("seal", Grade.GOOD, f"{words}; {waiting} will be." if waiting else f"{words}.")


def signing_key(*, sealed: bool, left: bool, tpm: bool) -> Check:
    """Where the key lies that signs the custody log.

    Args:
        sealed: systemd unseals it for the daemon, from a credential.
        left: its file still lies beside the journal.
        tpm: the machine has one.
    """
    cure = "docs/INSTALL.md, The dock's signing key."
    if sealed and left:
        words = "systemd unseals the key for the daemon, but its file in the clear still lies beside the journal."
        return Check("signing key", Grade.LOOK, words, f"Shred it: {cure}")
    if sealed:
        return Check("signing key", Grade.GOOD, "systemd unseals the key that signs the custody log, for the daemon alone.")
    words = "The key that signs the custody log is a file that only dockd may read"
    if tpm:
        words += ", and this machine has a TPM that could seal it: whoever can read its disk has the key."
        return Check("signing key", Grade.LOOK, words, f"Seal it: {cure}")
    return Check("signing key", Grade.GOOD, f"{words}; this machine has no TPM that could seal it.")


def configuration(pending: Sequence[str], error: str, accept_with: str) -> Check:
    """Whether the dock runs by its site file as it lies there."""
    if error:
        words = f"The site file cannot be used, and the last good one is in force: {error}"
        return Check("configuration", Grade.LOOK, words, "dockd config check names line and column; mend it there.")
    if pending:
        words = f"Not in force before an admin accepts it: {'; '.join(pending)}."
        return Check("configuration", Grade.LOOK, words, f"Read it, then: {accept_with}")
    return Check("configuration", Grade.GOOD, "The site file is in force as it is.")


def refused(count: int) -> Check:
    """Recordings that need a person."""
    if not count:
        return Check("recordings", Grade.GOOD, "No recording waits for a person.")
    words = f"{_counted(count, 'recording')} could not be taken or delivered."
    return Check("recordings", Grade.LOOK, words, "dockd recordings --state refused; mend the cause; dockd retry RECORDING.")


def backup(age_s: float | None) -> Check:
    """When the journal was last copied to somewhere else."""
    cure = "dockd journal backup FILE, with FILE on another machine's disk; better from a timer."
    if age_s is None:
        return Check("backup", Grade.LOOK, "The journal was never backed up.", cure)
    words = f"The journal was last backed up {_ago(age_s)} ago."
    return Check("backup", Grade.GOOD, words) if age_s <= BACKUP_EVERY_S else Check("backup", Grade.LOOK, words, cure)


def key_backup(age_s: float | None, *, to: str = "", same: bool = True) -> Check:
    """When the dock's signing key was last copied to somewhere else; it never changes by itself, so no copy grows old.

    Args:
        age_s: of the last copy, None if there never was one.
        to: where it lies.
        same: it is the key with which the dock signs now.
    """
    cure = "sudo dockd report key --backup FILE, with FILE on a stick that goes into a safe."
    if age_s is None:
        return Check("key backup", Grade.LOOK, "The dock's signing key was never backed up.", cure)
    if not same:
        return Check("key backup", Grade.LOOK, "The key that was backed up is not the one with which the dock signs now.", cure)
    return Check("key backup", Grade.GOOD, f"The dock's signing key was last backed up {_ago(age_s)} ago, to {to}.")


def clock(*, synchronised: bool | None, offset_s: float = 0.0) -> Check:
    """Whether the machine's clock is kept right; None where the kernel did not say."""
    cure = "timedatectl set-ntp true; then look at: timedatectl timesync-status"
    if synchronised is None:
        return Check("clock", Grade.LOOK, "Whether the clock is synchronised could not be found out.", cure)
    if not synchronised:
        words = "The clock is not synchronised: times in records may be wrong (order and proofs do not rest on them)."
        return Check("clock", Grade.BAD, words, cure)
    if abs(offset_s) > MOST_OFFSET_S:
        return Check("clock", Grade.LOOK, f"The clock is synchronised, but still {abs(offset_s):.1f} s off.", cure)
    return Check("clock", Grade.GOOD, "The clock is synchronised.")


def memory(available_bytes: int, total_bytes: int) -> Check:
    """Memory that programs can still have."""
    words = f"{_gigabytes(available_bytes)} of {_gigabytes(total_bytes)} of memory are available."
    if available_bytes < LEAST_MEMORY_BYTES:
        return Check("memory", Grade.BAD, words, "See what takes it: systemd-cgtop -m. Stop what is not the dock's, or restart.")
    return Check("memory", Grade.GOOD, words)


def temperature(sensors_c: Mapping[str, float]) -> Check:
    """The hottest of the machine's sensors, by name, in degrees Celsius."""
    if not sensors_c:
        return Check("temperature", Grade.GOOD, "This machine has no sensor.")
    name, hottest_c = max(sensors_c.items(), key=lambda each: each[1])
    words = f"The hottest sensor, {name}, says {hottest_c:.0f} \N{DEGREE SIGN}C."
    cure = "Let air to the machine: clean its fan and filters, and see that nothing covers it."
    if hottest_c >= TOO_HOT_C:
        return Check("temperature", Grade.BAD, words, cure)
    return Check("temperature", Grade.LOOK, words, cure) if hottest_c >= HOT_C else Check("temperature", Grade.GOOD, words)


def _counted(count: int, what: str) -> str:
    return f"1 {what}" if count == 1 else f"{count} {what}s"


def _gigabytes(count_bytes: int) -> str:
    return f"{count_bytes / 10**9:.1f} GB"


def _ago(age_s: float) -> str:
    if age_s < 2 * _DAY_S:
        return f"{age_s / _HOUR_S:.0f} hours"
    return f"{age_s / _DAY_S:.0f} days"
