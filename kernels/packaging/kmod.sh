# Builds or installs the modules of the package in this folder as its dkms.conf says:
#   kmod.sh build|install RELEASE ARCH NAME VERSION [BUILDROOT]
set -e
verb=$1 kernelver=$2 arch=$3 module=$4 module_version=$5 buildroot=$6
kernel_source_dir=/lib/modules/$kernelver/build
kernel_config=$kernel_source_dir/.config
[[ -e $kernel_source_dir/Makefile ]] || { echo "error: what modules for $kernelver are built with is not installed: $kernel_source_dir" >&2; exit 1; }

# dkms builds in a folder of its own, and packages name it.
dkms_tree=$PWD/.dkms source_tree=$PWD/.dkms/source install_tree=/lib/modules
mkdir -p "$dkms_tree/$module/$module_version" "$source_tree"
ln -sfn "$PWD" "$dkms_tree/$module/$module_version/build"
ln -sfn "$PWD" "$source_tree/$module-$module_version"
. ./dkms.conf

if [[ $verb == install ]]; then
	count=${#DEST_MODULE_LOCATION[@]}
	for ((i = 0; i < count; i++)); do
		name=${BUILT_MODULE_NAME[i]:-$PACKAGE_NAME} location=${BUILT_MODULE_LOCATION[i]%/}
		install -D -m 0644 "${location:-.}/$name.ko" "$buildroot/lib/modules/$kernelver/extra/$module/${DEST_MODULE_NAME[i]:-$name}.ko"
	done
	exit
fi

for i in "${!PATCH[@]}"; do
	[[ ${PATCH_MATCH[i]} && ! $kernelver =~ ${PATCH_MATCH[i]} ]] || patch -p1 <"patches/${PATCH[i]}"
done
[[ ! $PRE_BUILD || ! -x ${PRE_BUILD%% *} ]] || eval "./$PRE_BUILD"
[[ ${MAKE_MATCH[0]} ]] || command=${MAKE[0]}
for i in "${!MAKE[@]}"; do
	[[ ! ${MAKE_MATCH[i]} || ! $kernelver =~ ${MAKE_MATCH[i]} ]] || command=${MAKE[i]}
done
: "${command:=make -C $kernel_source_dir M=$PWD}"
[[ $command != make* ]] || command="make KERNELRELEASE=$kernelver ${command#make}"
eval "$command"
[[ ! $POST_BUILD || ! -x ${POST_BUILD%% *} ]] || eval "./$POST_BUILD"
