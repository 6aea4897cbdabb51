# shellcheck shell=bash
# cluster.sh: throw-away PostgreSQL clusters, for make check, demo and bench. Sourced, not run.
#
# Nothing here touches the machine's own PostgreSQL, except that packages which are
# missing are installed where that is allowed (root, or sudo without a password).
# leadroute goes into a private copy of the installation: PostgreSQL finds its libraries
# and its share directory relative to its own binary, so a copy of the three directories,
# each under its whole old path, is an installation of its own.
#
# The server never runs as root: root hands every command of the cluster to the account
# postgres, which therefore owns the scratch directory. Clusters listen on a socket in
# their own directory and nowhere else, so no port of the machine is taken and none is in
# the way. What cluster_start started, cluster_stop ends, through its data directory.
#
# Call order: need_packages; scratch_make; private_make; cluster_start ... cluster_stop; scratch_remove.

top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
account=postgres
port=54329
umask 022
export LC_ALL=C.UTF-8
unset MAKEFLAGS MFLAGS MAKELEVEL MAKEFILES
unset PGDATA PGHOST PGHOSTADDR PGPORT PGUSER PGPASSWORD PGDATABASE PGSERVICE PGOPTIONS PGSSLMODE

say() { printf '%s\n' "$@"; }
die() { printf 'leadroute: %s\n' "$*" >&2; exit 1; }

# ---- packages ---------------------------------------------------------------

may_install() { [[ $EUID == 0 ]] || sudo -n true 2>/dev/null; }
as_root() { if [[ $EUID == 0 ]]; then "$@"; else sudo -n "$@"; fi; }

# The newest server that is installed, else the one that apt would bring.
server_version() {
	local version=
	if [[ -n ${PG_CONFIG:-} ]]; then
		version=$("$PG_CONFIG" --version | sed -n 's/^PostgreSQL \([0-9]*\).*/\1/p')
		[[ -n $version ]] || die "PG_CONFIG=$PG_CONFIG does not answer --version"
	else
		version=$(printf '%s\n' /usr/lib/postgresql/*/bin/postgres | cut -d/ -f5 | grep -x '[0-9]*' | sort -n | tail -n 1)
		if [[ -z $version ]]; then
			apt_lists
			version=$(apt-cache depends postgresql 2>/dev/null | sed -n 's/.*Depends: postgresql-\([0-9][0-9]*\)$/\1/p' | head -n 1)
		fi
	fi
	say "$version"
}

# apt knows packages only after its first update.
apt_lists() {
	if ! apt-cache show postgresql >/dev/null 2>&1 && may_install; then
		as_root apt-get update -qq >&2
	fi
}

# Sets $missing: the packages without which KIND (test, demo, lint) cannot work on server $1.
missing_packages() { # VERSION KIND
	local version=$1 kind=$2 lib share
	missing=()
	lib=/usr/lib/postgresql/$version share=/usr/share/postgresql/$version
	if [[ -n ${PG_CONFIG:-} ]]; then
		share=$("$PG_CONFIG" --sharedir) lib=$(dirname "$("$PG_CONFIG" --bindir)")
	fi
	[[ -x $lib/bin/postgres && -e $share/extension/btree_gist.control ]] || missing+=("postgresql-$version")
	[[ -e $("$lib/bin/pg_config" --pgxs 2>/dev/null) ]] || missing+=("postgresql-server-dev-$version")
	printf '#include <stdio.h>\n' | cc -E - >/dev/null 2>&1 && command -v make >/dev/null || missing+=(build-essential)
	local header
	for header in idn2.h:libidn2-dev libpsl.h:libpsl-dev phonenumbers/phonenumberutil.h:libphonenumber-dev linear.h:liblinear-dev; do
		printf '#include <%s>\n' "${header%:*}" | c++ -x c++ -M - >/dev/null 2>&1 || missing+=("${header#*:}")
	done
	command -v c++ >/dev/null || missing+=(g++)
	case $kind in
		demo | test)
			[[ -e $share/extension/pg_cron.control ]] || missing+=("postgresql-$version-cron") ;;&
		test)
			[[ -e $share/extension/pgtap.control ]] || missing+=("postgresql-$version-pgtap")
			command -v pg_prove >/dev/null || missing+=(libtap-parser-sourcehandler-pgtap-perl)
			perl -MIPC::Run -e 1 2>/dev/null || missing+=(libipc-run-perl)
			command -v prove >/dev/null || missing+=(perl)
			local package
			# a test that needs more says so itself: "# apt: python3-psycopg pgloader"; a command of the package's name will do
			while read -r package; do
				command -v "${package/nodejs/node}" >/dev/null || [[ $(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null) == installed ]] || missing+=("$package")
			done < <(for test in "$top"/test/*/*.*; do
				[[ $test == *_full* && -z ${LEADROUTE_FULL:-} ]] || sed -n 's/^\(#\|--\) apt: *//p' "$test"
			done | tr -s ' ' '\n' | sort -u) ;;
		lint)
			local tool
			for tool in clang-format clang-tidy cppcheck shellcheck; do
				command -v "$tool" >/dev/null || missing+=("$tool")
			done ;;
	esac
}

# Installs what is missing for KIND, or says what to install; sets $pg_config to the server's
# and $SECONDS to 0: what follows is leadroute's own time.
need_packages() { # KIND
	local version log dropin=/etc/postgresql-common/createcluster.d/leadroute.conf
	version=$(server_version)
	[[ -n $version ]] || die "no PostgreSQL server is installed and apt offers none"
	missing_packages "$version" "$1"
	if ((${#missing[@]})); then
		{ command -v apt-get >/dev/null && may_install; } || die "these packages are missing, and only root or a sudoer may install them:
  sudo apt-get install ${missing[*]}"
		apt_lists
		say "installing ${missing[*]}"
		log=$(mktemp)
		# The package of a server sets up a cluster of its own and starts it: not asked for here.
		if [[ ! -e $dropin ]]; then
			as_root mkdir -p "${dropin%/*}"
			say 'create_main_cluster = false' | as_root tee "$dropin" >/dev/null
		fi
		if ! { as_root env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 install -y -qq --no-install-recommends "${missing[@]}" ||
			{ as_root apt-get update -qq &&
				as_root env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 install -y -qq --no-install-recommends "${missing[@]}"; }; } >"$log" 2>&1 </dev/null; then
			tail -n 20 "$log" >&2
			as_root rm -f "$dropin"
			die "apt-get could not install: ${missing[*]}"
		fi
		as_root rm -f "$dropin"
		rm -f "$log"
		missing_packages "$version" "$1"
		((${#missing[@]} == 0)) || die "still missing after apt-get: ${missing[*]}"
	fi
	pg_config=${PG_CONFIG:-/usr/lib/postgresql/$version/bin/pg_config}
	SECONDS=0
}

# ---- the scratch directory and who works in it -------------------------------

# Makes DIR (where empty, a new one under /tmp) for the account that runs the server; sets $scratch.
# The path is short, because a socket's path has at most 107 bytes; in /tmp, because postgres must reach it.
scratch_make() { # DIR
	scratch=$1
	if [[ -n $scratch ]]; then
		mkdir -m 700 "$scratch"
	else
		scratch=$(mktemp -d /tmp/leadroute.XXXXXX)
	fi
	if [[ $EUID == 0 ]]; then
		id "$account" >/dev/null 2>&1 || die "the server does not run as root, and there is no account named $account"
		chown "$account": "$scratch"
	fi
}

# Never anything but what scratch_make made. A server that a broken test left behind runs a
# binary of the scratch directory, which no other process does.
scratch_remove() {
	local process
	[[ -n ${scratch:-} && $scratch == /tmp/leadroute* ]] || return 0
	for process in /proc/[0-9]*; do
		if [[ $(readlink "$process/exe") == "$scratch"/pg/* ]]; then kill -QUIT "${process#/proc/}"; fi
	done 2>/dev/null
	rm -rf --one-file-system "$scratch"
}

# Runs a command as the account that owns the cluster, in the scratch directory.
as_server() {
	(
		cd "$scratch" || exit
		export HOME=$scratch PSQLRC=/dev/null PGHOST=${socket:-} PGPORT=$port PGUSER=postgres PGDATABASE=postgres
		if [[ $EUID == 0 ]]; then
			exec runuser -u "$account" -- "$@"
		else
			exec "$@"
		fi
	)
}

# What is written into the tree belongs to whom the tree belongs to, also under sudo.
as_owner() {
	local owner
	owner=$(stat -c %U "$top")
	if [[ $EUID == 0 && $owner != root ]]; then runuser -u "$owner" -- "$@"; else "$@"; fi
}

# ---- the private installation --------------------------------------------------

# Builds leadroute and installs it into a copy of the server under $scratch/pg; sets $bindir and $private.
# Fails where one step does.
private_make() {
	local dir jobs
	jobs=$(nproc)
	for dir in bindir pkglibdir sharedir; do
		dir=$("$pg_config" --$dir)
		mkdir -p "$scratch/pg$dir"
		tar -C "$dir" --exclude=./bitcode --exclude=./man -cf - . | tar -C "$scratch/pg$dir" -xf - || return 1
	done
	dir=$("$pg_config" --pkgincludedir)
	mkdir -p "$scratch/pg${dir%/*}"
	ln -s "$dir" "$scratch/pg$dir" || return 1
	bindir=$scratch/pg$("$pg_config" --bindir)
	private=$bindir/pg_config
	# with_llvm: the bitcode is for JIT, which throw-away clusters do without
	as_owner make -s -C "$top" -j"$jobs" PG_CONFIG="$pg_config" with_llvm=no all || return 1
	make -s -C "$top" PG_CONFIG="$private" with_llvm=no install >/dev/null || return 1
	chmod -R a+rX "$scratch/pg"
}

# ---- clusters --------------------------------------------------------------------

# Makes and starts a cluster in $scratch/NAME; sets $socket. Further arguments are lines of its configuration.
cluster_start() { # NAME [SETTING...]
	local name=$1
	shift
	socket=$scratch/$name
	as_server mkdir -p "$socket"
	as_server "$bindir/initdb" -D "$socket/data" -U postgres -A trust -E UTF8 --locale=C.UTF-8 -N \
		>"$scratch/$name.initdb.log" 2>&1 || { cat "$scratch/$name.initdb.log" >&2; return 1; }
	{
		say "listen_addresses = ''"
		say "unix_socket_directories = '$socket'"
		say "port = $port"
		say "shared_preload_libraries = 'pg_cron,leadroute'"
		say "cron.database_name = 'postgres'"
		say "cron.use_background_workers = on"
		say "max_worker_processes = 20"
		say "max_prepared_transactions = 8"
		say "fsync = off"
		say "full_page_writes = off"
		say "jit = off"
		say "log_line_prefix = '%m [%p] %q%a '"
		local setting
		for setting in "$@"; do say "$setting"; done
	} | as_server tee -a "$socket/data/postgresql.conf" >/dev/null
	as_server "$bindir/pg_ctl" -D "$socket/data" -l "$socket/server.log" -s -w -t 60 start </dev/null >/dev/null || {
		tail -n 20 "$socket/server.log" >&2
		return 1
	}
}

cluster_stop() { # NAME [MODE]
	if as_server test -e "$scratch/$1/data/postmaster.pid"; then
		as_server "$bindir/pg_ctl" -D "$scratch/$1/data" -s -m "${2:-fast}" -w -t 60 stop
	fi
}

sql() { as_server "$bindir/psql" -X -q -v ON_ERROR_STOP=1 "$@"; }
