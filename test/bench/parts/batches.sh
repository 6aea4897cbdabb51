# shellcheck shell=bash disable=SC2154
# batches.sh: twenty leads a statement, of many teams, 8 clients: the twin's sessions wait for each other's turns, and deadlock.
# BENCH_ROUNDS, BENCH_SECONDS.

batches_rounds=${BENCH_ROUNDS:-$(by_mode 1 3)}
batches_slice=${BENCH_SECONDS:-$(by_mode 2 3)}
batches_about() { say "statements of 20 leads over many teams, 8 clients, $batches_rounds rounds of $batches_slice s"; }
batches_seconds() { calc "$batches_rounds * 3 * ($batches_slice + 2.5)"; }

batches_run() {
	local round variant
	need_peers
	for variant in f0 p1 lr; do
		write_script "batch_$variant" "\\set a random(1, 2000000000)" "INSERT INTO $variant.leads ($columns) SELECT $(numbered_lead "(:a + n)") FROM generate_series(1, 20) n;"
	done
	for ((round = 1; round <= batches_rounds; round++)); do
		for variant in $(in_turn "$round" f0 p1 lr); do batches_slice "$round" "$variant"; done
	done
}

# Statements that fail count: a deadlock ends a client of pgbench's.
batches_slice() { # ROUND VARIANT
	local statements failed
	forget_leads "$2"
	pgbench_run "batch_$2" -c 8 -j 2 -T "$batches_slice" --failures-detailed >"$scratch/slice" 2>&1 || true
	read -r statements failed <<<"$(awk '/^number of transactions actually/ { n = $NF; sub("/.*", "", n) } /^number of failed transactions/ { f = $5 } END { printf "%d %d", n, f }' "$scratch/slice")"
	[[ $2 == p1 ]] || ((statements)) || die "batches of $2: $(<"$scratch/slice")"
	record batch "$1" "$2" 8 20 rate "$(calc "$statements * 20 / $batches_slice")" failed "$failed"
}
