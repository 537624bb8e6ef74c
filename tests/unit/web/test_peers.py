"""Who may look and who may act, by the system's own lists of users and groups."""

import grp
import os
import pwd
import socket
from dataclasses import dataclass, field

import pytest

from dockd.web.peers import Groups, Peer, Right, peer, uid_of

DAEMON = 900
LOOK, ACT = frozenset({Right.LOOK}), frozenset(Right)


@dataclass
class Lists:
    """A machine's users and groups, as pwd, grp and getgrouplist give them."""

    groups: dict[int, str] = field(default_factory=lambda: {20: "dockd", 21: "dockd-admin", 22: "users", 23: "site-admins"})
    users: dict[int, tuple[str, list[int]]] = field(
        default_factory=lambda: {
            0: ("root", [0]),
            7: ("anna", [22, 21]),
            8: ("bert", [22, 20]),
            9: ("carl", [22]),
            10: ("dora", [20]),
            11: ("emil", [22, 23, 99]),
            DAEMON: ("dockd", [900]),
        }
    )

    def getpwuid(self, uid: int) -> pwd.struct_passwd:
        """By number."""
        name, (primary, *_) = self.users[uid]
        return pwd.struct_passwd((name, "x", uid, primary, "", "/", "/bin/sh"))

    def getgrouplist(self, name: str, primary: int) -> list[int]:
        """Every group of a user, the primary one among them."""
        gids = next(gids for other, gids in self.users.values() if other == name)
        assert primary == gids[0]
        return gids

    def getgrgid(self, gid: int) -> grp.struct_group:
        """By number."""
        return grp.struct_group((self.groups[gid], "x", gid, []))


@pytest.fixture
def lists(monkeypatch: pytest.MonkeyPatch) -> Lists:
    """The test's own lists in place of this machine's."""
    made = Lists()
    monkeypatch.setattr(pwd, "getpwuid", made.getpwuid)
    monkeypatch.setattr(os, "getgrouplist", made.getgrouplist)
    monkeypatch.setattr(grp, "getgrgid", made.getgrgid)
    return made


@pytest.mark.parametrize(
    ("uid", "rights"),
    [(0, ACT), (7, ACT), (8, LOOK), (10, LOOK), (9, frozenset()), (11, frozenset()), (DAEMON, LOOK), (12345, frozenset())],
)
def test_rights_come_from_the_groups(lists: Lists, uid: int, rights: frozenset[Right]) -> None:
    """Root and admins act, the other group and the daemon look, by first or further groups; all others do nothing."""
    assert peer(uid, Groups(), daemon_uid=DAEMON).rights == rights


def test_the_site_names_the_groups(lists: Lists) -> None:
    """An agency's own directory group may act, and dockd's own then means nothing."""
    groups = Groups(look="users", act="site-admins")
    assert [peer(uid, groups, daemon_uid=DAEMON).rights for uid in (11, 7, 10)] == [ACT, LOOK, frozenset()]


def test_whoever_is_taken_out_of_a_group_is_out_at_once(lists: Lists) -> None:
    """The lists are asked each time."""
    assert peer(7, Groups(), daemon_uid=DAEMON).rights == ACT
    lists.users[7] = ("anna", [22])
    assert peer(7, Groups(), daemon_uid=DAEMON).rights == frozenset()


def test_people_are_named_by_name_and_number() -> None:
    """A name may be given to somebody else one day."""
    assert str(Peer(7, "anna", ACT)) == "anna (uid 7)"
    assert str(Peer(12345, "", frozenset())) == "uid 12345"


def test_the_kernel_says_who_is_at_the_other_end() -> None:
    """Of a real connection."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        assert uid_of(ours) == os.getuid()


def test_this_machines_own_lists_are_read() -> None:
    """Whoever runs the tests is in their own group."""
    group = grp.getgrgid(pwd.getpwuid(os.getuid()).pw_gid).gr_name
    found = peer(os.getuid(), Groups(look="nobody-is-in-it", act=group), daemon_uid=DAEMON)
    assert (found.name, found.rights) == (pwd.getpwuid(os.getuid()).pw_name, ACT)
