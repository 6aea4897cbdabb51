# shellcheck shell=bash disable=SC2154
# leads.sh: what routing a lead costs, beside three peers in the same cluster. Sourced by test/bench/run.
#
#   f0  the bare table: the same INSERTs, no trigger
#   f1  the floor: every row and index entry that leadroute writes, by one statement without logic
#   p1  the twin: known check, 50 rules, map, weighted turns, open leads, state and event in PL/pgSQL
#   p2  a leaner twin: its rules are code, not rows, and open leads are not counted
#   lr  leadroute: 50 rules, 10 teams of 8, a map of some hundred territories
#   f0t the bare table with a BEFORE UPDATE trigger of core's that does next to nothing
#
# Variants alternate within a round, every other round backwards, and a ratio is the median over the rounds of the
# ratios within a round: the machine's moods hit all alike. CPU is that of the postmaster and all its children.
# BENCH=quick takes some three minutes on a quiet machine, BENCH=full a quarter of an hour; BENCH_VARIANTS, BENCH_ROUNDS, BENCH_SECONDS,
# BENCH_CLIENTS and BENCH_ROWS change the parts, BENCH_PARTS="single bulk" what is run.

case ${BENCH:-quick} in
	quick) rounds=3 seconds=3 clients="1 8" bulk_rounds=2 rows=100000 sample=5000 ;;
	full) rounds=8 seconds=8 clients="1 8 16" bulk_rounds=5 rows=200000 sample=20000 ;;
	*) die "BENCH is quick or full" ;;
esac
rounds=${BENCH_ROUNDS:-$rounds} seconds=${BENCH_SECONDS:-$seconds} clients=${BENCH_CLIENTS:-$clients}
bulk_rounds=${BENCH_BULK_ROUNDS:-$bulk_rounds} rows=${BENCH_ROWS:-$rows}
variants=${BENCH_VARIANTS:-f0 f1 p1 p2 lr}
parts=${BENCH_PARTS:-single bulk}
known=$((rows / 4))
postmaster=$(as_server head -n 1 "$socket/data/postmaster.pid")

query() { sql -d "$database" -At "$@"; }

# Sets $cpu to the centiseconds of CPU that the cluster has used: the postmaster, the children it has reaped, those that
# run. The pause lets it reap the backends that have just ended.
cluster_cpu() {
	local stat line fields
	sleep 0.1
	cpu=0
	for stat in /proc/[0-9]*/stat; do
		{ read -r line <"$stat"; } 2>/dev/null || continue
		# after the name in parentheses: state, parent, ... utime, stime, cutime, cstime are the 12th to 15th
		read -ra fields <<<"${line##*) }"
		if [[ $stat == /proc/$postmaster/stat ]]; then
			cpu=$((cpu + fields[11] + fields[12] + fields[13] + fields[14]))
		elif [[ ${fields[1]} == "$postmaster" ]]; then
			cpu=$((cpu + fields[11] + fields[12]))
		fi
	done
}

record() { # KIND ROUND CLIENTS VARIANT LEADS SECONDS CENTISECONDS
	query -c "INSERT INTO bench.slices VALUES ('$1', $2, $3, '$4', $5, $6, $7 / 100.0)"
}

forget_leads() { # VARIANT
	case $1 in
		f0) query -c 'TRUNCATE f0.leads' ;;
		f1) query -c 'TRUNCATE f1.leads, f1.lead_states, f1.events, f1.identities' ;;
		p1 | p2) query -c 'TRUNCATE p1.leads, p2.leads, p1.lead_states, p1.events, p1.identities' ;;
		lr) query -c 'TRUNCATE lr.leads' -c 'TRUNCATE leadroute.lead_states, leadroute.events, leadroute.identities' ;;
	esac
}

backwards() {
	local word out=
	for word; do out="$word $out"; done
	say "$out"
}

pgbench_run() { # VARIANT ARGUMENTS...
	local variant=$1
	shift
	as_server "$bindir/pgbench" -n -M prepared -f "$scratch/$variant.pgbench" "$@" "$database"
}

# The first second does not count: in it sessions plan, read the configuration and compile the rules.
single_slice() { # ROUND CLIENTS VARIANT
	local before bench leads slice
	pgbench_run "$3" -c "$2" -j 2 -T $((seconds + 1)) -P 1 >"$scratch/slice" 2>&1 &
	bench=$!
	sleep 0.9
	cluster_cpu
	before=$cpu
	wait "$bench" || die "$3 with $2 clients: $(<"$scratch/slice")"
	cluster_cpu
	grep -q '^number of failed transactions: 0 ' "$scratch/slice" || die "$3 with $2 clients: $(<"$scratch/slice")"
	slice=$(awk '/^progress:/ && !at { at = $2; first = $2 * $4 } /^number of transactions actually/ { n = $NF } /^tps/ { all = n / $3 }
		END { printf "%d %.6f", n - first, all - at }' "$scratch/slice")
	read -r leads slice <<<"$slice"
	record single "$1" "$2" "$3" "$leads" "$slice" $((cpu - before))
}

bulk_slice() { # KIND ROUND VARIANT LEADS STATEMENT...
	local kind=$1 round=$2 variant=$3 leads=$4 before start end statement arguments=()
	shift 4
	for statement; do arguments+=(-c "$statement"); done
	cluster_cpu
	before=$cpu
	start=$EPOCHREALTIME
	query -1 "${arguments[@]}"
	end=$EPOCHREALTIME
	cluster_cpu
	record "$kind" "$round" 1 "$variant" "$leads" "$(awk "BEGIN { printf \"%.6f\", $end - $start }")" $((cpu - before))
}

# ---- the statements

columns="email, phone, company, country, region, postal_code, industry, employees, title, source, submitted_at, email_norm, stage, sla_due_at"
countries="ARRAY['US', 'US', 'US', 'CA', 'GB', 'DE', 'FR', 'BR']"
# the 50 states, and five territories that the map does not have
regions="'{AL,AK,AZ,AR,CA,CO,CT,DE,FL,GA,HI,ID,IL,IN,IA,KS,KY,LA,ME,MD,MA,MI,MN,MS,MO,MT,NE,NV,NH,NJ,NM,NY,NC,ND,OH,OK,OR,PA,RI,SC,SD,TN,TX,UT,VT,VA,WA,WV,WI,WY,PR,GU,VI,AS,MP}'::text[]"
titles="ARRAY['owner', 'Sales Manager', 'VP Marketing', 'Chief 9 Officer', 'engineer', 'Chief 27 Officer', 'analyst', 'Head of IT']"
values="'u' || :a || '@company' || :n || '.example', '+1555' || :n, 'Company ' || :n, ($countries)[:c], ($regions)[:r], :z, 'ind' || :i, :e, ($titles)[:t], 'src' || :s, now(), 'u' || :a || '@company' || :n || '.example', 'open', now() + '1 hour'"

say "load average before the run: $(cut -d' ' -f1-3 /proc/loadavg)"
query -v regions="$regions" -f - <"$top/test/bench/leads/schema.sql" >/dev/null
query -f - <"$top/test/bench/leads/twin.sql" >/dev/null
insert=$(<"$top/test/bench/leads/insert.sql")
for variant in f0 p1 p2 lr; do
	say "$insert" "INSERT INTO $variant.leads ($columns) VALUES ($values);" >"$scratch/$variant.pgbench"
done
pgbench_run lr -t "$sample" >/dev/null
floor=$(query -f - <"$top/test/bench/leads/floor.sql")
floor=${floor//:columns/$columns}
say "$insert" "${floor//:values/$values};" >"$scratch/f1.pgbench"
chmod a+r "$scratch"/*.pgbench

# ---- how many rows, bytes and how much WAL a lead is

say "rows, bytes, WAL per lead ($sample leads, one client)"
query -c 'ALTER SYSTEM SET full_page_writes = off' -c 'SELECT pg_reload_conf()' >/dev/null
for variant in $variants; do
	forget_leads "$variant"
	rotation=0
	if [[ $variant == lr ]]; then rotation=$(query -c 'SELECT count(*) FROM leadroute.rotation'); fi
	lsn=$(query -c 'SELECT pg_current_wal_lsn()')
	pgbench_run "$variant" -t "$sample" >/dev/null
	query -c "INSERT INTO bench.wal SELECT '$variant', $sample, pg_wal_lsn_diff(pg_current_wal_lsn(), '$lsn')"
	for relation in leads lead_states events identities rotation; do
		schema=$variant less=0
		if [[ $variant == lr && $relation != leads ]]; then schema=leadroute; fi
		if [[ $variant == p2 && $relation != leads ]]; then schema=p1; fi
		if [[ $variant == lr && $relation == rotation ]]; then less=$rotation; fi
		[[ -n $(query -c "SELECT to_regclass('$schema.$relation')") ]] || continue
		query -c "INSERT INTO bench.written SELECT '$variant', '$relation', $sample, count(*) - $less, avg(pg_column_size(t.*)), pg_indexes_size('$schema.$relation') FROM $schema.$relation t"
	done
done
query -c 'ALTER SYSTEM RESET full_page_writes' -c 'SELECT pg_reload_conf()' >/dev/null

# ---- the first lead of a session

for variant in $variants; do
	out=$(pgbench_run "$variant" -C -t 40)
	record "first lead" 1 1 "$variant" 40 "$(sed -n 's/^latency average = \([0-9.]*\) ms.*/\1/p' <<<"$out" | awk '{ printf "%.6f", $1 * 40 / 1000 }')" 0
done

# ---- one lead a transaction

if [[ $parts == *single* ]]; then
	for ((round = 1; round <= rounds; round++)); do
		# shellcheck disable=SC2086
		if ((round % 2)); then order=$variants; else order=$(backwards $variants); fi
		for variant in $variants; do forget_leads "$variant"; done
		for count in $clients; do
			for variant in $order; do single_slice "$round" "$count" "$variant"; done
		done
	done
fi

# ---- many leads a statement

if [[ $parts == *bulk* ]]; then
	file=$scratch/leads.copy
	as_server touch "$file"
	query -c "SELECT setseed(0.5)" -c "COPY (SELECT 1000000 + n AS id, 'u' || n || '@company' || n % 7919 || '.example', '+1555' || 100000 + n, 'Company ' || n % 7919,
		($countries)[1 + floor(random() * 8)::integer], ($regions)[1 + floor(random() * 55)::integer], (10000 + floor(random() * 90000)::integer)::text,
		'ind' || floor(random() * 20)::integer, 1 + floor(9000 * -ln(1 - random() * 0.9975) / 6)::integer, ($titles)[1 + floor(random() * 8)::integer],
		'src' || floor(random() * 50)::integer, now(), 'u' || n || '@company' || n % 7919 || '.example', 'open', now() + '1 hour'
		FROM generate_series(1, $rows) n) TO '$file'" >/dev/null
	# f1's rows are the very ones that leadroute writes for this file
	forget_leads lr
	rotation=$(query -c 'SELECT coalesce(max(ctid), '\''(0,0)'\'') FROM leadroute.rotation')
	query -c "COPY lr.leads (id, $columns) FROM '$file'"
	query -c "COPY (SELECT * FROM lr.leads ORDER BY id) TO '$scratch/f1.leads'" \
		-c "COPY (SELECT * FROM leadroute.lead_states ORDER BY ctid) TO '$scratch/f1.lead_states'" \
		-c "COPY (SELECT * FROM leadroute.events ORDER BY id) TO '$scratch/f1.events'" \
		-c "COPY (SELECT * FROM leadroute.identities ORDER BY ctid) TO '$scratch/f1.identities'" \
		-c "COPY (SELECT * FROM leadroute.rotation WHERE ctid > '$rotation') TO '$scratch/f1.rotation'"
	for ((round = 1; round <= bulk_rounds; round++)); do
		order="f0 f1 f0t lr"
		if ((round % 2 == 0)); then order="lr f0t f1 f0"; fi
		for variant in $order; do
			table=${variant/f0t/f0}
			forget_leads "$table"
			if [[ $variant == f1 ]]; then
				bulk_slice copy "$round" f1 "$rows" "COPY f1.leads FROM '$scratch/f1.leads'" "COPY f1.lead_states FROM '$scratch/f1.lead_states'" \
					"COPY f1.events FROM '$scratch/f1.events'" "COPY f1.identities FROM '$scratch/f1.identities'" "COPY f1.rotation FROM '$scratch/f1.rotation'"
				continue
			fi
			bulk_slice copy "$round" "$variant" "$rows" "COPY $table.leads (id, $columns) FROM '$file'"
			query -c "VACUUM ANALYZE $table.leads"
			# what PostgreSQL itself asks for the mere existence of a BEFORE ROW trigger: core's cheapest one
			if [[ $variant == f0t ]]; then query -c 'CREATE TRIGGER nothing BEFORE UPDATE ON f0.leads FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger()'; fi
			bulk_slice update "$round" "$variant" $((rows - known)) "UPDATE $table.leads SET title = title || '.' WHERE id > 1000000 + $known"
			if [[ $variant == f0t ]]; then query -c 'DROP TRIGGER nothing ON f0.leads'; fi
		done
		for variant in ${order/f0t/}; do
			[[ $variant != f1 ]] || continue
			bulk_slice upsert "$round" "$variant" "$known" "INSERT INTO $variant.leads (id, $columns) SELECT id, $columns FROM f1.leads WHERE id <= 1000000 + $known ORDER BY id
				ON CONFLICT (id) DO UPDATE SET title = EXCLUDED.title, source = EXCLUDED.source"
			bulk_slice "full-row update" "$round" "$variant" "$known" "UPDATE $variant.leads l SET (phone, owner, team) = (SELECT o.phone, NULL, NULL FROM f1.leads o WHERE o.id = l.id) WHERE l.id <= 1000000 + $known"
		done
	done
	if [[ $variants == *p1* ]]; then
		# one statement of the twin is quadratic (each turn is a row version): thousand-row statements are its best
		for ((round = 1; round <= bulk_rounds; round++)); do
			for variant in p1 p2 lr; do
				forget_leads "$variant"
				chunks=()
				for ((at = 1000000; at < 1010000; at += 1000)); do
					chunks+=("INSERT INTO $variant.leads (id, $columns) SELECT id, $columns FROM f1.leads WHERE id > $at AND id <= $((at + 1000)); COMMIT; BEGIN")
				done
				bulk_slice "inserts of 1000" "$round" "$variant" 10000 "${chunks[@]}"
			done
		done
	fi
fi

query -f - <"$top/test/bench/leads/report.sql"
