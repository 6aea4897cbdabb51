# shellcheck shell=bash disable=SC2154
# results.sh: where figures go and how they are read. Sourced by test/bench/run.
#
# During a run they are rows of the database "results" (results.sql); what a part measured is kept in test/bench/out/full or quick as PART.figures, PART.run
# (both as COPY writes them) and PART.text (what it said), so that a report can be made of parts that ran at different times.

out=${BENCH_OUT:-$bench/out/$mode}
results() { sql -d results -At "$@"; }

results_open() {
	local file
	as_owner mkdir -p "$out"
	sql -c 'CREATE DATABASE results'
	results -f - <"$bench/results.sql"
	for file in "$out"/*.figures; do
		[[ -e $file ]] || continue
		results -c 'COPY figures FROM STDIN' <"$file"
		results -c 'COPY runs FROM STDIN' <"${file%.figures}.run"
	done
}

record() { # KIND ROUND VARIANT CLIENTS SIZE METRIC VALUE...: figures of the part that runs
	local key="'$part', '$1', '$3', $4, $5, $2" rows=
	shift 5
	while (($#)); do
		rows+=", ($key, '$1', $2)"
		shift 2
	done
	results -c "INSERT INTO figures (part, kind, variant, clients, size, round, metric, value) VALUES ${rows#, }"
}

# What a part tells in words beside its figures: printed and kept.
told() { tee -a "$scratch/$part.text"; }

# Cores that are busy with other work than our cluster's, over two seconds.
busy_cores() {
	local cluster machine
	cluster_cpu
	cluster=$cpu machine=$(machine_ticks)
	sleep 2
	machine=$(($(machine_ticks) - machine))
	cluster_cpu
	awk -v us=$((machine * 10000 - cpu + cluster)) 'BEGIN { printf "%.2f", (us > 0 ? us / 2000000 : 0) }'
}

# user, nice, system, irq, softirq, steal of all cores, in ticks of 10 ms
machine_ticks() { awk '/^cpu / { print $2 + $3 + $4 + $7 + $8 + $9 }' /proc/stat; }

machine() {
	local model
	model=$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1)
	say "$(nproc) cores of ${model:-$(uname -m)}, $(awk '/^MemTotal/ { print int($2 / 1048576 + 0.5) }' /proc/meminfo) GB, Linux $(uname -r)"
}

commit() {
	local id
	id=$(git -c safe.directory='*' -C "$top" rev-parse --short HEAD 2>/dev/null) || { say unknown; return; }
	[[ -z $(git -c safe.directory='*' -C "$top" status --porcelain -- src sql test/bench 2>/dev/null) ]] || id+=" with changes"
	say "$id"
}

part_begin() {
	results -c "DELETE FROM figures WHERE part = '$part'"
	: >"$scratch/$part.text"
	others_before=$(busy_cores)
	part_started=$SECONDS
}

part_end() {
	local settings
	settings=$(env | sed -n '/^BENCH_\(OUT\|PARTS\)=/d; /^BENCH_/p' | sort | tr '\n' ' ')
	results -v machine="$(machine)" -v server="$("$pg_config" --version)" -v commit="$(commit)" -v settings="${settings% }" -f - <<-SQL
		INSERT INTO runs VALUES ('$part', '$mode', now(), :'commit', :'server', :'machine', :'settings', $others_before, $(busy_cores), $((SECONDS - part_started)))
			ON CONFLICT (part) DO UPDATE SET (mode, at, commit, server, machine, settings, others_before, others_after, seconds)
				= ROW (EXCLUDED.mode, EXCLUDED.at, EXCLUDED.commit, EXCLUDED.server, EXCLUDED.machine, EXCLUDED.settings, EXCLUDED.others_before, EXCLUDED.others_after, EXCLUDED.seconds);
	SQL
	results -c "COPY (SELECT * FROM figures WHERE part = '$part' ORDER BY kind, size, clients, round, variant, metric) TO STDOUT" | as_owner tee "$out/$part.figures" >/dev/null
	results -c "COPY (SELECT * FROM runs WHERE part = '$part') TO STDOUT" | as_owner tee "$out/$part.run" >/dev/null
	as_owner tee "$out/$part.text" <"$scratch/$part.text" >/dev/null
}

# ---- reports

report_section() { # NAME: report/NAME.sql, in Markdown
	results -v bench="$bench" -f - <"$bench/report/$1.sql"
}

# A part's tables and what it said: what doc/benchmarks.md has of it.
report_part() {
	[[ ! -e $bench/report/$part.sql ]] || report_section "$part"
}

section() { # PART
	local part=$1
	if [[ $part == targets ]]; then
		report_section targets
		return
	fi
	if [[ ! -e $out/$part.run ]]; then
		say "*Not run yet.*"
		return
	fi
	results -c "SELECT run_of('$part')"
	say ""
	report_part
	if [[ -s $out/$part.text ]]; then say "" '```' "$(<"$out/$part.text")" '```'; fi
}

sections() { sed -n 's/^<!-- bench: \([a-z_]*\) -->$/\1/p' "$top/doc/benchmarks.md"; }

results_report() {
	for part in $(sections); do say "" "== $part" "$(section "$part")"; done
}

# Writes each section that has results; one whose part has none in $out stays as it is.
results_doc() {
	local name document=$top/doc/benchmarks.md
	cp "$document" "$scratch/benchmarks.md"
	for name in $(sections); do
		if [[ $name != targets && ! -e $out/$name.run ]]; then
			say "left as it stands: $name, of which ${out#"$top"/} has nothing"
			continue
		fi
		section "$name" >"$scratch/section"
		awk -v begin="<!-- bench: $name -->" -v file="$scratch/section" '
			$0 == begin { print; while ((getline line <file) > 0) print line; skip = 1; next }
			$0 == "<!-- end -->" { skip = 0 }
			!skip' "$scratch/benchmarks.md" >"$scratch/benchmarks.new"
		mv "$scratch/benchmarks.new" "$scratch/benchmarks.md"
	done
	as_owner tee "$document" <"$scratch/benchmarks.md" >/dev/null
	draw_curves
	say "written: ${document#"$top"/}"
}
