/*
 * Templates of scoring models: the published point tables of the field, as rows. load_template() copies one into a model of a flow,
 * where it is edited like any other.
 */
CREATE TABLE leadroute.scoring_templates (
	template		text COLLATE "C" PRIMARY KEY,
	fit_weight		numeric(9,4) NOT NULL,
	engagement_weight	numeric(9,4) NOT NULL,
	threshold		numeric(5,2) NOT NULL,
	fit_max			numeric(9,2),
	engagement_max	numeric(9,2),
	review			text,
	meaning			text NOT NULL
);
CREATE TABLE leadroute.scoring_template_groups (
	template		text COLLATE "C" NOT NULL,
	"group"			text COLLATE "C" NOT NULL,
	cap				numeric(9,2) NOT NULL,
	PRIMARY KEY (template, "group")
);
CREATE TABLE leadroute.scoring_template_criteria (
	template		text COLLATE "C" NOT NULL,
	criterion		text COLLATE "C" NOT NULL,
	dimension		text NOT NULL CHECK (dimension IN ('fit', 'engagement')),
	"group"			text COLLATE "C" NOT NULL,
	points			numeric(9,2) NOT NULL,
	question		text COLLATE "C" NOT NULL,
	min_count		integer NOT NULL DEFAULT 1,
	within			interval,
	per_event		boolean NOT NULL DEFAULT false,
	decay			text NOT NULL DEFAULT 'none',
	decay_points	numeric(9,2),
	decay_period	interval,
	review			boolean NOT NULL DEFAULT false,
	note			text,
	PRIMARY KEY (template, criterion)
);
/* What a criterion asks: a condition over canonical columns, in braces, where the leads table has them; else a signal of that name. */
CREATE TABLE leadroute.scoring_questions (
	question		text COLLATE "C" PRIMARY KEY,
	condition		text,
	columns			text[] NOT NULL DEFAULT '{}',
	parameter		text COLLATE "C",
	high_intent		boolean NOT NULL DEFAULT false,
	absent			boolean NOT NULL DEFAULT false,
	signal_type		text COLLATE "C",
	meaning			text NOT NULL
);

COMMENT ON TABLE leadroute.scoring_templates IS 'The templates that load_template() knows.';
COMMENT ON COLUMN leadroute.scoring_templates.template IS 'Name of the template.';
COMMENT ON COLUMN leadroute.scoring_templates.fit_weight IS 'As scoring_models has it.';
COMMENT ON COLUMN leadroute.scoring_templates.engagement_weight IS 'As scoring_models has it.';
COMMENT ON COLUMN leadroute.scoring_templates.threshold IS 'As scoring_models has it.';
COMMENT ON COLUMN leadroute.scoring_templates.fit_max IS 'As scoring_models has it; NULL: all positive points.';
COMMENT ON COLUMN leadroute.scoring_templates.engagement_max IS 'As scoring_models has it; NULL: all positive points.';
COMMENT ON COLUMN leadroute.scoring_templates.review IS 'How often the model is to be looked at again, with calibrate().';
COMMENT ON COLUMN leadroute.scoring_templates.meaning IS 'Whom it is for.';
COMMENT ON TABLE leadroute.scoring_template_groups IS 'Caps of the templates'' groups: of bands that exclude each other one counts.';
COMMENT ON COLUMN leadroute.scoring_template_groups.template IS 'The template.';
COMMENT ON COLUMN leadroute.scoring_template_groups."group" IS 'The group.';
COMMENT ON COLUMN leadroute.scoring_template_groups.cap IS 'As scoring_groups has it.';
COMMENT ON TABLE leadroute.scoring_template_criteria IS 'The criteria of the templates, with their points.';
COMMENT ON COLUMN leadroute.scoring_template_criteria.template IS 'The template.';
COMMENT ON COLUMN leadroute.scoring_template_criteria.criterion IS 'Name of the criterion.';
COMMENT ON COLUMN leadroute.scoring_template_criteria.dimension IS 'As scoring_criteria has it.';
COMMENT ON COLUMN leadroute.scoring_template_criteria."group" IS 'The row of the published table that it comes from.';
COMMENT ON COLUMN leadroute.scoring_template_criteria.points IS 'The points.';
COMMENT ON COLUMN leadroute.scoring_template_criteria.question IS 'What is asked, of scoring_questions.';
COMMENT ON COLUMN leadroute.scoring_template_criteria.min_count IS 'As scoring_criteria has it.';
COMMENT ON COLUMN leadroute.scoring_template_criteria.within IS 'As scoring_criteria has it.';
COMMENT ON COLUMN leadroute.scoring_template_criteria.per_event IS 'As scoring_criteria has it.';
COMMENT ON COLUMN leadroute.scoring_template_criteria.decay IS 'As scoring_criteria has it.';
COMMENT ON COLUMN leadroute.scoring_template_criteria.decay_points IS 'As scoring_criteria has it.';
COMMENT ON COLUMN leadroute.scoring_template_criteria.decay_period IS 'As scoring_criteria has it.';
COMMENT ON COLUMN leadroute.scoring_template_criteria.review IS 'As scoring_criteria has it.';
COMMENT ON COLUMN leadroute.scoring_template_criteria.note IS 'What the published table says beside the points.';
COMMENT ON TABLE leadroute.scoring_questions IS 'What the criteria of templates ask of a lead.';
COMMENT ON COLUMN leadroute.scoring_questions.question IS 'Name of the question, and of the signal that answers it where no column does.';
COMMENT ON COLUMN leadroute.scoring_questions.condition IS 'A condition; {employees} stands for the leads table''s column of that canonical name, {#employees} for its number, [[primary_industries]] for a list of load_template()''s parameters. NULL: a signal answers.';
COMMENT ON COLUMN leadroute.scoring_questions.columns IS 'The canonical columns that the condition reads; where the table lacks one, the signal answers.';
COMMENT ON COLUMN leadroute.scoring_questions.parameter IS 'The list that it compares with, of load_template()''s parameters.';
COMMENT ON COLUMN leadroute.scoring_questions.high_intent IS 'Whether the signal qualifies a lead by itself.';
COMMENT ON COLUMN leadroute.scoring_questions.absent IS 'Whether the points are for the signal''s absence.';
COMMENT ON COLUMN leadroute.scoring_questions.signal_type IS 'The signal, where it is not called as the question; ''*'': any.';
COMMENT ON COLUMN leadroute.scoring_questions.meaning IS 'What it asks, in words.';

INSERT INTO leadroute.scoring_questions (question, condition, columns, parameter, meaning)
SELECT q.question, q.condition, q.columns::text[], q.parameter, q.meaning FROM (VALUES
	/* bands are half-open: a number is in one */
	('employees_1_10',		'{#employees} >= 1 AND {#employees} < 11',			'{employees}', NULL, '1 to 10 employees'),
	('employees_11_50',		'{#employees} >= 11 AND {#employees} < 51',			'{employees}', NULL, '11 to 50 employees'),
	('employees_51_200',	'{#employees} >= 51 AND {#employees} < 201',		'{employees}', NULL, '51 to 200 employees'),
	('employees_201_1000',	'{#employees} >= 201 AND {#employees} < 1001',		'{employees}', NULL, '201 to 1,000 employees'),
	('employees_over_1000',	'{#employees} >= 1001',								'{employees}', NULL, 'over 1,000 employees'),
	('employees_10_500',	'{#employees} >= 10 AND {#employees} < 501',		'{employees}', NULL, '10 to 500 employees'),
	('employees_10_499',	'{#employees} >= 10 AND {#employees} < 500',		'{employees}', NULL, '10 employees to less than 500'),
	('employees_500_5000',	'{#employees} >= 500 AND {#employees} < 5001',		'{employees}', NULL, '500 to 5,000 employees'),
	('employees_500',		'{#employees} >= 500',								'{employees}', NULL, '500 employees and more'),
	('employees_50_1000',	'{#employees} >= 50 AND {#employees} < 1001',		'{employees}', NULL, '50 to 1,000 employees'),
	('employees_under_100',	'{#employees} < 100',								'{employees}', NULL, 'under 100 employees'),
	('revenue_under_1m',	'{#annual_revenue} < 1000000',						'{annual_revenue}', NULL, 'annual revenue under 1M'),
	('revenue_1m_10m',		'{#annual_revenue} >= 1000000 AND {#annual_revenue} < 10000000',	'{annual_revenue}', NULL, 'annual revenue from 1M to less than 10M'),
	('revenue_10m_100m',	'{#annual_revenue} >= 10000000 AND {#annual_revenue} < 100000000', '{annual_revenue}', NULL, 'annual revenue from 10M to less than 100M'),
	('revenue_100m',		'{#annual_revenue} >= 100000000',					'{annual_revenue}', NULL, 'annual revenue of 100M and over'),
	('revenue_50m',			'{#annual_revenue} >= 50000000',					'{annual_revenue}', NULL, 'annual revenue of 50M and over'),
	('industry_primary',	'lower({industry}::text) = ANY ([[primary_industries]])',	'{industry}', 'primary_industries', 'a primary industry'),
	('industry_secondary',	'lower({industry}::text) = ANY ([[secondary_industries]])', '{industry}', 'secondary_industries', 'a secondary industry'),
	('geography_primary',	'leadroute.country_code({country}::text) = ANY ([[primary_countries]])',	'{country}', 'primary_countries', 'a country of the primary market'),
	('geography_secondary',	'leadroute.country_code({country}::text) = ANY ([[secondary_countries]])', '{country}', 'secondary_countries', 'a country of the secondary market'),
	('title_c_level',		'leadroute.seniority({title}::text) = ''c_level''',	'{title}', NULL, 'the C-suite'),
	('title_vp',			'leadroute.seniority({title}::text) = ''vp''',		'{title}', NULL, 'a vice president'),
	('title_director',		'leadroute.seniority({title}::text) = ''director''', '{title}', NULL, 'a director'),
	('title_manager',		'leadroute.seniority({title}::text) = ''manager''',	'{title}', NULL, 'a manager'),
	('title_individual',	'leadroute.seniority({title}::text) = ''individual''', '{title}', NULL, 'an individual contributor'),
	('title_manager_up',	'leadroute.seniority({title}::text) = ANY (''{manager,director,vp,c_level}''::text[])', '{title}', NULL, 'a manager or above'),
	('title_manager_to_vp',	'leadroute.seniority({title}::text) = ANY (''{manager,director,vp}''::text[])', '{title}', NULL, 'a manager, director or vice president'),
	('title_vp_up',			'leadroute.seniority({title}::text) = ANY (''{vp,c_level}''::text[])', '{title}', NULL, 'a vice president or above'),
	('title_student',		'leadroute.seniority({title}::text) = ''student''',	'{title}', NULL, 'a student or intern'),
	('title_consultant',	'leadroute.seniority({title}::text) = ''consultant''', '{title}', NULL, 'a consultant'),
	('department_primary',	'leadroute.department({title}::text) = ANY ([[primary_departments]])', '{title}', 'primary_departments', 'a department that buys'),
	('department_adjacent',	'leadroute.department({title}::text) = ANY ([[adjacent_departments]])', '{title}', 'adjacent_departments', 'a department next to it'),
	('competitor_domain',	'leadroute.domain_key({email}::text) = ANY ([[competitor_domains]])', '{email}', 'competitor_domains', 'an e-mail address of a competitor'),
	('edu_domain',			'{email}::text ~* ''[.]edu([.][a-z][a-z])?\s*$''',	'{email}', NULL, 'an e-mail address of a university (.edu)'),
	('personal_mail',		'leadroute.is_public_mail({email}::text)',			'{email}', NULL, 'an e-mail address of a public provider'),
	('invalid_phone',		'leadroute.phone_problem({phone}::text, {country}::text) IS NOT NULL', '{phone,country}', NULL, 'a phone number that is none'),
	/* over signals alone */
	('careers_page_only',	'facts.signals -> ''careers_page'' IS NOT NULL AND facts.signals - ''careers_page'' = ''{}''::jsonb', '{}', NULL, 'visits of the careers page and nothing else'),
	('demo_or_trial',		'facts.signals -> ''demo_request'' IS NOT NULL OR facts.signals -> ''free_trial'' IS NOT NULL', '{}', NULL, 'a demo request or a free trial')
) q(question, condition, columns, parameter, meaning);
INSERT INTO leadroute.scoring_questions (question, meaning) VALUES
	/* what no usual column says: enrichment or a person tells it by a signal, or the parameter "conditions" names a column */
	('decision_maker',		'the lead decides'),
	('influencer',			'the lead has a say'),
	('end_user',			'the lead would use it'),
	('budget_authority',	'the lead has the budget'),
	('complementary_tool',	'uses a tool that yours completes'),
	('competitor_tool',		'uses a competitor''s tool'),
	('replaced_tool',		'uses a tool that yours replaces'),
	('modern_stack',		'has a modern stack'),
	('legacy_stack',		'has a legacy stack'),
	('pricing_page',		'visited the pricing page'),
	('free_trial',			'began a free trial'),
	('case_study',			'read a case study'),
	('comparison_page',		'visited a comparison page'),
	('roi_calculator',		'used the ROI calculator'),
	('roi_guide',			'took the ROI guide'),
	('webinar_registration', 'registered for a webinar'),
	('webinar_attendance',	'attended a webinar'),
	('executive_webinar',	'attended a webinar for executives'),
	('whitepaper',			'took a whitepaper'),
	('download',			'downloaded something'),
	('blog_visit',			'read a page of the blog'),
	('email_click',			'clicked in an e-mail'),
	('email_open',			'opened an e-mail'),
	('newsletter_open',		'opened a newsletter'),
	('sales_email',			'answered an e-mail of sales'),
	('social',				'did something in a social network'),
	('homepage_only',		'saw the home page and left'),
	('multiple_stakeholders', 'several people of one company are there'),
	('account_created',		'created an account'),
	('onboarding',			'went through onboarding'),
	('core_feature',		'used a core feature'),
	('team_invited',		'invited a member of the team'),
	('usage_limit',			'reached a limit of use'),
	('data_exported',		'exported data'),
	('integration',			'connected an integration'),
	('active_day',			'was active on a day'),
	('unsubscribe',			'unsubscribed'),
	('hard_bounce',			'an e-mail bounced for good'),
	('spam_complaint',		'complained of spam');
INSERT INTO leadroute.scoring_questions (question, high_intent, meaning) VALUES
	('demo_request',		true, 'asked for a demo'),
	('contact_sales',		true, 'filled in the form to contact sales');
INSERT INTO leadroute.scoring_questions (question, absent, signal_type, meaning) VALUES
	('no_visit',			true, '*', 'no signal of any kind'),
	('no_engagement',		true, '*', 'no signal of any kind'),
	('no_login',			true, 'login', 'no login');

INSERT INTO leadroute.scoring_templates (template, fit_weight, engagement_weight, threshold, fit_max, engagement_max, review, meaning) VALUES
	('plg', 30, 70, 60, 45, 120, 'monthly', 'product-led growth: leads use the product before anybody calls'),
	('enterprise', 60, 40, 75, 95, 90, 'quarterly', 'sales to large companies'),
	('mid_market', 50, 50, 65, 60, 80, 'quarterly', 'sales to companies of the middle'),
	('plg_lifecycle', 40, 60, 65, NULL, NULL, NULL, 'product-led growth, as the lifecycle''s tables have it'),
	('enterprise_lifecycle', 60, 40, 70, NULL, NULL, NULL, 'large companies, as the lifecycle''s tables have it'),
	('mid_market_lifecycle', 50, 50, 60, NULL, NULL, NULL, 'the middle, as the lifecycle''s tables have it'),
	('general', 50, 50, 65, NULL, NULL, NULL, 'every criterion of the field''s tables of fit and engagement, to strike out from; 65 makes an MQL'),
	('general_enterprise', 50, 50, 65, NULL, NULL, NULL, 'the same for who sells to large companies: more points for over 1,000 employees');

INSERT INTO leadroute.scoring_template_criteria (template, dimension, "group", criterion, points, question, min_count, within, per_event, decay, decay_points, decay_period, note)
SELECT t.template, c.dimension, c."group", c.criterion, c.points, c.question, coalesce(c.min_count, 1), c.within::interval, c.per_event IS NOT NULL,
	coalesce(c.decay, 'none'), c.decay_points, c.decay_period::interval, c.note
FROM (VALUES
	/* fit */
	('general', 'fit', 'employees', '1-10 employees', 5, 'employees_1_10', NULL::integer, NULL, NULL, NULL, NULL::numeric, NULL, NULL),
	('general', 'fit', 'employees', '11-50 employees', 10, 'employees_11_50', NULL, NULL, NULL, NULL, NULL, NULL, NULL),
	('general', 'fit', 'employees', '51-200 employees', 15, 'employees_51_200', NULL, NULL, NULL, NULL, NULL, NULL, NULL),
	('general', 'fit', 'employees', '201-1000 employees', 20, 'employees_201_1000', NULL, NULL, NULL, NULL, NULL, NULL, NULL),
	('general', 'fit', 'employees', 'over 1000 employees', 15, 'employees_over_1000', NULL, NULL, NULL, NULL, NULL, NULL, NULL),
	('general', 'fit', 'industry', 'primary industry', 20, 'industry_primary', NULL, NULL, NULL, NULL, NULL, NULL, NULL),
	('general', 'fit', 'industry', 'secondary industry', 10, 'industry_secondary', NULL, NULL, NULL, NULL, NULL, NULL, NULL),
	('general', 'fit', 'revenue', 'revenue under 1M', 5, 'revenue_under_1m', NULL, NULL, NULL, NULL, NULL, NULL, NULL),
	('general', 'fit', 'revenue', 'revenue 1M-10M', 10, 'revenue_1m_10m', NULL, NULL, NULL, NULL, NULL, NULL, NULL),
	('general', 'fit', 'revenue', 'revenue 10M-100M', 15, 'revenue_10m_100m', NULL, NULL, NULL, NULL, NULL, NULL, NULL),
	('general', 'fit', 'revenue', 'revenue 100M and over', 20, 'revenue_100m', NULL, NULL, NULL, NULL, NULL, NULL, NULL),
	('general', 'fit', 'geography', 'primary market', 10, 'geography_primary', NULL, NULL, NULL, NULL, NULL, NULL, NULL),
	('general', 'fit', 'geography', 'secondary market', 5, 'geography_secondary', NULL, NULL, NULL, NULL, NULL, NULL, NULL),
	('general', 'fit', 'title', 'C-suite', 25, 'title_c_level', NULL, NULL, NULL, NULL, NULL, NULL, NULL),
	('general', 'fit', 'title', 'vice president', 20, 'title_vp', NULL, NULL, NULL, NULL, NULL, NULL, NULL),
	('general', 'fit', 'title', 'director', 15, 'title_director', NULL, NULL, NULL, NULL, NULL, NULL, NULL),
	('general', 'fit', 'title', 'manager', 10, 'title_manager', NULL, NULL, NULL, NULL, NULL, NULL, NULL),
	('general', 'fit', 'title', 'individual contributor', 5, 'title_individual', NULL, NULL, NULL, NULL, NULL, NULL, NULL),
	('general', 'fit', 'department', 'primary department', 15, 'department_primary', NULL, NULL, NULL, NULL, NULL, NULL, NULL),
	('general', 'fit', 'department', 'adjacent department', 5, 'department_adjacent', NULL, NULL, NULL, NULL, NULL, NULL, NULL),
	('general', 'fit', 'role', 'decision maker', 20, 'decision_maker', NULL, NULL, NULL, NULL, NULL, NULL, NULL),
	('general', 'fit', 'role', 'influencer', 10, 'influencer', NULL, NULL, NULL, NULL, NULL, NULL, NULL),
	('general', 'fit', 'role', 'end user', 5, 'end_user', NULL, NULL, NULL, NULL, NULL, NULL, NULL),
	('general', 'fit', 'technology', 'complementary tool', 15, 'complementary_tool', NULL, NULL, NULL, NULL, NULL, NULL, NULL),
	('general', 'fit', 'technology', 'competitor''s tool', 10, 'competitor_tool', NULL, NULL, NULL, NULL, NULL, NULL, NULL),
	('general', 'fit', 'technology', 'tool you replace', 20, 'replaced_tool', NULL, NULL, NULL, NULL, NULL, NULL, NULL),
	('general', 'fit', 'technology', 'modern stack', 10, 'modern_stack', NULL, NULL, NULL, NULL, NULL, NULL, NULL),
	('general', 'fit', 'technology', 'legacy stack', 5, 'legacy_stack', NULL, NULL, NULL, NULL, NULL, NULL, NULL),
	/* engagement */
	('general', 'engagement', 'high intent', 'demo request', 30, 'demo_request', NULL, NULL, NULL, NULL, NULL, NULL, NULL),
	('general', 'engagement', 'high intent', 'pricing page', 20, 'pricing_page', NULL, NULL, NULL, 'per_period', 5, '7 days', NULL),
	('general', 'engagement', 'high intent', 'free trial', 25, 'free_trial', NULL, NULL, NULL, NULL, NULL, NULL, NULL),
	('general', 'engagement', 'high intent', 'contact sales form', 30, 'contact_sales', NULL, NULL, NULL, NULL, NULL, NULL, NULL),
	('general', 'engagement', 'high intent', 'case study page (2+)', 15, 'case_study', 2, NULL, NULL, 'per_period', 5, '14 days', NULL),
	('general', 'engagement', 'high intent', 'comparison page', 15, 'comparison_page', NULL, NULL, NULL, 'per_period', 5, '7 days', NULL),
	('general', 'engagement', 'high intent', 'ROI calculator', 20, 'roi_calculator', NULL, NULL, NULL, 'per_period', 5, '14 days', NULL),
	('general', 'engagement', 'medium', 'webinar registration', 10, 'webinar_registration', NULL, NULL, NULL, 'per_period', 5, '1 month', NULL),
	('general', 'engagement', 'medium', 'webinar attendance', 15, 'webinar_attendance', NULL, NULL, NULL, 'per_period', 5, '1 month', NULL),
	('general', 'engagement', 'medium', 'whitepaper', 10, 'whitepaper', NULL, NULL, NULL, 'per_period', 5, '1 month', NULL),
	('general', 'engagement', 'medium', 'blog (3+ in a week)', 10, 'blog_visit', 3, '7 days', NULL, 'per_period', 5, '14 days', NULL),
	('general', 'engagement', 'medium', 'e-mail click', 5, 'email_click', NULL, NULL, 'each', 'per_period', 2, '1 month', NULL),
	('general', 'engagement', 'medium', 'e-mail open (3+)', 5, 'email_open', 3, NULL, NULL, 'per_period', 2, '1 month', NULL),
	('general', 'engagement', 'medium', 'social', 5, 'social', NULL, NULL, NULL, 'per_period', 2, '1 month', NULL),
	('general', 'engagement', 'low', 'single blog visit', 2, 'blog_visit', NULL, NULL, NULL, 'per_period', 2, '1 month', NULL),
	('general', 'engagement', 'low', 'newsletter open', 2, 'newsletter_open', NULL, NULL, NULL, 'per_period', 1, '1 month', NULL),
	('general', 'engagement', 'low', 'single e-mail open', 1, 'email_open', NULL, NULL, NULL, 'per_period', 1, '1 month', NULL),
	('general', 'engagement', 'low', 'homepage only', 1, 'homepage_only', NULL, NULL, NULL, 'per_period', 1, '7 days', NULL),
	('general', 'engagement', 'product use', 'created account', 15, 'account_created', NULL, NULL, NULL, NULL, NULL, NULL, NULL),
	('general', 'engagement', 'product use', 'onboarding', 20, 'onboarding', NULL, NULL, NULL, NULL, NULL, NULL, NULL),
	('general', 'engagement', 'product use', 'core feature (3+)', 25, 'core_feature', 3, NULL, NULL, 'per_period_inactive', 5, '1 month', NULL),
	('general', 'engagement', 'product use', 'invited team member', 25, 'team_invited', NULL, NULL, NULL, NULL, NULL, NULL, NULL),
	('general', 'engagement', 'product use', 'usage limit', 20, 'usage_limit', NULL, NULL, NULL, 'per_period', 10, '1 month', NULL),
	('general', 'engagement', 'product use', 'exported data', 10, 'data_exported', NULL, NULL, NULL, 'per_period', 5, '1 month', NULL),
	('general', 'engagement', 'product use', 'connected integration', 15, 'integration', NULL, NULL, NULL, NULL, NULL, NULL, NULL),
	('general', 'engagement', 'product use', 'active daily (5+ days)', 20, 'active_day', 5, NULL, NULL, 'per_period_inactive', 10, '14 days', NULL),
	/* negative */
	('general', 'fit', 'negative', 'competitor domain', -50, 'competitor_domain', NULL, NULL, NULL, NULL, NULL, NULL, 'flag for review'),
	('general', 'fit', 'negative', '.edu', -30, 'edu_domain', NULL, NULL, NULL, NULL, NULL, NULL, NULL),
	('general', 'fit', 'negative', 'personal mail', -10, 'personal_mail', NULL, NULL, NULL, NULL, NULL, NULL, NULL),
	('general', 'engagement', 'negative', 'unsubscribe', -20, 'unsubscribe', NULL, NULL, NULL, NULL, NULL, NULL, NULL),
	('general', 'engagement', 'negative', 'hard bounce', -50, 'hard_bounce', NULL, NULL, NULL, NULL, NULL, NULL, 'out of scoring'),
	('general', 'engagement', 'negative', 'spam complaint', -100, 'spam_complaint', NULL, NULL, NULL, NULL, NULL, NULL, 'out of all outreach'),
	('general', 'fit', 'negative', 'student/intern title', -25, 'title_student', NULL, NULL, NULL, NULL, NULL, NULL, NULL),
	('general', 'fit', 'negative', 'consultant', -10, 'title_consultant', NULL, NULL, NULL, NULL, NULL, NULL, NULL),
	('general', 'engagement', 'negative', 'no visit in 90 days', -15, 'no_visit', NULL, '90 days', NULL, NULL, NULL, NULL, NULL),
	('general', 'fit', 'negative', 'invalid phone', -10, 'invalid_phone', NULL, NULL, NULL, NULL, NULL, NULL, NULL),
	('general', 'engagement', 'negative', 'careers page only', -30, 'careers_page_only', NULL, NULL, NULL, NULL, NULL, NULL, NULL),
	/* models; a signal's decay is that of the table above */
	('plg', 'fit', 'fit', '10-500 employees', 15, 'employees_10_500', NULL, NULL, NULL, NULL, NULL, NULL, NULL),
	('plg', 'fit', 'fit', 'industry', 10, 'industry_primary', NULL, NULL, NULL, NULL, NULL, NULL, NULL),
	('plg', 'fit', 'fit', 'manager+', 10, 'title_manager_up', NULL, NULL, NULL, NULL, NULL, NULL, NULL),
	('plg', 'fit', 'fit', 'complementary tool', 10, 'complementary_tool', NULL, NULL, NULL, NULL, NULL, NULL, NULL),
	('plg', 'engagement', 'engagement', 'account', 15, 'account_created', NULL, NULL, NULL, NULL, NULL, NULL, NULL),
	('plg', 'engagement', 'engagement', 'onboarding', 20, 'onboarding', NULL, NULL, NULL, NULL, NULL, NULL, NULL),
	('plg', 'engagement', 'engagement', 'core feature (3+)', 25, 'core_feature', 3, NULL, NULL, 'per_period_inactive', 5, '1 month', NULL),
	('plg', 'engagement', 'engagement', 'invited', 25, 'team_invited', NULL, NULL, NULL, NULL, NULL, NULL, NULL),
	('plg', 'engagement', 'engagement', 'limit', 20, 'usage_limit', NULL, NULL, NULL, 'per_period', 10, '1 month', NULL),
	('plg', 'engagement', 'engagement', 'pricing', 15, 'pricing_page', NULL, NULL, NULL, 'per_period', 5, '7 days', NULL),
	('plg', 'fit', 'negative', 'personal mail', -10, 'personal_mail', NULL, NULL, NULL, NULL, NULL, NULL, NULL),
	('plg', 'engagement', 'negative', 'no login in 14 days', -15, 'no_login', NULL, '14 days', NULL, NULL, NULL, NULL, NULL),
	('plg', 'fit', 'negative', 'competitor', -50, 'competitor_domain', NULL, NULL, NULL, NULL, NULL, NULL, NULL),
	('enterprise', 'fit', 'fit', '500+ employees', 20, 'employees_500', NULL, NULL, NULL, NULL, NULL, NULL, NULL),
	('enterprise', 'fit', 'fit', 'revenue 50M+', 15, 'revenue_50m', NULL, NULL, NULL, NULL, NULL, NULL, NULL),
	('enterprise', 'fit', 'fit', 'industry', 15, 'industry_primary', NULL, NULL, NULL, NULL, NULL, NULL, NULL),
	('enterprise', 'fit', 'fit', 'VP+', 20, 'title_vp_up', NULL, NULL, NULL, NULL, NULL, NULL, NULL),
	('enterprise', 'fit', 'fit', 'decision maker', 15, 'decision_maker', NULL, NULL, NULL, NULL, NULL, NULL, NULL),
	('enterprise', 'fit', 'fit', 'competitor''s user', 10, 'competitor_tool', NULL, NULL, NULL, NULL, NULL, NULL, NULL),
	('enterprise', 'engagement', 'engagement', 'demo', 30, 'demo_request', NULL, NULL, NULL, NULL, NULL, NULL, NULL),
	('enterprise', 'engagement', 'engagement', 'multiple stakeholders', 20, 'multiple_stakeholders', NULL, NULL, NULL, NULL, NULL, NULL, NULL),
	('enterprise', 'engagement', 'engagement', 'executive webinar', 15, 'executive_webinar', NULL, NULL, NULL, 'per_period', 5, '1 month', NULL),
	('enterprise', 'engagement', 'engagement', 'ROI guide', 10, 'roi_guide', NULL, NULL, NULL, 'per_period', 5, '14 days', NULL),
	('enterprise', 'engagement', 'engagement', 'pricing (2+)', 15, 'pricing_page', 2, NULL, NULL, 'per_period', 5, '7 days', NULL),
	('enterprise', 'fit', 'negative', 'under 100 employees', -30, 'employees_under_100', NULL, NULL, NULL, NULL, NULL, NULL, NULL),
	('enterprise', 'fit', 'negative', 'individual contributor only', -15, 'title_individual', NULL, NULL, NULL, NULL, NULL, NULL, NULL),
	('enterprise', 'fit', 'negative', 'competitor', -50, 'competitor_domain', NULL, NULL, NULL, NULL, NULL, NULL, NULL),
	('mid_market', 'fit', 'fit', '50-1000 employees', 15, 'employees_50_1000', NULL, NULL, NULL, NULL, NULL, NULL, NULL),
	('mid_market', 'fit', 'fit', 'industry', 10, 'industry_primary', NULL, NULL, NULL, NULL, NULL, NULL, NULL),
	('mid_market', 'fit', 'fit', 'manager to VP', 15, 'title_manager_to_vp', NULL, NULL, NULL, NULL, NULL, NULL, NULL),
	('mid_market', 'fit', 'fit', 'geography', 10, 'geography_primary', NULL, NULL, NULL, NULL, NULL, NULL, NULL),
	('mid_market', 'fit', 'fit', 'complementary tool', 10, 'complementary_tool', NULL, NULL, NULL, NULL, NULL, NULL, NULL),
	('mid_market', 'engagement', 'engagement', 'demo or trial', 25, 'demo_or_trial', NULL, NULL, NULL, NULL, NULL, NULL, NULL),
	('mid_market', 'engagement', 'engagement', 'pricing', 15, 'pricing_page', NULL, NULL, NULL, 'per_period', 5, '7 days', NULL),
	('mid_market', 'engagement', 'engagement', 'case study', 10, 'case_study', NULL, NULL, NULL, 'per_period', 5, '14 days', NULL),
	('mid_market', 'engagement', 'engagement', 'webinar', 10, 'webinar_attendance', NULL, NULL, NULL, 'per_period', 5, '1 month', NULL),
	('mid_market', 'engagement', 'engagement', 'clicks (3+)', 10, 'email_click', 3, NULL, NULL, 'per_period', 2, '1 month', NULL),
	('mid_market', 'engagement', 'engagement', 'blog pages (5+)', 10, 'blog_visit', 5, NULL, NULL, 'per_period', 5, '14 days', NULL),
	('mid_market', 'fit', 'negative', 'personal mail', -10, 'personal_mail', NULL, NULL, NULL, NULL, NULL, NULL, NULL),
	('mid_market', 'engagement', 'negative', 'no engagement in 30 days', -10, 'no_engagement', NULL, '30 days', NULL, NULL, NULL, NULL, NULL),
	('mid_market', 'fit', 'negative', 'competitor', -50, 'competitor_domain', NULL, NULL, NULL, NULL, NULL, NULL, NULL),
	('mid_market', 'fit', 'negative', 'student/intern', -25, 'title_student', NULL, NULL, NULL, NULL, NULL, NULL, NULL),
	('plg_lifecycle', 'fit', 'size', '10-500 employees', 15, 'employees_10_499', NULL, NULL, NULL, NULL, NULL, NULL, NULL),
	('plg_lifecycle', 'fit', 'size', '500-5000 employees', 20, 'employees_500_5000', NULL, NULL, NULL, NULL, NULL, NULL, NULL),
	('plg_lifecycle', 'fit', 'fit', 'industry', 10, 'industry_primary', NULL, NULL, NULL, NULL, NULL, NULL, NULL),
	('plg_lifecycle', 'fit', 'fit', 'decision-maker role', 15, 'decision_maker', NULL, NULL, NULL, NULL, NULL, NULL, NULL),
	('plg_lifecycle', 'fit', 'fit', 'complementary tool', 10, 'complementary_tool', NULL, NULL, NULL, NULL, NULL, NULL, NULL),
	('plg_lifecycle', 'engagement', 'engagement', 'account', 15, 'account_created', NULL, NULL, NULL, NULL, NULL, NULL, NULL),
	('plg_lifecycle', 'engagement', 'engagement', 'onboarding', 20, 'onboarding', NULL, NULL, NULL, NULL, NULL, NULL, NULL),
	('plg_lifecycle', 'engagement', 'engagement', 'core feature (3+)', 25, 'core_feature', 3, NULL, NULL, 'per_period_inactive', 5, '1 month', NULL),
	('plg_lifecycle', 'engagement', 'engagement', 'invited', 20, 'team_invited', NULL, NULL, NULL, NULL, NULL, NULL, NULL),
	('plg_lifecycle', 'engagement', 'engagement', 'limit', 15, 'usage_limit', NULL, NULL, NULL, 'per_period', 10, '1 month', NULL),
	('plg_lifecycle', 'engagement', 'engagement', 'pricing', 10, 'pricing_page', NULL, NULL, NULL, 'per_period', 5, '7 days', NULL),
	('enterprise_lifecycle', 'fit', 'fit', '500+ employees', 20, 'employees_500', NULL, NULL, NULL, NULL, NULL, NULL, NULL),
	('enterprise_lifecycle', 'fit', 'fit', 'industry', 15, 'industry_primary', NULL, NULL, NULL, NULL, NULL, NULL, NULL),
	('enterprise_lifecycle', 'fit', 'fit', 'VP+', 20, 'title_vp_up', NULL, NULL, NULL, NULL, NULL, NULL, NULL),
	('enterprise_lifecycle', 'fit', 'fit', 'budget authority', 15, 'budget_authority', NULL, NULL, NULL, NULL, NULL, NULL, NULL),
	('enterprise_lifecycle', 'fit', 'fit', 'competitor''s product', 10, 'competitor_tool', NULL, NULL, NULL, NULL, NULL, NULL, NULL),
	('enterprise_lifecycle', 'engagement', 'engagement', 'demo', 25, 'demo_request', NULL, NULL, NULL, NULL, NULL, NULL, NULL),
	('enterprise_lifecycle', 'engagement', 'engagement', 'webinar', 10, 'webinar_attendance', NULL, NULL, NULL, 'per_period', 5, '1 month', NULL),
	('enterprise_lifecycle', 'engagement', 'engagement', 'whitepaper', 10, 'whitepaper', NULL, NULL, NULL, 'per_period', 5, '1 month', NULL),
	('enterprise_lifecycle', 'engagement', 'engagement', 'pricing (2+)', 15, 'pricing_page', 2, NULL, NULL, 'per_period', 5, '7 days', NULL),
	('enterprise_lifecycle', 'engagement', 'engagement', 'sales e-mail', 10, 'sales_email', NULL, NULL, NULL, NULL, NULL, NULL, NULL),
	('mid_market_lifecycle', 'fit', 'fit', '50-1000 employees', 15, 'employees_50_1000', NULL, NULL, NULL, NULL, NULL, NULL, NULL),
	('mid_market_lifecycle', 'fit', 'fit', 'industry', 10, 'industry_primary', NULL, NULL, NULL, NULL, NULL, NULL, NULL),
	('mid_market_lifecycle', 'fit', 'fit', 'manager+', 15, 'title_manager_up', NULL, NULL, NULL, NULL, NULL, NULL, NULL),
	('mid_market_lifecycle', 'fit', 'fit', 'geography', 10, 'geography_primary', NULL, NULL, NULL, NULL, NULL, NULL, NULL),
	('mid_market_lifecycle', 'engagement', 'engagement', 'demo', 25, 'demo_request', NULL, NULL, NULL, NULL, NULL, NULL, NULL),
	('mid_market_lifecycle', 'engagement', 'engagement', 'trial', 20, 'free_trial', NULL, NULL, NULL, NULL, NULL, NULL, NULL),
	('mid_market_lifecycle', 'engagement', 'engagement', 'pricing', 10, 'pricing_page', NULL, NULL, NULL, 'per_period', 5, '7 days', NULL),
	('mid_market_lifecycle', 'engagement', 'engagement', 'downloads (2+)', 10, 'download', 2, NULL, NULL, 'per_period', 5, '1 month', NULL),
	('mid_market_lifecycle', 'engagement', 'engagement', 'clicks (3+)', 10, 'email_click', 3, NULL, NULL, 'per_period', 2, '1 month', NULL),
	('mid_market_lifecycle', 'engagement', 'engagement', 'webinar', 10, 'webinar_attendance', NULL, NULL, NULL, 'per_period', 5, '1 month', NULL)
) c(template, dimension, "group", criterion, points, question, min_count, within, per_event, decay, decay_points, decay_period, note)
	JOIN leadroute.scoring_templates t ON t.template = c.template OR (c.template = 'general' AND t.template = 'general_enterprise');
UPDATE leadroute.scoring_template_criteria SET review = true WHERE note = 'flag for review';
UPDATE leadroute.scoring_template_criteria SET points = 25 WHERE template = 'general_enterprise' AND question = 'employees_over_1000';
INSERT INTO leadroute.scoring_template_groups (template, "group", cap)
SELECT t.template, g."group", g.cap + CASE WHEN t.template = 'general_enterprise' AND g."group" = 'employees' THEN 5 ELSE 0 END
FROM (VALUES ('general', 'employees', 20), ('general', 'industry', 20), ('general', 'revenue', 20), ('general', 'geography', 10), ('general', 'title', 25),
		('general', 'department', 15), ('general', 'role', 20), ('plg_lifecycle', 'size', 20)) g(template, "group", cap)
	JOIN leadroute.scoring_templates t ON t.template = g.template OR (g.template = 'general' AND t.template = 'general_enterprise');

CREATE FUNCTION leadroute.load_template(template text, model text DEFAULT NULL, parameters jsonb DEFAULT '{}', flow text DEFAULT 'default') RETURNS text
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, leadroute, pg_temp
AS $$
DECLARE
	source		leadroute.scoring_templates;
	name		text := coalesce(model, template);
	attachment	leadroute.attachments := leadroute.flow_attachment(flow);
	leads		regclass := leadroute.flow_table(flow);
	item		record;
	part		text;
	attribute		record;
	condition	text;
	answers		text;
	list		text[];
	empty		text[] := '{}';
	by_signal	text[] := '{}';
BEGIN
	SELECT t.* INTO source FROM leadroute.scoring_templates t WHERE t.template = load_template.template;
	IF NOT FOUND THEN
		RAISE EXCEPTION USING ERRCODE = 'undefined_object', MESSAGE = format('template "%s" does not exist', template),
			HINT = format('There are %s.', (SELECT string_agg(t.template, ', ' ORDER BY t.template) FROM leadroute.scoring_templates t));
	END IF;
	SELECT k INTO part FROM jsonb_object_keys(parameters) k
	WHERE k <> 'conditions' AND NOT EXISTS (SELECT FROM leadroute.scoring_questions q WHERE q.parameter = k) ORDER BY k LIMIT 1;
	IF part IS NULL THEN
		SELECT k INTO part FROM jsonb_object_keys(coalesce(parameters -> 'conditions', '{}')) k
		WHERE NOT EXISTS (SELECT FROM leadroute.scoring_questions q WHERE q.question = k) ORDER BY k LIMIT 1;
	END IF;
	IF part IS NOT NULL THEN
		RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value', MESSAGE = format('templates know no parameter "%s"', part),
			HINT = format('There are the lists %s; and "conditions", an object of SQL conditions by question, as leadroute.scoring_questions has them.',
						  (SELECT string_agg(DISTINCT q.parameter, ', ') FROM leadroute.scoring_questions q));
	END IF;
	INSERT INTO leadroute.scoring_models (flow, model, fit_weight, engagement_weight, threshold, fit_max, engagement_max, note)
		VALUES (flow, name, source.fit_weight, source.engagement_weight, source.threshold, source.fit_max, source.engagement_max,
				format('from template "%s"', template) || coalesce('; to be reviewed ' || source.review, ''));
	INSERT INTO leadroute.scoring_groups (flow, model, "group", cap)
		SELECT load_template.flow, name, g."group", g.cap FROM leadroute.scoring_template_groups g WHERE g.template = load_template.template;
	FOR item IN
		SELECT c.*, q.condition AS asks, q.columns, q.parameter, q.high_intent, q.absent, q.signal_type
		FROM leadroute.scoring_template_criteria c JOIN leadroute.scoring_questions q ON q.question = c.question
		WHERE c.template = load_template.template
		ORDER BY c.dimension, c."group", c.criterion
	LOOP
		condition := coalesce(parameters #>> ARRAY['conditions', item.question], item.asks);
		answers := NULL;
		/* canonical columns by their own names: one that is no number of a type of its own is read as one where it can be */
		FOREACH part IN ARRAY CASE WHEN parameters #>> ARRAY['conditions', item.question] IS NULL THEN item.columns ELSE '{}' END LOOP
			SELECT a.attname, coalesce(b.typcategory, t.typcategory) AS category INTO attribute
			FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid LEFT JOIN pg_type b ON b.oid = t.typbasetype
			WHERE a.attrelid = leads AND a.attname = leadroute.mapped_column(attachment.columns, part) AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = '';
			IF leads IS NOT NULL AND attribute.attname IS NULL THEN
				IF item.question = 'invalid_phone' AND part = 'country' THEN
					condition := replace(condition, '{country}::text', 'NULL::text');
					CONTINUE;
				END IF;
				condition := NULL;
				EXIT;
			END IF;
			part := '{' || part || '}';
			condition := replace(condition, part, quote_ident(coalesce(attribute.attname, btrim(part, '{}'))));
			part := '{#' || substr(part, 2);
			condition := replace(condition, part, CASE WHEN coalesce(attribute.category, 'N') = 'N' THEN quote_ident(coalesce(attribute.attname, btrim(part, '{}#')))
				ELSE format('leadroute.number_of(%I::text)', attribute.attname) END);
		END LOOP;
		IF condition IS NOT NULL AND item.parameter IS NOT NULL THEN
			SELECT coalesce(array_agg(DISTINCT CASE item.parameter WHEN 'primary_countries' THEN coalesce(leadroute.country_code(v), lower(v))
									WHEN 'secondary_countries' THEN coalesce(leadroute.country_code(v), lower(v))
									WHEN 'competitor_domains' THEN coalesce(leadroute.domain_key(v), lower(v)) ELSE lower(v) END), '{}') INTO list
			FROM jsonb_array_elements_text(coalesce(parameters -> item.parameter, '[]')) v;
			condition := replace(condition, '[[' || item.parameter || ']]', quote_literal(list) || '::text[]');
			IF list = '{}' AND parameters #>> ARRAY['conditions', item.question] IS NULL AND item.parameter <> ALL (empty) THEN
				empty := empty || item.parameter;
			END IF;
		END IF;
		IF condition IS NULL THEN
			answers := coalesce(item.signal_type, item.question);
			IF item.asks IS NOT NULL THEN
				by_signal := by_signal || answers;
			END IF;
			IF answers <> '*' THEN
				INSERT INTO leadroute.signal_types (flow, signal_type, high_intent)
					VALUES (flow, answers, item.high_intent) ON CONFLICT DO NOTHING;
			END IF;
		END IF;
		INSERT INTO leadroute.scoring_criteria (flow, model, criterion, dimension, "group", condition, signal_type, points, min_count, within, absent, per_event,
				decay, decay_points, decay_period, review, note)
			VALUES (flow, name, item.criterion, item.dimension, item."group", condition, answers, item.points,
				CASE WHEN answers IS NULL THEN 1 ELSE item.min_count END, CASE WHEN answers IS NOT NULL THEN item.within END,
				answers IS NOT NULL AND item.absent, answers IS NOT NULL AND item.per_event,
				CASE WHEN answers IS NULL THEN 'none' ELSE item.decay END, CASE WHEN answers IS NOT NULL THEN item.decay_points END,
				CASE WHEN answers IS NOT NULL THEN item.decay_period END, item.review, item.note);
	END LOOP;
	/* what conditions over signals read, and what makes any lead an MQL */
	INSERT INTO leadroute.signal_types (flow, signal_type, high_intent)
		SELECT load_template.flow, s.signal_type, s.high_intent
		FROM (VALUES ('demo_request', true), ('contact_sales', true), ('free_trial', false), ('careers_page', false)) s(signal_type, high_intent)
		WHERE s.high_intent OR EXISTS (SELECT FROM leadroute.scoring_criteria c
									   WHERE c.flow = load_template.flow AND c.model = name AND c.condition LIKE '%''' || s.signal_type || '''%')
		ON CONFLICT DO NOTHING;
	IF empty <> '{}' THEN
		RAISE NOTICE USING MESSAGE = format('nothing is listed in %s: their criteria give no points yet', array_to_string(empty, ', ')),
			HINT = format('Delete the model and load it with parameters => ''{"%s": ["..."]}'', or edit the conditions in leadroute.scoring_criteria.', empty[1]);
	END IF;
	IF by_signal <> '{}' THEN
		RAISE NOTICE USING MESSAGE = format('the leads table has no column that answers %s: signals of these types do', array_to_string(by_signal, ', ')),
			HINT = 'Write such signals, or give the criteria a condition in leadroute.scoring_criteria.';
	END IF;
	RETURN name;
END
$$;
COMMENT ON FUNCTION leadroute.load_template(text, text, jsonb, text) IS
	'Fills a new scoring model from a template (leadroute.scoring_templates) and returns its name, the template''s where none is given; rows like any others from then on. It is used when flows.scoring_model names it. Conditions are over the leads table''s columns of canonical names (employees, annual_revenue, industry, country, title, email, phone) as the attachment maps them; what no column answers is a type of signal of the question''s name, which enrichment or a person writes. parameters: lists (primary_industries, secondary_industries, primary_countries, secondary_countries, primary_departments, adjacent_departments, competitor_domains), and "conditions": an SQL condition by question, as {"decision_maker": "role = ''buyer''"}; see leadroute.scoring_questions. Bands are half-open: 1,000 employees fall in one. Errors: no such template or parameter; a model of the name is there (unique_violation).';
REVOKE ALL ON FUNCTION leadroute.load_template(text, text, jsonb, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION leadroute.load_template(text, text, jsonb, text) TO leadroute_admin;
