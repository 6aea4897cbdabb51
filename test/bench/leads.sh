# shellcheck shell=bash disable=SC2154
# leads.sh: what routing a lead costs, beside three peers in the same cluster. Sourced by test/bench/run.
#
#   f0  the bare table: the same INSERTs, no trigger
#   f1  the floor: every row and index entry that leadroute writes, by one statement without logic
#   p1  the twin in PL/pgSQL: keys, accounts, scores, rules, map, weighted turns with capacity and shifts, state, event, message, clock
#   p2  the bare table and a worker in Node that polls it (worker.js), measured by itself
#   lr  leadroute: 51 rules, 15 criteria, 10 teams of 8, a map of some hundred territories, 10,000 accounts
#   f0t the bare table with a BEFORE UPDATE trigger of core's that does next to nothing
#
# Variants alternate within a round, every other round backwards, and a ratio is the median over the rounds of the
# ratios within a round: the machine's moods hit all alike. CPU is that of the postmaster and all its children.
# BENCH=quick takes some four minutes on a quiet machine, BENCH=full half an hour; BENCH_VARIANTS, BENCH_ROUNDS, BENCH_SECONDS,
# BENCH_CLIENTS, BENCH_ROWS and BENCH_SAMPLE change the parts, BENCH_PARTS="single bulk batches worker" what is run.

case ${BENCH:-quick} in
	quick) rounds=3 seconds=3 clients="1 8" bulk_rounds=2 rows="100000" sample=5000 worker_rates="200" ;;
	full) rounds=5 seconds=5 clients="1 2 8 16 32" bulk_rounds=3 rows="200000 1000000" sample=20000 worker_rates="200 500 1000 2000" ;;
	*) die "BENCH is quick or full" ;;
esac
rounds=${BENCH_ROUNDS:-$rounds} seconds=${BENCH_SECONDS:-$seconds} clients=${BENCH_CLIENTS:-$clients}
bulk_rounds=${BENCH_BULK_ROUNDS:-$bulk_rounds} rows=${BENCH_ROWS:-$rows}
sample=${BENCH_SAMPLE:-$sample}
worker_rates=${BENCH_WORKER_RATES:-$worker_rates}
variants=${BENCH_VARIANTS:-f0 f1 p1 lr}
parts=${BENCH_PARTS:-single bulk batches worker}
written="lead_states events identities outbox clocks rotation"
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

forget_leads() { # VARIANT; the ledger of turns stays leadroute's own
	local schema=$1 tables
	tables="$1.leads"
	if [[ $1 == lr ]]; then schema=leadroute; fi
	# shellcheck disable=SC2086
	if [[ $1 != f0 && $1 != p2 ]]; then tables+=$(printf ", $schema.%s" ${written/rotation/}); fi
	query -c "TRUNCATE $tables"
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
	as_server rm -f "$scratch"/latency.*
	pgbench_run "$3" -c "$2" -j 2 -T $((seconds + 1)) -P 1 -l --log-prefix="$scratch/latency" >"$scratch/slice" 2>&1 &
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
	record "${kind:-single}" "$1" "$2" "$3" "$leads" "$slice" $((cpu - before))
	record_latency "${kind:-single}" "$1" "$2" "$3"
}

record_latency() { # KIND ROUND CLIENTS VARIANT: of the transactions in pgbench's logs, but those of their first second
	cat "$scratch"/latency.* | awk '{ if (!first || $5 < first) first = $5; at[NR] = $5; us[NR] = $3 } END { for (i = 1; i <= NR; i++) if (at[i] > first + 1) print us[i] }' |
		sort -n | awk -v kind="$1" -v rest="$2, $3, '$4'" '{ us[NR] = $1 }
			END { if (NR) printf "INSERT INTO bench.latencies VALUES (\047%s\047, %s, %d, %d)\n", kind, rest, us[int((NR + 1) / 2)], us[int(NR * 0.99 + 0.99)] }' >"$scratch/latencies.sql"
	query -f - <"$scratch/latencies.sql"
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

columns="email, phone, company, country, region, postal_code, industry, employees, title, source, submitted_at, email_norm, state, sla_due_at"
countries="ARRAY['US', 'US', 'US', 'CA', 'GB', 'DE', 'FR', 'BR']"
# the 50 states, and five territories that the map does not have
regions="'{AL,AK,AZ,AR,CA,CO,CT,DE,FL,GA,HI,ID,IL,IN,IA,KS,KY,LA,ME,MD,MA,MI,MN,MS,MO,MT,NE,NV,NH,NJ,NM,NY,NC,ND,OH,OK,OR,PA,RI,SC,SD,TN,TX,UT,VT,VA,WA,WV,WI,WY,PR,GU,VI,AS,MP}'::text[]"
titles="ARRAY['owner', 'Sales Manager', 'VP Marketing', 'Chief 9 Officer', 'engineer', 'Chief 27 Officer', 'analyst', 'Head of IT']"
email="'u' || :a || '@company' || :d || '.example'"
values="$email, '+1555' || :n, 'Company ' || :n, ($countries)[:c], ($regions)[:r], :z, 'ind' || :i, :e, ($titles)[:t], 'src' || :s, now(), $email, 'open', now() + '1 hour'"

say "load average before the run: $(cut -d' ' -f1-3 /proc/loadavg)"
query -v regions="$regions" -f - <"$top/test/bench/leads/schema.sql" >/dev/null
insert=$(<"$top/test/bench/leads/insert.sql")
for variant in f0 p1 p2 lr; do
	say "$insert" "INSERT INTO $variant.leads ($columns) VALUES ($values);" >"$scratch/$variant.pgbench"
done
pgbench_run lr -t "$sample" >/dev/null
# the twin starts clocks where leadroute did
query -f - <"$top/test/bench/leads/twin.sql" >/dev/null
floor=$(query -q -f - <"$top/test/bench/leads/floor.sql")
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
	for relation in leads $written; do
		schema=$variant less=0
		if [[ $variant == lr && $relation != leads ]]; then schema=leadroute; fi
		if [[ $variant == lr && $relation == rotation ]]; then less=$rotation; fi
		[[ -n $(query -c "SELECT to_regclass('$schema.$relation')") ]] || continue
		query -c "INSERT INTO bench.written SELECT '$variant', '$relation', $sample, count(*) - $less, avg(pg_column_size(t.*)), pg_indexes_size('$schema.$relation') FROM $schema.$relation t HAVING count(*) > 0"
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

make_file() { # ROWS: leads, and the rows that leadroute writes for them, which are f1's
	local relation rotation
	query -c "SELECT setseed(0.5)" -c "COPY (SELECT 1000000 + n AS id, 'u' || n || '@company' || n % 7919 || '.example', '+1555' || 100000 + n, 'Company ' || n % 7919,
		($countries)[1 + floor(random() * 8)::integer], ($regions)[1 + floor(random() * 55)::integer], (10000 + floor(random() * 90000)::integer)::text,
		'ind' || floor(random() * 20)::integer, 1 + floor(9000 * -ln(1 - random() * 0.9975) / 6)::integer, ($titles)[1 + floor(random() * 8)::integer],
		'src' || floor(random() * 50)::integer, now(), 'u' || n || '@company' || n % 7919 || '.example', 'open', now() + '1 hour'
		FROM generate_series(1, $1) n) TO '$file'" >/dev/null
	forget_leads lr
	rotation=$(query -c 'SELECT coalesce(max(ctid), '\''(0,0)'\'') FROM leadroute.rotation')
	query -c "COPY lr.leads (id, $columns) FROM '$file'" -c "COPY (SELECT * FROM lr.leads ORDER BY id) TO '$scratch/f1.leads'"
	for relation in $written; do
		query -c "COPY (SELECT * FROM leadroute.$relation t $(if [[ $relation == rotation ]]; then echo "WHERE ctid > '$rotation'"; fi) ORDER BY t.ctid) TO '$scratch/f1.$relation'"
	done
	# what INSERT ... SELECT reads
	query -c "DROP TABLE IF EXISTS bench.leads" -c "CREATE UNLOGGED TABLE bench.leads AS SELECT * FROM lr.leads ORDER BY id" -c "CREATE UNIQUE INDEX ON bench.leads (id)" -c "ANALYZE bench.leads"
	for relation in $written; do
		query -c "DROP TABLE IF EXISTS bench.$relation" -c "CREATE UNLOGGED TABLE bench.$relation AS SELECT * FROM leadroute.$relation t $(if [[ $relation == rotation ]]; then echo "WHERE ctid > '$rotation'"; fi)"
	done
}

many_leads() { # ROWS
	local round order variant table relation copies inserts suffix=" of $(($1 / 1000)) k" known=$(($1 / 4))
	make_file "$1"
	copies=("COPY f1.leads FROM '$scratch/f1.leads'") inserts=("INSERT INTO f1.leads SELECT * FROM bench.leads")
	for relation in $written; do
		copies+=("COPY f1.$relation FROM '$scratch/f1.$relation'")
		inserts+=("INSERT INTO f1.$relation SELECT * FROM bench.$relation")
	done
	for ((round = 1; round <= bulk_rounds; round++)); do
		order="f0 f1 f0t lr"
		if ((round % 2 == 0)); then order="lr f0t f1 f0"; fi
		for variant in ${order/f0t/}; do
			forget_leads "$variant"
			if [[ $variant == f1 ]]; then
				bulk_slice "INSERT SELECT$suffix" "$round" f1 "$1" "${inserts[@]}"
			else
				bulk_slice "INSERT SELECT$suffix" "$round" "$variant" "$1" "INSERT INTO $variant.leads (id, $columns) SELECT id, $columns FROM bench.leads"
			fi
		done
		for variant in $order; do
			table=${variant/f0t/f0}
			forget_leads "$table"
			if [[ $variant == f1 ]]; then
				bulk_slice "COPY$suffix" "$round" f1 "$1" "${copies[@]}"
				continue
			fi
			bulk_slice "COPY$suffix" "$round" "$variant" "$1" "COPY $table.leads (id, $columns) FROM '$file'"
			query -c "VACUUM ANALYZE $table.leads"
			# what PostgreSQL itself asks for the mere existence of a BEFORE ROW trigger: core's cheapest one
			if [[ $variant == f0t ]]; then query -c 'CREATE TRIGGER nothing BEFORE UPDATE ON f0.leads FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger()'; fi
			bulk_slice "UPDATE$suffix" "$round" "$variant" $(($1 - known)) "UPDATE $table.leads SET title = title || '.' WHERE id > 1000000 + $known"
			if [[ $variant == f0t ]]; then query -c 'DROP TRIGGER nothing ON f0.leads'; fi
		done
		for variant in ${order/f0t/}; do
			[[ $variant != f1 ]] || continue
			bulk_slice "upsert$suffix" "$round" "$variant" "$known" "INSERT INTO $variant.leads (id, $columns) SELECT id, $columns FROM bench.leads WHERE id <= 1000000 + $known
				ON CONFLICT (id) DO UPDATE SET title = EXCLUDED.title, source = EXCLUDED.source"
			bulk_slice "full-row UPDATE$suffix" "$round" "$variant" "$known" "UPDATE $variant.leads l SET (phone, owner, team) = (SELECT o.phone, NULL, NULL FROM bench.leads o WHERE o.id = l.id) WHERE l.id <= 1000000 + $known"
		done
	done
	if [[ $variants == *p1* ]]; then
		# one statement of the twin is quadratic (each turn is a row version): thousand-row statements are its best
		for ((round = 1; round <= bulk_rounds; round++)); do
			for variant in p1 lr; do
				forget_leads "$variant"
				chunks=()
				for ((at = 1000000; at < 1010000; at += 1000)); do
					chunks+=("INSERT INTO $variant.leads (id, $columns) SELECT id, $columns FROM bench.leads WHERE id > $at AND id <= $((at + 1000)); COMMIT; BEGIN")
				done
				bulk_slice "INSERTs of 1000" "$round" "$variant" 10000 "${chunks[@]}"
			done
		done
	fi
}

if [[ $parts == *bulk* ]]; then
	file=$scratch/leads.copy
	as_server touch "$file"
	for count in $rows; do many_leads "$count"; done
	# shellcheck disable=SC2086
	query -c "DROP TABLE bench.leads" -c "$(printf 'DROP TABLE bench.%s;' $written)"
fi

# ---- twenty leads a statement, of many teams: the twin's sessions wait for each other's turns, and deadlock

if [[ $parts == *batches* ]]; then
	for variant in f0 p1 lr; do
		batch="\\set a random(1, 2000000000)"
		say "$batch" "INSERT INTO $variant.leads ($columns) SELECT 'u' || :a + n || '@company' || (:a + n) % 50000 || '.example', '+1555' || (:a + n) % 900000, 'Company ' || (:a + n) % 900000,
			($countries)[1 + (:a / 7 + n) % 8], ($regions)[1 + (:a / 3 + n * 7) % 55], (10000 + (:a + n * 977) % 90000)::text, 'ind' || (:a + n) % 20, 1 + (:a + n * 311) % 9000, ($titles)[1 + (:a + n) % 8],
			'src' || (:a + n) % 50, now(), 'u' || :a + n || '@company' || (:a + n) % 50000 || '.example', 'open', now() + '1 hour' FROM generate_series(1, 20) n;" >"$scratch/batch_$variant.pgbench"
		sed -i ':a;N;$!ba;s/\n\t\t\t/ /g' "$scratch/batch_$variant.pgbench"
		chmod a+r "$scratch/batch_$variant.pgbench"
	done
	for ((round = 1; round <= rounds; round++)); do
		for variant in f0 p1 lr; do
			forget_leads "$variant"
			as_server "$bindir/pgbench" -n -M prepared -f "$scratch/batch_$variant.pgbench" -c 8 -j 2 -T "$seconds" "$database" >"$scratch/slice" 2>&1 || true
			read -r statements failed <<<"$(awk '/^number of transactions actually/ { n = $NF; sub("/.*", "", n) } /^number of failed transactions/ { f = $5 } END { printf "%d %d", n, f }' "$scratch/slice")"
			query -c "INSERT INTO bench.batches VALUES ($round, '$variant', $statements, $failed, $seconds)"
		done
	done
fi

# ---- the worker in Node: what it can do, and how long a lead waits for it

if [[ $parts == *worker* ]]; then
	modules=/usr/share/nodejs
	if ! NODE_PATH=$modules node -e 'require("pg")' 2>/dev/null; then
		modules=$scratch/npm/node_modules
		npm install --prefix "$scratch/npm" --no-audit --no-fund pg@8 >/dev/null 2>&1 || true
		chmod -R a+rX "$scratch/npm" 2>/dev/null || true
	fi
fi
if [[ $parts == *worker* ]] && ! NODE_PATH=$modules node -e 'require("pg")' 2>/dev/null; then
	say "left out: the worker in Node, which needs nodejs and its module pg (apt-get install nodejs node-pg, or npm)"
elif [[ $parts == *worker* ]]; then
	query -f - <"$top/test/bench/leads/worker.sql" >/dev/null
	cp "$top/test/bench/leads/worker.js" "$scratch/worker.js"
	chmod a+r "$scratch/worker.js"
	worker() { as_server env NODE_PATH="$modules" PGHOST="$socket" PGPORT="$port" PGDATABASE="$database" node "$scratch/worker.js" "$1" "$seconds"; }
	pgbench_run p2 -c 4 -t $((sample / 2)) >/dev/null
	say "" "worker in Node, drain of $((sample * 2)) leads:"
	worker drain
	for rate in $worker_rates; do
		worker follow &
		pid=$!
		pgbench_run p2 -c 4 -j 2 -R "$rate" -T "$seconds" >/dev/null
		wait "$pid"
		say "worker beside $rate leads/s: $(query -c "SELECT format('a lead waits %s ms (p50), %s ms (p99); %s of %s routed', round(percentile_cont(0.5) WITHIN GROUP (ORDER BY wait)), round(percentile_cont(0.99) WITHIN GROUP (ORDER BY wait)), count(wait), count(*))
			FROM (SELECT extract(epoch FROM routed_at - submitted_at) * 1000 AS wait FROM p2.leads WHERE submitted_at > now() - '$((seconds + 3)) seconds'::interval) l")"
	done
fi

query -f - <"$top/test/bench/leads/report.sql"
