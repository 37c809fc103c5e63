"""How many CPUs a control group of Linux gives this process, as the quotas of containers do.

A quota is time: threads on more CPUs than it pays for are stopped until the next period begins. Which group a process
is in, /proc/self/cgroup tells, "number:controllers:path" for each hierarchy; the path may begin above what a container
sees, so the quotas of all groups above it count, where their files are.
"""

import os


def quota(root="/"):
    """CPUs that the least quota is worth, rounded up, below a file system's root; None where there is none."""
    return min(filter(None, map(_of_group, _groups(root))), default=None)


def _groups(root):
    """The folders of the groups that this process is in and of those above, of version 1 and 2."""
    for line in _read(root, "proc", "self", "cgroup").splitlines():
        _, _, named = line.partition(":")
        controllers, _, path = named.partition(":")
        if not controllers or "cpu" in controllers.split(","):
            folder = os.path.join(root, "sys", "fs", "cgroup", "cpu" if controllers else "")
            yield folder
            for name in filter(None, path.split("/")):
                folder = os.path.join(folder, name)
                yield folder


def _of_group(folder):
    """CPUs of one group, None where it has no quota."""
    spent, _, period = _read(folder, "cpu.max").partition(" ")
    if not period:
        spent, period = _read(folder, "cpu.cfs_quota_us"), _read(folder, "cpu.cfs_period_us")
    spent, period = spent.strip(), period.strip()
    if not spent.isdigit() or not period.isdigit() or int(period) == 0:
        return None
    return max(-(-int(spent) // int(period)), 1)


def _read(*parts):
    try:
        with open(os.path.join(*parts), encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:
        return ""
