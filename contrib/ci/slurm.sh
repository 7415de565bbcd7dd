#!/bin/bash
# The module's matrix on Slurm: four tasks of an array, and one that merges.
#	sbatch slurm.sh /path/of/module /path/of/results
#SBATCH --job-name=modmatrix
#SBATCH --array=1-4
#SBATCH --cpus-per-task=2
#SBATCH --mem=4G
set -euo pipefail
module=${1:?the folder of the module}
results=${2:?a folder that all nodes see}
if [ "${3:-}" = merge ]; then
	exec modmatrix merge "$results"/part-* -o "$results/matrix"
fi
export MODMATRIX_CACHE=${MODMATRIX_CACHE:-${SLURM_TMPDIR:-/tmp}/modmatrix-$USER}
if [ "$SLURM_ARRAY_TASK_ID" = "$SLURM_ARRAY_TASK_MIN" ]; then
	sbatch --array=1 --dependency="afterany:$SLURM_ARRAY_JOB_ID" --output="$results/merge.log" "$0" "$module" "$results" merge
fi
exec modmatrix run "$module" --shard auto -o "$results/part-$SLURM_ARRAY_TASK_ID"
