/*
 * Scoring: what a lead is worth. A model is rows: criteria, groups, kinds of signals, marks of the grade.
 */
CREATE FUNCTION leadroute.is_period(value interval) RETURNS boolean
LANGUAGE plpgsql IMMUTABLE
SET search_path = pg_catalog, leadroute, pg_temp
AS $$
BEGIN
	IF NOT (value > '0' AND value <= '1000 years' AND extract(epoch FROM date_trunc('month', value)) >= 0
			AND extract(day FROM value) >= 0 AND extract(hour FROM value) >= 0 AND extract(minute FROM value) >= 0 AND extract(microseconds FROM value) >= 0) THEN
		RAISE EXCEPTION USING ERRCODE = 'check_violation', MESSAGE = format('"%s" is no length of time that can be counted back', value),
			DETAIL = 'It is above 0 and at most 1000 years, without a negative part.', HINT = 'Give ''30 days'', ''2 weeks'' or ''1 month''.';
	END IF;
	RETURN true;
END
$$;
COMMENT ON FUNCTION leadroute.is_period(interval) IS 'Internal: whether an interval is a length of time above 0; an error that says what is one (23514) where it is not.';

CREATE DOMAIN leadroute.period AS interval
	CONSTRAINT period_check CHECK (leadroute.is_period(VALUE) AND VALUE <= '1000 years');
COMMENT ON DOMAIN leadroute.period IS 'A length of time above 0 without a negative part, 1000 years at most; its days and months are counted by the calendar of UTC.';

CREATE TABLE leadroute.scoring_models (
	flow			text COLLATE "C" NOT NULL DEFAULT 'default',
	model			text COLLATE "C" NOT NULL CHECK (model <> ''),
	fit_weight		numeric(9,4) NOT NULL DEFAULT 50 CHECK (fit_weight >= 0),
	engagement_weight	numeric(9,4) NOT NULL DEFAULT 50 CHECK (engagement_weight >= 0),
	threshold		numeric(5,2) NOT NULL DEFAULT 60 CHECK (threshold BETWEEN 0 AND 100),
	min_fit			numeric(5,2) NOT NULL DEFAULT 1 CHECK (min_fit BETWEEN 0 AND 100),
	min_engagement	numeric(5,2) NOT NULL DEFAULT 1 CHECK (min_engagement BETWEEN 0 AND 100),
	fit_max			numeric(9,2) CHECK (fit_max > 0),
	engagement_max	numeric(9,2) CHECK (engagement_max > 0),
	borderline		numeric(5,2) NOT NULL DEFAULT 0 CHECK (borderline BETWEEN 0 AND 100),
	note			text,
	PRIMARY KEY (flow, model),
	CONSTRAINT scoring_models_weights_check CHECK (fit_weight + engagement_weight > 0)
);

CREATE TABLE leadroute.scoring_groups (
	flow			text COLLATE "C" NOT NULL DEFAULT 'default',
	model			text COLLATE "C" NOT NULL,
	"group"			text COLLATE "C" NOT NULL CHECK ("group" <> ''),
	cap				numeric(9,2) NOT NULL CHECK (cap >= 0),
	note			text,
	PRIMARY KEY (flow, model, "group")
);

CREATE TABLE leadroute.scoring_criteria (
	flow			text COLLATE "C" NOT NULL DEFAULT 'default',
	model			text COLLATE "C" NOT NULL,
	criterion		text COLLATE "C" NOT NULL CHECK (criterion <> ''),
	dimension		text NOT NULL CHECK (dimension IN ('fit', 'engagement')),
	"group"			text COLLATE "C" CHECK ("group" <> ''),
	condition		text,
	signal_type		text COLLATE "C",
	points			numeric(9,2) NOT NULL CHECK (points <> 0),
	min_count		integer NOT NULL DEFAULT 1 CHECK (min_count BETWEEN 1 AND 100000),
	within			leadroute.period,
	absent			boolean NOT NULL DEFAULT false,
	per_event		boolean NOT NULL DEFAULT false,
	max_points		numeric(9,2) CHECK (max_points > 0),
	decay			text NOT NULL DEFAULT 'none' CHECK (decay IN ('none', 'per_period', 'per_period_inactive', 'half_life')),
	decay_points	numeric(9,2) CHECK (decay_points > 0),
	decay_period	leadroute.period,
	decays_negative	boolean NOT NULL DEFAULT false,
	review			boolean NOT NULL DEFAULT false,
	note			text,
	PRIMARY KEY (flow, model, criterion),
	CONSTRAINT scoring_criteria_source_check CHECK (num_nonnulls(condition, signal_type) = 1),
	CONSTRAINT scoring_criteria_signal_check CHECK (signal_type IS NOT NULL OR
		(min_count = 1 AND within IS NULL AND NOT absent AND NOT per_event AND max_points IS NULL AND decay = 'none')),
	CONSTRAINT scoring_criteria_absent_check CHECK (NOT absent OR (within IS NOT NULL AND min_count = 1 AND NOT per_event AND decay = 'none')),
	CONSTRAINT scoring_criteria_per_event_check CHECK (NOT per_event OR (within IS NULL AND min_count = 1)),
	CONSTRAINT scoring_criteria_limit_check CHECK (max_points IS NULL OR per_event),
	CONSTRAINT scoring_criteria_decay_period_check CHECK ((decay = 'none') = (decay_period IS NULL)
		AND (decay IN ('per_period', 'per_period_inactive')) = (decay_points IS NOT NULL)),
	CONSTRAINT scoring_criteria_decays_negative_check CHECK (NOT decays_negative OR (points < 0 AND decay <> 'none'))
);

CREATE TABLE leadroute.signal_types (
	flow			text COLLATE "C" NOT NULL DEFAULT 'default',
	signal_type		text COLLATE "C" NOT NULL CHECK (signal_type <> '' AND signal_type <> '*'),
	high_intent		boolean NOT NULL DEFAULT false,
	counts_for		leadroute.period,
	effect			text NOT NULL CHECK (effect IN ('none', 'no_scoring', 'no_consent', 'no_outreach')),
	note			text,
	PRIMARY KEY (flow, signal_type)
);

/* What sources say for yes and no, beside the English words that consent.c knows. */
CREATE TABLE leadroute.consent_words (
	flow			text COLLATE "C" NOT NULL DEFAULT 'default',
	word			text COLLATE "C" NOT NULL CHECK (word <> ''),
	consent			boolean NOT NULL,
	note			text,
	PRIMARY KEY (flow, word)
);

CREATE TABLE leadroute.grades (
	flow			text COLLATE "C" NOT NULL DEFAULT 'default',
	model			text COLLATE "C" NOT NULL,
	dimension		text COLLATE "C" NOT NULL CHECK (dimension IN ('fit', 'engagement')),
	mark			text COLLATE "C" NOT NULL CHECK (mark <> ''),
	at_least		numeric(5,2) NOT NULL CHECK (at_least BETWEEN 0 AND 100),
	note			text,
	PRIMARY KEY (flow, model, dimension, mark),
	UNIQUE (flow, model, dimension, at_least) DEFERRABLE INITIALLY IMMEDIATE
);

COMMENT ON TABLE leadroute.scoring_models IS 'Scoring models: how points become a score. A flow uses the one that flows.scoring_model names. fit = 100 × the fit points ÷ fit_max, held to 0 to 100; engagement likewise; score = (fit_weight × fit + engagement_weight × engagement) ÷ (fit_weight + engagement_weight), to two decimals.';
COMMENT ON COLUMN leadroute.scoring_models.flow IS 'The flow.';
COMMENT ON COLUMN leadroute.scoring_models.model IS 'Name of the model.';
COMMENT ON COLUMN leadroute.scoring_models.fit_weight IS 'What fit counts for in the score. Only its share counts: 30 and 70 are the same as 0.3 and 0.7.';
COMMENT ON COLUMN leadroute.scoring_models.engagement_weight IS 'What engagement counts for in the score.';
COMMENT ON COLUMN leadroute.scoring_models.threshold IS 'The score from which on a lead is qualified by its points, where fit and engagement are not below min_fit and min_engagement.';
COMMENT ON COLUMN leadroute.scoring_models.min_fit IS 'The least fit of a lead that is qualified by its points.';
COMMENT ON COLUMN leadroute.scoring_models.min_engagement IS 'The least engagement of a lead that is qualified by its points.';
COMMENT ON COLUMN leadroute.scoring_models.fit_max IS 'The fit points that make a fit of 100; NULL: all positive points that the model''s fit criteria can give.';
COMMENT ON COLUMN leadroute.scoring_models.engagement_max IS 'The engagement points that make an engagement of 100; NULL: all positive points that the model''s engagement criteria can give (one that counts each signal: its max_points, or its points once).';
COMMENT ON COLUMN leadroute.scoring_models.borderline IS 'A lead whose score lies less than this below the threshold is a borderline case, for people to look at; 0: none is.';
COMMENT ON COLUMN leadroute.scoring_models.note IS 'Free text of who wrote the row.';

COMMENT ON TABLE leadroute.scoring_groups IS 'Groups of criteria whose points together count up to a cap, in fit and in engagement each. A group that has no row has no cap.';
COMMENT ON COLUMN leadroute.scoring_groups.flow IS 'The flow.';
COMMENT ON COLUMN leadroute.scoring_groups.model IS 'The model.';
COMMENT ON COLUMN leadroute.scoring_groups."group" IS 'The group, as its criteria name it.';
COMMENT ON COLUMN leadroute.scoring_groups.cap IS 'The points that the group''s criteria of one dimension give together at most; negative ones count into the sum.';
COMMENT ON COLUMN leadroute.scoring_groups.note IS 'Free text of who wrote the row.';

COMMENT ON TABLE leadroute.scoring_criteria IS 'What gives a lead points: a condition over its row, or its signals of one type.';
COMMENT ON COLUMN leadroute.scoring_criteria.flow IS 'The flow.';
COMMENT ON COLUMN leadroute.scoring_criteria.model IS 'The model.';
COMMENT ON COLUMN leadroute.scoring_criteria.criterion IS 'Name of the criterion: score_explain() shows it.';
COMMENT ON COLUMN leadroute.scoring_criteria.dimension IS '''fit'' (who the lead is) or ''engagement'' (what he does).';
COMMENT ON COLUMN leadroute.scoring_criteria."group" IS 'The group that it belongs to: for reading, and for a cap in scoring_groups. NULL: none.';
COMMENT ON COLUMN leadroute.scoring_criteria.condition IS 'An SQL condition as in rules, over the row''s columns and facts (but not facts.score, fit, engagement and grade). Where one reads facts.at, score() is right at any instant, and the stored score is looked at once an hour. One that fails counts as false, with a WARNING. Either this or signal_type.';
COMMENT ON COLUMN leadroute.scoring_criteria.signal_type IS 'The type of signal that gives the points, of signal_types; ''*'': any that stands there.';
COMMENT ON COLUMN leadroute.scoring_criteria.points IS 'The points, negative too; two decimals.';
COMMENT ON COLUMN leadroute.scoring_criteria.min_count IS 'How many signals it takes.';
COMMENT ON COLUMN leadroute.scoring_criteria.within IS 'The time within which these signals came: "3 in a week". The points are earned by the last signal that had so many within this time before it, and decay from then. With absent: for how long no signal came.';
COMMENT ON COLUMN leadroute.scoring_criteria.absent IS 'True: the points are for a lead who has sent no such signal for the time "within", nor was submitted in it.';
COMMENT ON COLUMN leadroute.scoring_criteria.per_event IS 'True: each signal gives the points, and decays for itself; false: all together give them once.';
COMMENT ON COLUMN leadroute.scoring_criteria.max_points IS 'With per_event: what all signals together give at most (negative points: at least its negative). NULL: no limit.';
COMMENT ON COLUMN leadroute.scoring_criteria.decay IS '''none''; ''per_period'': decay_points for each decay_period that has wholly passed; ''per_period_inactive'': the same, but only for periods in which no such signal came; ''half_life'': half of the points each decay_period. Never below 0 for a signal. Negative points do not decay unless decays_negative.';
COMMENT ON COLUMN leadroute.scoring_criteria.decay_points IS 'The points that each whole period takes.';
COMMENT ON COLUMN leadroute.scoring_criteria.decay_period IS 'The period of the decay, from the signal on; days and months are those of UTC. Of half_life: the half-life.';
COMMENT ON COLUMN leadroute.scoring_criteria.decays_negative IS 'Whether negative points decay too, towards 0.';
COMMENT ON COLUMN leadroute.scoring_criteria.review IS 'True: whoever gets its points, negative too, stands in review_queue and is no MQL, whatever his points and signals, until approve() says so.';
COMMENT ON COLUMN leadroute.scoring_criteria.note IS 'Free text of who wrote the row.';

COMMENT ON TABLE leadroute.signal_types IS 'The types of signals that a flow knows. Signals of other types are kept, count for nothing, and are listed in unknown_signals.';
COMMENT ON COLUMN leadroute.signal_types.flow IS 'The flow.';
COMMENT ON COLUMN leadroute.signal_types.signal_type IS 'The type, as signals.type has it. Where one is called duplicate, each duplicate of a lead is such a signal of it, at the instant when its own person asked; nobody writes it.';
COMMENT ON COLUMN leadroute.signal_types.high_intent IS 'Whether one signal of this type is enough to qualify a lead, whatever its points.';
COMMENT ON COLUMN leadroute.signal_types.counts_for IS 'How long a signal of this type counts at all, for points and in facts.signals; NULL: for ever. Days and months are those of UTC.';
COMMENT ON COLUMN leadroute.signal_types.effect IS 'What a signal of this type does beside its points, as long as it counts (counts_for), also when the lead has been recycled since. ''none''. ''no_scoring'': the lead is worth nothing, fit, engagement and score are 0, and it is no MQL by its points. ''no_consent'': facts.consent is false. ''no_outreach'': the same, and nobody is given the lead or told of it, whatever flows.require_consent says (code no_consent). NULL when the row is inserted: no_scoring for a type called hard_bounce, no_consent for unsubscribe and unsubscribed, no_outreach for spam_complaint, none for others.';
COMMENT ON COLUMN leadroute.signal_types.note IS 'Free text of who wrote the row.';

COMMENT ON TABLE leadroute.consent_words IS 'What the words of the consent column mean, in a flow whose sources do not say it in English. Known without a row: true, t, yes, y, 1, on, granted, given, opt-in, opted in, subscribed for yes; false, f, no, n, 0, off, denied, withdrawn, revoked, opt-out, opted out, unsubscribed for no. Any other word, as NULL, says nothing.';
COMMENT ON COLUMN leadroute.consent_words.flow IS 'The flow.';
COMMENT ON COLUMN leadroute.consent_words.word IS 'The word, as ''ja'' or ''désabonné''; case does not count. It comes before the English ones.';
COMMENT ON COLUMN leadroute.consent_words.consent IS 'Whether it says yes.';
COMMENT ON COLUMN leadroute.consent_words.note IS 'Free text of who wrote the row.';

COMMENT ON TABLE leadroute.grades IS 'The marks of a grade such as A1: in each dimension the highest mark whose at_least is reached; the grade is the mark of fit followed by that of engagement.';
COMMENT ON COLUMN leadroute.grades.flow IS 'The flow.';
COMMENT ON COLUMN leadroute.grades.model IS 'The model.';
COMMENT ON COLUMN leadroute.grades.dimension IS '''fit'' or ''engagement''.';
COMMENT ON COLUMN leadroute.grades.mark IS 'The mark, as A or 1.';
COMMENT ON COLUMN leadroute.grades.at_least IS 'The least fit, or engagement, 0 to 100, that has this mark. Below the lowest there is none.';
COMMENT ON COLUMN leadroute.grades.note IS 'Free text of who wrote the row.';
