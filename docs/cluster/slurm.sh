#!/usr/bin/env bash
# sbatch docs/cluster/slurm.sh: a Ray cluster inside one allocation; the first node trains, all nodes play.
#SBATCH --job-name=matrix0
#SBATCH --nodes=4
#SBATCH --ntasks-per-node=1
#SBATCH --cpus-per-task=16
#SBATCH --time=24:00:00
#SBATCH --signal=B:TERM@300
set -euo pipefail
umask 077

export RAY_AUTH_MODE=token RAY_USAGE_STATS_ENABLED=0 RAY_worker_niceness=0
export RAY_AUTH_TOKEN_PATH="$PWD/ray-token.$SLURM_JOB_ID" # on a file system that all nodes share
python3 -c 'import secrets; print(secrets.token_hex(32), end="")' > "$RAY_AUTH_TOKEN_PATH"
trap 'rm -f "$RAY_AUTH_TOKEN_PATH"' EXIT

head=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1)
address="$(srun --nodes=1 --ntasks=1 -w "$head" hostname -i | awk '{print $1}'):6379"

srun --nodes=1 --ntasks=1 -w "$head" ray start --head --port=6379 --block &
sleep 20
srun --nodes="$((SLURM_NNODES - 1))" --ntasks="$((SLURM_NNODES - 1))" --exclude="$head" \
    ray start --address="$address" --block &
sleep 20

# The run goes on where it was when the job is submitted again.
matrix0-tui --no-ui --preset small --run "${RUN:-runs/cluster}" \
    --set cluster.pool=ray --set "cluster.address=$address" --set "cluster.num_selfplay=$((SLURM_NNODES * 8))"
