/*
 * Conditions: what leadroute knows of a lead beside its row, and functions to try a condition with.
 * The C code finds the attributes of facts by name; add new ones at the end.
 */
CREATE TYPE leadroute.facts AS (
	flow			text,
	lead			text,
	at				timestamptz,
	submitted_at	timestamptz,
	given_owner		text,
	operation		text,
	account			text,
	account_tier	integer,
	account_owner	text,
	is_duplicate	boolean,
	stage			text,
	segment			text,
	intent			text,
	probability		double precision,
	score			double precision,
	fit				double precision,
	engagement		double precision,
	grade			text,
	signals			jsonb,
	is_mql			boolean,
	consent			boolean
);
COMMENT ON TYPE leadroute.facts IS
	'What leadroute knows of a lead while it decides. In a condition: facts.x. Not to be confused with a column of the leads table that is called facts, which stands bare.';
COMMENT ON COLUMN leadroute.facts.flow IS 'The flow that decides.';
COMMENT ON COLUMN leadroute.facts.lead IS 'The lead''s key, as text.';
COMMENT ON COLUMN leadroute.facts.at IS 'The instant of the decision: use it instead of now(), so that explain() and replays see the same.';
COMMENT ON COLUMN leadroute.facts.submitted_at IS 'When the person asked: the row''s submitted_at, or facts.at where that is NULL or in the future.';
COMMENT ON COLUMN leadroute.facts.given_owner IS 'The owner that the row arrived with; NULL if none.';
COMMENT ON COLUMN leadroute.facts.is_duplicate IS 'Whether the lead shares a key of a match rule with an earlier one. Such a lead meets the rules only where the first has no owner, or it is a returning one whose owner is not active.';
COMMENT ON COLUMN leadroute.facts.stage IS 'The stage that the lead is in: in an entry condition the one that it would leave, elsewhere the one that it has come to. NULL where the flow has no stages.';
COMMENT ON COLUMN leadroute.facts.segment IS 'What flows.segment gives for the row; NULL where the flow has none, and in what is asked before it (route_when, closed_when, won_when, hold_until, reroute_when, priority).';
COMMENT ON COLUMN leadroute.facts.intent IS 'The lead''s intent by flows.intent, the row''s column intent or leadroute.sources; NULL where segment is, and if none says.';
COMMENT ON COLUMN leadroute.facts.is_mql IS 'Whether the lead is qualified: by its points (the model''s threshold, min_fit and min_engagement), a signal of high intent, a signal meeting_booked, or approve(); and from then on until reject(). Worked out when a condition reads it; NULL where the flow has no scoring.';
COMMENT ON COLUMN leadroute.facts.consent IS 'Whether the person has consented to be contacted: what the row''s column consent says (a boolean, or a word such as yes, granted, opted in, or of consent_words), and false after a signal of a type with the effect no_consent or no_outreach. NULL where the row does not say.';
COMMENT ON COLUMN leadroute.facts.operation IS 'What brought the lead here: INSERT, UPDATE, CATCH_UP, REROUTE (by reroute(), release() and the like) or SIGNAL (its score changed); for a criterion also EXPLAIN (score() and the like), as for mask_when where a view asks.';
COMMENT ON COLUMN leadroute.facts.account IS 'The account that the lead belongs to; NULL if none. Looked up only for a rule that reads it or the other two.';
COMMENT ON COLUMN leadroute.facts.account_tier IS 'The account''s tier, 1 to 3; NULL if it has none.';
COMMENT ON COLUMN leadroute.facts.account_owner IS 'The account''s owner, a rep''s key; NULL if it has none.';
COMMENT ON COLUMN leadroute.facts.probability IS 'What the flow''s published predictive model makes of the row: the probability of its outcome, 0 to 1. NULL where no model is published (leadroute.publish()).';
COMMENT ON COLUMN leadroute.facts.score IS 'The score, 0 to 100, at facts.at; NULL where the flow has no scoring model. Worked out when a condition reads it or one of the next three, else when the lead is decided.';
COMMENT ON COLUMN leadroute.facts.fit IS 'The fit, 0 to 100.';
COMMENT ON COLUMN leadroute.facts.engagement IS 'The engagement, 0 to 100.';
COMMENT ON COLUMN leadroute.facts.grade IS 'The grade, as A1; NULL where the model has no marks.';
COMMENT ON COLUMN leadroute.facts.signals IS 'The lead''s signals that still count: an object of type and number, as {"demo_request": 1}; types without one are left out. NULL where the flow has no signal_types.';

/* What conditions call in place of core's (letter_case.c). */
CREATE FUNCTION leadroute.lower_text(value text) RETURNS text
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'lr_sql_lower';
COMMENT ON FUNCTION leadroute.lower_text(text) IS 'Internal: lower(), which conditions call so where the collation treats ASCII as most do.';
CREATE FUNCTION leadroute.upper_text(value text) RETURNS text
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'lr_sql_upper';
COMMENT ON FUNCTION leadroute.upper_text(text) IS 'Internal: upper(), which conditions call so where the collation treats ASCII as most do.';

CREATE FUNCTION leadroute.check_condition(condition text, relation regclass, flow text DEFAULT 'default') RETURNS void
	LANGUAGE c STABLE STRICT PARALLEL SAFE
	SET search_path = pg_catalog, leadroute, pg_temp
	AS 'MODULE_PATHNAME', 'lr_check_condition';
COMMENT ON FUNCTION leadroute.check_condition(text, regclass, text) IS
	'Checks a condition against a leads table (or a composite type) and raises the error that writing it into a rule would raise; returns nothing where it is fine. Output columns are those of the flow''s attachment.';

CREATE FUNCTION leadroute.condition_columns(condition text, relation regclass) RETURNS text[]
	LANGUAGE c STABLE STRICT PARALLEL SAFE
	SET search_path = pg_catalog, leadroute, pg_temp
	AS 'MODULE_PATHNAME', 'lr_condition_columns_sql';
COMMENT ON FUNCTION leadroute.condition_columns(text, regclass) IS
	'The columns of the relation that a condition reads, in the order of the table; columns that simplification removed (false AND x) do not count. Errors as check_condition.';

CREATE FUNCTION leadroute.condition_holds(condition text, "row" record, facts leadroute.facts DEFAULT NULL, flow text DEFAULT 'default')
	RETURNS boolean
	LANGUAGE c STABLE PARALLEL SAFE
	AS 'MODULE_PATHNAME', 'lr_condition_holds_sql';
COMMENT ON FUNCTION leadroute.condition_holds(text, record, leadroute.facts, text) IS
	'Evaluates a condition for a row, as routing would: SELECT count(*) FROM leads l WHERE leadroute.condition_holds(''employees > 500'', l). NULL where the condition is NULL, which routing takes for false. facts NULL stands for facts that are all NULL. Runs as the caller; errors as check_condition, or as the condition''s own functions raise them.';
