/*
 * test/pgtap/templates.sql
 *		Templates of scoring models: every point of the published tables, by a copy of their numbers of its own; the worked leads.
 */
\set ON_ERROR_STOP on
BEGIN;
CREATE EXTENSION IF NOT EXISTS pgtap;
SET LOCAL client_min_messages = warning;
SELECT plan(50);
CREATE SCHEMA t;
CREATE TABLE t.leads (id integer PRIMARY KEY, email text, phone text, company text, country text, industry text, employees text, "Revenue" numeric, title text, tools text[], owner text);
SELECT leadroute.attach('t.leads', columns => '{"annual_revenue": "Revenue"}') IS NOT NULL AS attached \gset
INSERT INTO leadroute.reps (rep) VALUES ('ana');
INSERT INTO leadroute.rules (position, rule, target, target_name, if_unavailable) VALUES (99, 'all', 'rep', 'ana', 'wait');
SELECT leadroute.activate() IS NOT NULL AS active \gset

/* each template becomes a model */
CREATE TEMP VIEW parameters AS SELECT '{"primary_industries": ["SaaS", "fintech"], "secondary_industries": ["retail"], "primary_countries": ["USA", "Canada"], "secondary_countries": ["de"],
	"primary_departments": ["sales"], "adjacent_departments": ["marketing"], "competitor_domains": ["https://www.rival.example.com/"], "conditions": {"complementary_tool": "tools @> ''{slack}''"}}'::jsonb AS p;
SELECT is(leadroute.load_template(t.template, parameters => p), t.template, t.template || ' is loaded') FROM leadroute.scoring_templates t, parameters ORDER BY t.template;

/* tables.md: its numbers, once more */
CREATE TEMP TABLE published (model text, dimension text, "group" text, points numeric[]);
INSERT INTO published VALUES
	('general', 'fit', 'employees', '{5,10,15,20,15}'), ('general', 'fit', 'industry', '{20,10}'), ('general', 'fit', 'revenue', '{5,10,15,20}'),
	('general', 'fit', 'geography', '{10,5}'), ('general', 'fit', 'title', '{25,20,15,10,5}'), ('general', 'fit', 'department', '{15,5}'),
	('general', 'fit', 'role', '{20,10,5}'), ('general', 'fit', 'technology', '{15,10,20,10,5}'),
	('general', 'engagement', 'high intent', '{30,20,25,30,15,15,20}'), ('general', 'engagement', 'medium', '{10,15,10,10,5,5,5}'),
	('general', 'engagement', 'low', '{2,2,1,1}'), ('general', 'engagement', 'product use', '{15,20,25,25,20,10,15,20}'),
	('general', NULL, 'negative', '{-50,-30,-10,-20,-50,-100,-25,-10,-15,-10,-30}'),
	('plg', 'fit', NULL, '{15,10,10,10}'), ('plg', 'engagement', NULL, '{15,20,25,25,20,15}'), ('plg', NULL, 'negative', '{-10,-15,-50}'),
	('enterprise', 'fit', NULL, '{20,15,15,20,15,10}'), ('enterprise', 'engagement', NULL, '{30,20,15,10,15}'), ('enterprise', NULL, 'negative', '{-30,-15,-50}'),
	('mid_market', 'fit', NULL, '{15,10,15,10,10}'), ('mid_market', 'engagement', NULL, '{25,15,10,10,10,10}'), ('mid_market', NULL, 'negative', '{-10,-10,-50,-25}'),
	('plg_lifecycle', 'fit', NULL, '{15,20,10,15,10}'), ('plg_lifecycle', 'engagement', NULL, '{15,20,25,20,15,10}'), ('plg_lifecycle', NULL, 'negative', '{}'),
	('enterprise_lifecycle', 'fit', NULL, '{20,15,20,15,10}'), ('enterprise_lifecycle', 'engagement', NULL, '{25,10,10,15,10}'), ('enterprise_lifecycle', NULL, 'negative', '{}'),
	('mid_market_lifecycle', 'fit', NULL, '{15,10,15,10}'), ('mid_market_lifecycle', 'engagement', NULL, '{25,20,10,10,10,10}'), ('mid_market_lifecycle', NULL, 'negative', '{}');
INSERT INTO published SELECT 'general_enterprise', dimension, "group", CASE WHEN "group" = 'employees' THEN '{5,10,15,20,25}' ELSE points END FROM published WHERE model = 'general';
SELECT is_empty($$ SELECT model, dimension, "group", published, points FROM (
		SELECT p.model, p.dimension, p."group", (SELECT array_agg(v ORDER BY v) FROM unnest(p.points) v) AS published,
			(SELECT array_agg(c.points::numeric(9,0) ORDER BY c.points) FROM leadroute.scoring_criteria c
			 WHERE c.model = p.model AND CASE WHEN p."group" IS NOT NULL THEN c."group" = p."group" ELSE c."group" <> 'negative' END AND (p.dimension IS NULL OR c.dimension = p.dimension)) AS points
		FROM published p) x WHERE published IS DISTINCT FROM points $$, 'every point of every row');
SELECT is((SELECT count(*) FROM published), 44::bigint, 'of 44 rows');
SELECT results_eq($$ SELECT c.model::text COLLATE "default", sum(c.points)::integer, count(*)::integer FROM leadroute.scoring_criteria c GROUP BY c.model ORDER BY 1 $$,
	$$ SELECT p.model, sum(v)::integer, count(v)::integer FROM published p, unnest(p.points) v GROUP BY p.model ORDER BY 1 $$, 'the sums, and nothing beside them');
SELECT results_eq($$ SELECT model::text COLLATE "default", fit_weight::int, engagement_weight::int, threshold::int, fit_max::int, engagement_max::int FROM leadroute.scoring_models ORDER BY 1 $$,
	$$ VALUES ('enterprise', 60, 40, 75, 95, 90), ('enterprise_lifecycle', 60, 40, 70, NULL, NULL), ('general', 50, 50, 65, NULL, NULL), ('general_enterprise', 50, 50, 65, NULL, NULL),
		('mid_market', 50, 50, 65, 60, 80), ('mid_market_lifecycle', 50, 50, 60, NULL, NULL), ('plg', 30, 70, 60, 45, 120), ('plg_lifecycle', 40, 60, 65, NULL, NULL) $$, 'weights, thresholds and maxima');
SELECT results_eq($$ SELECT m.model::text COLLATE "default", sum(c.points)::int FROM leadroute.scoring_models m JOIN leadroute.scoring_criteria c USING (flow, model)
		WHERE m.fit_max IS NOT NULL AND c.points > 0 AND c.dimension = 'fit' AND m.fit_max = (SELECT sum(d.points) FROM leadroute.scoring_criteria d WHERE d.model = m.model AND d.points > 0 AND d.dimension = 'fit') GROUP BY 1 ORDER BY 1 $$,
	$$ VALUES ('enterprise', 95), ('mid_market', 60), ('plg', 45) $$, 'the published maxima are the positive points');
SELECT is((SELECT string_agg(format('%s %s−%s/%s', criterion, points::int, decay_points::int, decay_period), '; ' ORDER BY criterion COLLATE "C") FROM leadroute.scoring_criteria WHERE model = 'general' AND decay = 'per_period'),
	'ROI calculator 20−5/14 days; blog (3+ in a week) 10−5/14 days; case study page (2+) 15−5/14 days; comparison page 15−5/7 days; e-mail click 5−2/1 mon; e-mail open (3+) 5−2/1 mon; exported data 10−5/1 mon; homepage only 1−1/7 days; newsletter open 2−1/1 mon; pricing page 20−5/7 days; single blog visit 2−2/1 mon; single e-mail open 1−1/1 mon; social 5−2/1 mon; usage limit 20−10/1 mon; webinar attendance 15−5/1 mon; webinar registration 10−5/1 mon; whitepaper 10−5/1 mon',
	'what decays, and how fast');
SELECT is((SELECT string_agg(format('%s %s−%s/%s', criterion, points::int, decay_points::int, decay_period), '; ' ORDER BY criterion) FROM leadroute.scoring_criteria WHERE model = 'general' AND decay = 'per_period_inactive'),
	'active daily (5+ days) 20−10/14 days; core feature (3+) 25−5/1 mon', 'and what decays where nothing comes');
SELECT is((SELECT array_agg(signal_type ORDER BY signal_type) FROM leadroute.signal_types WHERE high_intent), '{contact_sales,demo_request}', 'what is of high intent');

/* half-open bands: each number is in one */
SELECT is((SELECT count(*) FROM generate_series(1, 3000) n WHERE 1 <> (SELECT count(*) FROM leadroute.scoring_criteria c WHERE c.model = 'general' AND c."group" = 'employees'
		AND leadroute.condition_holds(c.condition, jsonb_populate_record(NULL::t.leads, jsonb_build_object('employees', n))))), 0::bigint, 'each number of employees falls in one band');
SELECT is((SELECT criterion FROM leadroute.scoring_criteria c WHERE c.model = 'general' AND c."group" = 'employees' AND leadroute.condition_holds(c.condition, jsonb_populate_record(NULL::t.leads, '{"employees": " 1000 "}'))),
	'201-1000 employees', '1,000 in this one');
SELECT is((SELECT count(*) FROM unnest('{0,999999.99,1000000,9999999,10000000,99999999.99,100000000}'::numeric[]) n WHERE 1 <> (SELECT count(*) FROM leadroute.scoring_criteria c WHERE c.model = 'general' AND c."group" = 'revenue'
		AND leadroute.condition_holds(c.condition, jsonb_populate_record(NULL::t.leads, jsonb_build_object('Revenue', n))))), 0::bigint, 'each revenue too');

/* the worked leads */
CREATE FUNCTION t.score(model text, lead text) RETURNS numeric LANGUAGE plpgsql AS $$
BEGIN
	UPDATE leadroute.flows SET scoring_model = model WHERE flow = 'default';
	RETURN leadroute.score(lead);
END $$;
CREATE FUNCTION t.signals(lead text, VARIADIC types text[]) RETURNS void LANGUAGE sql AS
	$$ INSERT INTO leadroute.signals (lead, type) SELECT $1, u FROM unnest(types) u $$;
INSERT INTO t.leads (id, email, industry, employees, title) VALUES (1, 'kim@acme.com', 'SaaS', '200', 'Marketing Manager'), (2, 'kim@gmail.com', 'saas', '200', 'Marketing Manager');
SELECT t.signals(l, 'onboarding', 'core_feature', 'core_feature', 'core_feature', 'usage_limit', 'login') FROM unnest('{1,2}'::text[]) l;
SELECT is(t.score('plg', '1'), 61.25, 'product-led: 61.25');
SELECT is((SELECT string_agg(format('%s %s', x.name, x.points::int), ', ' ORDER BY x.name) FROM leadroute.score_explain('1') x WHERE x.item = 'criterion' AND x.points <> 0),
	'10-500 employees 15, core feature (3+) 25, industry 10, limit 20, manager+ 10, onboarding 20', 'of these');
SELECT is(t.score('plg', '2'), 54.58, 'with a personal address: 54.58');
INSERT INTO t.leads (id, email, industry, employees, "Revenue", title) VALUES (3, 'lee@big.com', 'fintech', '5000', 60000000, 'VP of Operations');
SELECT t.signals('3', 'demo_request', 'pricing_page', 'pricing_page');
SELECT is(t.score('enterprise', '3'), 64.21, 'enterprise: 64.21');
SELECT t.signals('3', 'decision_maker', 'competitor_tool');
SELECT is(t.score('enterprise', '3'), 80.00, 'with decision maker and a competitor''s user: 80.00');
INSERT INTO t.leads (id, email, industry, employees, title, country) VALUES (4, 'jo@mid.com', 'saas', '1000', 'Director of IT', 'US');
SELECT t.signals('4', 'demo_request', 'pricing_page');
SELECT is(t.score('mid_market', '4'), 66.67, 'the middle: 66.67');
/* nothing but fit, nothing but engagement */
INSERT INTO t.leads (id, email, industry, employees, title, country, tools) VALUES (5, 'a@mid.com', 'saas', '300', 'VP Sales', 'us', '{slack,x}'), (6, 'b@mid.com', NULL, NULL, NULL, NULL, NULL);
SELECT t.signals('6', 'demo_request', 'pricing_page', 'case_study', 'webinar_attendance', 'email_click', 'email_click', 'email_click');
SELECT is(t.score('mid_market', '5'), 50.00, 'all of the fit alone is half');
SELECT is(t.score('mid_market', '6'), 43.75, 'engagement alone too');
/* negatives */
INSERT INTO t.leads (id, email, industry, employees, title, phone) VALUES (7, 'x@mail.rival.example.com', 'saas', '300', 'Intern', '123'), (8, 'y@cs.mit.edu', NULL, '20', 'Freelance consultant', '+1 415 200 7986');
SELECT is((SELECT string_agg(x.name || ' ' || x.points::int, ', ' ORDER BY x.name) FROM (SELECT t.score('general', '7')) s, LATERAL leadroute.score_explain('7') x WHERE x.item = 'criterion' AND x.points < 0),
	'competitor domain -50, invalid phone -10, student/intern title -25', 'a competitor''s intern without a phone');
SELECT is((SELECT string_agg(x.name || ' ' || x.points::int, ', ' ORDER BY x.name) FROM leadroute.score_explain('8') x WHERE x.item = 'criterion' AND x.points < 0), '.edu -30, consultant -10', 'a consultant of a university');
SELECT t.signals('8', 'careers_page');
SELECT ok(EXISTS (SELECT FROM leadroute.score_explain('8') x WHERE x.name = 'careers page only' AND x.points = -30), 'who looks for a job only');
SELECT t.signals('8', 'pricing_page');
SELECT ok(NOT EXISTS (SELECT FROM leadroute.score_explain('8') x WHERE x.name = 'careers page only' AND x.points <> 0), 'and who looks at more');

/* bounds that exclude each other count once */
SELECT is((SELECT max(x.points) FROM leadroute.score_explain('8') x WHERE x.name = '11-50 employees'), 10.00, 'a band in a general model');
SELECT is((SELECT array_agg("group" || ' ' || cap::int ORDER BY "group") FROM leadroute.scoring_groups WHERE model = 'general_enterprise'),
	'{"department 15","employees 25","geography 10","industry 20","revenue 20","role 20","title 25"}', 'a group of bands gives what its best does');

/* edited, refused, another flow */
UPDATE leadroute.scoring_criteria SET points = 20 WHERE model = 'plg' AND criterion = 'manager+';
SELECT is(t.score('plg', '1'), round(0.3 * 100 * 45 / 45 + 0.7 * 100 * 65 / 120, 2), 'a model is edited like any other');
SELECT throws_ok($$ SELECT leadroute.load_template('plg') $$, '23505', NULL, 'a model of this name is there');
SELECT is(leadroute.load_template('plg', 'plg 2'), 'plg 2', 'by another name');
SELECT throws_ok($$ SELECT leadroute.load_template('nothing') $$, '42704', 'template "nothing" does not exist', 'no such template');
SELECT throws_ok($$ SELECT leadroute.load_template('plg', 'x', '{"industries": []}') $$, '22023', 'templates know no parameter "industries"', 'no such list');
SELECT throws_ok($$ SELECT leadroute.load_template('plg', 'x', '{"conditions": {"x": "true"}}') $$, '22023', 'templates know no parameter "x"', 'no such question');
SELECT throws_ok($$ SELECT leadroute.load_template('plg', 'x', '{"conditions": {"complementary_tool": "nowhere = 1"}}') $$, '42703', NULL, 'a condition that is none');
INSERT INTO leadroute.flows (flow) VALUES ('other');
SELECT is(leadroute.load_template('general', flow => 'other'), 'general', 'a flow without a table');
SELECT is((SELECT condition FROM leadroute.scoring_criteria WHERE flow = 'other' AND criterion = '1-10 employees'), 'employees >= 1 AND employees < 11', 'has conditions over the canonical names');
CREATE TABLE t.bare (id integer PRIMARY KEY, email text, owner text);
SELECT leadroute.attach('t.bare', flow => 'bare') IS NOT NULL AS attached \gset
SELECT is(leadroute.load_template('enterprise', flow => 'bare'), 'enterprise', 'a table without most of the columns');
SELECT is((SELECT array_agg(signal_type ORDER BY signal_type) FROM leadroute.scoring_criteria WHERE flow = 'bare' AND dimension = 'fit' AND signal_type IS NOT NULL),
	'{competitor_tool,decision_maker,employees_500,employees_under_100,industry_primary,revenue_50m,title_individual,title_vp_up}', 'is told by signals');
SELECT is_empty($$ SELECT c.signal_type FROM leadroute.scoring_criteria c WHERE c.signal_type <> '*' AND NOT EXISTS (SELECT FROM leadroute.signal_types s WHERE s.flow = c.flow AND s.signal_type = c.signal_type) $$, 'whose types are all there');
SELECT is_empty($$ SELECT * FROM leadroute.check_flow('default') c WHERE c.object LIKE 'criterion%' OR c.object LIKE 'group%' $$, 'nothing is wrong with any of them');
/* a document and back */
SELECT leadroute.import_flow(leadroute.export_flow('default'), 'copy') AS copied \gset
SELECT is(leadroute.export_flow('copy'), leadroute.export_flow('default'), 'every template goes through export and import');
SELECT is((SELECT count(DISTINCT model) FROM leadroute.scoring_criteria WHERE flow = 'copy'), 9::bigint, 'all of them');
/* fit alone and engagement alone qualify nobody under any template, a demo request does */
CREATE FUNCTION t.qualified(template text, points_in text, demo boolean) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
	wanted text := template || points_in || demo;
BEGIN
	UPDATE leadroute.flows SET scoring_model = template WHERE flow = 'default';
	INSERT INTO t.leads (id, email) VALUES (1000 + abs(hashtext(wanted)) % 1000000, md5(wanted) || '@firm.com') RETURNING id::text INTO wanted;
	/* all of one dimension: criteria that hold for everybody, in a copy of the template */
	UPDATE leadroute.scoring_criteria SET condition = 'true', signal_type = NULL, min_count = 1, within = NULL, per_event = false, decay = 'none', decay_points = NULL, decay_period = NULL
		WHERE flow = 'default' AND model = template AND dimension = points_in AND points > 0;
	UPDATE leadroute.scoring_criteria SET condition = 'false', signal_type = NULL, absent = false, min_count = 1, within = NULL, per_event = false, decay = 'none', decay_points = NULL, decay_period = NULL
		WHERE flow = 'default' AND model = template AND NOT (dimension = points_in AND points > 0);
	INSERT INTO leadroute.signals (lead, type) SELECT wanted, 'demo_request' WHERE demo;
	PERFORM leadroute.rescore('default', wanted);
	RETURN (SELECT s.mql_at IS NOT NULL FROM leadroute.lead_states s WHERE s.flow = 'default' AND s.lead = wanted);
END $$;
SAVEPOINT qualifying;
SELECT is_empty($$ SELECT template, d FROM leadroute.scoring_templates, unnest('{fit,engagement}'::text[]) d WHERE t.qualified(template, d, false) $$, 'no MQL by one of them alone, however much');
ROLLBACK TO qualifying;
SELECT is_empty($$ SELECT template, d FROM leadroute.scoring_templates, unnest('{fit,engagement}'::text[]) d WHERE t.qualified(template, d, true) IS NOT TRUE $$, 'a demo request makes one under each');
SELECT * FROM finish();
ROLLBACK;
