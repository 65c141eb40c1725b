#!/bin/sh
# Builds this machine's release twice, in two directories with two clocks, and
# looks at what is in it. Wants what dist.sh wants.
set -eu
cd "$(dirname "$0")/.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
platform=linux/$(go env GOARCH)

die() { echo "dist-check: $*" >&2; exit 1; }
same() { test "$2" = "$3" || die "$1 is $2, and should be $3"; }

copy() { # DIRECTORY: the sources as they are now, in files of their own
	mkdir -p "$1"
	git ls-files -z --cached --others --exclude-standard | xargs -0 ls -d 2>/dev/null | tar -cf - -T - | tar -C "$1" -xmf -
}

copy "$work/first"
copy "$work/second/below"
for one in first second/below; do
	(umask 077; "$work/$one/scripts/dist.sh" "$work/$one/dist" "$platform" >/dev/null)
done
one=$work/first/dist other=$work/second/below/dist
test "$(ls "$one" | wc -l)" = 4 || die "not four files: $(ls "$one")"
for f in "$one"/*; do
	cmp "$f" "$other/${f##*/}" || die "two builds differ"
done
(cd "$one" && sha256sum --quiet -c SHA256SUMS)

# The package as it would be installed.
dpkg-deb -x "$one"/*.deb "$work/root"
said=$("$work/root/usr/bin/sally" version --json)
case $said in *"\"commit\": \"$COMMIT\""*) ;; *) die "the packaged program says $said" ;; esac
for f in usr/lib/systemd/user/sally.service usr/share/bash-completion/completions/sally usr/share/zsh/vendor-completions/_sally \
	usr/share/fish/vendor_completions.d/sally.fish usr/share/man/man1/sally.1.gz usr/share/doc/sallyport/README.md usr/share/doc/sallyport/copyright; do
	test -s "$work/root/$f" || die "the deb has no $f"
	same "the mode of $f" "$(stat -c %a "$work/root/$f")" 644
done
same "an owner in the deb" "$(dpkg-deb -c "$one"/*.deb | awk '{ print $2 }' | sort -u)" root/root
(cd "$work/root" && dpkg-deb -I "$one"/*.deb md5sums | md5sum --quiet -c)

# The other two have the same program.
program=$(sha256sum < "$work/root/usr/bin/sally")
tar -C "$work" -xzf "$one"/*.tar.gz
same "the archive's program" "$(cat "$work"/sallyport-*/sally | sha256sum)" "$program"
test -s "$(ls "$work"/sallyport-*/LICENSE)" || die "no licence in the archive"
same "the rpm's program" "$(rpm -qp --qf '[%{FILENAMES} %{FILEDIGESTS}\n]' "$one"/*.rpm 2>/dev/null | awk '$1 == "/usr/bin/sally" { print $2 "  -" }')" "$program"
same "an owner in the rpm" "$(rpm -qp --qf '[%{FILEUSERNAME}\n]' "$one"/*.rpm 2>/dev/null | sort -u)" root

if command -v systemd-analyze >/dev/null; then
	sed "s|/usr/bin/sally|$work/root/usr/bin/sally|" packaging/sally.service > "$work/sally.service"
	complaints=$(XDG_RUNTIME_DIR=$work systemd-analyze verify --user --man=no "$work/sally.service" 2>&1 | grep 'sally\.service' || true)
	test -z "$complaints" || die "systemd-analyze: $complaints"
fi
ls -sh "$one"
