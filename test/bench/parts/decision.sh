# shellcheck shell=bash disable=SC2034,SC2154
# decision.sh: instructions a lead takes, and its decision among more and more rules and territories; by callgrind.
# A condition is compiled when it is first asked: those who come to a flow that grows are of thirty kinds, so that a session
# of few leads has compiled what one of many will ask.
# BENCH_DECISION_RULES, BENCH_DECISION_TERRITORIES: how many, the first is what the others are compared with; BENCH_DECISION_LEADS.

decision_rules=${BENCH_DECISION_RULES:-50 1000}
decision_territories=${BENCH_DECISION_TERRITORIES:-$(by_mode "100 2000" "100 100000")}
decision_leads=${BENCH_DECISION_LEADS:-$(by_mode 40 250)}
decision_few=$(by_mode 100 200)
decision_about() { say "instructions a lead by callgrind: f0 f1 p1 lr; the decision with $decision_rules rules; the map with $decision_territories territories"; }
decision_seconds() { calc "70 + 7 * ($decision_leads + 2 * $decision_few) * 0.03 + ${decision_territories##* } * 0.00025"; }

decision_run() {
	local missing size variant
	missing=$(callgrind_missing)
	if [[ -n $missing ]]; then
		say "left out: $missing" | told
		return
	fi
	load_part growth
	need_peers
	for size in $decision_rules; do decision_flow rules "$size"; done
	for size in $decision_rules; do decision_flow rules_like "$size"; done
	for size in $decision_territories; do decision_flow territories "$size"; done
	write_script grown "\\set n random(1, 30)" "\\set u random(1, 2000000000)" "INSERT INTO grow.lr $(grown_leads :u | tr '\n\t' '  ') FROM (SELECT :n::integer AS n) n;"
	callgrind_start
	need_peers
	for variant in f0 f1 p1 lr; do decision_count lead "$variant" 0 peers "$variant"; done
	for size in $decision_rules; do decision_count rules lr "$size" "rules_$size" grown; done
	for size in $decision_rules; do decision_count rules_like lr "$size" "rules_like_$size" grown; done
	for size in $decision_territories; do
		database=territories_$size
		growth_warm "$size" # what a start has emptied
		decision_count territories lr "$size" "territories_$size" grown
	done
	callgrind_stop
	decision_record
}

# A flow in a database of its own that has so many.
decision_flow() { # CURVE SIZE
	growth_begin "$1_$2"
	growth_to "$1" 1 "$2"
}

decision_count() { # KIND VARIANT SIZE DATABASE SCRIPT
	local few=$decision_few
	database=$4
	callgrind_lead "$5" "$few" $((few + decision_leads)) >"$scratch/counted.$1.$2.$3"
}

# What was counted is recorded when no valgrind slows it.
decision_record() {
	local file kind variant size
	for file in "$scratch"/counted.*; do
		IFS=. read -r kind variant size <<<"${file#"$scratch/counted."}"
		# shellcheck disable=SC2046
		record "$kind" 1 "$variant" 1 "$size" $(awk '{ print $2, $1 }' "$file")
	done
}
