#!/usr/bin/env bash
# The ssh-runner beside drone-ssh's library, pdsh, pssh, clush and parallel-ssh, on an SSH server
# that this starts on loopback. Only the client is measured, by wait4; of processes that it starts the
# CPU counts, too, but of memory only that of the largest one.
# usage: run.sh SSH_RUNNER [WORKLOAD...]
#   true200    200 hosts run `true`: CPU and memory
#   stream     100 MB from one host: MB/s, lines
#   fifty      4 MB from each of 50 hosts: CPU, memory, lines
#   thousand   1,000 hosts (loopback addresses) run `true`
#   hung       50 hosts, of which one accepts the connection and says nothing; time-out 5 s
# Of lines it is said in each run how many are missing, not whole, without their host or not in order.
# All take turns, so that what else the machine does hits each of them. What is missing of them is
# installed where that needs no rights: easyssh by Go's module proxy, parallel-ssh in a virtual
# environment; of pdsh, pssh and clustershell the packages are wanted.
# Environment: RUNS, the one with the median of CPU is shown (default: 3); SLOW_RUNS, the same for those
# that start a process for each host, and parallel-ssh (default: 1); DIVISOR, by which hosts and
# megabytes are divided (default: 1); PEERS (default: all that are there); PARALLEL_SSH_PYTHON, a Python
# that has parallel-ssh.
set -euo pipefail
[ $# -ge 1 ] || { sed -n '2,22p' "$0"; exit 64; }
ssh_runner=$(realpath "$1")
shift
[ $# -gt 0 ] || set -- true200 stream fifty thousand hung
runs=${RUNS:-3} slow_runs=${SLOW_RUNS:-1} divisor=${DIVISOR:-1}
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=../../examples/ssh-runner/throwaway-sshd.sh
. "$here/../../examples/ssh-runner/throwaway-sshd.sh"

dir=$(mktemp -d)
silent=
trap '[ -z "$silent" ] || kill "$silent"; stop_sshd; rm -rf "$dir"' EXIT
"${CXX:-c++}" -O2 -o "$dir/measure" "$here/measure.cpp"
sshd_listen_on_all=yes sshd_log_level=ERROR start_sshd "$dir"

# --- hosts, output to send, ways in ---

for i in $(seq 0 999); do echo "127.1.$((i / 250)).$((i % 250 + 1))"; done > "$dir/all_hosts"
key=$(cut -d ' ' -f 1,2 "$dir/host_key.pub")
while read -r host; do echo "[$host]:$sshd_port $key"; done < "$dir/all_hosts" > "$dir/known_hosts"
# hosts N: leaves the name of a file with the first of them in `hosts`.
hosts() {
  hosts=$dir/hosts$1
  head -n "$1" "$dir/all_hosts" > "$hosts"
}
few=$((50 / divisor > 1 ? 50 / divisor : 2))
megabytes=$((100 / divisor))
line='of the numbered lines of this file, which make up its many megabytes and no more'
seq -f "%.0f $line" 1 $((megabytes * 13000)) > "$dir/big"
truncate -s ${megabytes}000000 "$dir/big"
sed -i '$d' "$dir/big"  # the last one is not whole
# The one that says nothing has a port of its own.
python3 -c 'import socket, time
s = socket.socket(); s.bind(("127.1.9.9", 0)); s.listen(); print(s.getsockname()[1], flush=True)
time.sleep(100000)' > "$dir/silent_port" &
silent=$!
until [ -s "$dir/silent_port" ]; do sleep 0.05; done
silent_port=$(cat "$dir/silent_port")
patience=5
cat > "$dir/ssh_config" <<CONFIG
Host 127.1.9.9
  Port $silent_port
  ConnectTimeout $patience
Host *
  User $sshd_user
  Port $sshd_port
  IdentityFile $dir/client_key
  IdentitiesOnly yes
  UserKnownHostsFile $dir/known_hosts
  BatchMode yes
  LogLevel ERROR
CONFIG

# --- the peers ---

# add_peer NAME WHAT_IT_NEEDS COMMAND...: if the command works; else it is said.
peers=()
add_peer() {
  local name=$1 needs=$2
  shift 2
  [ -z "${PEERS:-}" ] || [[ " $PEERS " == *" $name "* ]] || return 0
  if "$@" > "$dir/peer.log" 2>&1; then peers+=("$name"); else echo "without $name: it needs $needs" >&2; fi
}
build_easyssh() { (cd "$here/easyssh" && go build -o "$dir/easyssh-peer" .); }
add_peer ssh-runner 'to be built' test -x "$ssh_runner"
add_peer easyssh 'Go and its module proxy' build_easyssh
add_peer pdsh 'the package pdsh' command -v pdsh
add_peer pssh 'the package pssh' command -v parallel-ssh
add_peer clush 'the package clustershell' command -v clush
parallel_ssh_python=${PARALLEL_SSH_PYTHON:-python3}
find_parallel_ssh() {
  ! "$parallel_ssh_python" -c 'import pssh.clients' || return 0
  python3 -m venv "$dir/venv" && "$dir/venv/bin/pip" install --quiet parallel-ssh==2.16.0 || return 1
  parallel_ssh_python=$dir/venv/bin/python
  "$parallel_ssh_python" -c 'import pssh.clients'
}
add_peer parallel-ssh 'python3-venv and the package index, or PARALLEL_SSH_PYTHON' find_parallel_ssh

runs_of() { case $1 in ssh-runner | easyssh) echo "$runs" ;; *) echo "$slow_runs" ;; esac; }
version_of() {
  case $1 in
    ssh-runner) git -C "$here" describe --always --dirty 2> /dev/null || echo '?' ;;
    easyssh) sed -n 's/.*easyssh-proxy v//p' "$here/easyssh/go.mod" ;;
    pdsh) pdsh -V | sed -n '1s/^pdsh-\([0-9.]*[0-9]\).*/\1/p' ;;
    pssh) parallel-ssh --version ;;
    clush) clush --version | sed 's/.* //' ;;
    parallel-ssh) "$parallel_ssh_python" -c 'from importlib.metadata import version; print(version("parallel-ssh"))' ;;
  esac
}

# command_of PEER HOSTS_FILE SCRIPT: leaves it in `command`. In the file the silent host has its port, which
# ssh's configuration says for those that are by ssh.
command_of() {
  local hosts=$2 script=$3 count
  count=$(wc -l < "$hosts")
  case $1 in pdsh | pssh | clush) sed 's/:.*//' "$hosts" > "$dir/plain_hosts"; hosts=$dir/plain_hosts ;; esac
  case $1 in
    ssh-runner)
      command=("$ssh_runner" --config "$dir/ssh_config" --hosts-file "$hosts" --fanout "$count"
        --no-agent --script "$script") ;;
    easyssh) command=("$dir/easyssh-peer" "$hosts" "$sshd_user" "$sshd_port" "$dir/client_key" "$script") ;;
    pdsh) command=(env PDSH_SSH_ARGS_APPEND="-F $dir/ssh_config" pdsh -R ssh -f "$count" -w "^$hosts" "$script") ;;
    pssh) command=(parallel-ssh -x "-F $dir/ssh_config" -p "$count" -t 0 -P -h "$hosts" "$script") ;;
    clush) command=(clush -t "$patience" -o "-F $dir/ssh_config" -f "$count" --hostfile "$hosts" "$script") ;;
    parallel-ssh)
      command=("$parallel_ssh_python" "$here/parallel_ssh_peer.py" "$hosts" "$sshd_user"
        "$sshd_port" "$dir/client_key" "$script") ;;
  esac
  # One that never ends is not waited for: status 124.
  command=(timeout "$most_seconds" "${command[@]}")
}

row() { printf '| %-12s | %6s | %9s | %9s | %7s | %s |\n' "$@"; }
head_of() {
  printf '\n%s\n\n' "$1"
  row peer status 'wall s' 'CPU s' MB "$2"
  echo '|---|---:|---:|---:|---:|---|'
}
# In rounds; of each peer the run with the median of CPU, and of what each run said of its lines the worst.
each_peer() {  # HOSTS_FILE SCRIPT REMARK_FUNCTION
  local peer round status wall cpu memory remark worst
  rm -f "$dir"/runs.* "$dir"/lines.*
  for round in $(seq "$((runs > slow_runs ? runs : slow_runs))"); do
    for peer in "${peers[@]}"; do
      [ "$round" -le "$(runs_of "$peer")" ] || continue
      command_of "$peer" "$1" "$2"
      "$dir/measure" "$dir/out" "${command[@]}" > "$dir/run"
      cat "$dir/run" >> "$dir/runs.$peer"
      mv "$dir/out" "$dir/out.$peer"
      [ -z "$expected_lines" ] || check_lines >> "$dir/lines.$peer"
    done
  done
  for peer in "${peers[@]}"; do
    read -r status wall cpu memory < <(
      sort -n -k 3 "$dir/runs.$peer" | sed -n "$((($(runs_of "$peer") + 1) / 2))p")
    remark=$("$3" "$wall")
    if [ -n "$expected_lines" ]; then
      worst=$(sort -rn "$dir/lines.$peer" | sed -n '1s/^[0-9]* //p')
      remark+=${remark:+, }$worst
    fi
    row "$peer" "$status" "$wall" "$cpu" "$memory" "$remark"
  done
}

printf 'Measured on %s: %s, %s cores, load %s.\n' "$(date +%Y-%m-%d)" "$(uname -sr)" "$(nproc)" \
  "$(cut -d ' ' -f 1 /proc/loadavg)"
for peer in "${peers[@]}"; do printf '%s %s (%s runs)\n' "$peer" "$(version_of "$peer")" "$(runs_of "$peer")"; done

# --- workloads ---

nothing() { :; }
rate() { awk -v megabytes="$megabytes" -v wall="$1" 'BEGIN { printf "%.0f MB/s", megabytes / wall }'; }
done_of_others() { echo "$(grep -c ': done$' "$dir/out.$peer" || true) of $((few - 1)) done"; }
# All hosts together, and in front a number that is larger the worse it is. A line is `host: number ...`, with
# numbers from 1 on.
check_lines() {
  awk -v expected="$expected_lines" -v line="$line" '
    $1 ~ /:$/ && $2 ~ /^[0-9]+$/ && $0 == $1 " " $2 " " line {
      ++whole
      if ($2 != last[$1] + 1) ++unordered
      last[$1] = $2
      next
    }
    { ++other }
    END {
      printf "%d %d lines missing, %d not whole or without their host, %d not in order\n",
        expected - whole + other + unordered, expected - whole, other, unordered
    }' "$dir/out.$peer"
}

for workload in "$@"; do
  expected_lines= most_seconds=600
  case $workload in
    true200)
      hosts $((200 / divisor))
      head_of "$((200 / divisor)) hosts run \`true\`" ''
      each_peer "$hosts" true nothing ;;
    stream)
      hosts 1
      expected_lines=$(wc -l < "$dir/big")
      head_of "$megabytes MB from one host" 'rate, lines'
      each_peer "$hosts" "cat $dir/big" rate ;;
    fifty)
      hosts $few
      bytes=$((megabytes * 40000))
      expected_lines=$((few * $(head -c $bytes "$dir/big" | grep -c 'no more$')))
      head_of "$bytes bytes from each of $few hosts" 'lines'
      each_peer "$hosts" "head -c $bytes $dir/big | grep 'no more\$'" nothing ;;
    thousand)
      hosts $((1000 / divisor))
      head_of "$((1000 / divisor)) hosts run \`true\`" ''
      each_peer "$hosts" true nothing ;;
    hung)
      hosts $((few - 1))
      { cat "$hosts"; echo "127.1.9.9:$silent_port"; } > "$dir/hung"
      most_seconds=30
      head_of "$few hosts, of which one accepts the connection and says nothing, time-out $patience s (status 124: it did not end in $most_seconds s)" 'the others'
      each_peer "$dir/hung" 'echo done' done_of_others ;;
    *) echo "no such workload: $workload" >&2; exit 64 ;;
  esac
done
