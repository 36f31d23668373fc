"""The system calls that a program in the sandbox may not make, as a filter for the kernel.

Namespaces and limits leave a few ways to hold memory that no limit counts (System V shared
memory, memfd), to reach what no namespace separates (the kernel's keyrings, AF_VSOCK), and to
make namespaces of one's own. Ordinary programs need none of them.

Source: seccomp(2), linux/filter.h, and the kernel's system call tables. Differs: none.
"""

from __future__ import annotations

import platform
import struct

_DENIED = {
    # name: (x86_64, aarch64)
    "shmget": (29, 194),
    "shmat": (30, 196),
    "msgget": (68, 186),
    "semget": (64, 190),
    "mq_open": (240, 180),
    "memfd_create": (319, 279),
    "memfd_secret": (447, 447),
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "kcmp": (312, 272),
    "pidfd_getfd": (438, 438),
    "mount": (165, 40),
    "umount2": (166, 39),
    "pivot_root": (155, 41),
    "chroot": (161, 51),
    "open_tree": (428, 428),
    "move_mount": (429, 429),
    "fsopen": (430, 430),
    "fsconfig": (431, 431),
    "fsmount": (432, 432),
    "fspick": (433, 433),
    "mount_setattr": (442, 442),
    "name_to_handle_at": (303, 264),
    "open_by_handle_at": (304, 265),
    "unshare": (272, 97),
    "setns": (308, 268),
    "add_key": (248, 217),
    "request_key": (249, 218),
    "keyctl": (250, 219),
    "bpf": (321, 280),
    "perf_event_open": (298, 241),
    "userfaultfd": (323, 282),
    "io_uring_setup": (425, 425),
    "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427),
    "personality": (135, 92),
    "syslog": (103, 116),
    "acct": (163, 89),
    "quotactl": (179, 60),
    "swapon": (167, 224),
    "swapoff": (168, 225),
    "reboot": (169, 142),
    "kexec_load": (246, 104),
    "kexec_file_load": (320, 294),
    "init_module": (175, 105),
    "finit_module": (313, 273),
    "delete_module": (176, 106),
}
_CLONE, _CLONE3, _SOCKET = (56, 220), (435, 435), (41, 198)
_ARCHITECTURE = {"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7)}
_NEW_NAMESPACES = 0x7E020080
"""All CLONE_NEW… flags of clone(2)."""

_FAMILIES = (1, 2, 10)
"""AF_UNIX, AF_INET, AF_INET6: the network namespace has nothing for them to reach."""

_ALLOW, _KILL, _ERROR = 0x7FFF0000, 0x80000000, 0x00050000
_EPERM, _ENOSYS = 1, 38
_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_NUMBER, _WHICH, _FIRST_ARGUMENT = 0, 4, 16
"""Where seccomp_data holds the call's number, the architecture and the first argument (low half)."""


def system_call_filter() -> bytes | None:
    """The filter as the kernel takes it; None on a processor whose calls are not listed here."""
    if platform.machine() not in _ARCHITECTURE:
        return None
    column, audited = _ARCHITECTURE[platform.machine()]
    # Each line: (code, value, lines to skip where true, where false).
    lines = [
        (_LOAD, _WHICH, 0, 0),
        (_EQUAL, audited, 1, 0),
        (_RETURN, _KILL, 0, 0),
        (_LOAD, _NUMBER, 0, 0),
    ]
    if platform.machine() == "x86_64":  # x32 has numbers of its own
        lines += [(_AT_LEAST, 0x40000000, 0, 1), (_RETURN, _ERROR | _EPERM, 0, 0)]
    for numbers in _DENIED.values():
        lines += [(_EQUAL, numbers[column], 0, 1), (_RETURN, _ERROR | _EPERM, 0, 0)]
    # The C library falls back to clone, whose flags can be looked at.
    lines += [(_EQUAL, _CLONE3[column], 0, 1), (_RETURN, _ERROR | _ENOSYS, 0, 0)]
    lines += [
        (_EQUAL, _CLONE[column], 0, 4),
        (_LOAD, _FIRST_ARGUMENT, 0, 0),
        (_ANY_BIT, _NEW_NAMESPACES, 0, 1),
        (_RETURN, _ERROR | _EPERM, 0, 0),
        (_RETURN, _ALLOW, 0, 0),
    ]
    lines += [(_EQUAL, _SOCKET[column], 0, 2 + len(_FAMILIES)), (_LOAD, _FIRST_ARGUMENT, 0, 0)]
    lines += [(_EQUAL, family, len(_FAMILIES) - place, 0) for place, family in enumerate(_FAMILIES)]
    lines += [(_RETURN, _ERROR | _EPERM, 0, 0), (_RETURN, _ALLOW, 0, 0)]
    return b"".join(struct.pack("=HBBI", code, true, false, value) for code, value, true, false in lines)
