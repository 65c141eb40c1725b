#!/bin/sh
# Makes sure that what the tests need is installed: by apt-get when we may,
# else by saying exactly what is missing. Exit status 1 when something is.
set -eu

# program or file, Debian package
needs='
sshd openssh-server
ssh openssh-client
ssh-keygen openssh-client
ssh-agent openssh-client
sftp openssh-client
/usr/lib/openssh/sftp-server openssh-sftp-server
/usr/lib/openssh/regress/test-exec.sh openssh-tests
gcc gcc
/usr/include/stdlib.h libc6-dev
pam_oath.so libpam-oath
useradd passwd
setpriv util-linux
script bsdutils
dropbear dropbear-bin
dropbearkey dropbear-bin
tinysshd tinysshd
unshare util-linux
mount mount
autossh autossh
git git
python3 python3
openssl openssl
rsync rsync
xauth xauth
dbus-daemon dbus-daemon
tmux tmux
screen screen
xdpyinfo x11-utils
Xvfb xvfb
nc netcat-openbsd
ncat ncat
connect-proxy connect-proxy
curl curl
ab apache2-utils
redis-server redis-server
redis-cli redis-tools
dnsmasq dnsmasq-base
ip iproute2
dbus-run-session dbus-daemon
gnome-keyring-daemon gnome-keyring
dpkg-deb dpkg
rpmbuild rpm
zip zip
zsh zsh
fish fish
/usr/share/bash-completion/bash_completion bash-completion
'

have() {
	case $1 in
	/*) test -e "$1" ;;
	*.so) ls /lib/security/"$1" /lib/*/security/"$1" /usr/lib/security/"$1" /usr/lib/*/security/"$1" 2>/dev/null | grep -q . ;;
	*) PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin command -v "$1" >/dev/null ;;
	esac
}

missing() {
	echo "$needs" | while read -r what package; do
		test -z "$what" || have "$what" || echo "$package"
	done | sort -u
}

# sshd wants its directory even where no service of the system has made it.
if [ "$(id -u)" = 0 ]; then mkdir -p -m 755 /run/sshd; fi

packages=$(missing)
test -n "$packages" || exit 0
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
	echo "installing:" $packages
	export DEBIAN_FRONTEND=noninteractive
	apt-get update -qq >/dev/null
	# No daemon of the system's is to be started by the installation.
	printf '#!/bin/sh\nexit 101\n' >/tmp/policy-rc.d.$$
	if [ ! -e /usr/sbin/policy-rc.d ]; then
		install -m 755 /tmp/policy-rc.d.$$ /usr/sbin/policy-rc.d
		trap 'rm -f /usr/sbin/policy-rc.d' EXIT
	fi
	rm -f /tmp/policy-rc.d.$$
	apt-get install -y -qq --no-install-recommends $packages >/dev/null
	packages=$(missing)
	test -n "$packages" || exit 0
fi
echo "missing for the tests; install these packages:" $packages >&2
exit 1
