#!/usr/bin/env bash
# The ssh-runner beside drone-ssh's library, pdsh, pssh, clush and parallel-ssh, on an SSH server
# that this starts on loopback. Only the client is measured, by wait4; of processes that it starts the
# CPU counts, too, but of memory only that of the largest one.
# usage: run.sh SSH_RUNNER [WORKLOAD...]
#   true200    200 hosts run `true`: CPU and memory
#   stream     100 MB from one host: MB/s
#   fifty      4 MB from each of 50 hosts: CPU, memory, lines that are missing, not whole, without
#              their host or not in order
#   thousand   1,000 hosts (loopback addresses) run `true`
#   hung       50 hosts, of which one accepts the connection and says nothing
# Environment: RUNS, the one with the median of CPU is shown (default: 3); DIVISOR, by which hosts and
# megabytes are divided (default: 1); PEERS (default: all that are there);
# PARALLEL_SSH_PYTHON, a Python that has parallel-ssh.
set -euo pipefail
[ $# -ge 1 ] || { sed -n '2,15p' "$0"; exit 64; }
ssh_runner=$(realpath "$1")
shift
[ $# -gt 0 ] || set -- true200 stream fifty thousand hung
runs=${RUNS:-3} divisor=${DIVISOR:-1}
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
cat > "$dir/ssh_config" <<CONFIG
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
add_peer parallel-ssh 'pip install parallel-ssh, and PARALLEL_SSH_PYTHON' \
  "${PARALLEL_SSH_PYTHON:-python3}" -c 'import pssh.clients'

# command_of PEER HOSTS_FILE SCRIPT: leaves it in `command`.
command_of() {
  local hosts=$2 script=$3 count
  count=$(wc -l < "$hosts")
  case $1 in
    ssh-runner)
      command=("$ssh_runner" --config "$dir/ssh_config" --hosts-file "$hosts" --fanout "$count"
        --no-agent --script "$script") ;;
    easyssh) command=("$dir/easyssh-peer" "$hosts" "$sshd_user" "$sshd_port" "$dir/client_key" "$script") ;;
    pdsh) command=(env PDSH_SSH_ARGS_APPEND="-F $dir/ssh_config" pdsh -R ssh -f "$count" -w "^$hosts" "$script") ;;
    pssh) command=(parallel-ssh -x "-F $dir/ssh_config" -p "$count" -t 0 -P -h "$hosts" "$script") ;;
    clush) command=(clush -o "-F $dir/ssh_config" -f "$count" --hostfile "$hosts" "$script") ;;
    parallel-ssh)
      command=("${PARALLEL_SSH_PYTHON:-python3}" "$here/parallel_ssh_peer.py" "$hosts" "$sshd_user"
        "$sshd_port" "$dir/client_key" "$script") ;;
  esac
}

# measure PEER HOSTS_FILE SCRIPT: the run with the median of CPU, as "status wall cpu MB".
measure() {
  local i
  command_of "$@"
  for i in $(seq "$runs"); do "$dir/measure" "$dir/out" "${command[@]}"; done |
    sort -n -k 3 | sed -n "$(((runs + 1) / 2))p"
}

row() { printf '| %-12s | %6s | %9s | %9s | %7s | %s |\n' "$@"; }
head_of() {
  printf '\n%s\n\n' "$1"
  row peer status 'wall s' 'CPU s' MB "$2"
  echo '|---|---:|---:|---:|---:|---|'
}
each_peer() {  # HOSTS_FILE SCRIPT REMARK_FUNCTION
  local peer status wall cpu memory
  for peer in "${peers[@]}"; do
    read -r status wall cpu memory < <(measure "$peer" "$1" "$2")
    row "$peer" "$status" "$wall" "$cpu" "$memory" "$("$3" "$peer" "$wall")"
  done
}

# --- workloads ---

nothing() { :; }
rate() { awk -v megabytes="$megabytes" -v wall="$2" 'BEGIN { printf "%.0f MB/s", megabytes / wall }'; }
# Of the last run, all hosts together. A line is `host: number ...`, with numbers from 1 on.
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
      printf "%d lines missing, %d not whole or without their host, %d not in order",
        expected - whole, other, unordered
    }' "$dir/out"
}

for workload in "$@"; do
  case $workload in
    true200)
      hosts $((200 / divisor))
      head_of "$((200 / divisor)) hosts run \`true\`" ''
      each_peer "$hosts" true nothing ;;
    stream)
      hosts 1
      head_of "$megabytes MB from one host" 'rate'
      each_peer "$hosts" "cat $dir/big" rate ;;
    fifty)
      hosts $few
      bytes=$((megabytes * 40000))
      expected_lines=$((few * $(head -c $bytes "$dir/big" | grep -c 'no more$')))
      head_of "$bytes bytes from each of $few hosts" 'lines'
      each_peer "$hosts" "head -c $bytes $dir/big | grep 'no more\$'" check_lines ;;
    thousand)
      hosts $((1000 / divisor))
      head_of "$((1000 / divisor)) hosts run \`true\`" ''
      each_peer "$hosts" true nothing ;;
    hung)
      # The ssh-runner's line only: the peers take one port for all hosts.
      hosts $((few - 1))
      head_of "$few hosts, of which one accepts the connection and says nothing, time-out 5 s" 'the others'
      python3 -c 'import socket, time
s = socket.socket(); s.bind(("127.1.9.9", 0)); s.listen(); print(s.getsockname()[1], flush=True)
time.sleep(100000)' > "$dir/silent_port" &
      silent=$!
      until [ -s "$dir/silent_port" ]; do sleep 0.05; done
      { cat "$hosts"; echo "127.1.9.9:$(cat "$dir/silent_port")"; } > "$dir/hung"
      read -r status wall cpu memory < <("$dir/measure" "$dir/out" "$ssh_runner" \
        --config "$dir/ssh_config" --hosts-file "$dir/hung" --no-agent --connect-timeout 5s \
        --script 'echo done')
      kill "$silent"
      silent=
      row ssh-runner "$status" "$wall" "$cpu" "$memory" \
        "$(grep -c ': done$' "$dir/out") of $((few - 1)) done" ;;
    *) echo "no such workload: $workload" >&2; exit 64 ;;
  esac
done
