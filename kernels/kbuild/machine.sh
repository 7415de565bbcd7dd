# Runs a command in folder $1 as on a machine that runs the target's kernel, release $2 of architecture $3: uname answers for it,
# and programs that install, load modules or ask for root succeed and change nothing. Where make enters $4, the kernel's build folder,
# to build an external module, it gets $5 jobs unless it asks for some, and file $6, unless that is empty, says in the end what came of it.
cd "$1" || exit 126
mm_bin=/tmp/.modmatrix mm_answer=$6
mm_make=$(type -P make) || { echo "make: command not found"; exit 127; }
mm_facts=$(printf "release=%q machine=%q kdir=%q jobs=%q make=%q calls=%q" "$2" "$3" "$4" "$5" "$mm_make" $mm_bin/.calls)
shift 6

mm_uname='
for word in "${@:--s}"; do
    case $word in
    -a | --all) asked=snrvmo ;;
    --nodename) asked=$asked-n ;;
    --kernel-name) asked=$asked-s ;;
    --kernel-release) asked=$asked-r ;;
    --kernel-version) asked=$asked-v ;;
    --machine) asked=$asked-m ;;
    --operating-system) asked=$asked-o ;;
    *a*) asked=snrvmo ;;
    *) asked=$asked$word ;;
    esac
done
out=
for letter in s n r v m p i o; do
    case $letter in
    s) fact=Linux ;;
    n) fact=modmatrix ;;
    r) fact=$release ;;
    v) fact="#1 SMP" ;;
    m) fact=$machine ;;
    o) fact=GNU/Linux ;;
    *) fact=unknown ;;
    esac
    case $asked in *$letter*) out="$out $fact" ;; esac
done
echo "${out# }"'

mm_nothing='echo "modmatrix: ${0##*/} does nothing here: no module is installed or loaded" >&2'

mm_root='
while [ $# -gt 0 ]; do
    case $1 in
    -u | -g | -h | -p) shift 2 ;;
    -*) shift ;;
    *) exec env "$@" ;;
    esac
done'

# make is run by its plain name, so that what its Makefiles call by $(MAKE) comes here as well; but not what the kernel calls.
mm_wrapper='
plain() { exec -a make "$make" "$@"; }
case " $* $MAKEFLAGS ${M+M=}${KBUILD_EXTMOD+M=}" in
*" M="* | *" SUBDIRS="* | *" KBUILD_EXTMOD="*) ;;
*) plain "$@" ;;
esac
dir=$PWD module=${KBUILD_EXTMOD:-$M} own_jobs= installs= builds= goals= words=() passed=()
enter() { case $1 in /*) dir=$1 ;; *) dir=$dir/$1 ;; esac }
for word in $MAKEFLAGS; do
    case $word in
    M=* | SUBDIRS=* | KBUILD_EXTMOD=*) module=${word#*=} ;;
    CONFIG_*=* | *FLAGS=*) passed+=("$word") ;;
    -j* | --jobserver*) own_jobs=1 ;;
    esac
done
for ((i = 1; i <= $#; i++)); do
    word=${!i} next=$((i + 1))
    case $word in
    modules_install | headers_install) installs=1; continue ;;
    --directory=*) enter "${word#*=}" ;;
    -C?*) enter "${word#-C}" ;;
    --directory | -C | -[a-zA-Z]*C) words+=("$word") word=${!next}; enter "$word"; ((i++)) ;;
    -[fIoW] | --file | --makefile | --include-dir) words+=("$word") word=${!next}; ((i++)) ;;
    -j* | -[a-zA-Z]*j | --jobs*) own_jobs=1 ;;
    -*) ;;
    M=* | SUBDIRS=* | KBUILD_EXTMOD=*) module=${word#*=} ;;
    MO=*) output=${word#*=} ;;
    *=*) passed+=("$word") ;;
    [0-9] | [0-9][0-9]) ;; # after -j
    *clean | clean_* | mrproper | help | kernel*) goals=1 ;;
    *) goals=1 builds=1 ;;
    esac
    words+=("$word")
done
[[ $module && ( $dir -ef $kdir || $dir -ef /lib/modules/$release/source ) ]] || plain "$@"
if [[ $installs && ! $goals ]]; then
    echo "modmatrix: modules_install does nothing here: no module is installed or loaded" >&2
    exit 0
fi
[[ $builds || ! $goals ]] || plain "$@"
[[ $own_jobs ]] || words+=("-j$jobs")
for name in $(compgen -e); do
    case $name in CONFIG_* | K*FLAGS | EXTRA_*FLAGS) passed+=("$name=${!name}") ;; esac
done
"$make" "${words[@]}"
code=$?
printf "%s\0" "$code" "${output:-$module}" "${passed[@]}" "" >>"$calls"
exit $code'

mkdir $mm_bin || exit 126
mm_program() { # SHELL TEXT NAME...
    local shell=$1 text=$2
    shift 2
    for mm_name; do printf "#!%s\n%s\n%s\n" "$shell" "$mm_facts" "$text" >"$mm_bin/$mm_name"; done
}
mm_program /bin/sh "$mm_uname" uname
mm_program /bin/sh 'echo "$machine"' arch
mm_program /bin/sh "$mm_nothing" depmod modprobe insmod rmmod dkms update-initramfs mkinitramfs mkinitcpio dracut systemctl udevadm ldconfig
mm_program /bin/sh "$mm_root" sudo doas
mm_program "$BASH" "$mm_wrapper" make gmake
chmod 755 $mm_bin/*
PATH=$mm_bin:$PATH "$@"
mm_code=$?
[[ ! $mm_answer || ! -s $mm_bin/.calls ]] || cp $mm_bin/.calls "$mm_answer"
exit $mm_code
