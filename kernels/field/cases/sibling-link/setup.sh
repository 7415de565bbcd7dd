#!/bin/bash
# the author's checkout
set -eu
git() { command git -c user.name=author -c user.email=author@example.org "$@"; }
ln -s ../shared/slink.c drv/slink.c
git init -q .
git add -A
git commit -q -m 'first'
