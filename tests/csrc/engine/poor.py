"""In: a uid and a command. Out: the command in a user namespace where no further namespace can be made.

With uid 0 it has capabilities there and can chroot(2); with another it has none: the engine as on a machine whose
administrator allows nothing.
"""

from __future__ import annotations

import ctypes
import os
import sys
from pathlib import Path

CLONE_NEWUSER = 0x10000000


def main() -> None:
    uid, command = sys.argv[1], sys.argv[2:]
    outer_uid, outer_gid = os.geteuid(), os.getegid()
    if ctypes.CDLL(None).unshare(CLONE_NEWUSER) != 0:
        sys.exit("no user namespace here")
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"{uid} {outer_uid} 1")
    Path("/proc/self/gid_map").write_text(f"{uid} {outer_gid} 1")
    for kind in ("cgroup", "ipc", "mnt", "net", "pid", "user", "uts"):
        Path(f"/proc/sys/user/max_{kind}_namespaces").write_text("0")
    os.execv(command[0], command)


if __name__ == "__main__":
    main()
