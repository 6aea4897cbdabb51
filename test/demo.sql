-- What `make demo` shows. Run by psql in the demo's cluster, database postgres.
\pset footer off
\set QUIET on
SET client_min_messages = warning;
CREATE EXTENSION leadroute CASCADE;
\echo '-- CREATE EXTENSION leadroute CASCADE;'
SELECT extname AS extension, extversion AS version, extnamespace::regnamespace AS schema
  FROM pg_extension WHERE extname = 'leadroute';
