--
-- catch_up and sweep outside of a transaction: batches that commit, a run that stops and goes on
--
CREATE DATABASE leadroute_catch_up;
\c leadroute_catch_up
SET client_min_messages = warning;
CREATE EXTENSION leadroute CASCADE;
\set SHOW_CONTEXT never
CREATE TABLE public.leads (id bigint PRIMARY KEY, email text, owner text) WITH (autovacuum_enabled = off);
INSERT INTO public.leads SELECT i, 'p' || i, CASE WHEN i % 2 = 0 THEN 'ana' END FROM generate_series(1, 3000) i;
INSERT INTO leadroute.reps (rep) VALUES ('ana');
INSERT INTO leadroute.teams (team) VALUES ('west');
INSERT INTO leadroute.team_members (team, rep) VALUES ('west', 'ana');
SELECT leadroute.attach('public.leads');
-- in a transaction block one batch, and nothing is committed
SET client_min_messages = notice;
BEGIN;
CALL leadroute.catch_up('public.leads', existing => 'adopt', batch => 200);
ROLLBACK;
SET client_min_messages = warning;
SELECT count(*) AS runs FROM leadroute.catch_up_progress;
-- in a function too
CREATE FUNCTION public.called() RETURNS bigint LANGUAGE plpgsql AS $$
BEGIN
	CALL leadroute.catch_up('public.leads', existing => 'adopt', batch => 200);
	RETURN (SELECT recorded FROM leadroute.catch_up_progress);
END
$$;
SELECT public.called() BETWEEN 1 AND 2999 AS one_batch;
-- alone to the end: from where the last one stopped, each batch in its own transaction
CALL leadroute.catch_up('public.leads', existing => 'adopt', batch => 200);
SELECT existing, phase, percent_read, recorded, adopted, failed FROM leadroute.catch_up_progress;
SELECT count(DISTINCT xmin::text) > 5 AS many_transactions FROM leadroute.lead_states;
SELECT status, code, owner, team, source_owner, count(*) FROM leadroute.lead_states GROUP BY 1, 2, 3, 4, 5 ORDER BY 1;
SELECT team, rep, sum(open) AS open FROM leadroute.rotation GROUP BY 1, 2;
SELECT leadroute.detach('public.leads');
-- leads that a refresh does not bring back free their places
DELETE FROM public.leads WHERE id > 2000;
SELECT leadroute.attach('public.leads');
UPDATE leadroute.attachments SET refreshed_at = now() - interval '2 days';
CALL leadroute.sweep();
SELECT lead_states.status, code, outcome, count(*), min(lead::int), max(lead::int) FROM leadroute.lead_states WHERE owner IS NOT NULL GROUP BY 1, 2, 3 ORDER BY 1;
SELECT team, rep, sum(open) AS open FROM leadroute.rotation GROUP BY 1, 2;
SELECT kind, code, count(*) FROM leadroute.events GROUP BY 1, 2;
SELECT gone_at IS NOT NULL AS swept FROM leadroute.attachments;
SELECT leadroute.detach('public.leads');
\c postgres
DROP DATABASE leadroute_catch_up;
