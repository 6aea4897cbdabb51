/*
 * Roles, made if absent: they belong to the cluster, so another database may have made them, and they
 * stay when the extension goes. What each may do is granted in 90_privileges.sql; a part that comes
 * before may name them in its own GRANTs.
 */
DO $$
DECLARE
	wanted	name;
BEGIN
	FOREACH wanted IN ARRAY ARRAY['leadroute_reader', 'leadroute_operator', 'leadroute_admin']::name[] LOOP
		IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles r WHERE r.rolname = wanted) THEN
			EXECUTE pg_catalog.format('CREATE ROLE %I NOLOGIN', wanted);
		END IF;
	END LOOP;
END
$$;
GRANT leadroute_reader TO leadroute_operator;
GRANT leadroute_operator TO leadroute_admin;
