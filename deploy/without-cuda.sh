#!/bin/sh
# Prints a lock file without the CUDA libraries, and without the hashes of torch and torchvision: their builds for
# the CPU have others.
exec awk '
    /^[^ ]/ { out = /^(cuda-|nvidia-|triton)/; bare = /^torch(vision)?==/ }
    out || (bare && / --hash=/) { next }
    bare { sub(/ \\$/, "") }
    { print }
' "$1"
