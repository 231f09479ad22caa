# shellcheck shell=bash disable=SC2016,SC2154 # sourced by end_to_end.sh

# --- what is run, and with what ---

script_variables_keep_any_value() {
  local value=$'a b\t"$HOME" \'x\' \\ `id` ;|&\nsecond line  '
  NAMED=$value run_in --host 127.0.0.1 --env NAMED --env "GIVEN=$value" --env EMPTY= \
    --script 'printf "%s|%s|%s|" "$NAMED" "$GIVEN" "${EMPTY-unset}"'
  expect_status 0
  [ "$(sed 's/^127.0.0.1: //' "$dir/out")" = "$value|$value||" ] || fail "values differ"
  run_in --host 127.0.0.1 --env NO_SUCH_VARIABLE --script true
  expect_status 2; expect_err_has NO_SUCH_VARIABLE
  run_in --host 127.0.0.1 --env 'A-B=1' --script true
  expect_status 2; expect_err_has "'A-B'"
}

script_variables_by_pattern() {
  BUILD_A=1 BUILD_B=two SSH_RUNNER_PASSWORD=geheim PLUGIN_PASSWORD=geheim PLUGIN_X=y run_in --host 127.0.0.1 \
    --env-all 'BUILD_*' --env-all 'SSH_RUNNER_*' --env-all 'PLUGIN_*' \
    --script 'echo "$BUILD_A $BUILD_B $PLUGIN_X $SSH_RUNNER_PASSWORD$PLUGIN_PASSWORD"'
  expect_status 0; expect_out '127.0.0.1: 1 two y '
}

script_variables_are_not_in_ps() {
  SECRET=hide-and-seek run_in --host 127.0.0.1 --env SECRET --script '
    for process in /proc/[0-9]*/cmdline; do tr "\0" " " < "$process" 2> /dev/null; done |
      grep -c "hide-and-s[e]ek"'
  expect_status 1; expect_out '127.0.0.1: 0'
}

script_knows_its_host() {
  run_in --host '127.0.0.[1-2]' --script 'echo "$SSH_RUNNER_HOST"'
  expect_status 0; expect_out_has '127.0.0.2: 127.0.0.2'
}

script_stops_on_error() {
  local text='for i in 1 2; do echo $i; done
cat <<TEXT
here
TEXT
f() { false; echo "in f"; }
if false; then echo no; fi
false || echo fine
f
echo after'
  run_in --host 127.0.0.1 --script "$text"
  expect_status 0; expect_out_has ': after'
  run_in --host 127.0.0.1 --stop-on-error --script "$text"
  expect_status 1; expect_out_has ': fine'; expect_err_has 'exit status 1'
  ! grep -qE ': (after|in f)' "$dir/out" || fail "it went on"
}

script_has_its_own_line_numbers() {
  run_in --host 127.0.0.1 --env A=1 --stop-on-error --script $'echo one\nno-such-command\n'
  expect_status 1; expect_err_has 'sh: 2: '
}

script_in_another_shell() {
  run_in --host 127.0.0.1 --shell 'bash -u' --script 'a=(x y); echo "${a[1]}"; echo "$UNSET"; echo no'
  expect_status 1; expect_out '127.0.0.1: y'; expect_err_has UNSET
}

script_in_pieces_and_words() {
  run_in --host 127.0.0.1 --script 'a=1' --command 'b=2' --script 'echo $a$b'
  expect_status 0; expect_out '127.0.0.1: 12'
  run_in --host 127.0.0.1 -- echo a b '"c  d"' -x
  expect_status 0; expect_out '127.0.0.1: a b c  d -x'
}

script_that_is_cut_off_does_not_run() {
  # The envelope, as the first process of a connection sees it, with only a part of its input.
  run_in --host 127.0.0.1 --script 'tr "\0" "\n" < /proc/$$/cmdline | sed 1,2d; echo END'
  expect_status 0
  sed 's/^127.0.0.1: //; /^END$/,$d' "$dir/out" > "$dir/envelope"
  grep -q eval "$dir/envelope" || fail "no envelope"
  local end
  end=$(grep -o '#end:[0-9a-f]*' "$dir/envelope" | head -n 1)
  [ "$(printf 'echo ran\n%s\n' "$end" | sh -c "$(cat "$dir/envelope")" 2> /dev/null)" = ran ] ||
    fail "the whole does not run"
  [ -z "$(printf 'echo ran\necho more' | sh -c "$(cat "$dir/envelope")" 2> /dev/null)" ] ||
    fail "a part runs"
}

script_on_a_terminal() {
  run_in --host 127.0.0.1 --request-pty --script '
    test -t 0 && test -t 1 && echo terminal
    echo to stderr >&2
    printf "\003\004 control and \\ in the script\n"
    x="a long line"; for i in 1 2 3 4 5 6 7 8 9 10; do x="$x$x"; done; echo ${#x}
    exit 5'
  expect_status 1; expect_err_has 'exit status 5'
  expect_out_has '127.0.0.1: terminal'; expect_out_has '127.0.0.1: to stderr'
  expect_out_has '127.0.0.1: 11264'
  ! grep -q "$(printf '\r')" "$dir/out" || fail "carriage returns"
  ! grep -q 'long line"' "$dir/out" || fail "the terminal shows the script"
  # Longer than a terminal's line may be.
  { printf 'x='; head -c 20000 /dev/zero | tr '\0' y; echo; echo 'echo ${#x}'; } > "$dir/long.sh"
  run_in --host 127.0.0.1 --request-pty --script-file "$dir/long.sh"
  expect_status 0; expect_out '127.0.0.1: 20000'
}

# A sudo that wants the password "geheim", as the real one does with -S.
fake_sudo() {
  mkdir -p "$dir/bin"
  cat > "$dir/bin/sudo" <<'SUDO'
#!/bin/bash
while [ $# -gt 0 ]; do
  case $1 in
    -S) ;;
    -p) prompt=$2; shift ;;
    -u) user=$2; shift ;;
    --) shift; break ;;
  esac
  shift
done
[ ! -e "${0%/*}/free" ] || { export SUDO_RAN=${user-root}; exec "$@"; }
for try in 1 2 3; do
  [ ! -t 0 ] || stty -echo
  printf '%s' "$prompt" >&2
  IFS= read -r password || exit 1
  [ ! -t 0 ] || { stty echo; echo >&2; }
  [ "$password" != geheim ] || { export SUDO_RAN=${user-root}; exec "$@"; }
  echo 'Sorry, try again.' >&2
done
exit 1
SUDO
  chmod +x "$dir/bin/sudo"
  # The commands' HOME is $dir, whose .bashrc bash reads; other shells have no fake.
  echo "PATH=$dir/bin:\$PATH" > "$dir/.bashrc"
}

script_by_sudo() {
  fake_sudo
  run_in --host 127.0.0.1 --script 'command -v sudo'
  [ "$(cat "$dir/out")" = "127.0.0.1: $dir/bin/sudo" ] || { rm -r "$dir/bin" "$dir/.bashrc"; skip "the user's shell does not read .bashrc"; return 0; }

  SSH_RUNNER_SUDO_PASSWORD=geheim run_in --host '127.0.0.[1-3]' --sudo \
    --script 'echo "as $SUDO_RAN"; cat'
  expect_status 0; expect_err_has '3 ok'; expect_out_has '127.0.0.3: as root'
  [ "$(wc -l < "$dir/out")" -eq 3 ] || fail "something else was printed"
  [ "$(grep -vc '^ssh-runner' "$dir/err")" -eq 0 ] || fail "the question is shown"

  echo geheim > "$dir/sudo_password"
  run_in --host 127.0.0.1 --sudo-user www --sudo-password-file "$dir/sudo_password" \
    --request-pty --script 'echo "as $SUDO_RAN"'
  expect_status 0; expect_out '127.0.0.1: as www'

  SSH_RUNNER_SUDO_PASSWORD=falsch run_in --host 127.0.0.1 --sudo --script 'echo no'
  expect_status 1; expect_err_has 'start: sudo does not accept the password'; expect_err_lacks falsch
  expect_err_has 'of the user who logs in'
  run_in --host 127.0.0.1 --sudo --script 'echo no'
  expect_status 1; expect_err_has 'sudo wants a password'

  : > "$dir/bin/free"
  SSH_RUNNER_SUDO_PASSWORD=geheim run_in --host 127.0.0.1 --sudo --script 'cat; echo "as $SUDO_RAN"'
  expect_status 0; expect_out '127.0.0.1: as root'
  rm -r "$dir/bin" "$dir/.bashrc"
}

script_that_leaves_children() {
  run_in --host 127.0.0.1 --wait-for-output \
    --script '(sleep 1.5; echo late) & echo early'
  expect_status 0; expect_out $'127.0.0.1: early\n127.0.0.1: late'
}
