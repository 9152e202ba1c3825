#!/usr/bin/env bash
# Exports MLflow history in shards as a Slurm array, and merges them.
#
#   SHARDS=16 OUT=/shared/export slurm_export.sh SOURCE [OPTION OF mlark export …]
#
# OUT is a folder that all nodes see. A shard that is there already is not exported again, so the same command goes on after whatever stopped it.
set -euo pipefail

mlark=${MLARK:-mlark}

case ${MLARK_STEP:-submit} in
    submit)
        : "${SHARDS:?how many shards}" "${OUT:?a folder that all nodes see}"
        mkdir -p "$OUT"
        export SHARDS OUT MLARK="$mlark"
        array=$(MLARK_STEP=export sbatch --parsable --requeue --job-name=mlark-export --array="1-$SHARDS" \
            --output="$OUT/shard-%a.log" "$0" "$@")
        # The merge waits until every shard is there; one that failed leaves it waiting, and is seen in its log.
        MLARK_STEP=merge sbatch --parsable --job-name=mlark-merge --dependency="afterok:${array%%;*}" \
            --output="$OUT/merge.log" "$0" "$@"
        ;;
    export)
        part=$OUT/part-$(printf %05d "$SLURM_ARRAY_TASK_ID").zip
        [[ -e $part ]] || exec "$mlark" export "$@" --shard "$SLURM_ARRAY_TASK_ID/$SHARDS" -o "$part"
        ;;
    merge)
        exec "$mlark" merge "$OUT"/part-*.zip -o "$OUT/all.zip" --force
        ;;
esac
