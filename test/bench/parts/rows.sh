# shellcheck shell=bash disable=SC2154
# rows.sh: how many rows, bytes and how much WAL a lead is, by one client, full-page images off.
# BENCH_SAMPLE: leads.

sample=${BENCH_SAMPLE:-$(by_mode 3000 10000)}
rows_about() { say "rows, bytes and WAL a lead ($sample leads)"; }
rows_seconds() { calc "16 + 4 * $sample * 0.0004"; }

rows_run() {
	local variant
	need_peers
	full_page_writes off
	for variant in f0 f1 p1 lr; do rows_variant "$variant"; done
	full_page_writes on
}

rows_variant() { # VARIANT
	local variant=$1 lsn relation less relations rows=0 bytes=0 n width indexes
	forget_leads "$variant"
	query -c "SELECT bench.count_rows('before')" >/dev/null
	lsn=$(query -c 'SELECT pg_current_wal_insert_lsn()')
	pgbench_run "$variant" -t "$sample" >/dev/null 2>&1
	record total 1 "$variant" 1 "$sample" wal "$(query -c "SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '$lsn') / $sample")"
	relations=$(rows_relations "$variant")
	while read -r relation less; do
		read -r n width indexes <<<"$(query -F ' ' -c "SELECT (count(*) - $less)::numeric / $sample, coalesce(avg(pg_column_size(t.*)), 0), pg_indexes_size('$relation') / $sample::numeric FROM $relation t")"
		[[ $n =~ [1-9] ]] || continue
		record "${relation#*.}" 1 "$variant" 1 "$sample" rows "$n" bytes "$width" indexes "$indexes"
		rows=$(calc "$rows + $n") bytes=$(calc "$bytes + $n * $width")
	done <<<"$relations"
	record total 1 "$variant" 1 "$sample" rows "$rows" bytes "$bytes"
}

# The tables that a variant writes, and how many rows each had before.
rows_relations() { # VARIANT
	say "$1.leads 0"
	if [[ $1 == lr ]]; then
		query -F ' ' -c "SELECT 'leadroute.' || relation, rows FROM bench.counted JOIN bench.grown USING (relation) WHERE moment = 'before'"
	else
		query -F ' ' -c "SELECT schemaname || '.' || tablename, 0 FROM pg_tables JOIN bench.written ON relation = tablename WHERE schemaname = '$1'"
	fi
}
