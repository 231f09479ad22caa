# shellcheck shell=bash disable=SC2016,SC2154 # sourced by end_to_end.sh

# --- hosts and ways in ---

hosts_eight_at_once() {
  run_in --host "$all_hosts" --script 'set -- $SSH_CONNECTION; echo "I am $3"'
  expect_status 0; expect_err_has '8 hosts'; expect_err_has '8 ok'
  [ "$(wc -l < "$dir/out")" -eq 8 ] || fail "not 8 lines"
  local address
  for address in "${sshd_addresses[@]}"; do expect_out_has "$address: I am $address"; done
}

hosts_two_at_a_time() {
  rm -f "$dir/running"
  run_in --host "$all_hosts" --fanout 2 --script '
    echo +1 >> "'"$dir"'/running"; echo hello; sleep 0.1; echo -1 >> "'"$dir"'/running"'
  expect_status 0; expect_err_has '8 ok'
  [ "$(sort -u "$dir/out" | grep -c ': hello$')" -eq 8 ] || fail "not 8 hosts"
  awk '{ n += $1; if (n > 2) exit 1 } END { if (NR != 16) exit 1 }' "$dir/running" ||
    fail "more than two at a time"
}

# As the server sees it, which lets nobody in before more are through with the handshake than may be.
# The place of who has no answer for a second is given to another: a sanitizer makes them wait so long, and
# a busy machine may do it for a while, but not three times.
hosts_shake_hands_so_many_at_a_time() {
  local workers=${WEFT_WORKERS:-2} bound most tries
  [ "$workers" -le 2 ] || workers=2  # or there would have to be many hosts
  bound=$((16 * workers))
  for tries in 1 2 3; do
    start_fake "crowded:$bound"
    WEFT_WORKERS=$workers run --port "$fake_port" --known-hosts "$dir/known_fake" --config none \
      --key "$dir/client_key" --host 'u[01-80]@127.0.0.1' -- hello
    expect_status 0; expect_err_has '80 ok'
    most=$(tail -n 1 "$dir/fake_port")
    [ "$most" -gt 1 ] || fail "one after the other"
    [ "$most" -gt "$bound" ] && [ "$divisor" -eq 1 ] || return 0
  done
  fail "$most at a time"
}

hosts_from_a_file_and_options() {
  printf '# ours\n127.0.0.1\n\n%s@127.0.0.2:%s # with all\n' "$sshd_user" "$sshd_port" > "$dir/hosts"
  run_in --hosts-file "$dir/hosts" --host 127.0.0.3 --host 127.0.0.4,127.0.0.1 --script 'echo hello'
  expect_status 0; expect_err_has '4 hosts'
  [ "$(sort "$dir/out" | tr '\n' ' ')" = \
    '127.0.0.1: hello 127.0.0.2: hello 127.0.0.3: hello 127.0.0.4: hello ' ] || fail "wrong hosts"
}

hosts_from_ranges_and_stdin() {
  run_in --host '127.0.0.[1-4/2],!127.0.0.3,-' --script 'echo hello' <<< '127.0.0.[5-6]'
  expect_status 0; expect_err_has '3 hosts'
  [ "$(sort "$dir/out" | tr '\n' ' ')" = \
    '127.0.0.1: hello 127.0.0.5: hello 127.0.0.6: hello ' ] || fail "wrong hosts"
  run_in --hosts-file - --exclude '*.2' --script 'echo hello' <<< "127.0.0.[1-2] user=$sshd_user"
  expect_status 0; expect_out '127.0.0.1: hello'
}

hosts_from_an_inventory() {
  cat > "$dir/inventory.yaml" <<END
groups:
  first: 127.0.0.[1-2]
  all: {hosts: ["@first", 127.0.0.3], user: $sshd_user, port: $sshd_port, key: $dir/client_key}
END
  run --inventory "$dir/inventory.yaml" --known-hosts "$dir/known_hosts" --config none \
    --host '@all' --exclude 127.0.0.1 hostname '>' /dev/null ';' echo hello
  expect_status 0; expect_err_has '2 hosts'; expect_out_has '127.0.0.3: hello'
}

hosts_from_the_configuration() {
  cat > "$dir/config" <<END
Host one two
  HostName 127.0.0.1
Host two
  HostName 127.0.0.2
  HostKeyAlias 127.0.0.3
Host *
  User $sshd_user
  Port $sshd_port
  IdentityFile $dir/client_key
  UserKnownHostsFile $dir/known_hosts
Host proxied
  ProxyCommand nc %h %p
Match exec true
  Port 1
END
  # An alias stands for itself in known_hosts, without the port.
  run --config "$dir/config" --host one,two -- echo hello
  expect_status 5; expect_err_has 'two: host key: unknown'
  cp "$dir/known_hosts" "$dir/known_alias"
  echo "127.0.0.3 $(cut -d ' ' -f 1,2 "$dir/host_key.pub")" >> "$dir/known_alias"
  run --config "$dir/config" --known-hosts "$dir/known_alias" --host one,two -- echo hello
  expect_status 0; expect_out_has 'one: hello'; expect_out_has 'two: hello'
  expect_err_has "$dir/config:13: Match is not understood"
  run --config "$dir/config" --host one,proxied -- echo hello
  expect_status 2; expect_err_has "host 'proxied' has a ProxyCommand"
}

hosts_from_the_usual_configuration() {
  mkdir -p "$dir/.ssh"
  printf 'Host usual\n  HostName 127.0.0.4\n  User %s\n  Port %s\n  IdentityFile ~/.ssh/usual_key\n' \
    "$sshd_user" "$sshd_port" > "$dir/.ssh/config"
  cp "$dir/client_key" "$dir/.ssh/usual_key"
  cp "$dir/known_hosts" "$dir/.ssh/known_hosts"
  run --host usual --script 'set -- $SSH_CONNECTION; echo "I am $3"'
  rm -r "$dir/.ssh"
  expect_status 0; expect_out 'usual: I am 127.0.0.4'
}

hosts_by_ipv6() {
  grep -q '^0*1 ' /proc/net/if_inet6 2> /dev/null || { skip 'no ::1 here'; return 0; }
  start_second_sshd '' '[::1]'
  known_hosts=$dir/known_second run_in --host "[::1]:$second_port" --script 'set -- $SSH_CONNECTION; echo "I am $3"'
  expect_status 0; expect_out '[::1]: I am ::1'
  run --user "$sshd_user" --port "$second_port" --key "$dir/client_key" --known-hosts "$dir/known_second" \
    --config none -6 --host ::1 --script 'echo hello'
  expect_status 0; expect_out '[::1]: hello'
}

hosts_by_name() {
  echo "[localhost]:$sshd_port $(cut -d ' ' -f 1,2 "$dir/host_key.pub")" > "$dir/localhost"
  known_hosts="$dir/localhost" run_in --host localhost --script 'echo hello'
  expect_status 0; expect_out 'localhost: hello'
  # A machine without a network may take long to say that it knows no such host.
  run_in --connect-timeout 90s --host no-such-host.invalid,127.0.0.1 --script 'echo hello'
  expect_status 3; expect_out '127.0.0.1: hello'; expect_err_has 'no-such-host.invalid: resolve:'
}

hosts_of_one_kind_of_address() {
  run_in -4 --host 127.0.0.1 --script 'echo hello'
  expect_status 0; expect_out '127.0.0.1: hello'
  run_in -4 --host ::1 --script 'echo hello'
  expect_status 3; expect_err_has '[::1]: resolve: it has no address of that kind'
  run_in -6 --host 127.0.0.1 --script 'echo hello'
  expect_status 3; expect_err_has '127.0.0.1: resolve: it has no address of that kind'
}

hosts_by_short_options() {
  run -F none -H '127.0.0.[1-3]' -x 127.0.0.2 -u "$sshd_user" -p "$sshd_port" -i "$dir/client_key" \
    --known-hosts "$dir/known_hosts" -J "$sshd_user@127.0.0.8:$sshd_port" -b -f 1 -e A=1 -s 'echo $A'
  expect_status 0; expect_out $'--- 127.0.0.[1,3] (2 hosts)\n1'
}

hosts_with_hashed_names() {
  cp "$dir/known_hosts" "$dir/hashed"
  ssh-keygen -q -H -f "$dir/hashed" > /dev/null 2>&1
  grep -q '^|1|' "$dir/hashed" || fail "ssh-keygen did not hash"
  known_hosts="$dir/hashed" run_in --host 127.0.0.7 --script 'echo hello'
  expect_status 0; expect_out '127.0.0.7: hello'
}

hosts_keys_default_files() {
  mkdir -p "$dir/.ssh"
  cp "$dir/client_key" "$dir/.ssh/id_ed25519"
  cp "$dir/known_hosts" "$dir/.ssh/known_hosts"
  run --user "$sshd_user" --port "$sshd_port" --host 127.0.0.1 --script 'echo hello'
  rm -r "$dir/.ssh"
  expect_status 0; expect_out '127.0.0.1: hello'
}

hosts_key_with_passphrase() {
  cp "$dir/client_key" "$dir/locked_key"
  ssh-keygen -q -a 1 -p -P '' -N secret -f "$dir/locked_key" > /dev/null
  key=$dir/locked_key SSH_RUNNER_PASSPHRASE=secret run_in --host 127.0.0.1 --script 'echo hello'
  expect_status 0; expect_out '127.0.0.1: hello'
  echo secret > "$dir/passphrase"
  key=$dir/locked_key run_in --passphrase-file "$dir/passphrase" --host 127.0.0.1 --script 'echo hello'
  expect_status 0; expect_out '127.0.0.1: hello'
  echo falsch > "$dir/passphrase"
  key=$dir/locked_key run_in --passphrase-file "$dir/passphrase" --host 127.0.0.1 --script 'echo hello'
  expect_status 2; expect_err_has "$dir/locked_key"; expect_err_lacks falsch
}

hosts_without_host_key_check() {
  : > "$dir/empty"
  known_hosts="$dir/empty" run_in --host-key-check=no --host 127.0.0.1 --script 'echo hello'
  expect_status 0; expect_out '127.0.0.1: hello'; expect_err_has 'host keys are not checked'
}
