"""Runs a program under docker/seccomp.json, without a container: under_seccomp.py PROGRAM [ARGUMENT ...]

So one can see that the profile lets the server work and keeps it on io_uring (docker/README.md).
Needs Debian's python3-seccomp, which belongs to /usr/bin/python3.
"""

import json
import os
import pathlib
import sys

import seccomp


def main():
    profile = json.loads(pathlib.Path(__file__).with_name("seccomp.json").read_text())
    rules = seccomp.SyscallFilter(seccomp.ERRNO(profile["defaultErrnoRet"]))
    for entry in profile["syscalls"]:
        allowed = entry["action"] == "SCMP_ACT_ALLOW"
        action = seccomp.ALLOW if allowed else seccomp.ERRNO(entry["errnoRet"])
        arguments = [argument(a) for a in entry.get("args", [])]
        for name in entry["names"]:
            try:
                rules.add_rule(action, name, *arguments)
            except RuntimeError:
                # Newer than the library: refused here, allowed by an engine that knows it.
                print(f"under_seccomp.py: unknown here: {name}", file=sys.stderr)
    rules.load()
    os.execvp(sys.argv[1], sys.argv[1:])


def argument(a):
    if a["op"] == "SCMP_CMP_MASKED_EQ":
        # In a profile `value` is the mask and `valueTwo`, 0 when left out, what must remain.
        return seccomp.Arg(a["index"], seccomp.MASKED_EQ, a["value"], a.get("valueTwo", 0))
    return seccomp.Arg(a["index"], seccomp.EQ, a["value"])


if __name__ == "__main__":
    main()
