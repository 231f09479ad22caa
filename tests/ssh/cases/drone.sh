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

# Each variable that is read: its names | a value | what else is set | what the plan then says.
variables_of_drone() {
  cat <<END
PLUGIN_HOST SSH_HOST INPUT_HOST|web9||web9: root@web9:22
PLUGIN_PORT SSH_PORT INPUT_PORT|2222||root@web1:2222
PLUGIN_PROTOCOL SSH_PROTOCOL INPUT_PROTOCOL|tcp4||to connect; IPv4 only
PLUGIN_USERNAME PLUGIN_USER SSH_USERNAME INPUT_USERNAME|me||me@web1:22
PLUGIN_PASSWORD SSH_PASSWORD INPUT_PASSWORD|geheim||web1: login with a password
PLUGIN_TIMEOUT SSH_TIMEOUT INPUT_TIMEOUT|7s||7 s to connect
PLUGIN_SSH_KEY PLUGIN_KEY SSH_KEY INPUT_KEY|KEY_TEXT||web1: login with the key in the environment
PLUGIN_SSH_PASSPHRASE PLUGIN_PASSPHRASE SSH_PASSPHRASE INPUT_PASSPHRASE|secret|PLUGIN_KEY_PATH=$dir/locked_by_secret|login with $dir/locked_by_secret
PLUGIN_KEY_PATH SSH_KEY_PATH INPUT_KEY_PATH|$dir/client_key||web1: login with $dir/client_key
PLUGIN_CIPHERS SSH_CIPHERS INPUT_CIPHERS INPUT_CIPHER|aes128-ctr||to connect; ciphers aes128-ctr
PLUGIN_USE_INSECURE_CIPHER SSH_USE_INSECURE_CIPHER INPUT_USE_INSECURE_CIPHER|true||to connect; old algorithms as well
PLUGIN_FINGERPRINT SSH_FINGERPRINT INPUT_FINGERPRINT|SHA256:abcdefghijabcdefghijabcdefghijabcdefghijabc||host key must be SHA256:abcdefghijabcdefghijabcdefghijabcdefghijabc; 30 s
PLUGIN_SYNC INPUT_SYNC|true||1 host, 1 at a time
PLUGIN_COMMAND_TIMEOUT SSH_COMMAND_TIMEOUT INPUT_COMMAND_TIMEOUT|7s||7 s for the script
PLUGIN_SCRIPT SSH_SCRIPT INPUT_SCRIPT|echo special||echo special
PLUGIN_SCRIPT_FILE INPUT_SCRIPT_FILE|$dir/drone_file.sh||echo from a file
PLUGIN_SCRIPT_STOP INPUT_SCRIPT_STOP|true||until the first error
PLUGIN_PROXY_HOST PROXY_SSH_HOST INPUT_PROXY_HOST|gate||through root@gate:22
PLUGIN_PROXY_PORT PROXY_SSH_PORT INPUT_PROXY_PORT|2222|PLUGIN_PROXY_HOST=gate|through root@gate:2222
PLUGIN_PROXY_PROTOCOL SSH_PROXY_PROTOCOL INPUT_PROXY_PROTOCOL|tcp6|PLUGIN_PROXY_HOST=gate|host key must be known; IPv6 only)
PLUGIN_PROXY_USERNAME PLUGIN_PROXY_USER PROXY_SSH_USERNAME INPUT_PROXY_USERNAME|me|PLUGIN_PROXY_HOST=gate|through me@gate:22
PLUGIN_PROXY_PASSWORD PROXY_SSH_PASSWORD INPUT_PROXY_PASSWORD|geheim|PLUGIN_PROXY_HOST=gate|gate:22 (login with a password
PLUGIN_PROXY_SSH_KEY PLUGIN_PROXY_KEY PROXY_SSH_KEY INPUT_PROXY_KEY|KEY_TEXT|PLUGIN_PROXY_HOST=gate|gate:22 (login with the key in the environment
PLUGIN_PROXY_SSH_PASSPHRASE PLUGIN_PROXY_PASSPHRASE PROXY_SSH_PASSPHRASE INPUT_PROXY_PASSPHRASE|secret|PLUGIN_PROXY_HOST=gate PLUGIN_PROXY_KEY_PATH=$dir/locked_by_secret|gate:22 (login with $dir/locked_by_secret
PLUGIN_PROXY_KEY_PATH PROXY_SSH_KEY_PATH INPUT_PROXY_KEY_PATH|$dir/client_key|PLUGIN_PROXY_HOST=gate|gate:22 (login with $dir/client_key
PLUGIN_PROXY_FINGERPRINT PROXY_SSH_FINGERPRINT PROXY_FINGERPRINT INPUT_PROXY_FINGERPRINT|SHA256:abcdefghijabcdefghijabcdefghijabcdefghijabc|PLUGIN_PROXY_HOST=gate|host key must be SHA256:abcdefghijabcdefghijabcdefghijabcdefghijabc)
PLUGIN_PROXY_TIMEOUT PROXY_SSH_TIMEOUT INPUT_PROXY_TIMEOUT|77s|PLUGIN_PROXY_HOST=gate|77 s to connect
PLUGIN_PROXY_CIPHERS PROXY_SSH_CIPHERS INPUT_PROXY_CIPHERS|aes128-ctr|PLUGIN_PROXY_HOST=gate|host key must be known; ciphers aes128-ctr)
PLUGIN_PROXY_USE_INSECURE_CIPHER PROXY_SSH_USE_INSECURE_CIPHER INPUT_PROXY_USE_INSECURE_CIPHER|true|PLUGIN_PROXY_HOST=gate|host key must be known; old algorithms as well)
PLUGIN_ENVS INPUT_ENVS|a_b|A_B=1|run by sh, with A_B
PLUGIN_ENVS_FORMAT INPUT_ENVS_FORMAT|export X={VALUE}|PLUGIN_ENVS=a_b A_B=1|with A_B as export X={VALUE}
PLUGIN_ALLENVS INPUT_ALLENVS INPUT_ALL_ENVS|true|DRONE_OF_A_TEST=1|DRONE_OF_A_TEST
PLUGIN_REQUEST_PTY INPUT_REQUEST_PTY|true||on a terminal
PLUGIN_DEBUG INPUT_DEBUG DEBUG|true||
PLUGIN_ENV_FILE|$dir/drone_env||from=the_file
END
}

# With these variables; leaves its status, stdout and stderr.
run_with_drone() {  # NAME=VALUE... -- OPTION...
  status=0
  (
    while [ "$1" != -- ]; do export "${1?}"; shift; done
    shift
    run --config none --known-hosts "$dir/known_hosts" "$@"
    exit "$status"
  ) || status=$?
}

drone_each_variable_has_its_effect() {
  local names value with expected name base=()
  cp "$dir/client_key" "$dir/locked_by_secret"
  ssh-keygen -q -a 1 -p -P '' -N secret -f "$dir/locked_by_secret" > /dev/null
  echo 'echo from a file' > "$dir/drone_file.sh"
  echo "PLUGIN_SCRIPT='echo from=the_file'" > "$dir/drone_env"
  variables_of_drone > "$dir/variables"
  while IFS='|' read -r names value with expected; do
    [ "$value" != KEY_TEXT ] || value=$(cat "$dir/client_key")
    for name in $names; do
      base=(PLUGIN_HOST=web1 PLUGIN_SCRIPT=true)
      case $name in
        PLUGIN_HOST | SSH_HOST | INPUT_HOST) base=(PLUGIN_SCRIPT=true) ;;
        *_SCRIPT | *_SCRIPT_FILE | PLUGIN_ENV_FILE) base=(PLUGIN_HOST=web1) ;;
        *DEBUG)
          run_with_drone "${base[@]}" "$name=$value" -- --transport local
          expect_status 0; expect_err_has 'web1: login with'
          run_with_drone "${base[@]}" -- --transport local
          expect_err_lacks 'web1: login with'
          continue ;;
      esac
      # shellcheck disable=SC2086 # NAME=VALUE...
      run_with_drone "${base[@]}" $with "$name=$value" -- --dry-run
      [ "$status" -eq 0 ] || fail "$name"
      grep -qF -- "$expected" "$dir/out" || fail "$name has no effect"
      # shellcheck disable=SC2086
      run_with_drone "${base[@]}" $with -- --dry-run
      ! grep -qF -- "$expected" "$dir/out" || fail "$name is not needed for that"
    done
  done < "$dir/variables"
  # No other is read, and those that the page for users of drone-ssh has are among them.
  local ours=$here/../../examples/ssh-runner/settings/drone_environment.cpp
  cut -d '|' -f 1 "$dir/variables" | tr ' ' '\n' | sort > "$dir/tried"
  grep -ohE '"((PLUGIN|SSH|INPUT|PROXY)_[A-Z_]+[A-Z]|DEBUG)"' "$ours" | tr -d '"' | sort -u |
    diff "$dir/tried" - > "$dir/out" || fail "others are read"
  sed -n '/^| drone-ssh | here/,/^$/p' "$here/../../docs/ssh-runner.md" | sed '1,2d' | cut -d '|' -f 2 |
    tr ',' '\n' | tr -d ' ' | grep . > "$dir/stems"
  [ "$(wc -l < "$dir/stems")" -gt 25 ] || fail "where is the table?"
  for name in $(cat "$dir/stems"); do
    grep -qE "_${name^^}$" "$dir/tried" || fail "$name is on the page and not tried"
  done
  for name in $(sed -E 's/^(PLUGIN|SSH|INPUT|PROXY_SSH)_//' "$dir/tried" | sort -u); do
    # Other names of these.
    case $name in USER | SSH_KEY | SSH_PASSPHRASE | PROXY_USER | PROXY_SSH_KEY | PROXY_SSH_PASSPHRASE) continue ;;
      ALL_ENVS | CIPHER | DEBUG) continue ;; esac
    grep -qxE "(proxy_)?${name,,}" "$dir/stems" || fail "$name is not on the page"
  done
}

drone_files_of_variables() {
  cat > "$dir/drone_env" <<END
# What is set already stays.
PLUGIN_HOST=web7
export PLUGIN_PORT="2222"
PLUGIN_SCRIPT='echo "from the file"'
END
  run_with_drone PLUGIN_ENV_FILE="$dir/drone_env" PLUGIN_PORT=2200 -- --dry-run
  expect_status 0; expect_out_has 'web7: root@web7:2200'; expect_out_has 'echo "from the file"'
  # The command line names hosts: then it is not read.
  run_with_drone PLUGIN_ENV_FILE="$dir/drone_env" -- --host web1 --dry-run
  expect_status 2; expect_err_has 'no script'
  run_with_drone PLUGIN_ENV_FILE="$dir/not_there" PLUGIN_HOST=web1 PLUGIN_SCRIPT=true -- --dry-run
  expect_status 0
  echo 'geheim' > "$dir/drone_env"
  run_with_drone PLUGIN_ENV_FILE="$dir/drone_env" PLUGIN_HOST=web1 -- --dry-run
  expect_status 2; expect_err_has "$dir/drone_env:1: NAME=value is expected"; expect_err_lacks geheim
  # Drone's own file takes the place of what is set.
  may_mount || { skip 'no mount namespace for /run/drone/env; the rest went well'; return 0; }
  mkdir -p "$dir/run/drone"
  echo 'PLUGIN_PORT=2222' > "$dir/run/drone/env"
  status=0
  HOME=$dir PLUGIN_HOST=web1 PLUGIN_PORT=2200 PLUGIN_SCRIPT=true unshare -m sh -c '
    mount --bind "$1" /run && shift && exec "$@"' - "$dir/run" "$ssh_runner" --config none --dry-run \
    > "$dir/out" 2> "$dir/err" || status=$?
  expect_status 0; expect_out_has 'web1: root@web1:2222'
}

# What is said of the hosts does not hold for the proxy, as in drone-ssh, and the reverse.
drone_proxy_has_algorithms_of_its_own() {
  start_fake narrow
  local with=(PLUGIN_HOST=127.0.0.1 PLUGIN_SCRIPT=true PLUGIN_PROXY_HOST=127.0.0.1
    PLUGIN_PROXY_PORT="$fake_port" PLUGIN_KEY_PATH="$dir/client_key")
  # It lets in, and connects to nothing.
  run_with_drone "${with[@]}" PLUGIN_PROXY_CIPHERS=aes256-ctr PLUGIN_CIPHERS=aes128-ctr -- --known-hosts "$dir/known_fake"
  expect_status 3; expect_err_has '127.0.0.1: connect: the jump host says: '
  run_with_drone "${with[@]}" PLUGIN_PROXY_CIPHERS=aes128-ctr -- --known-hosts "$dir/known_fake"
  expect_status 3; expect_err_has 'jump host 127.0.0.1: handshake: kex error : no match'
  start_fake old
  with+=(PLUGIN_PROXY_PORT="$fake_port")
  run_with_drone "${with[@]}" PLUGIN_USE_INSECURE_CIPHER=true -- --known-hosts "$dir/known_fake"
  expect_status 3; expect_err_has 'jump host 127.0.0.1: handshake: kex error : no match'
  run_with_drone "${with[@]}" PLUGIN_PROXY_USE_INSECURE_CIPHER=true -- --known-hosts "$dir/known_fake"
  expect_status 3; expect_err_has '127.0.0.1: connect: the jump host says: '
  run_with_drone "${with[@]}" PLUGIN_PROXY_PROTOCOL=tcp6 -- --known-hosts "$dir/known_fake"
  expect_status 3; expect_err_has 'jump host 127.0.0.1: resolve: it has no address of that kind'
}

drone_no_time_out() {
  run_with_drone PLUGIN_HOST=web1 PLUGIN_SCRIPT=true PLUGIN_TIMEOUT=0 PLUGIN_COMMAND_TIMEOUT=0s -- --dry-run
  expect_status 0; expect_out_has 'any time to connect'
  ! grep -qF 'for the script' "$dir/out" || fail "a limit for the script"
  run_with_drone PLUGIN_HOST=127.0.0.1 PLUGIN_PORT="$sshd_port" PLUGIN_USERNAME="$sshd_user" PLUGIN_TIMEOUT=0 \
    PLUGIN_COMMAND_TIMEOUT=0 PLUGIN_KEY_PATH="$dir/client_key" PLUGIN_SCRIPT='echo hello' --
  expect_status 0; expect_out '127.0.0.1: hello'
}

drone_bad_values_are_named() {
  PLUGIN_HOST=a PLUGIN_PROXY_HOST=b PLUGIN_PROXY_CIPHERS=rot13 PLUGIN_SCRIPT=true run_drone
  expect_status 2; expect_err_has PLUGIN_PROXY_CIPHERS
  PLUGIN_HOST=a PLUGIN_PROXY_HOST=b INPUT_PROXY_PROTOCOL=udp PLUGIN_SCRIPT=true run_drone
  expect_status 2; expect_err_has INPUT_PROXY_PROTOCOL
  PLUGIN_HOST=a INPUT_TIMEOUT=-1 PLUGIN_SCRIPT=true run_drone
  expect_status 2; expect_err_has INPUT_TIMEOUT
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
