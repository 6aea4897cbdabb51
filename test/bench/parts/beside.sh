# shellcheck shell=bash disable=SC2034,SC2154
# beside.sh: what 8 clients that write one lead a transaction wait for while a COPY of many leads into the same table runs beside them.
# BENCH_BESIDE_ROWS: how many; BENCH_ROUNDS. A slice lasts as long as the COPY.

beside_rows=${BENCH_BESIDE_ROWS:-$(by_mode 40000 1000000)}
beside_rounds=${BENCH_ROUNDS:-1}
beside_about() { say "latency at 8 clients while a COPY of $beside_rows leads runs beside, $beside_rounds rounds: f0 lr"; }
beside_seconds() { calc "3 + $beside_rows * 0.00001 + $beside_rounds * (8 + $beside_rows * (0.00003 + 0.00011))"; }

beside_run() {
	local round variant
	need_peers
	query -c "COPY (SELECT 100000000 + n, $(numbered_lead "(100000000 + n)") FROM generate_series(1, $beside_rows) n) TO '$scratch/beside'"
	for ((round = 1; round <= beside_rounds; round++)); do
		for variant in $(in_turn "$round" f0 lr); do beside_slice "$round" "$variant"; done
	done
}

beside_slice() { # ROUND VARIANT
	local pid started
	forget_leads "$2"
	as_server rm -f "$scratch"/latency.*
	pgbench_run "$2" -c 8 -j 2 -T 600 -l --log-prefix="$scratch/latency" >"$scratch/slice" 2>&1 &
	pid=$!
	slice_begin
	started=$EPOCHREALTIME
	query -c "COPY $2.leads (id, $columns) FROM '$scratch/beside'"
	beside_end "$pid" "$started" "$@"
}

# The clients stop when the COPY is done; what they wrote until then counts.
beside_end() { # PID STARTED ROUND VARIANT
	record copy "$3" "$4" 1 "$beside_rows" rate "$(calc "$beside_rows / ($EPOCHREALTIME - $2)")"
	end_clients "$1" "$4 beside a COPY"
	slice_cpu=
	record_slice beside "$3" "$4" 8 "$beside_rows" 1
}
