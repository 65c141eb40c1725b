#!/bin/sh
# dist.sh DIRECTORY [PLATFORM…]: release archives and packages, byte for byte the
# same from the same commit. Wants VERSION, COMMIT, DATE and SOURCE_DATE_EPOCH in
# the environment; the Makefile sets them.
set -eu
umask 022
export LC_ALL=C TZ=UTC0 SOURCE_DATE_EPOCH
: "${SOURCE_DATE_EPOCH:?}" "${COMMIT?}" "${DATE?}"
cd "$(dirname "$0")/.."
mkdir -p "$1"
out=$(cd "$1" && pwd)
shift
test $# -gt 0 || set -- linux/amd64 linux/arm64 darwin/amd64 darwin/arm64 windows/amd64

for program in dpkg-deb rpmbuild zip; do
	command -v $program >/dev/null || { echo "dist.sh: $program is missing; Debian has it in dpkg, rpm, zip" >&2; exit 1; }
done

# Between releases the version is the program's own, with "~dev" in packages so
# that the release is newer, and the time so that a later build is.
version=${VERSION:-$(sed -n 's/^[[:space:]]*version = "\(.*\)"$/\1/p' cmd/sally/main.go)}
package=$(echo "$version" | sed 's/-/~/g')
if [ -z "${VERSION:-}" ]; then
	package=$package+$(date -u -d "@$SOURCE_DATE_EPOCH" +%Y%m%d%H%M%S).$(echo "${COMMIT:-unknown}" | cut -c1-12)
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

compile() { # OS ARCH FILE
	CGO_ENABLED=0 GOOS=$1 GOARCH=$2 go build -trimpath -buildvcs=false -o "$3" -ldflags \
		"-s -w -buildid= -X main.version=$version -X main.commit=$COMMIT -X main.date=$DATE" ./cmd/sally
}

settle() { # DIRECTORY: what a file carries besides its content
	find "$1" -type d -exec chmod 755 {} +
	find "$1" -exec touch -h -d "@$SOURCE_DATE_EPOCH" {} +
}

documents() { # DIRECTORY
	mkdir -p "$1"
	cp README.md CHANGELOG.md "$1"
	(cd docs && find . -name '*.md' -o -name '*.svg' -o -name '*.txt') | while read -r f; do
		mkdir -p "$1/docs/$(dirname "$f")"
		cp "docs/$f" "$1/docs/$f"
	done
	find "$1" -type f -exec chmod 644 {} +
}

archive() { # OS ARCH
	name=sallyport-$version-$1-$2
	top=$work/archive/$name
	documents "$top"
	install -m 644 LICENSE "$top"
	if [ "$1" = windows ]; then
		install -m 755 "$work/$1-$2" "$top/sally.exe"
		settle "$top"
		rm -f "$out/$name.zip"
		(cd "$work/archive" && find "$name" | sort | zip -q -X -9 "$out/$name.zip" -@)
	else
		install -m 755 "$work/$1-$2" "$top/sally"
		mkdir -p "$top/completions"
		install -m 644 docs/man/sally.1 "$top"
		install -m 644 "$work"/completions/* "$top/completions"
		test "$1" != linux || install -m 644 packaging/sally.service "$top"
		settle "$top"
		tar -C "$work/archive" --sort=name --format=gnu --owner=0 --group=0 --numeric-owner -cf - "$name" | gzip -n -9 > "$out/$name.tar.gz"
	fi
	rm -rf "$work/archive"
}

tree() { # ARCH ROOT ZSH-DIRECTORY: what both kinds of package contain
	share=$2/usr/share
	install -D -m 755 "$work/linux-$1" "$2/usr/bin/sally"
	install -D -m 644 packaging/sally.service "$2/usr/lib/systemd/user/sally.service"
	install -D -m 644 "$work/completions/sally.bash" "$share/bash-completion/completions/sally"
	install -D -m 644 "$work/completions/_sally" "$share/zsh/$3/_sally"
	install -D -m 644 "$work/completions/sally.fish" "$share/fish/vendor_completions.d/sally.fish"
	mkdir -p "$share/man/man1"
	gzip -n -9 < docs/man/sally.1 > "$share/man/man1/sally.1.gz"
	documents "$share/doc/sallyport"
	install -m 644 LICENSE "$share/doc/sallyport/copyright"
}

deb() { # ARCH
	root=$work/deb
	tree "$1" "$root" vendor-completions
	size=$(find "$root" -type f -printf '%s\n' | awk '{ n += int(($1 + 1023) / 1024) } END { print n }')
	mkdir "$root/DEBIAN"
	sed "s/@VERSION@/$package/; s/@ARCH@/$1/; s/@SIZE@/$size/" packaging/control.in > "$root/DEBIAN/control"
	(cd "$root" && find usr -type f | sort | xargs md5sum) > "$root/DEBIAN/md5sums"
	settle "$root"
	dpkg-deb --root-owner-group --threads-max=1 -Zxz --build "$root" "$out/sallyport_${package}_$1.deb" >/dev/null
	rm -rf "$root"
}

rpm() { # ARCH
	case $1 in amd64) machine=x86_64 ;; arm64) machine=aarch64 ;; esac
	root=$work/rpmroot
	tree "$1" "$root" site-functions
	settle "$root"
	sed "s/@VERSION@/$package/; s|@ROOT@|$root|" packaging/sallyport.spec.in > "$work/sallyport.spec"
	HOME=$work rpmbuild -bb --quiet --target "$machine-linux" \
		-D "_topdir $work/rpm" -D "_rpmdir $work/rpm/done" -D "_rpmfilename %{NAME}-%{VERSION}-%{RELEASE}.%{ARCH}.rpm" \
		-D "_buildhost localhost" -D "use_source_date_epoch_as_buildtime 1" -D "clamp_mtime_to_source_date_epoch 1" \
		-D "source_date_epoch_from_changelog 0" -D "debug_package %{nil}" -D "__os_install_post %{nil}" \
		-D "_build_id_links none" -D "_docdir /usr/share/doc" -D "_binary_payload w6.xzdio" "$work/sallyport.spec" >"$work/rpm.log" 2>&1 ||
		{ cat "$work/rpm.log" >&2; exit 1; }
	mv "$work"/rpm/done/*.rpm "$out"
	rm -rf "$work/rpm" "$root"
}

CGO_ENABLED=0 go build -trimpath -buildvcs=false -o "$work/native" ./cmd/sally
mkdir "$work/completions"
"$work/native" completion bash > "$work/completions/sally.bash"
"$work/native" completion zsh > "$work/completions/_sally"
"$work/native" completion fish > "$work/completions/sally.fish"

for platform; do
	os=${platform%/*} arch=${platform#*/}
	echo "$platform"
	compile "$os" "$arch" "$work/$os-$arch"
	archive "$os" "$arch"
	if [ "$os" = linux ]; then deb "$arch"; rpm "$arch"; fi
	rm "$work/$os-$arch"
done
cd "$out" && sha256sum -- sallyport[-_]* > SHA256SUMS
