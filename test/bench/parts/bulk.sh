# shellcheck shell=bash disable=SC2154
# bulk.sh: many leads a statement: COPY and INSERT ... SELECT, upserts of known leads, UPDATEs that touch nothing of leadroute's.
# BENCH_ROWS: how many leads, smallest first (upserts and UPDATEs are of the first alone); BENCH_BULK_ROUNDS: how often, for each of them.
#
# The floor's statements write, from files or unlogged tables, the very rows that leadroute wrote for the same leads. So its leads table is leadroute's
# own without triggers, which is what upserts and UPDATEs are measured beside (the bare one's rows are narrower, its index of owners is empty), and f1t
# is that with core's cheapest BEFORE UPDATE trigger.

bulk_rows=${BENCH_ROWS:-$(by_mode "20000 60000" "200000 1000000")}
bulk_rounds=${BENCH_BULK_ROUNDS:-$(by_mode "1 1" "5 2")}
bulk_about() { say "COPY, INSERT ... SELECT, upserts, UPDATEs of $bulk_rows leads, $bulk_rounds rounds"; }

bulk_seconds() {
	local rows at=0 seconds=8 one=0.00024
	for rows in $bulk_rows; do
		seconds="$seconds + $rows * 0.00014 + $(bulk_rounds_of $at) * $rows * $one"
		one=0.00012
		at=$((at + 1))
	done
	calc "$seconds"
}

bulk_rounds_of() { # N: rounds of the N-th size, from 0; the last number holds for all further ones
	local rounds
	read -ra rounds <<<"$bulk_rounds"
	say "${rounds[$1]:-${rounds[-1]}}"
}

bulk_run() {
	local rows round variant at=0
	need_peers
	for rows in $bulk_rows; do
		bulk_source "$rows"
		for ((round = 1; round <= $(bulk_rounds_of $at); round++)); do
			if ((at)); then
				bulk_large "$round" "$rows"
			else
				bulk_small "$round" "$rows"
			fi
		done
		at=$((at + 1))
	done
}

bulk_small() { # ROUND ROWS: all there is
	local variant
	for variant in $(in_turn "$1" f0 f1 lr); do bulk_load insert_select "$1" "$variant" "$2"; done
	for variant in $(in_turn "$1" f0 f1 lr); do bulk_load copy "$1" "$variant" "$2"; done
	bulk_edits "$1" "$2"
	bulk_bare_trigger "$1" "$2"
	for variant in $(in_turn "$1" p1 lr); do bulk_thousands "$1" "$variant"; done
}

bulk_large() { # ROUND ROWS: COPY, and every other round INSERT ... SELECT
	local variant
	for variant in $(in_turn "$1" f0 f1 lr); do
		bulk_load copy "$1" "$variant" "$2"
		(($1 % 2 == 0)) || bulk_load insert_select "$1" "$variant" "$2"
	done
}

# Files and unlogged tables: the leads, and what leadroute writes for them, which is the floor's.
bulk_source() { # ROWS
	local relation
	query -c "DROP TABLE IF EXISTS bench.source" -c "CREATE UNLOGGED TABLE bench.source AS SELECT id, $columns FROM f0.leads LIMIT 0" \
		-c "INSERT INTO bench.source SELECT 1000000 + n, $(numbered_lead n) FROM generate_series(1, $1) n" \
		-c "COPY bench.source TO '$scratch/source'" -c "CREATE UNIQUE INDEX ON bench.source (id)" -c "ANALYZE bench.source"
	forget_leads lr
	query -c "DROP TABLE IF EXISTS bench.ledger" -c "CREATE TABLE bench.ledger AS SELECT coalesce(max(ctid), '(0,0)') AS last FROM leadroute.rotation" \
		-c "COPY lr.leads (id, $columns) FROM '$scratch/source'"
	bulk_keep leads "SELECT * FROM lr.leads ORDER BY id"
	for relation in $written; do
		bulk_keep "$relation" "SELECT t.* FROM leadroute.$relation t $(if [[ $relation == rotation ]]; then say "WHERE t.ctid > (SELECT last FROM bench.ledger)"; fi)"
	done
}

bulk_keep() { # RELATION QUERY: as a file and as an unlogged table
	query -c "DROP TABLE IF EXISTS bench.kept_$1" -c "CREATE UNLOGGED TABLE bench.kept_$1 AS $2" -c "COPY bench.kept_$1 TO '$scratch/kept_$1'"
}

# By COPY from files, or by INSERT ... SELECT from unlogged tables.
bulk_load() { # KIND ROUND VARIANT ROWS
	local relation statements=()
	forget_leads "$3"
	if [[ $3 == f1 ]]; then
		for relation in leads $written; do statements+=("$(bulk_statement "$1" "f1.$relation" "kept_$relation")"); done
	else
		statements=("$(bulk_statement "$1" "$3.leads (id, $columns)" source)")
	fi
	statement_slice "$1" "$2" "$3" "$4" "$4" "${statements[@]}"
}

bulk_statement() { # KIND TARGET SOURCE
	case $1 in
		copy) say "COPY $2 FROM '$scratch/$3'" ;;
		insert_select) say "INSERT INTO $2 SELECT * FROM bench.$3" ;;
	esac
}

# What touches leads that are known, each statement with and without leadroute one after the other: three quarters are updated, the others come again.
bulk_edits() { # ROUND ROWS
	local kind variant leads=$(($2 - $2 / 4))
	query -c "VACUUM ANALYZE f1.leads" -c "VACUUM ANALYZE lr.leads"
	for kind in update upsert sync scored; do
		for variant in $(in_turn "$1" f1 lr); do
			statement_slice "$kind" "$1" "$variant" "$2" "$leads" "$(bulk_edit "$kind" "$variant.leads" $((1000000 + $2 / 4)))"
		done
		leads=$(($2 / 4))
	done
}

bulk_edit() { # KIND TABLE LAST: the last of the leads that come again
	case $1 in
		update) say "UPDATE $2 SET notes = 'called' WHERE id > $3" ;;
		upsert) say "INSERT INTO $2 (id, $columns) SELECT * FROM bench.source WHERE id <= $3 ON CONFLICT (id) DO UPDATE SET title = EXCLUDED.title, source = EXCLUDED.source" ;;
		sync) say "UPDATE $2 l SET (phone, owner, team) = (SELECT s.phone, NULL, NULL FROM bench.source s WHERE s.id = l.id) WHERE l.id <= $3" ;;
		scored) say "UPDATE $2 SET title = title || '.' WHERE id <= $3" ;;
	esac
}

# What PostgreSQL itself asks for having a BEFORE ROW trigger at all.
bulk_bare_trigger() { # ROUND ROWS
	forget_leads f1
	query -c "$(bulk_statement copy f1.leads kept_leads)" -c "VACUUM ANALYZE f1.leads" \
		-c "CREATE TRIGGER nothing BEFORE UPDATE ON f1.leads FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger()"
	statement_slice update "$1" f1t "$2" $(($2 - $2 / 4)) "$(bulk_edit update f1.leads $((1000000 + $2 / 4)))"
	query -c "DROP TRIGGER nothing ON f1.leads"
}

# One statement of the twin is quadratic (each turn is a row version): thousand-row transactions are its best.
bulk_thousands() { # ROUND VARIANT
	local at statements=()
	forget_leads "$2"
	for ((at = 1000000; at < 1010000; at += 1000)); do
		statements+=("INSERT INTO $2.leads (id, $columns) SELECT * FROM bench.source WHERE id > $at AND id <= $((at + 1000)); COMMIT; BEGIN")
	done
	statement_slice thousands "$1" "$2" 1000 10000 "${statements[@]}"
}
