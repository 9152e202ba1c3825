#!/bin/sh
# Stands for a training: writes into STORE what MLflow's file store has after a run with a param, three points and a file. Ids, times and
# paths are others each time, as they are in life. Yours calls mlflow instead.
#
# usage: train.sh STORE [LEARNING_RATE]
set -eu
store=$1
rate=${2:-0.1}
random_hex() { od -An -N16 -tx1 /dev/urandom | tr -d ' \n'; }
now=$(date +%s)000
experiment=$(od -An -N6 -tu8 /dev/urandom | tr -d ' ')
run=$(random_hex)
here=$store/$experiment/$run
mkdir -p "$here/metrics" "$here/params" "$here/tags" "$here/artifacts"

cat >"$store/$experiment/meta.yaml" <<END
artifact_location: file://$store/$experiment
creation_time: $now
experiment_id: '$experiment'
last_update_time: $now
lifecycle_stage: active
name: fraud
END
cat >"$here/meta.yaml" <<END
artifact_uri: file://$here/artifacts
end_time: $((now + 1500))
entry_point_name: ''
experiment_id: '$experiment'
lifecycle_stage: active
run_id: $run
run_name: nightly
source_name: ''
source_type: 4
source_version: ''
start_time: $now
status: 3
tags: []
user_id: ${USER:-ana}
END
printf %s "$rate" >"$here/params/learning_rate"
for step in 0 1 2; do echo "$((now + step)) 0.$((5 + step)) $step"; done >"$here/metrics/auc"
printf %s nightly >"$here/tags/mlflow.runName"
printf %s "${USER:-ana}" >"$here/tags/mlflow.user"
printf %s "trained by run $run" >"$here/tags/note"
echo "threshold: 0.4" >"$here/artifacts/model.yaml"
