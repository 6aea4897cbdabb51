# shellcheck shell=bash disable=SC2034,SC2154
# measure.sh: how the bench measures. Sourced by test/bench/run.
#
# Variants alternate within a round, every other round backwards, and what is compared is the ratio within a round: the machine's
# moods hit all alike. CPU is that of the postmaster and all its children, or of one backend where that is said.

query() { sql -d "$database" -At "$@"; }

make_database() { # NAME: a new one that has leadroute
	sql -c "DROP DATABASE IF EXISTS \"$1\"" -c "CREATE DATABASE \"$1\""
	sql -d "$1" -c 'CREATE EXTENSION leadroute CASCADE'
}

by_mode() { if [[ $mode == quick ]]; then say "$1"; else say "$2"; fi; } # QUICK FULL
calc() { awk "BEGIN { printf \"%.6f\", $1 }"; }

count_words() { # STRING
	local words
	read -ra words <<<"$1"
	say "${#words[@]}"
}


full_page_writes() { # on|off
	sql -c "ALTER SYSTEM SET full_page_writes = $1" -c 'SELECT pg_reload_conf()' >/dev/null
	sleep 0.2
}

in_turn() { # ROUND VARIANT...: the variants, every other round backwards
	local variant order=
	if (($1 % 2)); then
		shift
		say "$*"
	else
		shift
		for variant; do order="$variant $order"; done
		say "${order% }"
	fi
}

# Sets $cpu to the microseconds of CPU that the cluster has used: the postmaster, the children it has reaped, those that
# run. The pause lets it reap the backends that have just ended.
cluster_cpu() {
	local stat line fields ticks=0 postmaster
	postmaster=$(as_server head -n 1 "$socket/data/postmaster.pid")
	sleep 0.1
	for stat in /proc/[0-9]*/stat; do
		{ read -r line <"$stat"; } 2>/dev/null || continue
		# after the name in parentheses: state, parent, ... utime, stime, cutime, cstime are the 12th to 15th
		read -ra fields <<<"${line##*) }"
		if [[ $stat == /proc/$postmaster/stat ]]; then
			ticks=$((ticks + fields[11] + fields[12] + fields[13] + fields[14]))
		elif [[ ${fields[1]} == "$postmaster" ]]; then
			ticks=$((ticks + fields[11] + fields[12]))
		fi
	done
	cpu=$((ticks * 10000))
}

pgbench_run() { # SCRIPT ARGUMENTS...
	local script=$1
	shift
	as_server "$bindir/pgbench" -n -M prepared -f "$scratch/$script.pgbench" "$@" "$database"
}

# SECONDS of pgbench after a first second that does not count: in it sessions plan, read the configuration and compile the rules.
# Records rate (leads/s), cpu (us a lead), p50 and p99 (ms a transaction), of the transactions that ended later.
pgbench_slice() { # KIND ROUND VARIANT CLIENTS SIZE SECONDS [SCRIPT [LEADS A TRANSACTION]]
	local kind=$1 round=$2 variant=$3 clients=$4 size=$5 seconds=$6 script=${7:-$3} leads=${8:-1} pid
	as_server rm -f "$scratch"/latency.*
	pgbench_run "$script" -c "$clients" -j 2 -T $((seconds + 1)) -l --log-prefix="$scratch/latency" >"$scratch/slice" 2>&1 &
	pid=$!
	slice_begin
	wait "$pid" || die "$script with $clients clients: $(<"$scratch/slice")"
	slice_end "$script with $clients clients"
	record_slice "$kind" "$round" "$variant" "$clients" "$size" "$leads"
}

# Ends pgbench through its sessions: a signal would lose the end of its log.
end_clients() { # PID WHAT
	kill -0 "$1" || die "$2: $(<"$scratch/slice")"
	query -c "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'pgbench'" >/dev/null
	wait "$1" || true
}

slice_begin() {
	sleep 0.9
	cluster_cpu
	slice_cpu=$cpu slice_from=$EPOCHREALTIME
}

slice_end() { # WHAT
	cluster_cpu
	slice_cpu=$((cpu - slice_cpu))
	grep -q '^number of failed transactions: 0 ' "$scratch/slice" || die "$1: $(<"$scratch/slice")"
}

record_slice() { # KIND ROUND VARIANT CLIENTS SIZE LEADS; no cpu where $slice_cpu is empty
	local metrics
	# pgbench's log: client, transaction, us, script, when it ended in s and us
	metrics=$(cat "$scratch"/latency.* | awk -v from="$slice_from" '{ at = $5 + $6 / 1e6; if (at > from) printf "%.6f %d\n", at, $3 }' | sort -n -k2,2 |
		awk -v from="$slice_from" -v leads="$6" -v cpu="$slice_cpu" '{ us[NR] = $2; if ($1 > last) last = $1 }
			END { if (NR < 2) exit 1
				printf "rate %f p50 %f p99 %f", NR * leads / (last - from), us[int((NR + 1) / 2)] / 1000, us[int(NR * 0.99 + 0.99)] / 1000
				if (cpu != "") printf " cpu %f", cpu / (NR * leads) }') ||
		die "$3 with $4 clients: too few transactions in the slice"
	# shellcheck disable=SC2086
	record "$1" "$2" "$3" "$4" "$5" $metrics
}

# STATEMENTs in one transaction of one session. Records rate (leads/s) and cpu (us a lead).
statement_slice() { # KIND ROUND VARIANT SIZE LEADS STATEMENT...
	local kind=$1 round=$2 variant=$3 size=$4 leads=$5 before start end statement arguments=()
	shift 5
	for statement; do arguments+=(-c "$statement"); done
	cluster_cpu
	before=$cpu
	start=$EPOCHREALTIME
	query -1 "${arguments[@]}" >/dev/null
	end=$EPOCHREALTIME
	cluster_cpu
	record "$kind" "$round" "$variant" 1 "$size" rate "$(calc "$leads / ($end - $start)")" cpu "$(calc "($cpu - $before) / $leads")"
}

# What the statements cost their own backend: us of CPU of the first, and of the second, in one session.
backend_cpu() { # FIRST SECOND: prints both
	query -f - <<-SQL
		\\set QUIET on
		SELECT pg_backend_pid() AS pid \\gset
		\\setenv PID :pid
		\\set start \`cut -d' ' -f1 /proc/\$PID/schedstat\`
		$1;
		\\set middle \`cut -d' ' -f1 /proc/\$PID/schedstat\`
		$2;
		\\set end \`cut -d' ' -f1 /proc/\$PID/schedstat\`
		SELECT (:middle - :start) / 1000.0, (:end - :middle) / 1000.0;
	SQL
}
