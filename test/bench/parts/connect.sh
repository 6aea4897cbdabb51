# shellcheck shell=bash disable=SC2154
# connect.sh: what a new connection costs: its first lead, and what is left of that when the connection is used for more.
#
# 53 rules, 15 criteria, 10,000 accounts, and a map of BENCH_TERRITORIES beside the small one, which was asked until its image was in memory: the steady state,
# to which some two hundred connections bring it of themselves. Each figure is one connection of pgbench's, connecting and all its leads, one a transaction, in ms.
# BENCH_CONNECTIONS: how many of each.

connect_territories=${BENCH_TERRITORIES:-$(by_mode 2000 100000)}
connect_rounds=${BENCH_CONNECTIONS:-$(by_mode 7 15)}
connect_leads=${BENCH_SIZES_connect:-$(by_mode "1 10" "1 2 5 10 100 1000")}
connect_about() { say "a new connection's first lead, with $connect_territories territories, and its first $connect_leads"; }
connect_seconds() {
	local leads seconds="8 + $connect_territories * 0.00016"
	for leads in $connect_leads; do seconds="$seconds + $connect_rounds * (0.5 + 2 * $leads * 0.0004)"; done
	calc "$seconds + 5"
}

connect_run() {
	local round leads variant
	make_peers connect
	query -c "INSERT INTO leadroute.territories (map, territory, area, team)
			SELECT 'postal', 'z ' || n, format('country: us; postal_code: %s', lpad(n::text, 6, '0'))::leadroute.territory, format('team-%s', n % 10) FROM generate_series(1, $connect_territories) n" \
		-c "INSERT INTO leadroute.rules (position, rule, target, target_name, if_unavailable) VALUES (890, 'postal', 'territory', 'postal', 'fallthrough')" -c 'VACUUM ANALYZE'
	connect_warm
	for leads in $connect_leads; do
		for ((round = 1; round <= connect_rounds; round++)); do
			for variant in $(in_turn "$round" f0 lr); do connect_slice "$round" "$variant" "$leads"; done
		done
	done
	sql -c 'DROP DATABASE connect'
}

# A map of up to 1,000 territories has its image from its first lead on.
connect_warm() {
	local tries
	((connect_territories > 1000)) || return 0
	for ((tries = 0; tries < 60; tries++)); do
		pgbench_run lr -c 1 -t 1000 >/dev/null 2>&1 || die "leads before the first connection"
		sleep 0.2
		if [[ $(query -c "SELECT bool_and(in_memory) FROM leadroute.shared_maps()") == t ]]; then return; fi
	done
	die "the map of $connect_territories territories has no image"
}

connect_slice() { # ROUND VARIANT LEADS
	local said
	said=$(pgbench_run "$2" -c 1 -t "$3" 2>&1)
	grep -q "^number of transactions actually processed: $3/$3" <<<"$said" || die "$2: $said"
	# shellcheck disable=SC2046
	record connection "$1" "$2" 1 "$3" $(awk -v leads="$3" '/^latency average/ { lead = $4 } /^initial connection time/ { connect = $5 } END { printf "ms %f", connect + leads * lead }' <<<"$said")
}
