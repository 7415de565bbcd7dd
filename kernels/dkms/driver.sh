# Evaluates a dkms.conf as dkms 3.2.2 does and writes what came of it to $2, as strings that end in a zero byte.
#
# Such a file is bash. It is sourced, each of the variables that dkms knows is written out as an assignment in double quotes,
# and these are sourced again: what survived the first time as text is expanded the second time.
ulimit -St "$8"; ulimit -Ht $(($8 + 2)); ulimit -v 2097152; ulimit -f 65536
umask 022
mm_conf=$1 mm_answer=$2 mm_kernelver=$3 mm_arch=$4 mm_names=$5 mm_source=$9
kernelver=$3 arch=$4 module=$6 module_version=$7
dkms_tree=/var/lib/dkms source_tree=/usr/src install_tree=/lib/modules tmp_location=/tmp
kernel_source_dir=$install_tree/$kernelver/build
kernel_config=$kernel_source_dir/include/config/auto.conf
[[ -e $kernel_config ]] || kernel_config=$kernel_source_dir/.config
current_os=Linux
set --
readonly mm_conf mm_answer mm_kernelver mm_arch mm_names mm_source
mm_all=($mm_names)
readonly mm_all
cd "$mm_source" || exit 99 # where its author runs dkms: some files read others beside them

# dkms's own helper, which some files call.
VER() {
    echo "$1" | sed -e 's:\([^0-9]\)\([0-9]\):\1 \2:g' -e 's:\([0-9]\)\([^0-9]\):\1 \2:g' -e 's:\(.*\): \1 :' \
        -e 's: \([0-9]\) : 00\1 :g' -e 's: \([0-9][0-9]\) : 0\1 :g' -e 's: ::g'
}

mm_first=$(mktemp) || exit 99
mm_seen=$(mktemp) || exit 99
(
    exec >"$mm_first"
    . "$mm_conf" >/dev/null
    for mm_name in "${mm_all[@]}"; do
        for mm_i in $(eval echo \${!$mm_name[@]}); do
            eval "mm_value=\${$mm_name[\$mm_i]%\$'\\r'}"
            echo $mm_name[$mm_i]=\"$mm_value\" # unquoted: dkms, too, loses runs of blanks here
        done
    done
    compgen -v >"$mm_seen"
)
mm_ended=$?
((mm_ended < 128)) || exit $mm_ended
. "$mm_first"

unset IFS
{
    for mm_name in "${mm_all[@]}"; do
        eval "mm_keys=(\"\${!$mm_name[@]}\")"
        for mm_i in "${mm_keys[@]}"; do
            eval "mm_value=\${$mm_name[\$mm_i]}"
            printf '%s\0' value "$mm_name" "$mm_i" "$mm_value"
            case $mm_name in
            MAKE_MATCH | PATCH_MATCH | BUILD_EXCLUSIVE_KERNEL) mm_subject=$mm_kernelver ;;
            BUILD_EXCLUSIVE_ARCH) mm_subject=$mm_arch ;;
            *) continue ;;
            esac
            [[ $mm_value && $mm_subject =~ $mm_value ]] && printf '%s\0' match "$mm_name" "$mm_i"
        done
    done
    while read -r mm_name; do
        [[ $mm_name =~ ^[A-Z][A-Z_]*$ ]] && printf '%s\0' seen "$mm_name"
    done <"$mm_seen"
    printf '%s\0' end
} >"$mm_answer"
