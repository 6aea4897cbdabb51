# shellcheck shell=bash disable=SC2154
# callgrind.sh: instructions, which no load of the machine changes. Sourced by test/bench/run.
#
# The cluster is stopped and started under valgrind; each session writes its counts when it ends. A lead's are the difference between
# a session of many leads and one of few, so that connecting, planning and compiling do not count.

callgrind_missing() {
	if ! command -v valgrind >/dev/null || ! command -v callgrind_annotate >/dev/null; then say "valgrind is not here (apt-get install valgrind)"; fi
}

callgrind_start() {
	local tries
	cluster_stop bench
	as_server mkdir -p "$scratch/callgrind"
	as_server valgrind -q --tool=callgrind --trace-children=yes --callgrind-out-file="$scratch/callgrind/%p" \
		"$bindir/postgres" -D "$socket/data" -c autovacuum=off -c log_disconnections=on -c checkpoint_timeout=1h >"$scratch/callgrind.log" 2>&1 &
	for ((tries = 0; tries < 240; tries++)); do
		if as_server "$bindir/pg_isready" -q; then return; fi
		sleep 0.5
	done
	die "the server did not start under valgrind: $(tail -n 5 "$scratch/callgrind.log")"
}

callgrind_stop() {
	cluster_stop bench
	wait
	cluster_again
}

# What a part that failed may have left: its processes are valgrind's, and their command names our scratch directory.
callgrind_end() {
	local process
	for process in /proc/[0-9]*; do
		if [[ $(tr '\0' ' ' <"$process/cmdline") == *--callgrind-out-file="$scratch"/* ]]; then as_server kill -KILL "${process#/proc/}"; fi
	done 2>/dev/null
}

# Sessions of pgbench's that have ended, by the server's log.
callgrind_ended() { sed -n 's/.*\[\([0-9]*\)\] pgbench .*disconnection:.*/\1/p' "$scratch/callgrind.log"; }

# Runs a session of pgbench's and says which file has its counts: of its two connections (the first only looks round) the last to end.
callgrind_session() { # SCRIPT LEADS
	local tries pid before
	before=$(callgrind_ended | wc -l)
	pgbench_run "$1" -c 1 -t "$2" --random-seed="$2" >"$scratch/slice" 2>&1 || die "$1 under valgrind: $(<"$scratch/slice")"
	for ((tries = 0; tries < 300; tries++)); do
		pid=$(callgrind_ended | sed -n "$((before + 2))p")
		if [[ -n $pid ]] && grep -q '^totals:' "$scratch/callgrind/$pid" 2>/dev/null; then
			say "$scratch/callgrind/$pid"
			return
		fi
		sleep 0.1
	done
	die "the session left no counts: $(tail -n 5 "$scratch/callgrind.log")"
}

# Instructions a lead: of all, and of each of leadroute's functions with what it calls. Prints lines "NUMBER NAME", the first is "NUMBER total".
callgrind_lead() { # SCRIPT FEW MANY
	local few many file
	# the first session of all reads the configuration for those that follow
	callgrind_session "$1" 5 >/dev/null
	few=$(callgrind_session "$1" "$2")
	many=$(callgrind_session "$1" "$3")
	for file in "$few" "$many"; do callgrind_annotate --inclusive=yes --threshold=100 --auto=no "$file" >"$file.inclusive" 2>/dev/null; done
	awk -v leads=$(($3 - $2)) -v totals="$(sed -n 's/^totals: *//p' "$few" "$many" | tr '\n' ' ')" '
		BEGIN { split(totals, total, " "); printf "%.0f total\n", (total[2] - total[1]) / leads }
		match($0, /:[A-Za-z_0-9.]+ \[.*leadroute\.so\]/) {
			count = $1; gsub(",", "", count)
			name = substr($0, RSTART + 1); sub(/ \[.*/, "", name); sub(/\..*/, "", name)
			cost[name] += (FILENAME == many ".inclusive" ? count : -count)
		}
		END { for (name in cost) if (cost[name] >= leads * 100) printf "%.0f %s\n", cost[name] / leads, name }' many="$many" "$few.inclusive" "$many.inclusive" | sort -k1,1nr
}
