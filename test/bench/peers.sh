# shellcheck shell=bash disable=SC2154
# peers.sh: leadroute and what it is measured beside, in one database. Sourced by test/bench/run.
#
#   f0  the bare table: the same INSERTs, no trigger
#   f1  the floor: every row and index entry that leadroute writes, by one statement without logic
#   p1  the twin in PL/pgSQL (peers/twin.sql)
#   p2  the bare table and a worker in Node that polls it (peers/worker.js), measured by itself
#   lr  leadroute, with the configuration of peers/schema.sql
#
# pgbench's scripts are $scratch/VARIANT.pgbench: one lead a transaction, whose values are pgbench's random variables.

columns="email, phone, company, country, region, postal_code, industry, employees, title, source, submitted_at, email_norm, state, sla_due_at"
countries="ARRAY['US', 'US', 'US', 'CA', 'GB', 'DE', 'FR', 'BR']"
# the 50 states, and five territories that the map does not have
regions="'{AL,AK,AZ,AR,CA,CO,CT,DE,FL,GA,HI,ID,IL,IN,IA,KS,KY,LA,ME,MD,MA,MI,MN,MS,MO,MT,NE,NV,NH,NJ,NM,NY,NC,ND,OH,OK,OR,PA,RI,SC,SD,TN,TX,UT,VT,VA,WA,WV,WI,WY,PR,GU,VI,AS,MP}'::text[]"
titles="ARRAY['owner', 'Sales Manager', 'VP Marketing', 'Chief 9 Officer', 'engineer', 'Chief 27 Officer', 'analyst', 'Head of IT']"

# The values of a lead from what varies: who, the company's domain, country and so on as numbers.
lead_values() { # WHO DOMAIN PHONE COUNTRY REGION POSTAL INDUSTRY EMPLOYEES TITLE SOURCE
	local email="'u' || $1 || '@company' || $2 || '.example'"
	say "$email, '+1555' || $3, 'Company ' || $3, ($countries)[$4], ($regions)[$5], ($6)::text, 'ind' || $7, $8, ($titles)[$9], 'src' || ${10}, now(), $email, 'open', now() + '1 hour'"
}

# One lead, each value drawn by pgbench; and lead number N of many, each value drawn from the number.
drawn_lead() { lead_values :a :d :n :c :r :z :i :e :t :s; }
numbered_lead() { # N
	lead_values "$1" "$1 % 50000" "(100000 + $1 % 900000)" "1 + $1 / 7 % 8" "1 + ($1 / 3 + $1 % 55 * 7) % 55" "10000 + $1 % 90000 * 977 % 90000" "$1 % 20" "1 + $1 % 9000 * 311 % 9000" "1 + $1 % 8" "$1 % 50"
}

write_script() { # NAME LINE...
	local name=$1
	shift
	say "$@" >"$scratch/$name.pgbench"
	chmod a+r "$scratch/$name.pgbench"
}

# The configuration, leadroute's table and the bare one in a new database, and the scripts of these two; sets $database.
make_peers() { # DATABASE
	database=$1
	make_database "$database"
	query -v regions="$regions" -f - <"$bench/peers/schema.sql" >/dev/null
	lead_script f0
	lead_script lr
}

lead_script() { # VARIANT
	write_script "$1" "$(<"$bench/peers/lead.pgbench")" "INSERT INTO $1.leads ($columns) VALUES ($(drawn_lead));"
}

# The database "peers" with all variants and their scripts: made once a run, for whichever parts ask. Sets $database and $written, the
# tables of leadroute's that get half a row a lead at least.
need_peers() {
	local floor
	database=peers
	if [[ ! -e $scratch/peers.written ]]; then
		say "making the peers"
		make_peers peers
		lead_script p1
		lead_script p2
		query -c "SELECT bench.count_rows('before')" >/dev/null
		pgbench_run lr -t 3000 >/dev/null 2>&1
		query -c "SELECT bench.count_rows('after')" >/dev/null
		query -f - <"$bench/peers/copies.sql" >/dev/null
		query -f - <"$bench/peers/twin.sql" >/dev/null
		floor=$(query -q -f - <"$bench/peers/floor.sql")
		floor=${floor//:columns/$columns}
		write_script f1 "$(<"$bench/peers/lead.pgbench")" "${floor//:values/$(drawn_lead)};"
		query -c "SELECT string_agg(relation, ' ' ORDER BY relation) FROM bench.written" >"$scratch/peers.written"
	fi
	written=$(<"$scratch/peers.written")
}

# Empties what a variant wrote. The ledger of turns stays leadroute's own: shared memory goes by it.
forget_leads() { # VARIANT
	local tables="$1.leads" relation
	case $1 in
		lr) tables+=$(query -c "SELECT string_agg(', leadroute.' || relation, '') FROM bench.grown WHERE relation <> 'rotation'") ;;
		f1 | p1) for relation in $written; do tables+=", $1.$relation"; done ;;
	esac
	query -c "TRUNCATE $tables"
}
