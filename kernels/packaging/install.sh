# Installs package file $2 of kind $1 on this machine, as its user would, for kernel $3 of architecture $4, and shows what dkms made of it.
# It is package $5, version $6. The .ko that are installed in the end, and only these, are copied to /build/modules.
export DEBIAN_FRONTEND=noninteractive
printf '#!/bin/sh\n[ "$*" = -r ] && { echo %s; exit; }\nexec /bin/uname "$@"\n' "$3" >/usr/local/bin/uname
chmod 755 /usr/local/bin/uname
say() { echo "+ $*"; "$@"; }
say dkms --version
case $1 in
deb) say dpkg --install "$2" || exit ;;
*) say dkms ldtarball "$2" || exit ;;
esac
at=/var/lib/dkms/$5/$6 code=0
status() { dkms status -m "$5" -v "$6" -k "$3"; }
case $(status "$@") in
*installed*) ;;
*)
	say dkms build -m "$5" -v "$6" -k "$3"
	code=$?
	[ $code = 0 ] && { say dkms install -m "$5" -v "$6" -k "$3"; code=$?; }
	;;
esac
for log in "$at/build/make.log" "$at/$3/$4/log/make.log"; do
	[ -f "$log" ] && { echo "+ cat $log"; cat "$log"; break; }
done
say status "$@"
mkdir -p /build/modules
find "/lib/modules/$3/updates" "/lib/modules/$3/extra" -name '*.ko*' -exec cp {} /build/modules/ \; 2>/dev/null
exit $code
