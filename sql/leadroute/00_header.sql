/* leadroute: install script, joined from sql/leadroute/ by the Makefile. */
\echo Use "CREATE EXTENSION leadroute CASCADE" to load this file. \quit


/*
 * Who owns the schema could plant objects in it, and names in conditions resolve as its owner. A
 * restore makes the schema first, with the owner that it had: a superuser, who may.
 */
DO $$
BEGIN
	IF EXISTS (SELECT FROM pg_catalog.pg_namespace n JOIN pg_catalog.pg_roles r ON r.oid OPERATOR(pg_catalog.=) n.nspowner
				WHERE n.nspname OPERATOR(pg_catalog.=) 'leadroute' AND NOT r.rolsuper) THEN
		RAISE EXCEPTION USING
			ERRCODE = 'duplicate_schema',
			MESSAGE = 'schema "leadroute" belongs to a role that is no superuser',
			DETAIL = 'The schema was there before the extension, and its owner could change what the extension makes in it.',
			HINT = 'Rename or drop that schema, then run CREATE EXTENSION leadroute CASCADE.';
	END IF;
END;
$$;
