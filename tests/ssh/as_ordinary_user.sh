#!/usr/bin/env bash
# Runs a command as an ordinary user who exists for it only, in a mount namespace of its own.
# usage: as_ordinary_user.sh COMMAND...
# For root; 77, which is "skipped", without the rights to do it.
set -euo pipefail
if [ -z "${ORDINARY_USER_HOME:-}" ]; then
  [ "$(id -u)" -eq 0 ] && unshare -m mount -t tmpfs tmpfs /mnt 2> /dev/null && command -v setpriv > /dev/null ||
    { echo "skipped: only root can be somebody else"; exit 77; }
  ORDINARY_USER_HOME=$(mktemp -d)
  trap 'rm -rf "$ORDINARY_USER_HOME"' EXIT
  export ORDINARY_USER_HOME
  status=0
  unshare -m "$BASH" "${BASH_SOURCE[0]}" "$@" || status=$?
  exit $status
fi

home=$ORDINARY_USER_HOME id=47110 name=weft-tester
unset ORDINARY_USER_HOME
{ cat /etc/passwd; echo "$name:x:$id:$id::$home:/bin/bash"; } > "$home/passwd"
{ cat /etc/group; echo "$name:x:$id:"; } > "$home/group"
mount --bind "$home/passwd" /etc/passwd
mount --bind "$home/group" /etc/group
# Terminals that belong to the group tty: an ordinary user's sshd cannot give them to it.
if tty=$(getent group tty | cut -d : -f 3) && [ -n "$tty" ]; then
  mount -t devpts -o "newinstance,gid=$tty,mode=620,ptmxmode=666" devpts /dev/pts
  mount --bind /dev/pts/ptmx /dev/ptmx
fi
# With sudo: the user may be root by a password, daemon without one. What sudo notes stays in here.
password=
if command -v sudo > /dev/null && [ -e /etc/shadow ]; then
  password=geheim
  # shellcheck disable=SC2016 # perl's
  { echo 'root:*:19000:0:99999:7:::'
    echo "$name:$(perl -e 'print crypt($ARGV[0], q($6$weft$))' "$password"):19000:0:99999:7:::"
  } > "$home/shadow"
  { echo 'Defaults use_pty, !mail_badpass, !mail_no_user, !mail_no_host, !mail_no_perms'
    echo "$name ALL = (root) PASSWD: ALL, (daemon) NOPASSWD: ALL"; } > "$home/sudoers"
  chmod 0600 "$home/shadow"
  chmod 0440 "$home/sudoers"
  mount --bind "$home/shadow" /etc/shadow
  mount --bind "$home/sudoers" /etc/sudoers
  mkdir -p /run/sudo /var/lib/sudo
  for place in /run/sudo /var/lib/sudo; do mount -t tmpfs -o mode=0711 tmpfs "$place"; done
fi
chown $id:$id "$home"
export ORDINARY_USER_PASSWORD=$password
exec setpriv --reuid=$id --regid=$id --clear-groups env HOME="$home" TMPDIR="$home" "$@"
