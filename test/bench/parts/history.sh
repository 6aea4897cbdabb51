# shellcheck shell=bash disable=SC2034,SC2154
# history.sh: what years of leads cost the next one: 8 clients, one lead a transaction, beside as many leads of the past, and beside none.
#
# Leads of the past are closed; leadroute routed and closed the first 2,000 of them, the others are copies of these with keys, e-mails and
# times of their own (peers/history.sql), in every table that leadroute keeps; of messages there is none, since they were delivered.
# Rates are measured with full-page images off, which is what a checkpoint every half hour comes near to; what the first seconds
# after one cost, when each old page is logged whole at its first touch, is measured once and said beside.
# Indexes are read once before (pg_prewarm), into the system's cache.
# BENCH_SIZES_history: how many, from few to many; BENCH_ROUNDS, BENCH_SECONDS.

history_sizes=${BENCH_SIZES_history:-$(by_mode "60000" "100000 1000000 10000000")}
history_rounds=${BENCH_ROUNDS:-$(by_mode 1 2)}
history_slice=${BENCH_SECONDS:-$(by_mode 1 3)}
history_template=2000
history_about() { say "8 clients beside a history of $history_sizes leads, and beside none, $history_rounds rounds of $history_slice s: f0 lr"; }
history_seconds() { calc "15 + ${history_sizes##* } * 0.00003 + $(count_words "$history_sizes") * (2 + $history_rounds * 4) * ($history_slice + 1.9)"; }

history_run() {
	local size copied=1
	need_peers
	history_space
	history_begin
	for size in $history_sizes; do
		history_load "$copied" "$((size / history_template))"
		copied=$((size / history_template))
		history_check "$((history_first + size - 1))"
		history_measure "$size"
	done
	sql -c 'DROP DATABASE history'
}

# Three kB a lead, WAL beside.
history_space() {
	local have need=$((${history_sizes##* } * 3 / 1000 + 9000))
	have=$(df --output=avail -m "$scratch" | tail -n 1)
	((have > need)) || die "a history of ${history_sizes##* } leads needs $need MB in ${scratch%/*}, there are $have: BENCH_SIZES_history=... asks for less"
}

# The leads that leadroute itself routes and closes.
history_begin() {
	local relation
	make_peers history
	query -f - <"$bench/peers/history.sql" >/dev/null
	query -c "SELECT bench.count_rows('before')" \
		-c "INSERT INTO lr.leads ($columns) SELECT $(lead_values "(n * 214 + 1)" "1 + n % 2000 * 25" "(100000 + n)" "1 + n % 8" "1 + n % 55" "10000 + n" "n % 20" "1 + n % 1000 * 9" "1 + n % 8" "n % 50") FROM generate_series(0, $history_template - 1) n" \
		-c "SELECT count(leadroute.close(id, 'won')) FROM lr.leads" -c "TRUNCATE leadroute.outbox" -c "SELECT bench.count_rows('after')" >/dev/null
	history_first=$(query -c "SELECT min(id) FROM lr.leads")
	for relation in $(history_relations); do
		query -c "CREATE TABLE bench.template_${relation#*.} AS SELECT * FROM $relation" -c "ALTER TABLE $relation SET (autovacuum_enabled = off)" \
			-c "INSERT INTO bench.templates VALUES ('$relation', 'bench.template_${relation#*.}')"
	done
	query -c "CREATE TABLE bench.indexes AS SELECT indrelid::regclass AS target, indexrelid::regclass::text AS name, pg_get_indexdef(indexrelid) AS definition FROM pg_index WHERE indrelid IN ('f0.leads'::regclass, 'lr.leads'::regclass) AND NOT indisunique"
	# new leads have keys behind those of the whole history
	query -c "SELECT setval(pg_get_serial_sequence('lr.leads', 'id'), $history_first + ${history_sizes##* }), setval(pg_get_serial_sequence('f0.leads', 'id'), $history_first + ${history_sizes##* })" >/dev/null
	query -c "INSERT INTO bench.templates VALUES ('f0.leads', 'bench.template_leads')" -c "INSERT INTO f0.leads SELECT * FROM bench.template_leads" -c 'ANALYZE'
}

# The tables that name a lead and got rows.
history_relations() {
	query -c "SELECT 'lr.leads' UNION ALL SELECT 'leadroute.' || relation FROM bench.counted a JOIN bench.counted b USING (relation) JOIN pg_attribute ON attrelid = ('leadroute.' || relation)::regclass AND attname = 'lead'
		WHERE a.moment = 'after' AND b.moment = 'before' AND a.rows > b.rows"
}

# The copies from FIRST to LAST - 1, half of the tables by each of two sessions. No triggers; the leads tables' own indexes are made after.
history_load() { # FIRST LAST
	local pid
	(($2 > $1)) || return 0
	query -c "$(history_triggers DISABLE)" -c "$(query -c "SELECT string_agg('DROP INDEX ' || name, '; ') FROM bench.indexes")"
	history_copy "$1" "$2" "target::text LIKE '%.leads'" &
	pid=$!
	history_copy "$1" "$2" "target::text NOT LIKE '%.leads'"
	wait "$pid"
	query -c "$(history_triggers ENABLE)" -c 'ANALYZE' -c 'CHECKPOINT' >/dev/null
	history_warm
}

# Rows that were just copied have driven the indexes out of the system's cache, where a server that is up has what its inserts go through.
history_warm() {
	query -c "CREATE EXTENSION IF NOT EXISTS pg_prewarm" \
		-c "SELECT sum(pg_prewarm(i.indexrelid, 'read')) FROM pg_index i WHERE i.indrelid IN (SELECT target FROM bench.templates)" >/dev/null
}

history_copy() { # FIRST LAST WHICH
	local statement
	while read -r statement; do
		query -c "SET synchronous_commit = off" -c "SET session_replication_role = replica" -c "SET work_mem = '512MB'" -c "$statement"
	done < <(query -c "SELECT bench.copy_statement(target, template, $history_first, $history_template, int8range($1, $2)) || coalesce('; ' || (SELECT string_agg(definition, '; ') FROM bench.indexes i WHERE i.target = t.target), '')
		FROM bench.templates t WHERE $3 ORDER BY target::text <> 'leadroute.identities'")
}

# As they were: leadroute's triggers are of the kind that always fires.
history_triggers() { # DISABLE|ENABLE
	if [[ $1 == DISABLE ]]; then
		query -c "CREATE TABLE IF NOT EXISTS bench.triggers AS SELECT tgrelid::regclass AS relation, tgname, tgenabled FROM pg_trigger WHERE NOT tgisinternal AND tgenabled <> 'D' AND tgrelid IN (SELECT target FROM bench.templates)"
	fi
	query -c "SELECT string_agg(format('ALTER TABLE %s %s TRIGGER %I', relation, CASE WHEN '$1' = 'DISABLE' THEN 'DISABLE' WHEN tgenabled = 'A' THEN 'ENABLE ALWAYS' ELSE 'ENABLE' END, tgname), '; ') FROM bench.triggers"
}

# That the copies are leads to leadroute: one synced again is known and routed no more, and who has the e-mail of one is found to be the same.
history_check() { # THE-LAST-LEAD
	query -v last="$1" -f - <<-'SQL'
		BEGIN;
		SELECT set_config('bench.last', :'last', true) \g /dev/null
		DO $$
		DECLARE
			past lr.leads;
			events bigint;
			answer lr.leads;
			found text;
		BEGIN
			SELECT * INTO STRICT past FROM lr.leads WHERE id = current_setting('bench.last')::bigint;
			SELECT count(*) INTO events FROM leadroute.events WHERE flow = 'default' AND lead = past.id::text;
			IF events < 2 OR NOT EXISTS (SELECT FROM leadroute.lead_states WHERE flow = 'default' AND lead = past.id::text AND closed_at IS NOT NULL) THEN
				RAISE EXCEPTION 'lead % of the history is not whole: % events', past.id, events;
			END IF;
			INSERT INTO lr.leads (id, email) VALUES (past.id, past.email) ON CONFLICT (id) DO UPDATE SET email = EXCLUDED.email RETURNING * INTO answer;
			IF answer.owner IS DISTINCT FROM past.owner OR events <> (SELECT count(*) FROM leadroute.events WHERE flow = 'default' AND lead = past.id::text) THEN
				RAISE EXCEPTION 'lead % of the history was not known: % instead of %', past.id, answer.owner, past.owner;
			END IF;
			INSERT INTO lr.leads (email) VALUES (upper(past.email)) RETURNING * INTO answer;
			PERFORM leadroute.explain(answer.id);
			SELECT code INTO found FROM leadroute.lead_states WHERE flow = 'default' AND lead = answer.id::text;
			IF found NOT IN ('duplicate', 'returning') OR answer.owner IS DISTINCT FROM past.owner THEN
				RAISE EXCEPTION 'a lead with the e-mail of lead % of the history is "%", of %', past.id, found, answer.owner;
			END IF;
		END
		$$;
		ROLLBACK;
	SQL
}

# Beside: right after a checkpoint, with full-page images. Without: the same tables with nothing in them, in another database.
history_measure() { # SIZE
	local round variant past
	for variant in f0 lr; do pgbench_slice checkpoint 1 "$variant" 8 "$1" "$history_slice"; done
	full_page_writes off
	for ((round = 1; round <= history_rounds; round++)); do
		for past in $(in_turn "$round" without with); do
			for variant in $(in_turn "$round" f0 lr); do
				if [[ $past == with ]]; then database=history; else database=peers; fi
				[[ $past == with ]] || forget_leads "$variant"
				pgbench_slice "$past" "$round" "$variant" 8 "$1" "$history_slice"
			done
		done
	done
	full_page_writes on
	database=history
}
