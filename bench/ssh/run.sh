#!/usr/bin/env bash
# The ssh-runner beside drone-ssh's library, pdsh, pssh, clush and parallel-ssh, on an SSH server
# that this starts on loopback. Only the client is measured, by wait4.
# usage: run.sh SSH_RUNNER [WORKLOAD...]
#   true200    200 hosts run `true`: CPU and memory
#   stream     100 MB from one host: MB/s
#   fifty      4 MB from each of 50 hosts: CPU, memory, lines that are missing or not whole
#   thousand   1,000 hosts (loopback addresses) run `true`
#   hung       50 hosts, of which one accepts the connection and says nothing
# Environment: RUNS, of each the median is shown (default: 3); PEERS (default: all that are there).
set -euo pipefail
[ $# -ge 1 ] || { sed -n '2,11p' "$0"; exit 64; }
ssh_runner=$(realpath "$1")
shift
[ $# -gt 0 ] || set -- true200 stream fifty thousand hung
runs=${RUNS:-3}
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=../../examples/ssh-runner/throwaway-sshd.sh
. "$here/../../examples/ssh-runner/throwaway-sshd.sh"

dir=$(mktemp -d)
silent=
trap '[ -z "$silent" ] || kill "$silent"; stop_sshd; rm -rf "$dir"' EXIT
sshd_listen_on_all=yes sshd_log_level=ERROR start_sshd "$dir"

# --- hosts, output to send, ways in ---

for i in $(seq 0 999); do echo "127.1.$((i / 250)).$((i % 250 + 1))"; done > "$dir/hosts1000"
head -n 200 "$dir/hosts1000" > "$dir/hosts200"
head -n 50 "$dir/hosts1000" > "$dir/hosts50"
head -n 1 "$dir/hosts1000" > "$dir/hosts1"
key=$(cut -d ' ' -f 1,2 "$dir/host_key.pub")
while read -r host; do echo "[$host]:$sshd_port $key"; done < "$dir/hosts1000" > "$dir/known_hosts"
seq -f '%.0f of the numbered lines of this file, which make up its hundred megabytes and no more' 1 1150000 |
  head -c 100000000 > "$dir/big"
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

peers=()
add_peer() { [ -z "${PEERS:-}" ] || [[ " $PEERS " == *" $1 "* ]] || return 0; peers+=("$1"); }
add_peer ssh-runner
if command -v go > /dev/null && (cd "$here/easyssh" && GOFLAGS=-mod=mod go build -o "$dir/easyssh-peer" . ) 2> "$dir/go.err"; then
  add_peer easyssh
fi
if command -v pdsh > /dev/null; then add_peer pdsh; fi
if command -v parallel-ssh > /dev/null; then add_peer pssh; fi
if command -v clush > /dev/null; then add_peer clush; fi
if [ -n "${PARALLEL_SSH_PYTHON:-}" ] || python3 -c 'import pssh.clients' 2> /dev/null; then
  add_peer parallel-ssh
fi

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
  for i in $(seq "$runs"); do python3 "$here/measure.py" "$dir/out" "${command[@]}"; done |
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
rate() { awk -v wall="$2" 'BEGIN { printf "%.0f MB/s", 100 / wall }'; }
# Of all hosts together: lines that begin with another number than the one that is due.
check_lines() {
  awk -v expected="$expected_lines" '
    { split($0, part, /: |\] /) }
    match($0, /[0-9]+ of the numbered lines of this file, which make up its hundred megabytes and no more$/) {
      ++whole; next }
    { ++other }
    END { printf "%d lines missing, %d not whole or others", expected - whole, other }' "$dir/out"
}

for workload in "$@"; do
  case $workload in
    true200)
      head_of '200 hosts run `true`' ''
      each_peer "$dir/hosts200" true nothing ;;
    stream)
      head_of '100 MB from one host' 'rate'
      each_peer "$dir/hosts1" "cat $dir/big" rate ;;
    fifty)
      expected_lines=$((50 * $(head -c 4000000 "$dir/big" | grep -c 'no more$')))
      head_of '4 MB from each of 50 hosts' 'lines'
      each_peer "$dir/hosts50" "head -c 4000000 $dir/big | grep 'no more\$'" check_lines ;;
    thousand)
      head_of '1,000 hosts run `true`' ''
      each_peer "$dir/hosts1000" true nothing ;;
    hung)
      # Port 22 of one address is taken by a listener that never speaks; the ssh-runner's line only,
      # since the peers take one port for all.
      head_of '49 hosts and one that accepts and says nothing, time-out 5 s' 'the others'
      python3 -c 'import socket, time
s = socket.socket(); s.bind(("127.1.9.9", 0)); s.listen(); print(s.getsockname()[1], flush=True)
time.sleep(100000)' > "$dir/silent_port" &
      silent=$!
      until [ -s "$dir/silent_port" ]; do sleep 0.05; done
      { head -n 49 "$dir/hosts50"; echo "127.1.9.9:$(cat "$dir/silent_port")"; } > "$dir/hung"
      read -r status wall cpu memory < <(python3 "$here/measure.py" "$dir/out" "$ssh_runner" \
        --config "$dir/ssh_config" --hosts-file "$dir/hung" --no-agent --connect-timeout 5s --script 'echo done')
      row ssh-runner "$status" "$wall" "$cpu" "$memory" "$(grep -c ': done$' "$dir/out") of 49 done" ;;
    *) echo "no such workload: $workload" >&2; exit 64 ;;
  esac
done
