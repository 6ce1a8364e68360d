#!/bin/sh
# Installs the Debian packages that the interop tests and the benchmark drive, and stops the services they start.
# Never stops a service whose package was there before: somebody may be using it.
set -eu
packages="biboumi certbot chromium chromium-driver coturn ejabberd go-sendxmpp iproute2 libssl-dev lua-dbi-sqlite3 lua-event mcabber ngircd pebble postgresql profanity prosody tmux unbound"

missing=""
for package in $packages; do
	dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing="$missing $package"
done
[ -n "$missing" ] || exit 0

if ! command -v apt-get >/dev/null; then
	echo "peers: no apt-get here; tests that need one of these will be skipped by name:$missing" >&2
	exit 0
fi
if [ "$(id -u)" != 0 ]; then
	echo "peers: not root; tests that need one of these will be skipped by name:$missing" >&2
	echo "peers: to have them: sudo apt-get install$missing" >&2
	exit 0
fi

export DEBIAN_FRONTEND=noninteractive
apt-get -qq -o Acquire::Retries=3 update
# shellcheck disable=SC2086  # a list of package names, split on purpose
apt-get -qq -o Acquire::Retries=3 install --yes --no-install-recommends $missing >/dev/null

for service in biboumi coturn ngircd prosody ejabberd epmd postgresql unbound; do
	case "$missing " in
	*" $service "*) service "$service" stop >/dev/null 2>&1 || true ;;
	*) ;;
	esac
done
case "$missing " in
*" ejabberd "*) epmd -kill >/dev/null 2>&1 || true ;;
*) ;;
esac
