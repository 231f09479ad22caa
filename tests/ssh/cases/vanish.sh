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

# The name server does not answer.
vanish_while_resolving() {
  unshare -m true 2> /dev/null && [ -e /etc/resolv.conf ] ||
    { skip 'no mount namespace, or no resolv.conf'; return 0; }
  echo 'nameserver 10.77.0.2' > "$dir/resolv.conf"
  local config
  impatient_with some-host.invalid 1
  way_in
  status=0
  HOME=$dir unshare -m sh -c 'mount --bind "$1" /etc/resolv.conf && shift && exec "$@"' - "$dir/resolv.conf" \
    "$ssh_runner" "${way[@]}" --host some-host.invalid,127.0.0.1 --script 'echo hello' \
    > "$dir/out" 2> "$dir/err" || status=$?
  expect_status 4; expect_out '127.0.0.1: hello'
  expect_err_has 'some-host.invalid: resolve: time-out after 1 s'; expect_err_has 'the name server does not answer'
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
