--
-- CREATE and DROP EXTENSION in one session, in a database of its own
--
CREATE DATABASE leadroute_install;
\c leadroute_install
SET client_min_messages = warning;
CREATE EXTENSION leadroute CASCADE;
SELECT extnamespace::regnamespace AS schema, extrelocatable FROM pg_extension WHERE extname = 'leadroute';
SELECT installed_version = default_version AS newest FROM pg_available_extensions WHERE name = 'leadroute';
-- nothing of it lies outside its schema but what cannot lie in one
SELECT DISTINCT i.type
  FROM pg_depend d, pg_extension e, pg_identify_object(d.classid, d.objid, d.objsubid) i
 WHERE e.extname = 'leadroute' AND d.refclassid = 'pg_extension'::regclass AND d.refobjid = e.oid AND d.deptype = 'e'
   AND i.schema IS DISTINCT FROM 'leadroute'
   AND i.type NOT IN ('cast', 'schema', 'event trigger', 'operator of access method', 'function of access method')
 ORDER BY 1;
-- its schema is its own: nobody but its owner may create in it
SELECT has_schema_privilege('public', 'leadroute', 'CREATE') AS public_may_create;
-- the library stays loaded, the objects get new OIDs
DROP EXTENSION leadroute;
SELECT count(*) AS dependent_on_the_schema
  FROM pg_depend WHERE refclassid = 'pg_namespace'::regclass AND refobjid = 'leadroute'::regnamespace;
CREATE EXTENSION leadroute;
BEGIN;
SAVEPOINT s;
DROP EXTENSION leadroute;
ROLLBACK TO SAVEPOINT s;
SELECT count(*) AS extensions FROM pg_extension WHERE extname = 'leadroute';
DROP EXTENSION leadroute;
CREATE EXTENSION leadroute;
ROLLBACK;
SELECT count(*) AS extensions FROM pg_extension WHERE extname = 'leadroute';
-- a schema of that name whose owner is no superuser is refused: that role could plant objects in it
\set SHOW_CONTEXT never
DROP EXTENSION leadroute;
DROP SCHEMA leadroute;
CREATE ROLE leadroute_install_user;
GRANT CREATE ON DATABASE leadroute_install TO leadroute_install_user;
CREATE SCHEMA leadroute AUTHORIZATION leadroute_install_user;
CREATE EXTENSION leadroute;
\echo :LAST_ERROR_SQLSTATE
DROP SCHEMA leadroute;
-- only a superuser installs it
SET ROLE leadroute_install_user;
CREATE EXTENSION leadroute;
\echo :LAST_ERROR_SQLSTATE
RESET ROLE;
\c postgres
DROP DATABASE leadroute_install;
DROP ROLE leadroute_install_user;
