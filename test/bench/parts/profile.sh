# shellcheck shell=bash disable=SC2154
# profile.sh: where the time of the single-row path and of COPY goes: perf samples the one backend that inserts.
# BENCH_SECONDS: how long it samples. Where perf is not there, the instructions of the part "decision" are the profile.

profile_slice=${BENCH_SECONDS:-$(by_mode 4 8)}
profile_rows=${BENCH_PROFILE_ROWS:-$(by_mode 60000 200000)}
profile_about() { say "perf of one lead a transaction and of COPY, $profile_slice s of each"; }
profile_seconds() { calc "16 + 2 * $profile_slice + $profile_rows * 0.00007"; }

profile_run() {
	if ! perf record -q -e cpu-clock -o "$scratch/perf.data" true 2>/dev/null; then
		say "left out: perf is not here or may not sample (apt-get install linux-perf); the instructions of the part decision stand for it" | told
		return
	fi
	need_peers
	forget_leads lr
	query -c "COPY (SELECT 100000000 + n, $(numbered_lead "(100000000 + n)") FROM generate_series(1, $profile_rows) n) TO '$scratch/profiled'"
	profile_path single profile_single
	forget_leads lr
	profile_path copy profile_copy
}

profile_single() { pgbench_run lr -c 1 -T $((profile_slice + 2)) >/dev/null 2>&1; }
profile_copy() { query -c "COPY lr.leads (id, $columns) FROM '$scratch/profiled'"; }

# Samples the backend that COMMAND works with, from its first second on.
profile_path() { # KIND COMMAND
	local pid
	"$2" &
	sleep 1
	pid=$(query -c "SELECT pid FROM pg_stat_activity WHERE datname = '$database' AND pid <> pg_backend_pid() AND backend_type = 'client backend'")
	perf record -q -e cpu-clock -F 3999 -p "$pid" -o "$scratch/perf.data" -- sleep "$profile_slice" >/dev/null 2>&1 || true
	wait $! || die "$2 failed"
	profile_shares "$1" dso
	profile_shares "$1" symbol
}

# Records what share each library, or function, has of the samples.
profile_shares() { # KIND dso|symbol
	local share name shares
	shares=$(perf report --stdio -q -F overhead,"$2" -s "$2" -i "$scratch/perf.data" 2>/dev/null | sed -n 's/^ *\([0-9.]*\)% *\(\[[.k]\] \)\?\([^ ]*\).*/\1 \3/p' |
		awk '{ share[$2 ~ /^0x/ ? "static functions without symbols" : $2] += $1 } END { for (name in share) if (share[name] >= 0.7) print share[name], name }')
	[[ -n $shares ]] || die "perf took no samples of $1"
	while read -r share name; do
		record "$1" 1 "${name//\'/}" 1 0 "$2" "$share"
	done <<<"$shares"
}
