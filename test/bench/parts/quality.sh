# shellcheck shell=bash disable=SC2154
# quality.sh: how many of the duplicates in published sets are suggested, how many suggestions are none, and how far that
# depends on the order of the leads, on the weights and on the half of the set; and what a new lead's comparison costs
# as the table grows. The sets lie beside the tree (../shared/data) or where LEADROUTE_DATA says.
#
# The default weights (leadroute.match_levels) hold for all sets. Orders and perturbed weights are tried in BENCH=full only.

quality_data=${LEADROUTE_DATA:-$top/../shared/data}
quality_about() { say "duplicates: fake_1000, febrl, fodors_zagats; what comparing a new lead costs"; }
quality_seconds() { by_mode 25 150; }

quality_run() {
	make_database quality
	if quality_has_sets; then
		quality_load
		quality_curve
		[[ $mode == quick ]] || quality_spread
		quality_acts
	fi
	[[ $mode == quick ]] || quality_growth
	sql -c 'DROP DATABASE quality'
}

quality_query() { sql -d quality -P footer=off "$@" | told; }

quality_has_sets() {
	local set
	for set in fake_1000 febrl fodors_zagats; do
		if [[ ! -d $quality_data/$set ]]; then
			say "left out: $quality_data/$set is not here" | told
			return 1
		fi
	done
}

quality_load() {
	# the server's user need not be able to read the sets: psql does
	cp -r "$quality_data"/{fake_1000,febrl,fodors_zagats} "$scratch/"
	chmod -R a+rX "$scratch"/{fake_1000,febrl,fodors_zagats}
	sed "s,DATA/,$scratch/,g" "$top/test/quality/load.sql" >"$scratch/load.sql"
	sql -d quality -f - <"$scratch/load.sql" >/dev/null
}

quality_curve() {
	say "the curve: suggestions from a score on" | told
	quality_query -c 'CALL leadroute.find_duplicates()' -c 'SELECT * FROM quality.curve ORDER BY flow, score'
	say "what was compared" | told
	quality_query -c 'SELECT flow, changed AS leads, compared AS pairs, round(2.0 * compared / changed, 1) AS per_lead, suggested, oversized AS blocks_too_large FROM leadroute.match_runs ORDER BY flow'
}

quality_at_half() { # WHAT SET: the curve at a score of 0.5
	quality_query -At -F ' ' -c "SELECT '$1: precision', precision, 'recall', recall, 'F1', f1 FROM quality.curve WHERE flow = '$2' AND score = 0.5"
}

quality_spread() {
	local set seed
	say "streamed in a shuffled order, compared every 50 leads (score 0.5)" | told
	for seed in 1 2 3; do
		quality_query -c "CALL quality.stream('fake_1000', $seed, 50)"
		quality_at_half "fake_1000 seed $seed" fake_1000
	done
	say "every weight changed at random by up to 20 % (score 0.5)" | told
	for set in fake_1000 febrl_1 fodors_zagats; do
		for seed in 0.1 0.2 0.3; do
			quality_query -c "CALL quality.perturb('$set', $seed, 0.2)"
			quality_at_half "$set seed $seed" "$set"
		done
	done
}

quality_acts() {
	local seed
	say "what acts inside the INSERT (quality.match_rules), streamed in a shuffled order; then with what is suggested beside it" | told
	quality_query -c "DELETE FROM leadroute.match_weights" -c "CALL quality.match_rules('fake_1000')" >/dev/null
	for seed in 1 2 3; do
		quality_query -c "CALL quality.act('fake_1000', $seed)"
		quality_query -At -F ' ' -c "SELECT 'fake_1000 seed $seed: precision', precision, 'recall', recall FROM quality.acts"
	done
	quality_query -c "CALL leadroute.find_duplicates('fake_1000', again => true)"
	quality_query -At -F ' ' -c "SELECT 'both together: precision', precision, 'recall', recall FROM quality.both WHERE flow = 'fake_1000'"
}

quality_growth() {
	say "what a new lead's comparison costs as the table grows (invented people; means of the 1,000 that were added last)" | told
	cp "$top"/test/quality/growth*.sql "$scratch/"
	chmod a+r "$scratch"/growth*.sql
	quality_query -f "$scratch/growth.sql"
}
