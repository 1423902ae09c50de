#!/usr/bin/env bash
# Builds kube-apiserver, kube-controller-manager, kube-scheduler and kubectl v1.20.2 from Debian 12's own source package.
# usage: control_plane_build.sh DIR     leaves DIR/bin (with etcd, etcdctl)
# About 6 minutes on two cores, 3 GB of disk, 1.4 GB of memory, once per machine. Idempotent; two at once wait for one another.
# Nothing is installed system-wide but the small build tools that are missing. Debian and root only.
set -euo pipefail
W=$(realpath -m "$1"); mkdir -p "$W"
exec 9>"$W/.lock"; flock 9
[ -x "$W/bin/kube-scheduler" ] && { echo "already built: $W/bin"; exit 0; }
missing=(); for tool in make git jq perl file curl openssl patch xz; do command -v "$tool" >/dev/null || missing+=("${tool/#xz/xz-utils}"); done
[ ${#missing[@]} -eq 0 ] || { apt-get -qq update && apt-get -qq install -y --no-install-recommends "${missing[@]}"; }
mkdir -p "$W"/{lists/partial,cache/archives/partial,debs,root,src,bin,home,tools,sources}; cd "$W"
shopt -s nullglob
for f in /etc/apt/sources.list.d/*.sources; do
  grep -q debian "$f" && sed 's/^Types: deb$/Types: deb deb-src/' "$f" > "sources/$(basename "$f")"
done
for f in /etc/apt/sources.list /etc/apt/sources.list.d/*.list; do
  [ -f "$f" ] && sed -n 's/^deb \(.*\)/deb \1\ndeb-src \1/p' "$f" > "sources/$(basename "$f" .list).list"
done
A="-qq -o Dir::Etc::SourceList=/dev/null -o Dir::Etc::SourceParts=$W/sources -o Dir::State::Lists=$W/lists -o Dir::Cache=$W/cache -o APT::Sandbox::User=root"
apt-get $A update
(cd debs && apt-get $A download golang-1.19-go golang-1.19-src rsync libpopt0 etcd-server etcd-client golang-github-modern-go-reflect2-dev)
for d in debs/*.deb; do dpkg -x "$d" root; done
S=$W/src/kubernetes-1.20.2; rm -rf "$S"
(cd src && apt-get $A source --download-only kubernetes && tar xzf kubernetes_*.orig.tar.gz && cd kubernetes-1.20.2 \
  && tar xJf ../kubernetes_*.debian.tar.xz && for p in $(cat debian/patches/series); do patch -p1 -s < "debian/patches/$p"; done)
# vendored modern-go/reflect2 1.0.1 crashes on Go >= 1.18 at the first CRD (kubernetes/kubernetes#115698): Debian's 1.0.2 instead
V=$S/vendor/github.com/modern-go/reflect2; rm -rf "$V"; mkdir "$V"
cp "$W"/root/usr/share/gocode/src/github.com/modern-go/reflect2/*.{go,s} "$V/"; rm -f "$V"/*_test.go
printf '#!/bin/sh\nLD_LIBRARY_PATH=%s exec %s "$@"\n' "$W/root/usr/lib/$(uname -m)-linux-gnu" "$W/root/usr/bin/rsync" > tools/rsync
chmod +x tools/rsync
export GOROOT=$W/root/usr/lib/go-1.19 HOME=$W/home GOPATH=$S/.go CGO_ENABLED=0 GOPROXY=off GOSUMDB=off
export PATH=$GOROOT/bin:$W/tools:$PATH
mkdir -p "$S/.go/src/k8s.io"; ln -sfn ../../.. "$S/.go/src/k8s.io/kubernetes"
printf "KUBE_GIT_TREE_STATE='archive'\nKUBE_GIT_COMMIT='unknown'\nKUBE_GIT_VERSION='v1.20.2'\nKUBE_GIT_MAJOR='1'\nKUBE_GIT_MINOR='20'\n" > gitver
export KUBE_GIT_VERSION_FILE=$W/gitver
cd "$S" && make WHAT="cmd/kube-apiserver cmd/kube-controller-manager cmd/kube-scheduler cmd/kubectl"
cp "$W"/root/usr/bin/{etcd,etcdctl} "$W/bin/"
cp -L _output/bin/{kube-apiserver,kube-controller-manager,kubectl} "$W/bin/"
cp -L _output/bin/kube-scheduler "$W/bin/"   # last: its presence says that all is there
rm -rf "$W"/{src,root,debs,cache}
echo "built: $W/bin"
