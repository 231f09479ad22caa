# shellcheck shell=bash disable=SC2016,SC2154 # sourced by end_to_end.sh

# --- bad usage: nothing is contacted ---

usage_names_a_bad_option() {
  run --frobnicate
  expect_status 2; expect_err_has '--frobnicate'
  run --host a --script true --fanout 0
  expect_status 2; expect_err_has '--fanout'
  run --host a --script true --port 70000
  expect_status 2; expect_err_has '--port'
  run --host a --script true --connect-timeout soon
  expect_status 2; expect_err_has "--connect-timeout: 'soon'"
  run --host a --script true --connect-timeout 0
  expect_status 2; expect_err_has '--connect-timeout'
  run --host a --script true --command-timeout -1
  expect_status 2; expect_err_has '--command-timeout'
  run --host a --script true --host-key-check maybe
  expect_status 2; expect_err_has '--host-key-check'
}

# There is a case with each option, in a command that runs it, and with each variable.
usage_is_tested() {
  run --help
  # Commands as one line each.
  sed -e ':more' -e '/\\$/{N;s/\\\n//;b more' -e '}' "$here"/cases/*.sh "$here/end_to_end.sh" > "$dir/commands"
  grep -E '(^|[ (])(run(_[a-z]+)?|stop_with|begin_typing|options=\(|way=\(|"?\$ssh_runner"?) ?' "$dir/commands" > "$dir/runs"
  local option variable
  for option in $(grep -oE -- '(^|[ ,])--?[a-zA-Z0-9][-a-z]*' "$dir/out" | tr -d ' ,' | sort -u); do
    [ "$option" != -h ] || continue
    grep -qE -- "(^|[ \"'(])$option([ ,;=\"')]|\$)" "$dir/runs" || fail "no test with $option"
  done
  for variable in $(grep -ohE 'SSH_RUNNER_[A-Z_]+[A-Z]|NO_COLOR' "$here/../../examples/ssh-runner/README.md" | sort -u); do
    grep -qE "(^| )$variable=|\\\$$variable" "$dir/commands" || fail "no test with $variable"
  done
}

usage_names_a_file_that_is_none() {
  run --host a --script-file "$dir"
  expect_status 2; expect_err_has "--script-file: cannot read $dir"
  run --host a --inventory "$dir" --script true
  expect_status 2; expect_err_has "--inventory: cannot read $dir"
}

usage_names_a_bad_fingerprint() {
  local bad
  for bad in MD5:16:27:ac:a5:76:28:2d:36:63:1b:56:4d:eb:df:a6:48 SHA256:short "SHA256:$(printf '%043d' 0 | tr 0 -)"; do
    run --host a --script true --fingerprint "$bad"
    expect_status 2; expect_err_has 'must be SHA256: and 43 characters'
    run --hosts-file - --script true <<< "a fingerprint=$bad"
    expect_status 2; expect_err_has 'must be SHA256: and 43 characters'
  done
}

usage_reads_standard_input_once() {
  run --hosts-file - --script-file - <<< a
  expect_status 2; expect_err_has 'holds the script or the hosts, not both'
}

usage_names_a_bad_host() {
  run --host a,b:x,c --script true
  expect_status 2; expect_err_has "--host: bad host 'b:x'"
  run --host '' --script true
  expect_status 2; expect_err_has 'no hosts are left'
  run --host 'a[3-1]' --script true
  expect_status 2; expect_err_has 'a[3-1]'; expect_err_has backwards
  run --host @web --script true
  expect_status 2; expect_err_has "no group 'web'"; expect_err_has --inventory
  printf 'web1\n\nweb2 # fine\nweb 3\n' > "$dir/hosts.txt"
  run --hosts-file "$dir/hosts.txt" --script true
  expect_status 2; expect_err_has "hosts.txt:4: bad host 'web': word 2 of its line"
}

usage_names_a_missing_file() {
  local option
  for option in --hosts-file --key --known-hosts --inventory --config --password-file; do
    run --host a --script true "$option" "$dir/missing"
    expect_status 2; expect_err_has "$dir/missing"
  done
  run --host a --script-file "$dir/missing"
  expect_status 2; expect_err_has --script-file; expect_err_has "$dir/missing"
}

usage_says_what_is_missing() {
  run --script true
  expect_status 2; expect_err_has '--host'
  run --host a
  expect_status 2; expect_err_has '--script'
}

usage_says_when_a_key_has_a_passphrase() {
  ssh-keygen -q -a 1 -t ed25519 -N secret -f "$dir/locked_key"
  run --host a --script true --key "$dir/locked_key"
  expect_status 2; expect_err_has "$dir/locked_key"; expect_err_has SSH_RUNNER_PASSPHRASE
}

usage_help() {
  run --help
  expect_status 0; expect_out_has '--known-hosts'; expect_out_has 'Exit status'
  expect_out_has "ssh-runner --host 'web[01-20],!web07' uptime"
}

# The page that says where each option is tried names cases that there are.
usage_names_cases() {
  local groups='(usage|hosts|login|script|failures|time|vanish|output|local|drone|sudo)'
  sed -n '/^## Where each option/,$p' "$here/../../docs/ssh-runner.md" | grep -oE "\`${groups}_[a-z0-9_]+\`" |
    tr -d '\`' | sort -u > "$dir/named"
  [ "$(wc -l < "$dir/named")" -gt 100 ] || fail "only $(wc -l < "$dir/named") cases are named"
  grep -hoE "^${groups}_[a-z0-9_]+\(\)" "$here"/cases/*.sh | tr -d '()' | sort -u |
    comm -23 "$dir/named" - > "$dir/out"
  [ ! -s "$dir/out" ] || fail "there are no such cases"
}

# What --help names stands in the manual page and in the README, and nothing else does.
usage_is_documented() {
  run --help
  options_in() { grep -oE -- '(^|[^-a-z])--[a-z][-a-z]*' | grep -oE -- '--[a-z-]+' | sort -u; }
  local pages=$here/../../examples/ssh-runner
  options_in < "$dir/out" | grep -vx -e --help > "$dir/options"
  [ "$(wc -l < "$dir/options")" -gt 60 ] || fail "only $(wc -l < "$dir/options") options"
  sed 's/\\-/-/g' "$pages/ssh-runner.1" | options_in | diff "$dir/options" - > "$dir/out" ||
    fail "the manual page differs"
  sed -n '/^## Options/,/^### Lists/p' "$pages/README.md" | options_in |
    diff "$dir/options" - > "$dir/out" || fail "the README differs"
}
