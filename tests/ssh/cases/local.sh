# shellcheck shell=bash disable=SC2016,SC2154 # sourced by end_to_end.sh

# --- everything but SSH, by processes here ---

run_here() { run --config none --transport local "$@"; }

local_runs_each_host() {
  run_here --host 'web[1-20]' --script 'echo "$SSH_RUNNER_HOST"; echo err >&2; exit 0'
  expect_status 0; expect_err_has '20 ok'
  [ "$(sort -u "$dir/out" | wc -l)" -eq 20 ] || fail "not 20 lines"
  expect_out_has 'web20: web20'
  [ "$(grep -c ': err$' "$dir/err")" -eq 20 ] || fail "stderr"
}

local_failures() {
  run_here --host 'web[1-3]' --script 'case $SSH_RUNNER_HOST in web2) exit 3;; web3) kill -KILL $$;; esac'
  expect_status 1
  expect_err_has 'web2: command: exit status 3'
  expect_err_has 'web3: signal: ended by signal KILL (exit status 137)'; expect_err_has dmesg
  run_here -S --host 'web[1-3]' --script 'test $SSH_RUNNER_HOST != web2 || exit 42'
  expect_status 42
  run --config none --highest-status --host "127.0.0.1:1" --script true
  expect_status 255
}

local_start_failures() {
  run_here --host 'web[1-2]' --shell no-such-shell --script 'echo no'
  expect_status 1; expect_out ''
  expect_err_has 'web[1,2]: start: the script did not begin; exit status 127'
  # It ends well, but it is no shell.
  run_here --host web1 --shell true --script 'echo no'
  expect_status 1; expect_err_has 'web1: start: the script did not begin; exit status 0'
}

# All that was said of a host, but for its password; where that came from is no secret.
local_failed_file() {
  cp /dev/null "$dir/geheim"; echo geheim > "$dir/geheim"
  ssh-keygen -q -t ed25519 -N '' -f "$dir/a_key"
  printf '%s\n' "web1 user=me port=2222 key=$dir/a_key jump=gate fingerprint=SHA256:abcdefghijabcdefghijabcdefghijabcdefghijabc password=geheim" \
    "web2 password_file=$dir/geheim" 'web3 password_env=OF_WEB3' web4 > "$dir/all"
  OF_WEB3=verborgen run_here --user you --hosts-file "$dir/all" --failed-file "$dir/again" \
    --script 'test "$SSH_RUNNER_HOST" = web4 || exit 3'
  expect_status 1
  cat > "$dir/expected" <<END
me@web1:2222 key=$dir/a_key jump=gate fingerprint=SHA256:abcdefghijabcdefghijabcdefghijabcdefghijabc  # command: exit status 3; without its password
you@web2:22 password_file=$dir/geheim  # command: exit status 3
you@web3:22 password_env=OF_WEB3  # command: exit status 3
END
  diff "$dir/expected" "$dir/again" > "$dir/out" || fail "another file"
  OF_WEB3=verborgen run_here --hosts-file "$dir/again" --dry-run --script true
  expect_status 0; expect_out_has 'web1: me@web1:2222 through'; expect_out_has 'web3: you@web3:22'
  [ "$(grep -c 'a password' "$dir/out")" -eq 1 ] || fail "the passwords of web2 and web3 do not come back"
  # What a hosts file cannot say.
  echo "groups: {ours: {hosts: web1, key: '$dir/a key'}}" > "$dir/ours.yaml"
  cp "$dir/a_key" "$dir/a key"
  run_here --user me --inventory "$dir/ours.yaml" --host @ours --failed-file "$dir/again" --script 'exit 3'
  [ "$(cat "$dir/again")" = 'me@web1:22  # command: exit status 3; without its key' ] || fail "with a blank"
}

# Neither by a pattern nor since local processes inherit what we have.
local_scripts_see_no_passwords() {
  echo 'web3 password_env=OF_WEB3' > "$dir/all"
  printf 'groups: {db: {hosts: db1, password_env: OF_DB}}\nhosts: {web4: {password_env: OF_WEB4}}\n' > "$dir/ours.yaml"
  OF_WEB3=geheim OF_WEB4=geheim OF_DB=geheim OF_ALL=fine SSH_RUNNER_PASSWORD=geheim PLUGIN_SSH_KEY=geheim \
    SSH_RUNNER_KEY= run_here --hosts-file "$dir/all" --host web1 --exclude web3 --inventory "$dir/ours.yaml" \
    --env-all 'OF_*' --script 'echo "$OF_ALL"; env | grep geheim; exit 0'
  expect_status 0; expect_out 'web1: fine'
  # Who asks for one by its name gets it, and a value that is given counts more than a pattern.
  OF_WEB3=geheim OF_ALL=fine run_here --hosts-file "$dir/all" --env OF_WEB3 --env OF_ALL=better --env-all 'OF_*' \
    --script 'echo "$OF_WEB3 $OF_ALL"'
  expect_out 'web3: geheim better'
}

# The first thing that the first host does, whichever that is. Only that one: another may find nobody who listens
# any more.
local_interrupted_at_once() {
  # A background job of a script would ignore SIGINT; so may who runs this.
  env --default-signal=INT "$ssh_runner" --config none --transport local --host 'web[1-30]' \
    --script "! mkdir '$dir/first' 2> /dev/null || kill -INT \$PPID; exec sleep 1000" > "$dir/out" 2> "$dir/err" &&
    status=0 || status=$?
  expect_status 130; expect_err_has 'SIGINT: ending the commands'; expect_err_has 'stopped by SIGINT'
}

# A first interrupt, and once the command in $dir/begun has ended by that a second one.
expect_second_interrupt_to_end() {  # PROCESS
  local tries=0 process
  until [ -s "$dir/begun" ]; do
    kill -0 "$1" 2> /dev/null || fail "the command does not begin"
    sleep 0.02
  done
  process=$(cat "$dir/begun")
  kill -INT "$1"
  while grep -qs '^State:[[:space:]][^Z]' "/proc/$process/status"; do
    sleep 0.05; tries=$((tries + 1)); [ $tries -lt 1200 ] || fail "the command still runs"
  done
  kill -INT "$1"
  tries=0
  while grep -qs '^State:[[:space:]][^Z]' "/proc/$1/status"; do
    sleep 0.05; tries=$((tries + 1)); [ $tries -lt 600 ] || fail "it waits for the reader"
  done
}

# Who reads our stdout has stopped: the second interrupt does not wait for it.
local_second_interrupt_with_a_stuck_reader() {
  local pid
  mkfifo "$dir/stuck"
  exec 8<> "$dir/stuck"
  rm -f "$dir/begun"
  # A background job of a script would ignore SIGINT. What is written first is more than two pipes hold.
  HOME=$dir env --default-signal=INT "$ssh_runner" --config none --transport local --host web1 \
    --script "yes | head -c 150000; echo \$\$ > '$dir/begun'; exec yes" > "$dir/stuck" 2> "$dir/err" &
  pid=$!
  background+=("$pid")
  expect_second_interrupt_to_end "$pid"
  status=0
  wait "$pid" || status=$?
  exec 8>&-
  expect_status 130; expect_err_has 'some output is lost: stdout: nobody reads it'
}

# The same where it is stderr that nobody reads, or a terminal that Ctrl-S has stopped; what it leaves behind is
# complete.
local_second_interrupt_with_a_stuck_stderr() {
  local pid
  mkfifo "$dir/stuck_err"
  exec 8<> "$dir/stuck_err"
  rm -f "$dir/begun"
  # A background job of a script would ignore SIGINT. What is written first is more than two pipes hold.
  HOME=$dir env --default-signal=INT "$ssh_runner" --config none --transport local --host web1 \
    --failed-file "$dir/stuck_failed" \
    --script "yes | head -c 150000 >&2; echo \$\$ > '$dir/begun'; exec sleep 1000" > "$dir/out" 2> "$dir/stuck_err" &
  pid=$!
  background+=("$pid")
  expect_second_interrupt_to_end "$pid"
  status=0
  wait "$pid" || status=$?
  exec 8>&-
  expect_status 130
  grep -q '@web1:22 ' "$dir/stuck_failed" || fail "no failed file"
}
# It is there before the last words, which nobody reads here.
local_failed_file_with_a_stuck_stderr() {
  local pid tries=0
  mkfifo "$dir/full"
  exec 8<> "$dir/full"
  rm -f "$dir/full_failed"
  # So full that nothing more goes in.
  dd if=/dev/zero of="$dir/full" bs=4096 oflag=nonblock 2> /dev/null || true
  HOME=$dir "$ssh_runner" --config none --transport local --host web1 --failed-file "$dir/full_failed" \
    --script 'exit 1' > "$dir/out" 2> "$dir/full" &
  pid=$!
  background+=("$pid")
  until grep -qs '@web1:22 ' "$dir/full_failed"; do
    kill -0 "$pid" 2> /dev/null || fail "it ended without a failed file"
    sleep 0.05; tries=$((tries + 1)); [ $tries -lt 600 ] || fail "no failed file"
  done
  cat "$dir/full" > "$dir/err" 8>&- &  # reads until nobody has it open
  exec 8>&-
  status=0
  wait "$pid" || status=$?
  wait $!
  expect_status 1; expect_err_has 'web1: command: exit status 1'
}

local_second_interrupt_on_a_stopped_terminal() {
  command -v script > /dev/null && command -v perl > /dev/null || { skip 'no script(1) or no perl here'; return 0; }
  rm -f "$dir/begun" "$dir/runner"
  cat > "$dir/on_terminal.sh" << END
perl -MPOSIX -e 'POSIX::tcflow(2, POSIX::TCOOFF)'
echo \$\$ > $dir/runner
exec $ssh_runner --config none --transport local --host web1 --script 'echo \$\$ > $dir/begun; exec sleep 1000'
END
  HOME=$dir env --default-signal=INT script -qefc "sh $dir/on_terminal.sh 2> /dev/tty > $dir/out" "$dir/terminal" \
    < /dev/null > /dev/null &
  typist=$!
  background+=("$typist")
  until [ -s "$dir/runner" ]; do
    kill -0 "$typist" 2> /dev/null || fail "the program does not begin"
    sleep 0.02
  done
  expect_second_interrupt_to_end "$(cat "$dir/runner")"
  status=0
  wait "$typist" || status=$?
  expect_status 130
}

local_time_out() {
  run_here --host web1 --command-timeout 5s --kill-after 60s --script 'sleep 1000 & sleep 1000'
  expect_status 4; expect_err_has 'web1: time-out: the command took more than 5 s; ended by TERM'
  run_here --host web1 --command-timeout 5s --kill-after 200ms \
    --script 'trap "" TERM; sleep 1000; sleep 1000'
  expect_status 4; expect_err_has 'ended by KILL'
}

local_children_left_behind() {
  run_here --host web1 --script "sleep 1000 & echo \$! > '$dir/left_behind.3'; echo done"
  end_left_behind
  expect_status 0; expect_out 'web1: done'; expect_err_has 'was left behind'
}

local_much_output() {
  local last=$((200000 / divisor))
  run_here --host 'web[1-8]' --script "seq 1 $last"
  expect_status 0
  expect_numbers 8 $last "$dir/out"
}

local_sudo_without_an_answer() {
  mkdir -p "$dir/bin"
  printf '#!/bin/sh\nprintf %%s "$3" >&2\nread -r line || exit 1\n' > "$dir/bin/sudo"
  chmod +x "$dir/bin/sudo"
  PATH=$dir/bin:$PATH run_here --host web1 --sudo --script 'echo no'
  expect_status 1; expect_err_has 'sudo wants a password'
}

# --- output ---

local_prefix() {
  run_here --host web1 --prefix '{index}/{user}/{host}/{port}/{stream}> ' --user me \
    --script 'echo a; echo b >&2'
  expect_status 0; expect_out '0/me/web1/22/stdout> a'; expect_err_has '0/me/web1/22/stderr> b'
  run_here --host web1 --no-prefix --script 'echo a'
  expect_out 'a'
  run_here --host web1 --prefix '{time:%Y-%m} ' --script 'echo a'
  grep -qE '^20[0-9]{2}-[0-9]{2} a$' "$dir/out" || fail "no time"
  run_here --host web1 --prefix '{oops}' --script 'echo a'
  expect_status 2; expect_err_has '--prefix'
}

local_colour() {
  run_here --host web1 --color always --script 'echo a; echo b >&2'
  [ "$(cat "$dir/out")" = $'\033[36mweb1: \033[0ma' ] || fail "no colour"
  expect_err_has $'\033[1;31mweb1: \033[0mb'
  run_here --host web1 --script 'echo a'
  expect_out 'web1: a'
}

local_fold() {
  run_here --host 'web[01-12]' --fold --script '
    echo same; test $SSH_RUNNER_HOST != web07 || { echo odd; echo trouble >&2; }'
  expect_status 0
  expect_out "--- web[01-06,08-12] (11 hosts)
same
--- web07 (1 host)
same
odd"
  expect_err_has $'--- web07 (1 host)\ntrouble'
  run_here --host 'web[1-3]' --fold --live --script 'echo same'
  expect_out_has 'web2: same'; expect_out_has '--- web[1-3] (3 hosts)'
}

local_diff() {
  run_here --host 'web[1-3]' --diff --script 'seq 1 9; test $SSH_RUNNER_HOST != web2 || echo odd'
  expect_status 0; expect_out_has $'--- web2 (1 host), differences from the first\n  ...\n  7\n  8\n  9\n+ odd'
}

local_advice() {
  run_here --host 'web[1-4]' --script 'case $SSH_RUNNER_HOST in
    web1) exit 3 ;; web2) no-such-command ;; web3) kill -SEGV $$ ;; web4) kill -TERM $$ ;; esac'
  expect_status 1
  expect_err_has $'web1: command: exit status 3\nssh-runner:   its output says more'
  expect_err_has $'web2: command: exit status 127\nssh-runner:   something it calls is not there'
  expect_err_has 'a program has crashed'; expect_err_has 'somebody has ended it there'
}

local_json() {
  local before after
  before=$(date -u +%Y-%m-%dT%H:%M:%S.000Z)
  run_here --host 'web[1-2]' --json --script 'echo out; printf "bad \377" >&2; exit 3'
  expect_status 1
  after=$(date -u +%Y-%m-%dT%H:%M:%S.999Z)
  [ "$(wc -l < "$dir/out")" -eq 6 ] || fail "not 6 objects"
  # When each line came, in UTC.
  sed -n 's/.*"time":"\([^"]*\)".*/\1/p' "$dir/out" > "$dir/times"
  [ "$(grep -cE '^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3}Z$' "$dir/times")" -eq 4 ] ||
    fail "no times"
  LC_ALL=C awk -v before="$before" -v after="$after" '$0 < before || $0 > after { exit 1 }' "$dir/times" ||
    fail "not between $before and $after: $(cat "$dir/times")"
  if command -v python3 > /dev/null; then
    python3 - "$dir/out" > "$dir/verdict" 2>&1 <<'PY' || fail "$(cat "$dir/verdict")"
import base64, json, sys
objects = [json.loads(line) for line in open(sys.argv[1], encoding="utf-8")]
lines = [o for o in objects if "line" in o]
ends = [o for o in objects if "outcome" in o]
assert sorted((o["host"], o["stream"]) for o in lines) == [
    ("web1", "stderr"), ("web1", "stdout"), ("web2", "stderr"), ("web2", "stdout")], lines
assert all(o["line"] == "out" for o in lines if o["stream"] == "stdout")
assert all(base64.b64decode(o["base64"]) == b"bad \xff" for o in lines if o["stream"] == "stderr")
assert all(o["outcome"] == "failed" and o["exit_status"] == 3 for o in ends) and len(ends) == 2, ends
PY
  fi
}

local_output_dir() {
  mkdir -p "$dir/kept"; echo old > "$dir/kept/web1.err"
  run_here --host 'web[1-2]' --output-dir "$dir/kept" \
    --script 'echo out; test $SSH_RUNNER_HOST = web1 || echo err >&2'
  expect_status 0; expect_out_has 'web1: out'
  [ "$(cat "$dir/kept/web1.out" "$dir/kept/web2.err")" = $'out\nerr' ] || fail "files"
  [ ! -e "$dir/kept/web1.err" ] || fail "an old file is left"
  : > "$dir/file"
  run_here --host web1 --output-dir "$dir/file" --script 'echo out'
  expect_status 6
}

local_output_dir_keeps_to_itself() {
  mkdir -p "$dir/jail/kept"
  run_here --host '../../x@web1,..@web1' --output-dir "$dir/jail/kept" --script 'echo "$SSH_RUNNER_HOST"'
  expect_status 0
  [ "$(find "$dir/jail" -type f -printf '%P ')" = 'kept/..%2F..%2Fx@web1.out kept/..@web1.out ' ] ||
    [ "$(find "$dir/jail" -type f -printf '%P ')" = 'kept/..@web1.out kept/..%2F..%2Fx@web1.out ' ] ||
    fail "other files: $(find "$dir/jail" -type f)"
  [ "$(cat "$dir/jail/kept/..%2F..%2Fx@web1.out")" = '../../x@web1' ] || fail "not its own"
  # Too long for a file's name, and the same for as long as that is.
  local long
  long=$(printf '%0300d' 0)
  run_here --host "$long[1-3]" --output-dir "$dir/jail/kept" --script 'echo "$SSH_RUNNER_HOST"'
  expect_status 0
  [ "$(cat "$dir/jail/kept/$(printf '%0100d' 0)"* | sort | tr '\n' ' ')" = "${long}1 ${long}2 ${long}3 " ] ||
    fail "not three files"
}

# One host's files cannot be written: that is said, also by the exit status, and the rest goes on.
local_output_dir_that_cannot_be_written() {
  mkdir -p "$dir/half/web2.out/taken"
  run_here --host 'web[1-3]' --sync --quiet --fold --output-dir "$dir/half" --script 'echo out'
  expect_status 6; expect_out $'--- web[1-3] (3 hosts)\nout'
  expect_err_has "web2: some of its output is not kept: $dir/half/web2.out: Directory not empty"
  [ "$(cat "$dir/half/web1.out" "$dir/half/web3.out")" = $'out\nout' ] || fail "not the others"
}

local_sudo_asks_on_the_terminal() {
  command -v script > /dev/null || { skip 'no script(1) here'; return 0; }
  mkdir -p "$dir/asked"
  printf '#!/bin/sh\nprintf %%s "$3" >&2\nread -r line\n[ "$line" = geheim ] || exit 1\nshift 4\nexec "$@"\n' \
    > "$dir/asked/sudo"
  chmod +x "$dir/asked/sudo"
  PATH=$dir/asked:$PATH run_answering geheim --config none --transport local --host web1 --sudo \
    --ask-sudo-password --script 'echo hello'
  expect_status 0; expect_out 'web1: hello'
  ! grep -q geheim "$dir/terminal" || fail "the password is shown"
}

local_short_options() {
  local folds
  run_here -n --host web1 -t --script true
  expect_status 2; expect_err_has '--request-pty'
  for folds in --fold --diff; do
    run_here -n --host web1 --json "$folds" --script true
    expect_status 2; expect_err_has '--json: not with --fold or --diff'
  done
  run_here -n --host web1 --script 'echo never'
  expect_status 0; expect_out_has 'echo never'; expect_out_has '1 host, 100 at a time'
  run_here -q -N -o "$dir/short" --host web1 --script 'echo out'
  expect_status 0; expect_out out; [ ! -s "$dir/err" ] || fail "not quiet"
  [ "$(cat "$dir/short/web1.out")" = out ] || fail "no file"
}

local_variables_instead_of_options() {
  echo 'groups: {ours: "web[1-2]"}' > "$dir/ours.yaml"
  SSH_RUNNER_INVENTORY=$dir/ours.yaml run_here --host @ours --script 'echo out'
  expect_status 0; expect_err_has '2 ok'
  command -v script > /dev/null || { skip 'no script(1) here'; return 0; }
  # Colours where it is a terminal, but for who does not want them.
  local colours
  for colours in '' 1; do
    HOME=$dir NO_COLOR=$colours script -qefc \
      "$ssh_runner --config none --transport local --host web1 --no-progress echo out" \
      "$dir/terminal" < /dev/null > "$dir/out"
    grep -q $'\033\\[36mweb1: ' "$dir/out"
    [ $? -eq "${colours:-0}" ] || fail "NO_COLOR='$colours'"
  done
}

local_quiet() {
  run_here --host 'web[1-2]' --quiet --script 'echo out'
  expect_status 0; [ ! -s "$dir/err" ] || fail "not quiet"
  run_here --host 'web[1-2]' --quiet --script 'exit 3'
  expect_status 1; expect_err_has 'exit status 3'
}

# A script that waits for this text in a file and then writes "out".
waits_for() {  # TEXT FILE TRIES
  printf 'i=0; until grep -qF -- "%s" "%s" || [ $i -eq %s ]; do sleep 0.1; i=$((i + 1)); done; echo out' "$@"
}

local_progress() {
  run_here --host 'web[1-2]' --progress \
    --script "$(waits_for '0 of 2 done, 0 failed, 2 running: web[1,2]' "$dir/err" 600)"
  expect_status 0; expect_err_has '0 of 2 done, 0 failed, 2 running: web[1,2]'
  grep -q '^ssh-runner: 2 hosts' "$dir/err" || grep -q $'\033\\[Kssh-runner: 2 hosts' "$dir/err" ||
    fail "the line is not taken away"
}

local_progress_on_a_terminal() {
  command -v script > /dev/null || { skip 'no script(1) here'; return 0; }
  local asked tries
  for asked in '' --progress --no-progress; do
    # There is nothing to wait for where no line is to come.
    tries=600; [ "$asked" != --no-progress ] || tries=8
    waits_for '0 of 1 done' "$dir/terminal" $tries > "$dir/waits.sh"
    rm -f "$dir/terminal"
    HOME=$dir script -qefc "$ssh_runner --config none --transport local --host web1 --color never \
      $asked --script-file $dir/waits.sh" "$dir/terminal" < /dev/null > /dev/null
    cp "$dir/terminal" "$dir/out"
    if [ "$asked" = --no-progress ]; then
      ! grep -q '0 of 1 done' "$dir/terminal" || fail "there is a line"
    else
      grep -q '0 of 1 done, 0 failed, 1 running: web1' "$dir/terminal" || fail "no line: $asked"
      # It goes before anything else is written.
      grep -q $'\r\033\\[Kweb1: out' "$dir/terminal" || fail "the line is not taken away: $asked"
    fi
  done
}

local_enter_shows_where_hosts_are() {
  command -v script > /dev/null || { skip 'no script(1) here'; return 0; }
  begin_typing --config none --transport local --host 'web[1-3]' --fanout 2 \
    --script "echo begun; until [ -e '$dir/go_on' ]; do sleep 0.05; done"
  await "$dir/out" 'web1: begun' && await "$dir/out" 'web2: begun' || fail "the hosts do not begin"
  echo >&9
  await "$dir/err" '0 of 3 done, 0 failed, 2 running, 1 waiting' || fail "Enter shows nothing"
  : > "$dir/go_on"
  end_typing
  rm "$dir/go_on"
  expect_status 0; expect_err_has 'ssh-runner:   command: web[1,2] (for up to'; expect_err_has '3 ok'
}

local_dry_run() {
  SSH_RUNNER_PASSWORD=geheim run_here --host 'web[1-3],me@db:2222' --jump gate --dry-run --env KEY=verborgen \
    --command-timeout 5s --retries 2 --script 'echo never'
  expect_status 0
  expect_out_has '4 hosts, 100 at a time, 2 retries to connect, 5 s for the script'
  expect_out_has 'db: me@db:2222 through'; expect_out_has 'a password'; expect_out_has 'with KEY'
  expect_out_has 'echo never'
  ! grep -qE 'geheim|verborgen' "$dir/out" "$dir/err" || fail "a secret is shown"
}

local_dry_run_without_jump_hosts() {
  printf 'Host web1\n  ProxyJump gate\n' > "$dir/through"
  run --config "$dir/through" --host web1 --dry-run --script true
  expect_status 0; expect_out_has 'web1:22 through'
  run --config "$dir/through" --host web1 --jump none --dry-run --script true
  expect_status 0; expect_out_has 'web1:22'; ! grep -q gate "$dir/out" || fail "through the gate"
}

local_debug_shows_no_secret() {
  SSH_RUNNER_PASSWORD=geheim SSH_RUNNER_SUDO_PASSWORD=geheim run_here --host web1 --debug --env KEY=verborgen \
    --script 'echo hello'
  expect_status 0; expect_out 'web1: hello'; expect_err_has 'echo hello'
  ! grep -qE 'geheim|verborgen' "$dir/out" "$dir/err" || fail "a secret is shown"
}

# --- a slow reader ---

local_memory_does_not_grow_with_a_slow_reader() {
  # 200 MB are to be written; the reader takes none of it before all stand still.
  [ "$divisor" -eq 1 ] || { skip "a sanitizer's memory is its own"; return 0; }
  rm -f "$dir/slow" "$dir"/writer.*
  mkfifo "$dir/slow"
  HOME=$dir "$ssh_runner" --config none --transport local --host 'web[1-4]' \
    --script "echo \$\$ > '$dir/writer.'\$SSH_RUNNER_HOST; exec seq -f %098.0f 500000" \
    > "$dir/slow" 2> "$dir/err" &
  local pid=$!
  exec 8< "$dir/slow"
  await_writers_at_rest 4 $pid
  cp "/proc/$pid/status" "$dir/memory"
  wc -l <&8 > "$dir/lines"
  exec 8<&-
  status=0; wait $pid || status=$?
  expect_status 0
  [ "$(cat "$dir/lines")" -eq 2000000 ] || fail "lines are missing"
  local peak
  peak=$(sed -n 's/^VmHWM:[[:space:]]*\([0-9]*\) kB/\1/p' "$dir/memory")
  [ "${peak:-0}" -gt 0 ] || fail "no memory figure"
  [ "$peak" -lt 40000 ] || fail "$peak kB"
}
