# leadroute. `make help` lists what a developer types; packagers need only
# `make`, `make install` and `make installcheck`, which are plain PGXS.

# ---- The developer's front ------------------------------------------------
# These goals bring their own server and packages, so they work where there is
# no PGXS yet, and PGXS's own `check` stays out of their way. A goal named
# beside one of them (`make clean check`) is handed to a make of its own.

DEVELOPER = help demo demo-stop check check-full bench doc lint format hooks
FRONT := $(filter $(DEVELOPER),$(MAKECMDGOALS))

ifneq ($(FRONT),)

.NOTPARALLEL:
.PHONY: $(MAKECMDGOALS)

$(filter-out $(DEVELOPER),$(MAKECMDGOALS)):
	$(MAKE) $@

help:
	@echo 'make demo        a throw-away cluster with leads being routed; demo-stop ends it'
	@echo 'make check       every suite in throw-away clusters; check-full adds the slow ones'
	@echo 'make bench       what a lead costs, beside the floor and the twins; BENCH=full, BENCH_PARTS=...: test/bench/README.md'
	@echo 'make doc         doc/reference.md and the output in README.md, as a throw-away cluster prints them'
	@echo 'make lint        warnings as errors, cppcheck, clang-tidy, shellcheck, symbols, format'
	@echo 'make format      clang-format with the pinned layout'
	@echo 'make hooks       a pre-commit hook that runs the quick part of lint'
	@echo 'make -s mail-domains | psql ...   refills leadroute.mail_domains from npm; make country-data remakes the names from iso-codes'
	@echo 'make             builds; make install, make installcheck, make clean: as with any extension'
	@echo 'PG_CONFIG=...    names the server; otherwise the newest one that can build extensions'

demo:
	@test/demo start
demo-stop:
	@test/demo stop
check:
	@test/check
check-full:
	@LEADROUTE_FULL=1 test/check
bench:
	@test/bench/run
doc:
	@test/doc
lint:
	@test/lint
format:
	@test/lint format
hooks:
	@test/lint hooks

else

# ---- The extension --------------------------------------------------------

EXTENSION = leadroute
EXTVERSION := $(shell sed -n "s/^default_version *= *'\(.*\)'/\1/p" leadroute.control)
MODULE_big = leadroute
# a folder for each part of the domain; what stands in src itself is the module: its start, its triggers, attach
FOLDERS = src $(patsubst %/,%,$(sort $(wildcard src/*/)))
OBJS = $(addsuffix .o,$(basename $(wildcard $(FOLDERS:=/*.c) $(FOLDERS:=/*.cpp))))
SQL_PARTS = $(sort $(wildcard sql/leadroute/*.sql))
PG_CPPFLAGS = -DLEADROUTE_VERSION='"$(EXTVERSION)"' $(addprefix -I,$(FOLDERS))
# Nobody replaces our functions at run time, so the compiler may inline those that are not static too.
PG_CFLAGS = -fno-semantic-interposition
# libstdc++ for src/canonical/phone.cpp. Its templates would be visible to the whole server: src/exports.map keeps them in.
SHLIB_LINK = -lidn2 -lpsl -lphonenumber -llinear -lstdc++ -Wl,--version-script=src/exports.map
PG_CXXFLAGS = -fvisibility=hidden
DATA = $(wildcard sql/leadroute--*--*.sql)
DATA_built = sql/leadroute--$(EXTVERSION).sql

# ---- Tests: found by wildcard, the slow ones (*_full*) only when asked for -

fast = $(if $(LEADROUTE_FULL),$(1),$(foreach t,$(1),$(if $(findstring _full,$(t)),,$(t))))

REGRESS = $(call fast,$(sort $(patsubst test/sql/%.sql,%,$(wildcard test/sql/*.sql))))
REGRESS_OPTS = --inputdir=test
ISOLATION = $(call fast,$(sort $(patsubst test/specs/%.spec,%,$(wildcard test/specs/iso_*.spec))))
ISOLATION_OPTS = --inputdir=test --outputdir=. --load-extension=btree_gist --load-extension=leadroute
PROVE_TESTS = $(call fast,$(sort $(wildcard test/t/*.pl)))
TAP_TESTS = $(if $(PROVE_TESTS),1)
PGTAP_TESTS = $(call fast,$(sort $(wildcard test/pgtap/*.sql)))

EXTRA_CLEAN = results output_iso tmp_check log regression.diffs regression.out \
	compile_commands.json src/.built-for \
	$(wildcard test/modules/*/*.o test/modules/*/*.so test/modules/*/*.bc)

# ---- PGXS -----------------------------------------------------------------
# Debian's /usr/bin/pg_config may be the client library's, which has no PGXS.

ifndef PG_CONFIG
PG_CONFIG := $(shell ls -d /usr/lib/postgresql/*/lib/pgxs/src/makefiles/pgxs.mk 2>/dev/null \
	| sort -t/ -k5,5n | tail -n 1 | sed 's,/lib/pgxs/.*,/bin/pg_config,')
endif
PG_CONFIG := $(or $(PG_CONFIG),pg_config)
PGXS := $(shell $(PG_CONFIG) --pgxs 2>/dev/null)

ifneq ($(wildcard $(PGXS)),)
include $(PGXS)

# Objects know no headers (PGXS tracks none) and no server version: these two lines do.
$(OBJS) $(OBJS:.o=.bc): $(wildcard $(FOLDERS:=/*.h)) src/.built-for
src/.built-for: force
	@$(PG_CONFIG) --version | cmp -s - $@ || $(PG_CONFIG) --version > $@
.PHONY: force

sql/leadroute--$(EXTVERSION).sql: $(SQL_PARTS) leadroute.control
	cat $(SQL_PARTS) > $@.part
	mv $@.part $@

# What is made from the data of others and kept in the tree: needs iso-codes.
.PHONY: country-data
country-data:
	src/canonical/country_data.pl > src/canonical/country_data.h.new
	mv src/canonical/country_data.h.new src/canonical/country_data.h

# make -s mail-domains | psql: the long lists of mail domains, from npm.
.PHONY: mail-domains
mail-domains:
	@sql/mail_domains.pl

# test/check runs each suite by itself and asks here what belongs to it.
.PHONY: show-tests
show-tests:
	@echo 'REGRESS $(REGRESS)'
	@echo 'ISOLATION $(ISOLATION)'
	@echo 'PGTAP_TESTS $(PGTAP_TESTS)'
	@echo 'PROVE_TESTS $(PROVE_TESTS)'

else

all install installcheck uninstall:
	@echo '$(PG_CONFIG) knows no PGXS: install postgresql-server-dev-NN, or name another with PG_CONFIG=...' >&2
	@exit 1
clean:
	rm -rf $(EXTRA_CLEAN) $(OBJS) $(OBJS:.o=.bc) $(DATA_built) leadroute.so

endif
endif
