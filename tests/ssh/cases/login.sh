# shellcheck shell=bash disable=SC2016,SC2154 # sourced by end_to_end.sh

# --- getting in ---

# Starts an agent with the client's key; sets SSH_AUTH_SOCK and agent_pid.
start_agent() {
  SSH_AUTH_SOCK=$dir/agent.$RANDOM
  ssh-agent -D -a "$SSH_AUTH_SOCK" > /dev/null &
  agent_pid=$!
  in_background $agent_pid
  export SSH_AUTH_SOCK
  local tries=0
  until ssh-add -q "${1:-$dir/client_key}" 2> /dev/null; do
    sleep 0.05; tries=$((tries + 1)); [ $tries -lt 600 ] || fail "the agent takes no key"
  done
}
run_without_key() {
  run --user "$sshd_user" --port "$sshd_port" --known-hosts "$dir/known_hosts" --config none "$@"
}

login_by_password() {
  start_fake password
  SSH_RUNNER_PASSWORD=secret run_fake
  expect_status 0; expect_out '127.0.0.1: hello'
  echo secret > "$dir/password"
  run_fake --password-file "$dir/password"
  expect_status 0
  SSH_RUNNER_PASSWORD=wrong run_fake
  expect_status 3; expect_err_has '127.0.0.1: login: refused; tried the password; '
  expect_err_has 'the server takes password'; expect_err_lacks wrong
  run --port "$fake_port" --known-hosts "$dir/known_fake" --config none --hosts-file - -- hello \
    <<< "127.0.0.1 user=me password=secret"
  expect_status 0
}

login_asks_on_the_terminal() {
  command -v script > /dev/null || { skip 'no script(1) here'; return 0; }
  start_fake password
  local options=(--user me --port "$fake_port" --known-hosts "$dir/known_fake" --config none)
  run_answering secret "${options[@]}" --ask-password --host 127.0.0.1 -- hello
  expect_status 0; expect_out '127.0.0.1: hello'
  ! grep -q secret "$dir/terminal" || fail "the answer is shown"
  run_answering wrong "${options[@]}" --ask-password --host 127.0.0.1 -- hello
  expect_status 3
  cp "$dir/client_key" "$dir/asked_key"
  ssh-keygen -q -a 1 -p -P '' -N secret -f "$dir/asked_key" > /dev/null
  key=$dir/asked_key way_in
  run_answering secret "${way[@]}" --ask-passphrase --host 127.0.0.1 --script 'echo hello'
  expect_status 0; expect_out '127.0.0.1: hello'
  ! grep -q secret "$dir/terminal" || fail "the answer is shown"
  # Without a terminal nobody can be asked.
  setsid "$ssh_runner" --ask-password --host a true < /dev/null > "$dir/out" 2> "$dir/err"
  status=$?
  expect_status 2; expect_err_has 'there is no terminal'
}

login_by_questions() {
  start_fake questions
  SSH_RUNNER_PASSWORD=secret run_fake
  expect_status 0; expect_out '127.0.0.1: hello'
  SSH_RUNNER_PASSWORD=wrong run_fake
  expect_status 3; expect_err_has 'tried the password as an answer'; expect_err_lacks wrong
}

# A real server that asks a user for a password: one of a mount namespace of its own, so that the system's
# users stay as they are. Sets second_port, and puts the password into $dir/password.
start_sshd_with_passwords() {  # LINES
  [ "$(id -u)" -eq 0 ] && may_mount && command -v perl > /dev/null && [ -e /etc/shadow ] ||
    { skip "needs root, a mount namespace and perl's crypt"; return 1; }
  { cat /etc/passwd; echo 'weft-guest:x:47111:47111::/:/bin/sh'; } > "$dir/passwd"
  { cat /etc/group; echo 'weft-guest:x:47111:'; } > "$dir/group"
  { cat /etc/shadow; echo "weft-guest:$(perl -e 'print crypt("geheim", q($6$weft$))'):19000:0:99999:7:::"; } \
    > "$dir/shadow"
  chmod 0600 "$dir/shadow"
  echo geheim > "$dir/password"
  start_second_sshd "$1"$'\nAllowUsers weft-guest' 127.0.0.1 unshare -m sh -c '
    for file in passwd group shadow; do mount --bind "$0/$file" "/etc/$file" || exit; done
    exec "$@"' "$dir"
}
run_as_guest() {
  run --user weft-guest --port "$second_port" --known-hosts "$dir/known_second" --config none \
    --host 127.0.0.1 --script 'id -un' "$@"
}
expect_guest() {
  expect_status 0; expect_out '127.0.0.1: weft-guest'
}

login_by_password_at_a_real_server() {
  local pam
  for pam in yes no; do
    start_sshd_with_passwords "UsePAM $pam"$'\nPasswordAuthentication yes\nPubkeyAuthentication no' || return 0
    SSH_RUNNER_PASSWORD=geheim run_as_guest
    expect_guest
    run_as_guest --password-file "$dir/password"
    expect_guest
    SSH_RUNNER_PASSWORD=falsch run_as_guest
    expect_status 3; expect_err_has 'login: refused; tried the password; the server takes password'
    expect_err_lacks falsch
  done
}

login_by_questions_at_a_real_server() {
  start_sshd_with_passwords $'UsePAM yes\nKbdInteractiveAuthentication yes\nPubkeyAuthentication no' || return 0
  SSH_RUNNER_PASSWORD=geheim run_as_guest
  expect_guest
  SSH_RUNNER_PASSWORD=falsch run_as_guest
  expect_status 3; expect_err_has 'login: refused; tried the password as an answer'; expect_err_lacks falsch
}

login_by_key_and_password_at_a_real_server() {
  # Its user may read the keys.
  chmod 0755 "$dir"
  start_sshd_with_passwords $'UsePAM yes\nPasswordAuthentication yes\nAuthenticationMethods publickey,password' ||
    return 0
  SSH_RUNNER_PASSWORD=geheim run_as_guest --key "$dir/client_key"
  chmod 0700 "$dir"
  expect_guest
}

login_by_key_and_password() {
  start_fake both
  SSH_RUNNER_PASSWORD=secret run_fake --key "$dir/client_key"
  expect_status 0; expect_out '127.0.0.1: hello'
  run_fake --key "$dir/client_key"
  expect_status 3; expect_err_has 'one proof is not enough'
}

login_with_old_algorithms() {
  start_fake old
  run_fake --key "$dir/client_key"
  expect_status 3; expect_err_has '127.0.0.1: handshake: kex error : no match'
  expect_err_has '--insecure-algorithms'
  run_fake --key "$dir/client_key" --insecure-algorithms
  expect_status 0; expect_out '127.0.0.1: hello'
}

login_at_a_server_that_closes() {
  start_fake closing
  run_fake --key "$dir/client_key"
  expect_status 3; expect_err_has '127.0.0.1: handshake: the server closed the connection'
  expect_err_has MaxStartups
}

login_at_a_mute_server() {
  start_fake mute
  run_fake --key "$dir/client_key" --connect-timeout 8s
  expect_status 4; expect_err_has '127.0.0.1: login: time-out after 8 s'
  expect_err_has 'the server does not decide'
}

login_by_agent() {
  start_agent
  run_without_key --host "$all_hosts" --script 'echo hello'
  expect_status 0; expect_err_has '8 ok'
  run_without_key --host 127.0.0.1 --no-agent --script 'echo hello'
  expect_status 3; expect_err_has 'tried nothing'
  run_without_key --host 127.0.0.1 --no-agent --agent --script 'echo hello'
  expect_status 0; expect_out '127.0.0.1: hello'
  run_without_key --host 127.0.0.1 --identities-only --script 'echo hello'
  expect_status 3; expect_err_has 'tried nothing'
  # The private key is locked, but the agent has it.
  cp "$dir/client_key" "$dir/locked"; cp "$dir/client_key.pub" "$dir/locked.pub"
  ssh-keygen -q -a 1 -p -P '' -N secret -f "$dir/locked" > /dev/null
  run_without_key --host 127.0.0.1 --identities-only --key "$dir/locked" --script 'echo hello'
  expect_status 0
  unset SSH_AUTH_SOCK
}

login_by_the_configurations_identities_only() {
  start_agent
  cp "$dir/client_key" "$dir/only"; cp "$dir/client_key.pub" "$dir/only.pub"
  ssh-keygen -q -a 1 -p -P '' -N secret -f "$dir/only" > /dev/null
  local options=(--user "$sshd_user" --port "$sshd_port" --known-hosts "$dir/known_hosts" --host 127.0.0.1)
  echo 'IdentitiesOnly no' > "$dir/config"
  run "${options[@]}" --config "$dir/config" --script 'echo hello'
  expect_status 0; expect_out '127.0.0.1: hello'
  echo 'IdentitiesOnly yes' > "$dir/config"
  run "${options[@]}" --config "$dir/config" --script 'echo hello'
  expect_status 3; expect_err_has 'tried nothing'
  # Named there, locked here, and open in the agent.
  echo "IdentityFile $dir/only" >> "$dir/config"
  run "${options[@]}" --config "$dir/config" --script 'echo hello'
  expect_status 0; expect_out '127.0.0.1: hello'
  unset SSH_AUTH_SOCK
}

login_by_an_agent_with_every_kind_of_key() {
  local type
  for type in rsa ecdsa ed25519; do
    ssh-keygen -q -t $type -N '' -f "$dir/agent_$type"
    cat "$dir/agent_$type.pub" >> "$dir/authorized_keys"
    start_agent "$dir/agent_$type"
    run_without_key --host 127.0.0.1 --script 'echo hello'
    expect_status 0
    unset SSH_AUTH_SOCK
    key=$dir/agent_$type run_in --host 127.0.0.1 --script 'echo hello'
    expect_status 0
    ssh-keygen -q -p -m PEM -P '' -N '' -f "$dir/agent_$type" > /dev/null
    key=$dir/agent_$type run_in --host 127.0.0.1 --script 'echo hello'
    expect_status 0
  done
}

login_with_a_stuck_agent() {
  start_agent
  kill -STOP "$agent_pid"
  run_without_key --host "$all_hosts" --script 'echo hello'
  kill -CONT "$agent_pid"
  expect_status 3; expect_err_has 'the agent does not answer'
  kill -STOP "$agent_pid"
  key=$dir/client_key run_in --host 127.0.0.1 --script 'echo hello'
  kill -CONT "$agent_pid"
  expect_status 0
  unset SSH_AUTH_SOCK
}

login_with_an_agent_that_will_not_sign() {
  start_agent
  run_without_key --host 127.0.0.1 --script 'echo hello'
  expect_status 0
  # With its confirmation wanted and nobody to give it, the agent refuses.
  ssh-add -q -D 2> /dev/null
  SSH_ASKPASS=/bin/false DISPLAY= ssh-add -q -c "$dir/client_key" 2> /dev/null
  run_without_key --host 127.0.0.1 --script 'echo hello'
  expect_status 3; expect_err_has 'the agent refuses to sign'
  unset SSH_AUTH_SOCK
}

login_with_an_agent_that_dies_while_signing() {
  printf '#!/bin/sh\nkill -KILL "$PPID"\n' > "$dir/asking"
  chmod +x "$dir/asking"
  SSH_ASKPASS=$dir/asking DISPLAY=: start_agent
  ssh-add -q -D 2> /dev/null
  ssh-add -q -c "$dir/client_key" 2> /dev/null
  run_without_key --host 127.0.0.1 --script 'echo hello'
  expect_status 3; expect_err_has 'the agent cannot be asked: '; expect_err_has 'ssh-add -l'
  unset SSH_AUTH_SOCK
}

# It gives its keys, and when it shall sign it waits for somebody's consent: for $dir/consent.
start_agent_that_hangs_while_signing() {
  rm -f "$dir/consent"
  printf '#!/bin/sh\necho $$ > "%s/left_behind.asking"\nuntil [ -e "%s/consent" ]; do sleep 0.05; done\n' \
    "$dir" "$dir" > "$dir/asking"
  chmod +x "$dir/asking"
  SSH_ASKPASS=$dir/asking DISPLAY=: start_agent
  ssh-add -q -D 2> /dev/null
  ssh-add -q -c "$dir/client_key" 2> /dev/null
}

# First the agent: it would ask again for the next who waits.
end_agent() {
  kill -KILL "$agent_pid"
  unset SSH_AUTH_SOCK
  end_left_behind
}

login_with_an_agent_that_hangs_while_signing() {
  local config pid
  start_agent_that_hangs_while_signing
  impatient_with 127.0.0.1 2
  run --user "$sshd_user" --port "$sshd_port" --known-hosts "$dir/known_hosts" --config "$config" --hosts-file - \
    --script 'echo hello' <<< $'127.0.0.1\n127.0.0.2 key='"$dir/client_key"
  [ -s "$dir/left_behind.asking" ] || fail "the agent was not asked to sign"
  end_agent
  expect_status 4; expect_out '127.0.0.2: hello'
  expect_err_has '127.0.0.1: login: time-out after 2 s: the agent does not sign'
  expect_err_has 'does it wait for somebody'
  # Forty of that kind have minutes left when the host between them, which has a key of its own, has ended;
  # and an interrupt ends them.
  start_agent_that_hangs_while_signing
  start_fake narrow
  cat "$dir/known_fake" "$dir/known_hosts" > "$dir/known_both"
  impatient_with 127.0.0.1 1800
  printf '%s\n' "u[01-20]@127.0.0.1:$fake_port" "$sshd_user@127.0.0.2:$sshd_port key=$dir/client_key" \
    "u[21-40]@127.0.0.1:$fake_port" > "$dir/hosts"
  # A background job of a script would ignore SIGINT.
  HOME=$dir env --default-signal=INT "$ssh_runner" --known-hosts "$dir/known_both" --config "$config" --json \
    --hosts-file "$dir/hosts" --script 'echo hello' > "$dir/out" 2> "$dir/err" &
  pid=$!
  background+=("$pid")
  await "$dir/out" '"address":"127.0.0.2","port":'"$sshd_port"',"outcome":"ok"' $pid ||
    fail "the other host waits for the agent"
  [ "$(wc -l < "$dir/out")" -eq 2 ] || fail "not the first one"
  kill -INT $pid
  status=0
  wait $pid || status=$?
  end_agent
  expect_status 130; expect_err_has '1 ok, 40 stopped'
}

# While it waits we are stopped for longer than the time to connect; then it has the rest of that.
login_with_an_agent_without_the_cpu() {
  local pid
  start_agent_that_hangs_while_signing
  HOME=$dir "$ssh_runner" --user "$sshd_user" --port "$sshd_port" --known-hosts "$dir/known_hosts" --config none \
    --host 127.0.0.1 --connect-timeout 4s --script 'echo hello' > "$dir/out" 2> "$dir/err" &
  pid=$!
  until [ -s "$dir/left_behind.asking" ]; do
    kill -0 $pid 2> /dev/null || fail "the agent is not asked"
    sleep 0.02
  done
  kill -STOP $pid
  sleep 5
  kill -CONT $pid
  sleep 0.5  # for one that has counted all that to give up
  : > "$dir/consent"
  status=0; wait $pid || status=$?
  expect_status 0; expect_out '127.0.0.1: hello'
  rm "$dir/left_behind.asking"
  end_agent
}

login_with_a_key_from_the_environment() {
  SSH_RUNNER_KEY=$(cat "$dir/client_key") run_without_key --host 127.0.0.1 --script 'echo hello'
  expect_status 0
  SSH_RUNNER_KEY=$(tr '\n' ' ' < "$dir/client_key") run_without_key --host 127.0.0.1 --script 'echo hello'
  expect_status 0
  SSH_RUNNER_KEY=rubbish run_without_key --host 127.0.0.1 --script 'echo hello'
  expect_status 2; expect_err_has 'the key in the environment'; expect_err_lacks rubbish
}

login_accepts_new_host_keys() {
  printf 'other ssh-ed25519 AAAA' > "$dir/new"
  known_hosts="$dir/new" run_in --host-key-check accept-new --host 127.0.0.1,127.0.0.2 \
    --script 'echo hello'
  expect_status 0
  known_hosts="$dir/new" run_in --host 127.0.0.1,127.0.0.2 --script 'echo hello'
  expect_status 0
  [ "$(wc -l < "$dir/new")" -eq 3 ] || fail "not three lines"
  known_hosts="$dir/begun" run_in --host-key-check accept-new --host 127.0.0.1 --script 'echo hello'
  expect_status 0; [ "$(wc -l < "$dir/begun")" -eq 1 ] || fail "the new file has not one line"
  ssh-keygen -q -t ed25519 -N '' -f "$dir/another_key"
  echo "[127.0.0.1]:$sshd_port $(cut -d ' ' -f 1,2 "$dir/another_key.pub")" > "$dir/new"
  known_hosts="$dir/new" run_in --host-key-check accept-new --host 127.0.0.1 --script 'echo hello'
  expect_status 5; expect_err_has '127.0.0.1: host key: changed'
  expect_err_has "$(ssh-keygen -l -f "$dir/host_key.pub" | cut -d ' ' -f 2)"
  expect_err_has "$(ssh-keygen -l -f "$dir/another_key.pub" | cut -d ' ' -f 2)"
}

# What is known of an alias is known whatever the port.
login_accepts_new_host_keys_by_an_alias() {
  printf 'Host 127.0.0.1\n  HostKeyAlias the-web\n' > "$dir/alias"
  : > "$dir/new"
  config=$dir/alias known_hosts="$dir/new" run_in --host-key-check accept-new --host 127.0.0.1 --script true
  expect_status 0
  [ "$(cat "$dir/new")" = "the-web $(cut -d ' ' -f 1,2 "$dir/host_key.pub")" ] || fail "not kept so"
  ssh-keygen -q -t ed25519 -N '' -f "$dir/key_of_alias"
  echo "the-web $(cut -d ' ' -f 1,2 "$dir/key_of_alias.pub")" > "$dir/new"
  config=$dir/alias known_hosts="$dir/new" run_in --host-key-check accept-new --host 127.0.0.1 --script true
  expect_status 5; expect_err_has '127.0.0.1: host key: changed'
}

login_accepts_new_host_keys_and_keeps_none() {
  printf 'Host *\n  UserKnownHostsFile none\n  StrictHostKeyChecking accept-new\n' > "$dir/forgetful"
  mkdir -p "$dir/empty_dir"
  cd "$dir/empty_dir" || fail "no directory"
  run --config "$dir/forgetful" --user "$sshd_user" --port "$sshd_port" --key "$dir/client_key" \
    --host 127.0.0.1 --script 'echo hello'
  cd - > /dev/null || fail "no way back"
  expect_status 0; [ -z "$(ls "$dir/empty_dir")" ] || fail "a file: $(ls "$dir/empty_dir")"
}

login_by_fingerprint() {
  local right wrong
  right=$(ssh-keygen -l -f "$dir/host_key.pub" | cut -d ' ' -f 2)
  wrong=$(ssh-keygen -l -f "$dir/client_key.pub" | cut -d ' ' -f 2)
  : > "$dir/empty"
  known_hosts="$dir/empty" run_in --fingerprint "$right" --host 127.0.0.1 --script 'echo hello'
  expect_status 0; expect_err_lacks 'not checked'
  run_in --fingerprint "$wrong" --host 127.0.0.1 --script 'echo hello'
  expect_status 5; expect_err_has "should be $wrong"; expect_err_has "$right"
  run_in --hosts-file - --script 'echo hello' <<< "127.0.0.[1-2] fingerprint=${right#SHA256:}
    127.0.0.3 fingerprint=$wrong="
  expect_status 5; expect_err_has '2 ok'; expect_err_has '127.0.0.3: host key:'
}

login_with_chosen_algorithms() {
  run_in --ciphers aes128-ctr --macs hmac-sha2-256 --kex ecdh-sha2-nistp256 --host 127.0.0.1 \
    --script 'echo hello'
  expect_status 0
  run_in --ciphers rot13 --host 127.0.0.1 --script 'echo hello'
  expect_status 2; expect_err_has '--ciphers'; expect_err_has rot13
  # They are used, and not only looked at: this server takes one of each kind.
  start_fake narrow
  run_fake --key "$dir/client_key" --ciphers aes256-ctr --kex ecdh-sha2-nistp256 --macs hmac-sha2-512
  expect_status 0; expect_out '127.0.0.1: hello'
  local option
  for option in '--ciphers aes128-ctr' '--kex curve25519-sha256' '--macs hmac-sha2-256'; do
    # shellcheck disable=SC2086 # two words
    run_fake --key "$dir/client_key" $option
    expect_status 3; expect_err_has '127.0.0.1: handshake: kex error : no match'
  done
}

# --- through jump hosts ---

connections_to() { grep -c "^Connection from .* on $1 port" "$dir/sshd.log"; }

login_through_a_jump_host() {
  local before
  before=$(connections_to 127.0.0.8)
  run_in --host '127.0.0.[1-7]' --jump "$sshd_user@127.0.0.8:$sshd_port" \
    --script 'set -- $SSH_CONNECTION; echo "I am $3"; cat'
  expect_status 0; expect_err_has '7 ok'; expect_out_has '127.0.0.7: I am 127.0.0.7'
  [ "$(connections_to 127.0.0.8)" -eq $((before + 1)) ] || fail "not one connection"
}

login_of_200_through_one_jump_host() {
  local count=$((200 / divisor)) i
  [ $count -ge 20 ] || count=20
  start_second_sshd '' 0.0.0.0
  for ((i = 1; i <= count; ++i)); do echo "127.0.9.$i"; done > "$dir/hosts"
  { cat "$dir/hosts"; echo 127.0.0.8; } |
    sed "s/.*/[&]:$second_port $(cut -d ' ' -f 1,2 "$dir/host_key.pub" | sed 's|/|\\/|g')/" > "$dir/known_wide"
  run --user "$sshd_user" --port "$second_port" --key "$dir/client_key" --known-hosts "$dir/known_wide" \
    --config none --hosts-file "$dir/hosts" --fanout "$count" --jump "$sshd_user@127.0.0.8:$second_port" \
    --connect-timeout 120s --script 'set -- $SSH_CONNECTION; echo "I am $3"'
  expect_status 0; expect_err_has "$count ok"
  sed 's/.*/&: I am &/' "$dir/hosts" | sort | diff - <(sort "$dir/out") > "$dir/verdict" ||
    fail "not each for itself: $(head -n 5 "$dir/verdict")"
  # As the server has seen it: one connection to each address.
  sed -n 's/^Connection from .* on \([0-9.]*\) port.*/\1/p' "$dir/second.log" | sort |
    diff - <({ cat "$dir/hosts"; echo 127.0.0.8; } | sort) > "$dir/verdict" ||
    fail "not one connection each: $(head -n 5 "$dir/verdict")"
}

login_through_a_chain_from_the_configuration() {
  cat > "$dir/config" <<END
Host gate
  HostName 127.0.0.8
Host inner
  HostName 127.0.0.7
  ProxyJump gate
Host behind
  HostName 127.0.0.6
  ProxyJump inner
Host *
  User $sshd_user
  Port $sshd_port
  IdentityFile $dir/client_key
  UserKnownHostsFile $dir/known_hosts
END
  local gate inner
  gate=$(connections_to 127.0.0.8) inner=$(connections_to 127.0.0.7)
  run --config "$dir/config" --host behind,inner,127.0.0.5 -- 'echo hello'
  expect_status 0; expect_err_has '3 ok'
  [ "$(connections_to 127.0.0.8)" -eq $((gate + 1)) ] || fail "not one connection to gate"
  [ "$(connections_to 127.0.0.7)" -eq $((inner + 2)) ] || fail "not one as host and one as jump"
  printf 'Host a\nProxyJump b\nHost b\nProxyJump a\n' > "$dir/config"
  run --config "$dir/config" --host a -- 'echo hello'
  expect_status 2; expect_err_has 'circle'
}

login_through_jump_hosts_that_fail() {
  run_in --host 127.0.0.1,127.0.0.2 --jump "127.0.0.8:$refused_port" --script 'echo hello'
  expect_status 3
  expect_err_has '127.0.0.[1,2]: connect: jump host 127.0.0.8: connect: Connection refused'
  run_in --host "127.0.0.1:$refused_port,127.0.0.2" --jump "$sshd_user@127.0.0.8:$sshd_port" \
    --script 'echo hello'
  expect_status 3; expect_out "127.0.0.2: hello"
  expect_err_has "127.0.0.1: connect: the jump host says: Connection refused"
  local config
  impatient_with 127.0.0.1 8
  run_in --host "127.0.0.1:$silent_port,127.0.0.2" --jump "$sshd_user@127.0.0.8:$sshd_port" \
    --script 'echo hello'
  expect_status 4; expect_out "127.0.0.2: hello"; expect_err_has '127.0.0.1: handshake: time-out after 8 s'
  run_in --host 127.0.0.2 --jump "127.0.0.1:$silent_port" --connect-timeout 1s --script 'echo hello'
  expect_status 4; expect_err_has '127.0.0.2: connect: jump host 127.0.0.1: '
  expect_err_has 'time-out after 1 s'; expect_err_has 'try the jump host as a host of its own'
  # A jump host's host key that is refused counts as one; a refused login is not tried again.
  sed 's/^\[127.0.0.8\]/[127.0.0.9]/' "$dir/known_hosts" > "$dir/no_eight"
  known_hosts="$dir/no_eight" run_in --host 127.0.0.2 --jump "$sshd_user@127.0.0.8:$sshd_port" \
    --script 'echo hello'
  expect_status 5; expect_err_has '127.0.0.2: connect: jump host 127.0.0.8: host key: unknown'
  run_in --host 127.0.0.2 --jump "nobody@127.0.0.8:$sshd_port" --retries 2 --retry-delay 60s \
    --script 'echo hello'
  expect_status 3; expect_err_has 'jump host 127.0.0.8: login: refused'; expect_err_lacks attempt
}

login_to_a_jump_host_by_means_of_its_own() {
  local jump=$sshd_user@127.0.0.8:$sshd_port right
  ssh-keygen -q -a 1 -t ed25519 -N secret -f "$dir/jump_key"
  run_in --host 127.0.0.1 --jump "$jump" --jump-key "$dir/wrong_file" --script 'echo hello'
  expect_status 2; expect_err_has "$dir/wrong_file"
  echo secret > "$dir/jump_passphrase"
  local options=(--host 127.0.0.1 -J "$jump" --jump-key "$dir/jump_key" \
    --jump-passphrase-file "$dir/jump_passphrase" --script 'echo hello')
  run_in "${options[@]}"
  expect_status 3; expect_err_has 'jump host 127.0.0.8: login: refused'
  cat "$dir/jump_key.pub" >> "$dir/authorized_keys"
  run_in "${options[@]}"
  expect_status 0; expect_out '127.0.0.1: hello'
  # Its host key by fingerprint, the host's by known_hosts, which does not have the other.
  right=$(ssh-keygen -l -f "$dir/host_key.pub" | cut -d ' ' -f 2)
  grep -F '[127.0.0.1]' "$dir/known_hosts" > "$dir/only_one"
  known_hosts="$dir/only_one" run_in "${options[@]}" --jump-fingerprint "$right"
  expect_status 0
  run_in "${options[@]}" --jump-fingerprint "$(ssh-keygen -l -f "$dir/client_key.pub" | cut -d ' ' -f 2)"
  expect_status 5; expect_err_has 'jump host 127.0.0.8: host key: '
  run_in --host 127.0.0.1 -J "$jump" --script 'echo hello' --jump-key "$dir/jump_key"
  expect_status 2; expect_err_has "$dir/jump_key"
  SSH_RUNNER_JUMP_PASSPHRASE=secret run_in --host 127.0.0.1 -J "$jump" --script 'echo hello' \
    --jump-key "$dir/jump_key"
  expect_status 0
  ssh-keygen -q -t ed25519 -N '' -f "$dir/jump_text"
  SSH_RUNNER_JUMP_KEY=$(cat "$dir/jump_text") run_in --host 127.0.0.1 -J "$jump" --script 'echo hello'
  expect_status 3; expect_err_has 'jump host 127.0.0.8: login: refused'
  cat "$dir/jump_text.pub" >> "$dir/authorized_keys"
  SSH_RUNNER_JUMP_KEY=$(cat "$dir/jump_text") run_in --host 127.0.0.1 -J "$jump" --script 'echo hello'
  expect_status 0
  # The fake server lets in, but connects to nothing, and gives no reason.
  start_fake password
  cat "$dir/known_fake" >> "$dir/only_one"
  echo secret > "$dir/jump_password"
  known_hosts="$dir/only_one" run_in --host 127.0.0.1 --jump "me@127.0.0.1:$fake_port" \
    --jump-password-file "$dir/jump_password" --script 'echo hello'
  expect_status 3; expect_err_has '127.0.0.1: connect: the jump host says: '
  known_hosts="$dir/only_one" SSH_RUNNER_JUMP_PASSWORD=secret run_in --host 127.0.0.1 \
    --jump "me@127.0.0.1:$fake_port" --script 'echo hello'
  expect_status 3; expect_err_has '127.0.0.1: connect: the jump host says: '
  echo wrong > "$dir/jump_password"
  known_hosts="$dir/only_one" run_in --host 127.0.0.1 --jump "me@127.0.0.1:$fake_port" \
    --jump-password-file "$dir/jump_password" --script 'echo hello'
  expect_status 3; expect_err_has 'jump host 127.0.0.1: login: refused; tried the password'
}

login_through_a_jump_host_with_much_output() {
  local last=$((200000 / divisor))
  run_in --host '127.0.0.[1-4]' --jump "$sshd_user@127.0.0.8:$sshd_port" --script "seq 1 $last"
  expect_status 0
  expect_numbers 4 $last "$dir/out"
}
