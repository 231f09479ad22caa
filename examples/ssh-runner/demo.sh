#!/usr/bin/env bash
# Runs a script on eight hosts at once, live: 127.0.0.1 to 127.0.0.8, all served by a throw-away
# sshd that this starts and stops.
# usage: demo.sh SSH_RUNNER
set -euo pipefail
[ $# -eq 1 ] || { sed -n '2,4p' "$0"; exit 64; }
ssh_runner=$1
# shellcheck source=throwaway-sshd.sh
. "$(dirname "${BASH_SOURCE[0]}")/throwaway-sshd.sh"

dir=$(mktemp -d)
trap 'stop_sshd; rm -rf "$dir"' EXIT
start_sshd "$dir"

cat > "$dir/script.sh" <<'END'
address=${SSH_CONNECTION#* * }; address=${address% *}
host=${address##*.}
echo "hello from $address, I am $(id -un)"
for step in 1 2 3; do
  sleep "0.$((host % 4 + 1))"
  echo "step $step of 3"
done
[ "$host" -ne 5 ] || { echo "this one shall fail" >&2; exit 3; }
printf 'done, and no newline here'
END

hosts=$(IFS=,; echo "${sshd_addresses[*]}")
echo "\$ ssh-runner --host $hosts --script-file script.sh"
status=0
"$ssh_runner" --host "$hosts" --user "$sshd_user" --port "$sshd_port" --key "$dir/client_key" \
  --known-hosts "$dir/known_hosts" --script-file "$dir/script.sh" --connect-timeout 15s --config none \
  --command-timeout 30s || status=$?
echo "exit status $status: one command failed, as it should; the seven others ran to their end"
[ "$status" -eq 1 ]
