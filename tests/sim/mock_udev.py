"""Devices that do not exist, shown to libudev by umockdev; only for processes that run under `umockdev-wrapper`."""

import ctypes

_library = ctypes.CDLL("libumockdev.so.0")
_library.umockdev_testbed_new.restype = ctypes.c_void_p
_library.umockdev_testbed_add_devicev.restype = ctypes.c_void_p


def _strings(values: dict[str, str]) -> "ctypes.Array[ctypes.c_char_p]":
    flat = [each.encode() for pair in values.items() for each in pair]
    return (ctypes.c_char_p * (len(flat) + 1))(*flat, None)


class MockUdev:
    """A test bed. Adding and removing tells udev's listeners nothing; `tell` does."""

    def __init__(self) -> None:
        self._bed = ctypes.c_void_p(_library.umockdev_testbed_new())

    def add(self, subsystem: str, name: str, parent: str | None, attributes: dict[str, str], properties: dict[str, str]) -> str:
        """Add a device; its path."""
        above = parent.encode() if parent else None
        path = _library.umockdev_testbed_add_devicev(
            self._bed, subsystem.encode(), name.encode(), above, _strings(attributes), _strings(properties)
        )
        return ctypes.string_at(path).decode()

    def remove(self, path: str) -> None:
        """Remove a device and all below it."""
        _library.umockdev_testbed_remove_device(self._bed, path.encode())

    def tell(self, path: str, action: str) -> None:
        """Send an event about a device."""
        _library.umockdev_testbed_uevent(self._bed, path.encode(), action.encode())
