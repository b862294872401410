#!/usr/bin/env bash
# Installs the Debian packages that only the Kubernetes of the tests needs. Nothing is started, nothing done twice.
set -euo pipefail

packages=(containerd runc containernetworking-plugins iptables conntrack ipset iproute2 util-linux procps)
missing=()
for package in "${packages[@]}"; do
  if [[ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" != installed ]]; then
    missing+=("$package")
  fi
done
((${#missing[@]} > 0)) || exit 0
printf 'install: %s\n' "${missing[*]}" >&2
apt-get update -qq
# A machine with systemd would start containerd at once: it is told not to, for this one call.
policy=/usr/sbin/policy-rc.d
if [[ ! -e $policy ]]; then
  trap 'rm -f "$policy"' EXIT
  printf '#!/bin/sh\nexit 101\n' >"$policy"
  chmod +x "$policy"
fi
DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >&2
