# Runs one line of a dkms.conf as dkms 3.2.2 does: in the build folder, in a shell that knows dkms's variables, with the
# compiler that the kernel was built with in the environment. $1 says how, $2 is the line; what follows $6 are the modules that
# were built, each with the name that dkms keeps it by.
umask 022
mm_how=$1 mm_line=$2
kernelver=$3 arch=$4 module=$5 module_version=$6
dkms_tree=/var/lib/dkms source_tree=/usr/src install_tree=/lib/modules tmp_location=/tmp
kernel_source_dir=$install_tree/$kernelver/build
kernel_config=$kernel_source_dir/include/config/auto.conf
[[ -e $kernel_config ]] || kernel_config=$kernel_source_dir/.config
build_dir=$dkms_tree/$module/$module_version/build
current_os=Linux
shift 6
mm_modules=("$@")
set --

mm_tool() { # NAME PROGRAM: names a program to the build, if it is there
    local program=$2
    [[ $1 != CC || $program == clang || $program == "$CROSS_COMPILE"* ]] || program=$CROSS_COMPILE$program
    command -v "$program" >/dev/null && export "$1=$program" "KERNEL_$1=$program"
}
if [[ -f $kernel_source_dir/.kernelvariables ]]; then
    CC=$(printf 'show-%%:\n\t@echo $($*)\ninclude %s\n' "$kernel_source_dir/.kernelvariables" | make -s -f - show-CC 2>/dev/null)
    export CC
fi
if [[ -e $kernel_config ]]; then
    mm_tool CC "$(sed -n 's|^CONFIG_CC_VERSION_TEXT="*\([^" ]*\) .*|\1|p' "$kernel_config")"
    grep -q CONFIG_CC_IS_CLANG=y "$kernel_config" && mm_tool CC clang
    grep -q CONFIG_LD_IS_LLD=y "$kernel_config" && mm_tool LD ld.lld
fi
cd "$build_dir" || exit 15
if ((${#mm_modules[@]})); then # dkms has kept them by now, and some scripts put more beside them
    mm_kept=/tmp/kept # where the link $dkms_tree/$module/$module_version/$kernelver/$arch leads
    mkdir -p $mm_kept/module $mm_kept/log
    for ((mm_i = 0; mm_i < ${#mm_modules[@]}; mm_i += 2)); do
        cp -- "${mm_modules[mm_i]}" "$mm_kept/module/${mm_modules[mm_i + 1]}.ko"
    done
    [[ ! -f Module.symvers ]] || cp Module.symvers $mm_kept/module/
fi
if [[ $mm_how == script ]]; then
    mm_script=$build_dir/$mm_line
    if [[ ! -x ${mm_script%% *} ]]; then
        echo "warning: ${mm_script%% *} is not executable, so dkms does not run it"
        exit 0
    fi
    mm_line="cd $build_dir/ && $mm_script"
fi
(eval "$mm_line")
