# shellcheck shell=bash disable=SC2154
# single.sh: one lead a transaction, synchronous commit, by more and more clients at once.
# BENCH_VARIANTS, BENCH_CLIENTS, BENCH_ROUNDS, BENCH_SECONDS: of f0 f1 lr p1 (what is compared most closely stands side by side), with how many clients, how often,
# how long a slice.

single_variants=${BENCH_VARIANTS:-f0 f1 lr p1}
single_clients=${BENCH_CLIENTS:-$(by_mode "1 8 16" "1 2 8 16 32")}
single_rounds=${BENCH_ROUNDS:-$(by_mode 2 6)}
single_slice=${BENCH_SECONDS:-$(by_mode 1 3)}
single_about() { say "one lead a transaction, $single_clients clients, $single_rounds rounds of $single_slice s: $single_variants"; }
single_seconds() { calc "2 + $single_rounds * ($(count_words "$single_variants") * $(count_words "$single_clients") * ($single_slice + 1.7) + 2)"; }

single_run() {
	local round clients variant
	need_peers
	for ((round = 1; round <= single_rounds; round++)); do
		for variant in $single_variants; do forget_leads "$variant"; done
		for clients in $single_clients; do
			# shellcheck disable=SC2086
			for variant in $(in_turn "$round" $single_variants); do pgbench_slice single "$round" "$variant" "$clients" 0 "$single_slice"; done
		done
	done
}
