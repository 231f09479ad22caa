#!/usr/bin/env bash
# The ssh-runner against real servers.
# usage: end_to_end.sh GROUP SSH_RUNNER HELPERS [CASE...]
# GROUP: one of the files in cases/, whose functions GROUP_... are run in the order of their names.
# HELPERS: where ssh_silent_listener and ssh_fake_server are.
# CASE: these functions only.
# Environment: WEFT_WORKERS, or several numbers of them, "1 2 8", which are tried side by side;
# SSH_TEST_DIVISOR, by which the numbers of lines are divided.
set -uo pipefail
[ $# -ge 3 ] || { sed -n '2,8p' "$0"; exit 64; }

# Most of a case is waiting, so as many runs as this do not take longer than one.
side_by_side() {
  local directory workers failed=0 status
  directory=$(mktemp -d)
  for workers in $WEFT_WORKERS; do
    (
      WEFT_WORKERS=$workers "$BASH" "${BASH_SOURCE[0]}" "$@" > "$directory/$workers" 2>&1
      echo $? > "$directory/$workers.status"
    ) &
  done
  wait
  for workers in $WEFT_WORKERS; do
    status=$(cat "$directory/$workers.status")
    echo "--- $workers workers: status $status"
    cat "$directory/$workers"
    [ "$status" -eq 0 ] || failed=$status
  done
  rm -r "$directory"
  exit "$failed"
}
[[ ${WEFT_WORKERS:-} != *' '* ]] || side_by_side "$@"

# Has the network for itself, as root.
if [ "$1" = vanish ] && [ -z "${IN_A_NETWORK_NAMESPACE:-}" ]; then
  PATH=$PATH:/sbin:/usr/sbin
  [ "$(id -u)" -eq 0 ] && unshare -n ip link add card type veth peer name nobody 2> /dev/null ||
    { echo "skipped: needs root, ip and veth"; exit 77; }
  IN_A_NETWORK_NAMESPACE=1 exec unshare -n "$BASH" "${BASH_SOURCE[0]}" "$@"
fi

if [ "$1" = sudo ] && [ -z "${ORDINARY_USER_PASSWORD:-}" ]; then
  echo "skipped: needs sudo, and a user that as_ordinary_user.sh makes"; exit 77
fi

group=$1 ssh_runner=$2 helpers=$3
shift 3
divisor=${SSH_TEST_DIVISOR:-1}
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=../../examples/ssh-runner/throwaway-sshd.sh
. "$here/../../examples/ssh-runner/throwaway-sshd.sh"
unset SSH_RUNNER_{,JUMP_}{PASSWORD,PASSPHRASE,KEY} SSH_RUNNER_SUDO_PASSWORD SSH_RUNNER_INVENTORY \
  SSH_AUTH_SOCK NO_COLOR

dir=$(mktemp -d)
background=()  # processes to end with this script
in_background() { background+=("$1"); disown "$1"; }
cleanup() {
  local process
  # One that has ended is ours no more, and its number may be another's.
  for process in "${background[@]}"; do
    ! grep -qs "^PPid:[[:space:]]*$$\$" "/proc/$process/status" || kill -KILL "$process" 2> /dev/null
  done
  end_left_behind
  stop_sshd
  rm -rf "$dir"
}
trap cleanup EXIT

# Commands that outlive their connection on purpose leave their process id in a file. A shell of them
# leads a group, with its children.
end_left_behind() {
  local file
  for file in "$dir"/left_behind.*; do
    [ -e "$file" ] || continue
    kill -KILL -- "-$(cat "$file")" 2> /dev/null || kill -KILL "$(cat "$file")" 2> /dev/null
    rm -f "$file"
  done
}

# --- a small vocabulary ---

all_hosts=$(IFS=,; echo "${sshd_addresses[*]}")

# Runs the ssh-runner; leaves its status, stdout and stderr.
run() {
  status=0
  HOME=$dir "$ssh_runner" "$@" > "$dir/out" 2> "$dir/err" || status=$?
  expect_advice
}
# Whatever failed: below the line that says so there is one that says what may be done.
expect_advice() {
  awk '
    /^ssh-runner:   [^ ]/ { failure = "" }
    /^ssh-runner: [^ ]/ {
      if (failure != "") exit
      if ($0 ~ /: (resolve|connect|handshake|host key|login|start|command|signal|time-out): /) failure = $0
    }
    END { if (failure != "") { print failure; exit 1 } }' "$dir/err" > "$dir/verdict" ||
    fail "no advice: $(cat "$dir/verdict")"
}

# The same with what it takes to get in: known_hosts=FILE, key=FILE or config=FILE before it replace the
# right ones.
way_in() {
  way=(--user "$sshd_user" --port "$sshd_port" --key "${key:-$dir/client_key}" \
    --known-hosts "${known_hosts:-$dir/known_hosts}" \
    --config "${config:-none}")
}
# Leaves in `config` a configuration in which one host has little time to be connected to, so that a slow
# machine has enough for the others.
impatient_with() {  # HOST SECONDS
  config=$dir/impatient
  printf 'Host %s\n  ConnectTimeout %s\n' "$1" "$2" > "$config"
}
run_in() { way_in; run "${way[@]}" "$@"; }

# Waits for the text in the file, but for no more than a minute and not when the process has ended.
await() {  # FILE TEXT [PROCESS]
  local tries=0
  until grep -qF -- "$2" "$1" 2> /dev/null; do
    [ -z "${3:-}" ] || kill -0 "$3" 2> /dev/null || return 1
    sleep 0.05; tries=$((tries + 1)); [ $tries -lt 1200 ] || return 1
  done
}

# The same on a terminal of its own, in the background; what is written to descriptor 9 is typed there.
# Stdout and stderr are files as ever. Sets typist.
begin_typing() {  # ARGUMENT...
  rm -f "$dir/typed" "$dir/terminal"
  mkfifo "$dir/typed"
  # shellcheck disable=SC2094 # what is read there is written here
  HOME=$dir script -qefc "$(printf '%q ' "$ssh_runner" "$@") > $dir/out 2> $dir/err" \
    "$dir/terminal" < "$dir/typed" > /dev/null &
  typist=$!
  background+=("$typist")
  exec 9> "$dir/typed"
}
end_typing() {
  status=0
  wait "$typist" || status=$?
  exec 9>&-
}
# All of that, where the first question gets this answer.
run_answering() {  # ANSWER ARGUMENT...
  local answer=$1
  shift
  begin_typing "$@"
  until grep -q ': $' "$dir/terminal" 2> /dev/null; do
    kill -0 "$typist" 2> /dev/null || break
    sleep 0.02
  done
  echo "$answer" >&9
  end_typing
}

# Starts the fake server in that mode; sets fake_port, and puts its host key into $dir/known_fake.
start_fake() {  # MODE
  : > "$dir/fake_port"
  "$helpers/ssh_fake_server" "$dir/host_key" "$1" > "$dir/fake_port" 2> /dev/null &
  in_background $!
  until [ -s "$dir/fake_port" ]; do
    kill -0 $! 2> /dev/null || fail "the fake server does not start"
    sleep 0.02
  done
  read -r fake_port < "$dir/fake_port"
  echo "[127.0.0.1]:$fake_port $(cut -d ' ' -f 1,2 "$dir/host_key.pub")" > "$dir/known_fake"
}
run_fake() {
  run --user me --port "$fake_port" --known-hosts "$dir/known_fake" --config none \
    --host 127.0.0.1 "$@" -- hello
}

# Another server, with the same host key and user as the first but for these lines of its configuration;
# sets second_port. A COMMAND before it runs it.
start_second_sshd() {  # LINES ADDRESS [COMMAND...]
  local lines=$1 address=$2 tries
  shift 2
  for tries in {1..20}; do
    second_port=$((20000 + RANDOM % 12000))
    # What comes first holds.
    { echo "ListenAddress $address:$second_port"; printf '%s\n' "$lines"
      grep -v '^ListenAddress' "$dir/sshd_config"; } > "$dir/second_config"
    : > "$dir/second.log"
    "$@" "${SSHD:-/usr/sbin/sshd}" -D -e -f "$dir/second_config" 2>> "$dir/second.log" &
    in_background $!
    await "$dir/second.log" 'Server listening' $! || continue
    echo "[${address//[\[\]]/}]:$second_port $(cut -d ' ' -f 1,2 "$dir/host_key.pub")" > "$dir/known_second"
    return 0
  done
  fail "no second server: $(cat "$dir/second.log")"
}

# A script that leaves its process id and that of a child, and waits.
waits_with_child() {  # [TRAP]
  echo "${1:-} sleep 1000 & echo \$! > '$dir/left_behind.child'; echo \$\$ > '$dir/left_behind.shell'; wait; sleep 1000"
}
# A zombie is gone, too: its parent may be slow. So may be who has to end, but not for a minute.
is_gone() {  # PROCESS
  local tries=0
  while grep -qs '^State:[[:space:]][^Z]' "/proc/$1/status"; do
    sleep 0.05; tries=$((tries + 1)); [ $tries -lt 1200 ] || return 1
  done
}
expect_gone() {
  local file
  for file in "$dir"/left_behind.{child,shell}; do
    [ -s "$file" ] || fail "it did not run"
    is_gone "$(cat "$file")" || fail "$file still runs"
    rm "$file"
  done
}

fail() {
  echo "FAILED: $current: $*" >&2
  { echo "--- status $status"; echo "--- stdout"; head -c 4000 "$dir/out"
    echo "--- stderr"; head -c 4000 "$dir/err"
    [ ! -e "$dir/sshd.log" ] || { echo "--- sshd"; tail -n 30 "$dir/sshd.log"; }; } >&2
  exit 1
}

# None of those in left_behind.* runs any more.
expect_nobody_left_behind() {
  local file
  for file in "$dir"/left_behind.*; do
    is_gone "$(cat "$file")" || fail "still runs"
  done
  end_left_behind
}
# So many commands, whose process ids are in writer.*, write no more: twenty looks in a row. The process
# that reads them must not have ended.
await_writers_at_rest() {  # COUNT PROCESS
  local file now= before= still=0
  until [ $still -eq 20 ]; do
    sleep 0.05
    before=$now now=
    for file in "$dir"/writer.*; do
      [ -s "$file" ] || continue
      now+=" $(sed -n 's/^wchar: //p' "/proc/$(cat "$file")/io")" || fail "it did not wait"
    done
    kill -0 "$2" 2> /dev/null || fail "it has ended"
    [ "$now" = "$before" ] && [ "$(wc -w <<< "$now")" -eq "$1" ] && still=$((still + 1)) || still=0
  done
}
# For a case that cannot be tried here.
skip() { skipped=$*; }
# Root need not be allowed to.
may_mount() { unshare -m mount -t tmpfs tmpfs /mnt 2> /dev/null; }

expect_status() { [ "$status" -eq "$1" ] || fail "status $status, not $1"; }
expect_out() { [ "$(cat "$dir/out")" = "$1" ] || fail "stdout is not: $1"; }
# To grep several lines are several texts, one of which is enough.
has() {  # FILE TEXT
  if [[ $2 == *$'\n'* ]]; then [[ $(cat "$1") == *"$2"* ]]; else grep -qF -- "$2" "$1"; fi
}
expect_out_has() { has "$dir/out" "$1" || fail "not on stdout: $1"; }
expect_err_has() { has "$dir/err" "$1" || fail "not on stderr: $1"; }
expect_err_lacks() { ! has "$dir/err" "$1" || fail "on stderr: $1"; }

# Each of `hosts` hosts printed the numbers 1 to `last`, each on a line of its own, in order.
expect_numbers() {
  local hosts=$1 last=$2 file=$3
  awk -F ': ' -v hosts="$hosts" -v last="$last" '
    { if (NF != 2 || $2 != ++n[$1] || $0 != $1 ": " n[$1]) { print "line " NR ": " $0; exit bad = 1 } }
    END {
      if (bad) exit 1
      for (h in n) { ++seen; if (n[h] != last) { print h ": " n[h] " lines"; exit 1 } }
      if (seen != hosts) { print seen " hosts"; exit 1 }
    }' "$file" > "$dir/verdict" || fail "lines are not right: $(cat "$dir/verdict")"
}

# --- run the group ---

[ "$group" != vanish ] || { sshd_listen_on_all=yes; ip link set lo up; }
case $group in usage | local) ;; *)
  [ -x "${SSHD:-/usr/sbin/sshd}" ] || { echo "skipped: no sshd (openssh-server)"; exit 77; }
  start_sshd "$dir" || exit 1
  "$helpers/ssh_silent_listener" > "$dir/ports" &
  in_background $!
  until [ -s "$dir/ports" ]; do sleep 0.02; done
  read -r silent_port refused_port < "$dir/ports" ;;
esac
# shellcheck source=/dev/null
. "$here/cases/$group.sh" || exit 64
mapfile -t cases < <(declare -F | sed -n "s/^declare -f \(${group}_.*\)/\1/p")
[ $# -eq 0 ] || cases=("$@")
# What all cases need is no case.
if declare -F "${group}_set_up" > /dev/null; then "${group}_set_up"; cases=("${cases[@]/${group}_set_up/}"); fi
[ "${#cases[@]}" -gt 0 ] || { echo "no such group: $group" >&2; exit 64; }
: > "$dir/out"; : > "$dir/err"
for current in "${cases[@]}"; do
  [ -n "$current" ] || continue
  declare -F "$current" > /dev/null || { echo "no such case: $current" >&2; exit 64; }
  status=0 begin=${EPOCHREALTIME/[.,]/}
  skipped=
  "$current"
  if [ -n "$skipped" ]; then echo "skipped: $current: $skipped"; continue; fi
  echo "ok: $current ($(((${EPOCHREALTIME/[.,]/} - begin) / 1000)) ms)"
done
