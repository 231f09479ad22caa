# shellcheck shell=bash disable=SC2016,SC2154 # sourced by end_to_end.sh

# --- hosts whose packets vanish ---
#
# In a network namespace: what goes to 10.77.0.0/24 is sent to a card that nobody reads, but for
# addresses that this machine has.

vanish_set_up() {
  ip link set lo up
  ip link add card type veth peer name nobody
  ip addr add 10.77.0.1/24 dev card
  ip link set card up
  ip link set nobody up
  local address
  for address in 10.77.0.2 10.77.0.3; do
    ip neigh add $address lladdr 02:00:00:00:00:02 dev card nud permanent
  done
  echo "[10.77.0.3]:$sshd_port $(cut -d ' ' -f 1,2 "$dir/host_key.pub")" >> "$dir/known_hosts"
}

vanish_before_the_connection() {
  local config
  impatient_with 10.77.0.2 1
  run_in --host 10.77.0.2,127.0.0.1 --script 'echo hello'
  expect_status 4; expect_out '127.0.0.1: hello'
  expect_err_has '10.77.0.2: connect: time-out after 1 s'; expect_err_has 'firewall'
  run_in --host 127.0.0.1 --jump "$sshd_user@10.77.0.2:$sshd_port" --connect-timeout 1s --script 'echo hello'
  expect_status 4; expect_err_has '127.0.0.1: connect: jump host 10.77.0.2: '
}

# Makes of $dir/resolving the program where names are looked up by these files.
resolving_by() {  # RESOLV_CONF NSSWITCH_CONF
  may_mount && [ -e /etc/resolv.conf ] && [ -e /etc/nsswitch.conf ] ||
    { skip 'no mount namespace, resolv.conf or nsswitch.conf'; return 1; }
  printf '%s\n' "$1" > "$dir/resolv.conf"
  printf '%s\n' "$2" > "$dir/nsswitch.conf"
  cat > "$dir/resolving" << END
#!/bin/sh
exec unshare -m sh -c 'mount --bind $dir/resolv.conf /etc/resolv.conf &&
  mount --bind $dir/nsswitch.conf /etc/nsswitch.conf && exec "\$@"' - $ssh_runner "\$@"
END
  chmod +x "$dir/resolving"
}

# The name server does not answer.
vanish_while_resolving() {
  resolving_by $'nameserver 10.77.0.2\noptions timeout:30 attempts:5' 'hosts: files dns' || return 0
  local config pid
  impatient_with some-host.invalid 1
  ssh_runner=$dir/resolving run_in --host some-host.invalid,127.0.0.1 --script 'echo hello'
  expect_status 4; expect_out '127.0.0.1: hello'
  expect_err_has 'some-host.invalid: resolve: time-out after 1 s'; expect_err_has 'the name server does not answer'
  # The other host, between two of that kind, has ended while these have minutes left and stand where they stood.
  impatient_with '*.invalid' 1800
  way_in
  # A background job of a script would ignore SIGINT.
  HOME=$dir env --default-signal=INT "$dir/resolving" "${way[@]}" --json --script 'echo hello' \
    --host some-host.invalid,127.0.0.1,another-host.invalid > "$dir/out" 2> "$dir/err" &
  pid=$!
  background+=("$pid")
  await "$dir/out" '"address":"127.0.0.1","port":'"$sshd_port"',"outcome":"ok"' $pid ||
    fail "the other host waits for the name server"
  kill -USR1 $pid
  await "$dir/err" 'ssh-runner:   resolve: another-host.invalid,some-host.invalid (for up to' $pid ||
    fail "they are looked up no more"
  kill -INT $pid
  status=0
  wait $pid || status=$?
  expect_status 130
  [ "$(tail -n 2 "$dir/out" | grep -c '"host":"[a-z-]*.invalid".*"outcome":"stopped","phase":"resolve"')" -eq 2 ] ||
    fail "not both as the last ones"
}

# A name server that is not there may come back; that there is no such name is an answer.
vanish_while_resolving_for_now_and_for_good() {
  resolving_by 'nameserver 127.0.0.1' 'hosts: files dns' || return 0
  ssh_runner=$dir/resolving run_in --retries 2 --retry-delay 10ms --host some-host.invalid --script true
  expect_status 3; expect_err_has 'some-host.invalid: resolve: '; expect_err_has '(attempt 3)'
  resolving_by 'nameserver 127.0.0.1' 'hosts: files' || return 0
  ssh_runner=$dir/resolving run_in --retries 2 --retry-delay 10ms --host some-host.invalid --script true
  expect_status 3; expect_err_has 'some-host.invalid: resolve: '; expect_err_lacks attempt
}

vanish_without_a_way_there() {
  run_in --host 198.51.100.1,127.0.0.1 --script 'echo hello'
  expect_status 3; expect_out '127.0.0.1: hello'
  expect_err_has '198.51.100.1: connect: Network is unreachable'; expect_err_has 'is there a way'
}

# The address goes away while its command runs, and the other host's goes on.
vanish_in_the_middle() {
  ip addr add 10.77.0.3/32 dev lo
  run_in --host 10.77.0.3,127.0.0.1 --keep-alive 500ms --script '
    if [ "$SSH_RUNNER_HOST" = 10.77.0.3 ]; then
      echo $$ > "'"$dir"'/left_behind.vanished"; echo before; exec sleep 1000
    fi
    until [ -s "'"$dir"'/left_behind.vanished" ]; do sleep 0.05; done
    PATH=$PATH:/sbin:/usr/sbin ip addr del 10.77.0.3/32 dev lo
    echo fine'
  end_left_behind
  expect_status 3; expect_out_has '127.0.0.1: fine'
  expect_err_has '10.77.0.3: command: connection lost: no answer for 2 s'
}

# The jump host goes away under those who go through it.
vanish_with_a_jump_host() {
  ip addr add 10.77.0.3/32 dev lo
  run_in --host 127.0.0.1,127.0.0.2 --jump "$sshd_user@10.77.0.3:$sshd_port" --keep-alive 500ms --script '
    echo $$ > "'"$dir"'/left_behind.$SSH_RUNNER_HOST"
    until [ -s "'"$dir"'/left_behind.127.0.0.1" ] && [ -s "'"$dir"'/left_behind.127.0.0.2" ]; do
      sleep 0.05
    done
    [ "$SSH_RUNNER_HOST" = 127.0.0.1 ] || PATH=$PATH:/sbin:/usr/sbin ip addr del 10.77.0.3/32 dev lo
    exec sleep 1000'
  end_left_behind
  expect_status 3
  # It may be missed at the jump host first or behind it, at the hosts.
  expect_err_has '2 not connected'; expect_err_has 'command: connection lost: '
}
