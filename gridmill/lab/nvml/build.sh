#!/bin/sh
# Builds the lab's provider of libnvidia-ml: build.sh OUTDIR
# Prints the path of the .deb. Same sources, same compiler: same bytes.
# $CC, $SOURCE_DATE_EPOCH and $GRIDMILL_NVML_FOR (version of the distribution's libnvidia-ml1) are honoured.
set -eu

mkdir -p "$1"
out=$(CDPATH='' cd -- "$1" && pwd)
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
# nvidia-smi and its kin depend on libnvidia-ml1 (= this very version).
provided=${GRIDMILL_NVML_FOR:-550.163.01-2}
driver=${provided%-*}
package=gridmill-lab-libnvidia-ml1
version=$provided+gridmill1
architecture=$(dpkg --print-architecture)
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-1735689600} # 2025-01-01
export SOURCE_DATE_EPOCH

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
umask 022
root=$work/root
libraries=$root/usr/lib/$(dpkg-architecture -qDEB_HOST_MULTIARCH 2>/dev/null || "${CC:-gcc}" -dumpmachine)
mkdir -p "$root/DEBIAN" "$libraries" "$root/etc/apt/preferences.d" "$root/usr/share/doc/$package"

"$here/compile.sh" "$libraries/libnvidia-ml.so.$driver"
chmod 644 "$libraries/libnvidia-ml.so.$driver"
ln -s "libnvidia-ml.so.$driver" "$libraries/libnvidia-ml.so.1"
# Newer C libraries put newer versions on old functions: the package asks for what this build uses.
libc=$(objdump -T "$libraries/libnvidia-ml.so.$driver" | sed -n 's/.*GLIBC_\([0-9.]*\).*/\1/p' | sort -uV | tail -n 1)

# apt prefers a real package to one that provides its name: the real one must not be a candidate.
cat >"$root/etc/apt/preferences.d/$package.pref" <<END
Explanation: this machine's GPUs are simulated; the driver's own library has nothing to talk to
Package: libnvidia-ml1
Pin: release *
Pin-Priority: -1
END

cp "$here/README.md" "$root/usr/share/doc/$package/README.md"

cat >"$root/DEBIAN/control" <<END
Package: $package
Version: $version
Architecture: $architecture
Maintainer: Gridmill <lab@gridmill.test>
Section: libs
Priority: optional
Depends: libc6 (>= $libc)
Provides: libnvidia-ml1 (= $provided), libnvidia-ml.so.1 (= $driver)
Conflicts: libnvidia-ml1
Replaces: libnvidia-ml1
Description: simulated GPUs of a Gridmill lab machine
 Takes the place of the NVIDIA Management Library (libnvidia-ml.so.1), so that
 nvidia-smi, Slurm and exporters find the GPUs that /etc/gridmill-lab/gpus.conf
 lists. No GPU, driver or kernel module is involved: everything is simulated.
END
printf '/etc/apt/preferences.d/%s.pref\n' "$package" >"$root/DEBIAN/conffiles"
printf 'activate-noawait ldconfig\n' >"$root/DEBIAN/triggers"
chmod 644 "$root/DEBIAN/"*
size=$(du -k -s --apparent-size "$root/usr" "$root/etc" | awk '{ sum += $1 } END { print sum }')
sed -i "s/^Section:/Installed-Size: $size\n&/" "$root/DEBIAN/control"

find "$root" -exec touch -h -d "@$SOURCE_DATE_EPOCH" {} +
deb=$out/${package}_${version}_$architecture.deb
dpkg-deb --root-owner-group -Zxz --threads-max=1 --build "$root" "$deb" >/dev/null
printf '%s\n' "$deb"
