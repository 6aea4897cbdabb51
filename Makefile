# leadroute: a PGXS build. The version stands in leadroute.control alone.
EXTENSION = leadroute
EXTVERSION = $(shell sed -n "s/^default_version *= *'\(.*\)'/\1/p" leadroute.control)
MODULE_big = leadroute
OBJS = $(patsubst %.c,%.o,$(wildcard src/*.c))
SQL_PARTS = $(sort $(wildcard sql/leadroute/*.sql))
DATA_built = sql/leadroute--$(EXTVERSION).sql

PG_CONFIG ?= pg_config
PGXS := $(shell $(PG_CONFIG) --pgxs)
include $(PGXS)

sql/leadroute--$(EXTVERSION).sql: $(SQL_PARTS) leadroute.control
	cat $(SQL_PARTS) > $@
EXTRA_CLEAN = sql/leadroute--$(EXTVERSION).sql
