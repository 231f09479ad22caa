# shellcheck shell=bash disable=SC2016,SC2154 # sourced by end_to_end.sh

# --- the system's own sudo ---
#
# As the user and with the password that as_ordinary_user.sh makes, who may be root by that password,
# daemon without one, and nobody else.

run_by_sudo() { SSH_RUNNER_SUDO_PASSWORD=$ORDINARY_USER_PASSWORD run_in --host 127.0.0.1 "$@"; }

# Neither the password nor a line of ours is in the output.
expect_no_secret() {
  ! grep -qF -e "$ORDINARY_USER_PASSWORD" -e $'\036' "$dir/out" "$dir/err" || fail "shown: $1"
}

sudo_with_the_right_password() {
  local script='id -un; cat
    for process in /proc/[0-9]*/cmdline; do tr "\0" " " < "$process" 2> /dev/null; done | grep -c "g[e]heim"'
  run_by_sudo --host '127.0.0.[2-3]' --sudo --script "$script"
  expect_err_has '3 with a failed command'  # of grep, which finds nothing
  expect_out_has '127.0.0.3: root'; expect_out_has '127.0.0.3: 0'; expect_no_secret "over pipes"
  [ "$(wc -l < "$dir/out")" -eq 6 ] || fail "something else was printed"
  run_by_sudo --sudo --request-pty --script 'id -un; test -t 1 && echo terminal'
  expect_status 0; expect_out $'127.0.0.1: root\n127.0.0.1: terminal'; expect_no_secret "on a terminal"
  run_by_sudo --transport local --sudo --script 'id -un'
  expect_status 0; expect_out '127.0.0.1: root'; expect_no_secret "here"
}

sudo_with_a_wrong_password() {
  SSH_RUNNER_SUDO_PASSWORD=falsch run_in --host 127.0.0.1 --sudo --script "touch '$dir/it_ran'"
  expect_status 1; expect_err_has 'start: sudo does not accept the password'; expect_err_lacks falsch
  run_in --host 127.0.0.1 --sudo --script "touch '$dir/it_ran'"
  expect_status 1; expect_err_has 'start: sudo wants a password'
  [ ! -e "$dir/it_ran" ] || fail "it ran"
}

sudo_that_is_not_allowed() {
  run_by_sudo --sudo-user nobody --script "touch '$dir/it_ran'"
  expect_status 1; expect_err_has 'is not allowed to execute'; expect_no_secret "refused"
  expect_err_has '127.0.0.1: start: the script did not begin; exit status 1'
  expect_err_has 'by sudo if it was asked for'
  [ ! -e "$dir/it_ran" ] || fail "it ran"
}

sudo_that_does_not_ask() {
  run_by_sudo --sudo-user daemon --script 'id -un; cat'
  expect_status 0; expect_out '127.0.0.1: daemon'; expect_no_secret "not asked for"
}

# Signals from an ordinary user's server reach sudo, which passes them on to the shell, and not to its
# children: those are reached by sudo, too.
sudo_ends_at_a_time_out() {
  run_by_sudo --sudo --command-timeout 5s --kill-after 60s --script "$(waits_with_child)"
  expect_status 4; expect_err_has 'time-out: the command took more than 5 s; ended by TERM'
  expect_no_secret "at a time-out"
  expect_gone
}
