# shellcheck shell=bash disable=SC2154
# worker.sh: p2, a worker in Node that polls the bare table: how much it drains, and how long a lead waits for it.
# BENCH_WORKER_RATES: leads a second; BENCH_SECONDS.

worker_rates=${BENCH_WORKER_RATES:-$(by_mode "200" "200 500 1000 2000")}
worker_slice=${BENCH_SECONDS:-$(by_mode 3 5)}
worker_leads=${BENCH_SAMPLE:-$(by_mode 3000 10000)}
worker_about() { say "the worker in Node: drains $worker_leads leads; beside $worker_rates leads/s"; }
worker_seconds() { calc "10 + $worker_leads * 0.001 + $(count_words "$worker_rates") * ($worker_slice + 5)"; }

worker_run() {
	local rate
	if ! worker_modules; then
		say "left out: it needs nodejs and its module pg (apt-get install nodejs node-pg, or npm)" | told
		return
	fi
	need_peers
	query -f - <"$bench/peers/worker.sql" >/dev/null
	cp "$bench/peers/worker.js" "$scratch/worker.js"
	chmod a+r "$scratch/worker.js"
	pgbench_run p2 -c 4 -t $((worker_leads / 4)) >/dev/null 2>&1
	record drain 1 p2 1 "$worker_leads" rate "$(worker_does drain)"
	for rate in $worker_rates; do worker_beside "$rate"; done
}

worker_does() { as_server env NODE_PATH="$modules" PGHOST="$socket" PGPORT="$port" PGDATABASE="$database" node "$scratch/worker.js" "$1" "$worker_slice"; }

worker_beside() { # LEADS A SECOND
	local pid started
	started=$(query -c "SELECT now()")
	worker_does follow &
	pid=$!
	pgbench_run p2 -c 4 -j 2 -R "$1" -T "$worker_slice" >/dev/null 2>&1
	wait "$pid"
	# shellcheck disable=SC2046
	record beside 1 p2 4 "$1" $(query -F ' ' -c "SELECT 'p50', percentile_cont(0.5) WITHIN GROUP (ORDER BY wait), 'p99', percentile_cont(0.99) WITHIN GROUP (ORDER BY wait), 'left', count(*) - count(wait)
		FROM (SELECT extract(epoch FROM routed_at - submitted_at) * 1000 AS wait FROM p2.leads WHERE submitted_at > '$started'::timestamptz) l")
}

# Sets $modules to where Node finds its client: Debian's, or npm's.
worker_modules() {
	modules=/usr/share/nodejs
	if worker_has_client; then return; fi
	modules=$scratch/npm/node_modules
	npm install --prefix "$scratch/npm" --no-audit --no-fund pg@8 >/dev/null 2>&1
	chmod -R a+rX "$scratch/npm" 2>/dev/null
	worker_has_client
}

worker_has_client() { NODE_PATH=$modules node -e 'require("pg")' 2>/dev/null; }
