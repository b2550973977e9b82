#!/bin/sh
# Gathers pg_dump and pg_restore of this machine, with the libraries that they need, in the folder of the first
# argument. It may then be copied to a machine of the same Debian, whose own C library they use there.
set -eu
target=$1
mkdir -p "$target/lib"
for name in pg_dump pg_restore; do
    program=$(ls /usr/lib/postgresql/*/bin/$name | tail -n 1)
    cp -L "$program" "$target/lib/$name"
    ldd "$program" | awk '$2 == "=>" && $3 ~ /^\// { print $3 }' | grep -vE '/lib(c|m|dl|rt|pthread|resolv)\.so' |
        while read -r library; do cp -L "$library" "$target/lib/"; done
    cat >"$target/$name" <<'WRAPPER'
#!/bin/sh
lib=$(dirname "$0")/lib
LD_LIBRARY_PATH=$lib exec "$lib/$(basename "$0")" "$@"
WRAPPER
    chmod 755 "$target/$name" "$target/lib/$name"
done
