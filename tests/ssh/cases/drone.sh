# shellcheck shell=bash disable=SC2016,SC2154 # sourced by end_to_end.sh

# --- drone-ssh's variables ---

# Runs it with nothing but variables; PREFIX is PLUGIN, INPUT or SSH.
run_drone() { run --config none --known-hosts "$dir/known_hosts" "$@"; }

drone_plugin_variables() {
  PLUGIN_HOST=' 127.0.0.1, 127.0.0.2 ,' PLUGIN_PORT=$sshd_port PLUGIN_USERNAME=$sshd_user \
    PLUGIN_KEY=$(cat "$dir/client_key") PLUGIN_SCRIPT='echo a,echo b' run_drone
  expect_status 0; expect_err_has '2 ok'
  [ "$(sort "$dir/out" | tr '\n' ' ')" = \
    '127.0.0.1: a 127.0.0.1: b 127.0.0.2: a 127.0.0.2: b ' ] || fail "wrong output"
}

drone_input_variables() {
  A_B=it\'s INPUT_HOST=127.0.0.1 INPUT_PORT=$sshd_port INPUT_USERNAME=$sshd_user \
    INPUT_KEY_PATH=$dir/client_key INPUT_SCRIPT=$'echo "$A_B,$NONE"\nfalse\necho after' \
    INPUT_ENVS=a_b,none INPUT_SCRIPT_STOP=true INPUT_PROTOCOL=tcp4 run_drone
  expect_status 1; expect_out "127.0.0.1: it's,"
}

drone_ssh_variables() {
  SSH_HOST=127.0.0.1 SSH_PORT=$sshd_port SSH_USERNAME=$sshd_user SSH_KEY=$(cat "$dir/client_key") \
    SSH_SCRIPT='echo hello' SSH_FINGERPRINT=$(ssh-keygen -l -f "$dir/host_key.pub" | cut -d ' ' -f 2) \
    run --config none --known-hosts /dev/null
  expect_status 0; expect_out '127.0.0.1: hello'
}

drone_script_file_and_format() {
  echo 'echo "$X"' > "$dir/file.sh"
  GREETING='a b' PLUGIN_HOST=127.0.0.1 PLUGIN_PORT=$sshd_port PLUGIN_USER=$sshd_user \
    PLUGIN_KEY_PATH=$dir/client_key PLUGIN_SCRIPT_FILE=$dir/file.sh PLUGIN_ENVS=greeting \
    PLUGIN_ENVS_FORMAT='export X={VALUE}' run_drone
  expect_status 0; expect_out '127.0.0.1: a b'
}

drone_all_variables_but_no_secrets() {
  DRONE_BUILD=7 PLUGIN_HOST=127.0.0.1 PLUGIN_PORT=$sshd_port PLUGIN_USERNAME=$sshd_user \
    PLUGIN_KEY=$(cat "$dir/client_key") PLUGIN_PASSWORD=geheim PLUGIN_ALLENVS=true PLUGIN_DEBUG=true \
    PLUGIN_SCRIPT='echo $DRONE_BUILD $PLUGIN_HOST; env | grep -c "g[e]heim\|P[R]IVATE KEY"' run_drone
  expect_status 1; expect_out $'127.0.0.1: 7 127.0.0.1\n127.0.0.1: 0'
  expect_err_lacks geheim; expect_err_lacks 'PRIVATE KEY'
}

drone_proxy() {
  local before
  before=$(grep -c '^Connection from .* on 127.0.0.8 port' "$dir/sshd.log")
  PLUGIN_HOST=127.0.0.1 PLUGIN_PORT=$sshd_port PLUGIN_USERNAME=$sshd_user PLUGIN_KEY_PATH=$dir/client_key \
    PLUGIN_PROXY_HOST=127.0.0.8 PLUGIN_PROXY_PORT=$sshd_port PLUGIN_PROXY_USERNAME=$sshd_user \
    PLUGIN_PROXY_KEY_PATH=$dir/client_key PLUGIN_SCRIPT='echo hello' run_drone
  expect_status 0; expect_out '127.0.0.1: hello'
  [ "$(grep -c '^Connection from .* on 127.0.0.8 port' "$dir/sshd.log")" -gt "$before" ] ||
    fail "not through the proxy"
}

drone_passphrases_and_a_terminal() {
  cp "$dir/client_key" "$dir/drone_locked"
  ssh-keygen -q -a 1 -p -P '' -N secret -f "$dir/drone_locked" > /dev/null
  PLUGIN_HOST=127.0.0.1 PLUGIN_PORT=$sshd_port PLUGIN_USERNAME=$sshd_user PLUGIN_PASSPHRASE=secret \
    PLUGIN_KEY_PATH=$dir/drone_locked PLUGIN_REQUEST_PTY=true PLUGIN_SCRIPT='test -t 1 && echo terminal' \
    run_drone
  expect_status 0; expect_out '127.0.0.1: terminal'
}

drone_old_algorithms() {
  start_fake old
  INPUT_HOST=127.0.0.1 INPUT_PORT=$fake_port INPUT_KEY_PATH=$dir/client_key INPUT_USE_INSECURE_CIPHER=true \
    INPUT_SCRIPT=hello run --config none --known-hosts "$dir/known_fake"
  expect_status 0; expect_out '127.0.0.1: hello'
}

drone_proxy_by_means_of_its_own() {
  local right
  right=$(ssh-keygen -l -f "$dir/host_key.pub" | cut -d ' ' -f 2)
  ssh-keygen -q -a 1 -t ed25519 -N secret -f "$dir/proxy_key"
  cat "$dir/proxy_key.pub" >> "$dir/authorized_keys"
  grep -F '[127.0.0.1]' "$dir/known_hosts" > "$dir/without_proxy"
  PLUGIN_HOST=127.0.0.1 PLUGIN_PORT=$sshd_port PLUGIN_USERNAME=$sshd_user PLUGIN_KEY_PATH=$dir/client_key \
    PLUGIN_PROXY_HOST=127.0.0.8 PLUGIN_PROXY_PORT=$sshd_port PLUGIN_PROXY_USERNAME=$sshd_user \
    PLUGIN_PROXY_KEY=$(cat "$dir/proxy_key") PLUGIN_PROXY_PASSPHRASE=secret PLUGIN_PROXY_TIMEOUT=20s \
    PLUGIN_PROXY_FINGERPRINT=$right PLUGIN_SCRIPT='echo hello' \
    run --config none --known-hosts "$dir/without_proxy"
  expect_status 0; expect_out '127.0.0.1: hello'
  # Of these two the longer one holds.
  PLUGIN_HOST=127.0.0.1 PLUGIN_TIMEOUT=10s PLUGIN_PROXY_HOST=gate PLUGIN_PROXY_TIMEOUT=20s \
    PLUGIN_PROXY_PASSWORD=geheim PLUGIN_PASSWORD=geheim PLUGIN_SCRIPT=true run_drone --dry-run
  expect_status 0; expect_out_has '20 s to connect'; ! grep -q geheim "$dir/out" || fail "a password is shown"
}

drone_time_outs_and_ciphers() {
  PLUGIN_HOST=127.0.0.1 PLUGIN_PORT=$silent_port PLUGIN_KEY_PATH=$dir/client_key PLUGIN_TIMEOUT=1s \
    PLUGIN_SCRIPT=true run_drone
  expect_status 4; expect_err_has 'time-out after 1 s'
  PLUGIN_HOST=127.0.0.1 PLUGIN_PORT=$sshd_port PLUGIN_USERNAME=$sshd_user PLUGIN_KEY_PATH=$dir/client_key \
    PLUGIN_COMMAND_TIMEOUT=1s PLUGIN_CIPHERS=aes128-ctr PLUGIN_SYNC=true PLUGIN_SCRIPT='sleep 1000' run_drone
  expect_status 4; expect_err_has 'the command took more than 1 s'
}

drone_bad_values_are_named() {
  PLUGIN_HOST=a PLUGIN_TIMEOUT=soon PLUGIN_SCRIPT=true run_drone
  expect_status 2; expect_err_has PLUGIN_TIMEOUT
  PLUGIN_HOST=a PLUGIN_SYNC=perhaps PLUGIN_SCRIPT=true run_drone
  expect_status 2; expect_err_has PLUGIN_SYNC
  PLUGIN_HOST=a PLUGIN_PROTOCOL=udp PLUGIN_SCRIPT=true run_drone
  expect_status 2; expect_err_has PLUGIN_PROTOCOL
}

drone_variables_give_way_to_options() {
  PLUGIN_HOST=127.0.0.1 PLUGIN_PORT=1 PLUGIN_USERNAME=nobody run_in --host 127.0.0.2 --script 'echo hello'
  expect_status 0; expect_out '127.0.0.2: hello'
}
