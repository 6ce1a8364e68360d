#!/bin/sh
# Makes a virtual environment and installs a hash-locked requirements file into it.
# Usage: install.sh VENV LOCK.  The interpreter is $PYTHON (python3 when unset), 3.11 or newer.
set -eu
venv=$1 lock=$2 python=${PYTHON:-python3}

if ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
	echo "setup: $python is missing or older than 3.11; name another one: make PYTHON=/path/to/python3.11" >&2
	exit 1
fi

# Debian ships `ensurepip` in a package of its own; where it is missing, the system's pip fills the environment.
if [ -x "$venv/bin/python" ] && "$venv/bin/python" -m pip --version >/dev/null 2>&1; then
	pip="$venv/bin/python -m pip"
elif "$python" -c 'import ensurepip, venv' 2>/dev/null; then
	"$python" -m venv "$venv"
	pip="$venv/bin/python -m pip"
elif "$python" -c 'import venv' 2>/dev/null && "$python" -m pip --version >/dev/null 2>&1; then
	"$python" -m venv --without-pip "$venv"
	pip="$python -m pip --python $venv/bin/python"
else
	echo "setup: $python can make no virtual environment; on Debian: apt-get install python3-venv" >&2
	exit 1
fi

echo "setup: installing $lock into $venv (a minute or two the first time)"
$pip install --quiet --disable-pip-version-check --no-input --require-hashes -r "$lock"
if [ "$lock" = requirements/dev.lock ]; then
	$pip install --quiet --disable-pip-version-check --no-input --no-deps --no-build-isolation --no-index -e .
fi
