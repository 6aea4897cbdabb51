/*
 * What a lead's source says of how much it wants.
 */
CREATE TABLE leadroute.sources (
	flow			text COLLATE "C" NOT NULL DEFAULT 'default',
	source			text COLLATE "C" NOT NULL CHECK (source <> ''),
	intent			text NOT NULL CHECK (intent IN ('high', 'medium', 'low')),
	note			text,
	PRIMARY KEY (flow, source)
);
COMMENT ON TABLE leadroute.sources IS 'What a lead''s source says of its intent, where neither flows.intent nor the row''s column intent does. Empty at first: a source without a row says nothing. load_sources() brings the usual ones.';
COMMENT ON COLUMN leadroute.sources.flow IS 'The flow.';
COMMENT ON COLUMN leadroute.sources.source IS 'What the leads table''s column source says, whatever its case and punctuation: "Demo Request" is "demo_request". Of two rows that read alike the first by name counts.';
COMMENT ON COLUMN leadroute.sources.intent IS 'high, medium or low.';
COMMENT ON COLUMN leadroute.sources.note IS 'Free text of who wrote the row; kept with each change in config_changes.';

CREATE FUNCTION leadroute.load_sources(flow text DEFAULT 'default') RETURNS integer
LANGUAGE sql
SET search_path = pg_catalog, leadroute, pg_temp
AS $$
	WITH brought AS (
		INSERT INTO leadroute.sources (flow, source, intent)
		SELECT load_sources.flow, s.source, s.intent
		FROM (VALUES ('demo request', 'high'), ('contact sales', 'high'), ('request a quote', 'high'), ('pricing', 'high'),
					 ('free trial', 'high'), ('sign up', 'high'), ('chat', 'high'), ('phone', 'high'), ('referral', 'high'),
					 ('contact form', 'medium'), ('web', 'medium'), ('website', 'medium'), ('webinar', 'medium'), ('event', 'medium'),
					 ('trade show', 'medium'), ('partner', 'medium'), ('whitepaper', 'medium'), ('case study', 'medium'),
					 ('paid search', 'medium'), ('google ads', 'medium'), ('linkedin', 'medium'),
					 ('newsletter', 'low'), ('blog', 'low'), ('ebook', 'low'), ('content download', 'low'), ('organic search', 'low'),
					 ('social media', 'low'), ('purchased list', 'low'), ('list import', 'low'), ('other', 'low')) s(source, intent)
		ON CONFLICT DO NOTHING
		RETURNING 1)
	SELECT count(*)::integer FROM brought
$$;
COMMENT ON FUNCTION leadroute.load_sources(text) IS 'Inserts the usual sources of leads with their intent into leadroute.sources; those that have a row keep it. Answers how many it inserted.';
