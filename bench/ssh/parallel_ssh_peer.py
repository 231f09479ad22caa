"""parallel-ssh, the Python library: one command, many hosts at once.
usage: parallel_ssh_peer.py HOSTS_FILE USER PORT KEY_FILE SCRIPT
A host in the file may have a port of its own."""
import sys

from pssh.clients import ParallelSSHClient
from pssh.config import HostConfig

names = [host.partition(":") for host in open(sys.argv[1]).read().split()]
hosts = [name for name, _, _ in names]
client = ParallelSSHClient(hosts, user=sys.argv[2], pkey=sys.argv[4], pool_size=len(hosts), allow_agent=False,
                           timeout=5 if any(port for _, _, port in names) else None, num_retries=1,
                           host_config=[HostConfig(port=int(port or sys.argv[3])) for _, _, port in names])
status = 0
for output in client.run_command(sys.argv[5], stop_on_errors=False):
    if output.exception is not None:
        status = 1
        print(output.host, output.exception, file=sys.stderr)
        continue
    for line in output.stdout:
        sys.stdout.write(f"{output.host}: {line}\n")
    for line in output.stderr:
        sys.stderr.write(f"{output.host}: {line}\n")
    status = status or output.exit_code
sys.exit(1 if status else 0)
