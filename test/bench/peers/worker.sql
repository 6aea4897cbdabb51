-- What the worker in Node (worker.js) shares with its other instances: turns and loads. All else it holds in memory.
\set ON_ERROR_STOP on
SET client_min_messages = warning;
TRUNCATE p2.leads, p2.lead_states, p2.events, p2.identities, p2.outbox;
CREATE INDEX ON p2.leads (id) WHERE routed_at IS NULL;
CREATE TABLE p2.turns AS SELECT team, 0::bigint AS turn FROM leadroute.teams;
ALTER TABLE p2.turns ADD PRIMARY KEY (team);
CREATE TABLE p2.loads AS SELECT team, rep, 0 AS open, capacity FROM leadroute.team_members;
ALTER TABLE p2.loads ADD PRIMARY KEY (team, rep);
ANALYZE p2.turns, p2.loads;
