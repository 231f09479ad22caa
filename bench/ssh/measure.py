"""Runs a command and prints what it cost: its status, seconds of the clock, seconds of CPU with all
processes that it has waited for, and the megabytes of the largest of them.
usage: measure.py OUTPUT_FILE COMMAND..."""
import os
import sys
import time

out = sys.argv[1]
begin = time.monotonic()
pid = os.posix_spawnp(sys.argv[2], sys.argv[2:], os.environ, file_actions=[
    (os.POSIX_SPAWN_OPEN, 0, "/dev/null", os.O_RDONLY, 0),
    (os.POSIX_SPAWN_OPEN, 1, out, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644),
    (os.POSIX_SPAWN_OPEN, 2, out + ".err", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)])
_, status, used = os.wait4(pid, 0)
print(f"{os.waitstatus_to_exitcode(status)} {time.monotonic() - begin:.3f} "
      f"{used.ru_utime + used.ru_stime:.3f} {used.ru_maxrss / 1024:.1f}")
