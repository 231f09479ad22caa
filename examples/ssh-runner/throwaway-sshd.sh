# A throw-away SSH server on 127.0.0.1 to 127.0.0.8, for the demo and the tests. To be sourced.
#
#   start_sshd DIR     makes keys and a configuration in DIR, an empty directory, and starts sshd
#   stop_sshd          stops it and what it started
#
# With sshd_listen_on_all=yes it serves every loopback address; sshd_log_level is sshd's LogLevel.
#
# An ordinary process of whoever calls it, on a free port, with keys of its own; it lets only that
# user in, with the key DIR/client_key. Sets sshd_port, sshd_user, sshd_pid. DIR/known_hosts holds
# its host key under all eight addresses, DIR/sshd.log what it says. The commands' HOME is DIR: bash
# reads ~/.bashrc for them, and whatever that does on some machine is not what is tried here.

sshd_addresses=(127.0.0.{1..8})

start_sshd() {
  local dir=$1 address
  local program=${SSHD:-/usr/sbin/sshd}
  [ -x "$program" ] || { echo "no $program: install openssh-server" >&2; return 1; }
  sshd_user=$(id -un)
  # Root's sshd wants its usual empty directory; at boot the system would have made it.
  [ "$(id -u)" -ne 0 ] || mkdir -p -m 0755 /run/sshd

  ssh-keygen -q -t ed25519 -N '' -C host -f "$dir/host_key"
  ssh-keygen -q -t ed25519 -N '' -C client -f "$dir/client_key"
  cp "$dir/client_key.pub" "$dir/authorized_keys"

  local attempt
  for attempt in {1..20}; do
    sshd_port=$((20000 + RANDOM % 12000))  # below the ports that systems give to clients
    _sshd_configuration "$dir" > "$dir/sshd_config"
    : > "$dir/sshd.log"
    "$program" -D -e -f "$dir/sshd_config" 2>> "$dir/sshd.log" &
    sshd_pid=$!
    if _sshd_accepts "$dir"; then
      for address in "${sshd_addresses[@]}"; do
        echo "[$address]:$sshd_port $(cut -d ' ' -f 1,2 "$dir/host_key.pub")"
      done > "$dir/known_hosts"
      return 0
    fi
    stop_sshd
  done
  echo "sshd does not start:" >&2
  cat "$dir/sshd.log" >&2
  return 1
}

# The listener first, so that nothing new comes; then the connections it has left, which are its
# children. Commands that they run end with their connection or were ended by the caller.
stop_sshd() {
  [ -n "${sshd_pid:-}" ] || return 0
  local children
  children=$(cat "/proc/$sshd_pid/task/$sshd_pid/children" 2> /dev/null || true)
  kill "$sshd_pid" 2> /dev/null || true
  wait "$sshd_pid" 2> /dev/null || true
  # shellcheck disable=SC2086 # a list of numbers
  [ -z "$children" ] || kill $children 2> /dev/null || true
  sshd_pid=
}

_sshd_configuration() {
  local dir=$1 address pam=no
  # Without PAM, sshd lets nobody in whose password is locked, not even with a key.
  ! grep -qs "^$sshd_user:!" /etc/shadow || pam=yes
  if [ -n "${sshd_listen_on_all:-}" ]; then
    echo "ListenAddress 0.0.0.0:$sshd_port"
  else
    for address in "${sshd_addresses[@]}"; do echo "ListenAddress $address:$sshd_port"; done
  fi
  cat <<END
HostKey "$dir/host_key"
AuthorizedKeysFile "$dir/authorized_keys"
AllowUsers $sshd_user
PermitRootLogin yes
PubkeyAuthentication yes
PasswordAuthentication no
KbdInteractiveAuthentication no
UsePAM $pam
StrictModes no
PidFile none
MaxStartups 2000
MaxSessions 100
PrintMotd no
LogLevel ${sshd_log_level:-VERBOSE}
SetEnv HOME="$dir"
END
}

# Waits until it listens on all addresses; fails if it ends or misses one.
_sshd_accepts() {
  local tries
  for tries in {1..400}; do
    kill -0 "$sshd_pid" 2> /dev/null || return 1
    ! grep -q 'Bind to port .* failed' "$1/sshd.log" || return 1
    if [ -n "${sshd_listen_on_all:-}" ]; then
      ! (exec 3<> "/dev/tcp/127.0.0.1/$sshd_port") 2> /dev/null || return 0
    else
      [ "$(grep -c 'Server listening' "$1/sshd.log")" -lt "${#sshd_addresses[@]}" ] || return 0
    fi
    sleep 0.02
  done
  return 1
}
