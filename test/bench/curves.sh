# shellcheck shell=bash disable=SC2154
# curves.sh: the curves of the parts growth, history and connect, by gnuplot, as doc/benchmarks/NAME.svg. Sourced by test/bench/run.

draw_curves() {
	local curve
	if ! need_gnuplot; then
		say "no curves were drawn: gnuplot is not here (apt-get install gnuplot-nox)"
		return
	fi
	as_owner mkdir -p "$top/doc/benchmarks"
	for curve in $(results -c "SELECT DISTINCT kind FROM own_costs"); do
		draw_curve "$curve" "$curve" "leadroute's own CPU, us a lead" "SELECT size, own, low, high FROM own_costs WHERE kind = '$curve' AND size > 0 ORDER BY size"
	done
	draw_curve history "leads of history" "leads/s, 8 clients, of none" "SELECT greatest(size, 1), value, low, high FROM history_ratios WHERE variant = 'lr' ORDER BY size"
	draw_curve connections "leads of a connection" "ms a lead, lr" "SELECT size, value / size, low / size, high / size FROM medians WHERE part = 'connect' AND variant = 'lr' ORDER BY size"
}

need_gnuplot() {
	command -v gnuplot >/dev/null && return
	command -v apt-get >/dev/null && may_install || return
	say "installing gnuplot-nox"
	as_root env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 install -y -qq --no-install-recommends gnuplot-nox >/dev/null 2>&1 </dev/null || return
	command -v gnuplot >/dev/null
}

draw_curve() { # NAME WHAT-GROWS WHAT-IT-COSTS QUERY; the query gives size, value, lowest, highest
	results -F ' ' -c "$4" >"$scratch/curve.dat"
	[[ -s $scratch/curve.dat ]] || return 0
	gnuplot >"$scratch/curve.svg" <<-GNUPLOT
		set terminal svg size 720,420 font "sans-serif,13" background "white"
		set logscale x
		set format x "%.0s%c"
		set xlabel "${2//_/ }"
		set ylabel "$3"
		set yrange [0:*]
		set grid
		unset key
		plot "$scratch/curve.dat" using 1:2:3:4 with yerrorbars lc rgb "#888888" pt 0, "" using 1:2 with linespoints lc rgb "#1f4e9c" lw 2 pt 7
	GNUPLOT
	as_owner tee "$top/doc/benchmarks/$1.svg" <"$scratch/curve.svg" >/dev/null
	say "drawn: doc/benchmarks/$1.svg"
}
