"""parallel-ssh, the Python library: one command, many hosts at once.
usage: parallel_ssh_peer.py HOSTS_FILE USER PORT KEY_FILE SCRIPT"""
import sys

from pssh.clients import ParallelSSHClient

hosts = open(sys.argv[1]).read().split()
client = ParallelSSHClient(hosts, user=sys.argv[2], port=int(sys.argv[3]), pkey=sys.argv[4],
                           pool_size=len(hosts), allow_agent=False)
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
