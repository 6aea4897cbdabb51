/*
 * Views of leads' lives: how long they stay in a stage, what they skip, which are stale; what rejections and feedback come to. Times are by the
 * wall clock; what retention has taken from events is not in them.
 */

CREATE FUNCTION leadroute.percent(part numeric, whole numeric) RETURNS numeric
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN pg_catalog.round(100.0 * part / nullif(whole, 0), 1);
COMMENT ON FUNCTION leadroute.percent(numeric, numeric) IS 'A share in percent, one digit after the point; NULL of nothing.';

CREATE VIEW leadroute.stage_history AS
	SELECT e.flow, e.lead, e.stage, e.previous_stage, e.at AS entered_at,
		/* looked up where somebody asks, so that a range of entered_at reads the events of that range */
		(SELECT n.at FROM leadroute.events n WHERE n.flow = e.flow AND n.lead = e.lead AND n.id > e.id AND n.kind = 'stage' ORDER BY n.id LIMIT 1) AS left_at,
		(SELECT n.stage FROM leadroute.events n WHERE n.flow = e.flow AND n.lead = e.lead AND n.id > e.id AND n.kind = 'stage' ORDER BY n.id LIMIT 1) AS next_stage,
		e.code, e.actor
	FROM leadroute.events e
	WHERE e.kind = 'stage';
COMMENT ON VIEW leadroute.stage_history IS 'Each stay of a lead in a stage, from the events.';
COMMENT ON COLUMN leadroute.stage_history.flow IS 'The flow.';
COMMENT ON COLUMN leadroute.stage_history.lead IS 'The lead''s key, as text.';
COMMENT ON COLUMN leadroute.stage_history.stage IS 'The stage.';
COMMENT ON COLUMN leadroute.stage_history.previous_stage IS 'The one before it; NULL: it began there.';
COMMENT ON COLUMN leadroute.stage_history.entered_at IS 'When it came.';
COMMENT ON COLUMN leadroute.stage_history.left_at IS 'When it went on; NULL: it is there.';
COMMENT ON COLUMN leadroute.stage_history.next_stage IS 'Where it went; NULL: it is there.';
COMMENT ON COLUMN leadroute.stage_history.code IS 'How it came there; see codes.';
COMMENT ON COLUMN leadroute.stage_history.actor IS 'Who moved it; NULL: leadroute.';

/* Apart from stage_times, whose medians nobody is to work out lead by lead. */
CREATE VIEW leadroute.stage_averages AS
	SELECT d.flow, d.stage, sum(d.stays) AS stays, sum(d.finished) AS finished, sum(d.open) AS open, round(sum(d.total) / nullif(sum(d.finished), 0) / 3600, 2) AS avg_hours
	FROM leadroute.daily_stays d
	GROUP BY d.flow, d.stage;
COMMENT ON VIEW leadroute.stage_averages IS 'Internal: a part of stage_times.';
COMMENT ON COLUMN leadroute.stage_averages.flow IS 'The flow.';
COMMENT ON COLUMN leadroute.stage_averages.stage IS 'The stage.';
COMMENT ON COLUMN leadroute.stage_averages.stays IS 'How often leads came into it.';
COMMENT ON COLUMN leadroute.stage_averages.finished IS 'How often they went on.';
COMMENT ON COLUMN leadroute.stage_averages.open IS 'Leads that are in it and are neither closed nor discarded.';
COMMENT ON COLUMN leadroute.stage_averages.avg_hours IS 'How long they stayed until then, in hours: the average; NULL: none went on.';

CREATE VIEW leadroute.stage_times AS
	SELECT s.flow, s.stage, s.position, s.kind,
		coalesce(h.stays, 0) AS stays,
		coalesce(h.open, 0) AS open_leads,
		coalesce(h.finished, 0) AS finished,
		h.avg_hours,
		round((t.hours[1] / 3600)::numeric, 2) AS median_hours,
		round((t.hours[2] / 3600)::numeric, 2) AS p90_hours,
		r.as_of
	FROM leadroute.stages s
		LEFT JOIN leadroute.report_runs r ON r.flow = s.flow
		LEFT JOIN leadroute.stage_averages h ON h.flow = s.flow AND h.stage = s.stage
		CROSS JOIN LATERAL (
			SELECT percentile_cont('{0.5,0.9}'::double precision[]) WITHIN GROUP (ORDER BY n.seconds) AS hours
			FROM leadroute.daily_stays d CROSS JOIN LATERAL unnest(d.seconds) n(seconds)
			WHERE d.flow = s.flow AND d.stage = s.stage AND d.day > leadroute.flow_today(s.flow) - 90) t;
COMMENT ON VIEW leadroute.stage_times IS 'How long leads stay in each stage: averages of all leads, medians of those that asked in the last 90 days. Kept by the sweep.';
COMMENT ON COLUMN leadroute.stage_times.flow IS 'The flow.';
COMMENT ON COLUMN leadroute.stage_times.stage IS 'The stage.';
COMMENT ON COLUMN leadroute.stage_times.position IS 'Its place among the stages.';
COMMENT ON COLUMN leadroute.stage_times.kind IS 'open, closed or won.';
COMMENT ON COLUMN leadroute.stage_times.stays IS 'How often leads came into it.';
COMMENT ON COLUMN leadroute.stage_times.open_leads IS 'Leads that are in it and are neither closed nor discarded, duplicates not counted.';
COMMENT ON COLUMN leadroute.stage_times.finished IS 'How often they went on.';
COMMENT ON COLUMN leadroute.stage_times.avg_hours IS 'How long they stayed until then, in hours: the average.';
COMMENT ON COLUMN leadroute.stage_times.median_hours IS 'The median, of leads that asked in the last 90 days.';
COMMENT ON COLUMN leadroute.stage_times.p90_hours IS 'What nine of ten of these did not exceed.';
COMMENT ON COLUMN leadroute.stage_times.as_of IS 'The instant that the figures are of; NULL: no sweep has looked.';

/* First the changes of stage that pass anything by, of which there are few: the others cost no look at their lead. */
CREATE VIEW leadroute.stage_skips AS
	SELECT e.flow, e.lead, e.at, e.previous_stage AS from_stage, e.stage AS to_stage, k.skipped, e.code, e.actor
	FROM (SELECT a.flow, a.stage AS from_stage, b.stage AS to_stage, array_agg(s.stage ORDER BY s.position) AS passed
		  FROM leadroute.stages a
			  JOIN leadroute.stages b ON b.flow = a.flow AND b.position > a.position AND NOT b.beside
			  JOIN leadroute.stages s ON s.flow = a.flow AND s.position > a.position AND s.position < b.position AND NOT s.beside AND s.kind = 'open'
		  WHERE NOT a.beside
		  GROUP BY a.flow, a.stage, b.stage) w
		JOIN leadroute.events e ON e.flow = w.flow AND e.kind = 'stage' AND e.previous_stage = w.from_stage AND e.stage = w.to_stage
		CROSS JOIN LATERAL (
			SELECT array_agg(p.stage ORDER BY p.n) AS skipped FROM unnest(w.passed) WITH ORDINALITY p(stage, n)
			/* where it was before is not skipped */
			WHERE NOT EXISTS (SELECT FROM leadroute.events h WHERE h.flow = e.flow AND h.lead = e.lead AND h.kind = 'stage' AND h.stage = p.stage AND h.at <= e.at)) k
	WHERE k.skipped IS NOT NULL;
COMMENT ON VIEW leadroute.stage_skips IS 'Leads that went past stages of the way (those not marked as beside it) in which they had never been.';
COMMENT ON COLUMN leadroute.stage_skips.flow IS 'The flow.';
COMMENT ON COLUMN leadroute.stage_skips.lead IS 'The lead''s key, as text.';
COMMENT ON COLUMN leadroute.stage_skips.at IS 'When.';
COMMENT ON COLUMN leadroute.stage_skips.from_stage IS 'The stage it left.';
COMMENT ON COLUMN leadroute.stage_skips.to_stage IS 'The stage it entered.';
COMMENT ON COLUMN leadroute.stage_skips.skipped IS 'The stages between, in order.';
COMMENT ON COLUMN leadroute.stage_skips.code IS 'How it came there; see codes.';
COMMENT ON COLUMN leadroute.stage_skips.actor IS 'Who moved it; NULL: leadroute.';

CREATE VIEW leadroute.stale_leads AS
	SELECT l.flow, l.lead, l.stage, l.stage_at, l.owner,
		round((extract(epoch FROM leadroute.report_clock() - l.stage_at) / 3600)::numeric, 2) AS age_hours,
		t.avg_hours,
		round((extract(epoch FROM leadroute.report_clock() - l.stage_at) / 3600)::numeric / nullif(t.avg_hours, 0), 2) AS times_average
	FROM leadroute.stage_averages t
		JOIN leadroute.stages s ON s.flow = t.flow AND s.stage = t.stage AND s.kind = 'open'
		JOIN leadroute.lead_states l ON l.flow = t.flow AND l.stage = t.stage AND l.closed_at IS NULL AND l.status <> 'discarded'
	WHERE t.finished > 0 AND l.stage_at < leadroute.report_clock() - 2 * t.avg_hours * interval '1 hour';
COMMENT ON VIEW leadroute.stale_leads IS 'Leads, neither closed nor discarded, that have been in an open stage for more than twice as long as leads stay there on average.';
COMMENT ON COLUMN leadroute.stale_leads.flow IS 'The flow.';
COMMENT ON COLUMN leadroute.stale_leads.lead IS 'The lead''s key, as text.';
COMMENT ON COLUMN leadroute.stale_leads.stage IS 'The stage.';
COMMENT ON COLUMN leadroute.stale_leads.stage_at IS 'Since when.';
COMMENT ON COLUMN leadroute.stale_leads.owner IS 'Who has it.';
COMMENT ON COLUMN leadroute.stale_leads.age_hours IS 'For how many hours.';
COMMENT ON COLUMN leadroute.stale_leads.avg_hours IS 'How many it is on average, of those who went on.';
COMMENT ON COLUMN leadroute.stale_leads.times_average IS 'How many times that; NULL where the average is 0.';

CREATE VIEW leadroute.review_queue AS
	SELECT l.flow, l.lead, l.review_at, l.score, l.fit, l.engagement, l.grade, l.owner, l.stage
	FROM leadroute.lead_states l
	WHERE l.review_at IS NOT NULL AND l.closed_at IS NULL;
COMMENT ON VIEW leadroute.review_queue IS 'Leads that are nearly qualified (scoring_models.borderline) or that a criterion wants looked at (scoring_criteria.review), for approve() or disqualify() to say.';
COMMENT ON COLUMN leadroute.review_queue.flow IS 'The flow.';
COMMENT ON COLUMN leadroute.review_queue.lead IS 'The lead''s key, as text.';
COMMENT ON COLUMN leadroute.review_queue.review_at IS 'Since when it stands there.';
COMMENT ON COLUMN leadroute.review_queue.score IS 'Its score, 0 to 100, as last worked out.';
COMMENT ON COLUMN leadroute.review_queue.fit IS 'Its fit, 0 to 100.';
COMMENT ON COLUMN leadroute.review_queue.engagement IS 'Its engagement, 0 to 100.';
COMMENT ON COLUMN leadroute.review_queue.grade IS 'Its grade.';
COMMENT ON COLUMN leadroute.review_queue.owner IS 'Who has it; NULL: nobody.';
COMMENT ON COLUMN leadroute.review_queue.stage IS 'The stage that it is in.';

/*
 * A function, since a join makes the planner think of all states: how many rejections a range of days has it cannot know, and takes a third of them all. Its
 * look-ups are by primary key, whatever statistics say.
 */
CREATE FUNCTION leadroute.rejection_end(flow text, lead text, id bigint, OUT last boolean, OUT away boolean, OUT won boolean, OUT value numeric)
LANGUAGE plpgsql STABLE PARALLEL SAFE SECURITY DEFINER COST 10
SET search_path = pg_catalog, leadroute, pg_temp SET enable_seqscan = off
AS $$
BEGIN
	last := NOT EXISTS (SELECT FROM leadroute.rejections n WHERE n.flow = rejection_end.flow AND n.lead = rejection_end.lead AND n.id > rejection_end.id);
	IF last THEN
		SELECT s.closed_at IS NULL AND s.status = 'nurture', s.won, s.value INTO away, won, value
		FROM leadroute.lead_states s WHERE s.flow = rejection_end.flow AND s.lead = rejection_end.lead;
	END IF;
END
$$;
COMMENT ON FUNCTION leadroute.rejection_end(text, text, bigint) IS
	'Internal, for recycling_report: whether a rejection is the lead''s last, and if so whether the lead is away still, was won, and what it is worth.';

CREATE VIEW leadroute.recycling_report AS
	SELECT r.flow, r.day, r.code, (SELECT k.reason FROM leadroute.rejection_reasons k WHERE k.flow = r.flow AND k.code = r.code) AS reason,
		count(*) AS rejections,
		count(*) FILTER (WHERE r.flag IS NOT NULL) AS flagged,
		count(*) FILTER (WHERE r.action = 'nurture') AS nurtured,
		count(*) FILTER (WHERE r.action = 'recycle') AS recycled,
		count(*) FILTER (WHERE r.returned_at IS NULL AND r.archived_at IS NULL AND s.away) AS away,
		count(*) FILTER (WHERE r.returned_at IS NOT NULL) AS returned,
		count(*) FILTER (WHERE r.returned_by = 'high_intent') AS returned_by_intent,
		count(*) FILTER (WHERE r.archived_at IS NOT NULL) AS archived,
		count(*) FILTER (WHERE s.won AND r.returned_at IS NOT NULL) AS won,
		coalesce(sum(s.value) FILTER (WHERE s.won AND r.returned_at IS NOT NULL), 0) AS value,
		leadroute.percent(count(*) FILTER (WHERE s.won AND r.returned_at IS NOT NULL), count(*) FILTER (WHERE r.returned_at IS NOT NULL)) AS conversion_pct
	FROM (SELECT j.*, (j.at AT TIME ZONE f.timezone)::date AS day FROM leadroute.rejections j JOIN leadroute.flows f ON f.flow = j.flow) r
		CROSS JOIN LATERAL leadroute.rejection_end(r.flow, r.lead, r.id) s
	GROUP BY r.flow, r.day, r.code;
COMMENT ON VIEW leadroute.recycling_report IS 'What became of leads that sales gave back, by code and the day of that: apart from leads that never were. Sums add up over days; a share of several is 100 * sum(won) / sum(returned).';
COMMENT ON COLUMN leadroute.recycling_report.flow IS 'The flow.';
COMMENT ON COLUMN leadroute.recycling_report.day IS 'The day on which it was given back, in flows.timezone.';
COMMENT ON COLUMN leadroute.recycling_report.code IS 'The code of the rejection.';
COMMENT ON COLUMN leadroute.recycling_report.reason IS 'What it says.';
COMMENT ON COLUMN leadroute.recycling_report.rejections IS 'How often it was given.';
COMMENT ON COLUMN leadroute.recycling_report.flagged IS 'How often that was odd: fewer touches than it presupposes.';
COMMENT ON COLUMN leadroute.recycling_report.nurtured IS 'How often the lead was nurtured.';
COMMENT ON COLUMN leadroute.recycling_report.recycled IS 'How often it was recycled.';
COMMENT ON COLUMN leadroute.recycling_report.away IS 'Leads that are still away, counted for their last code.';
COMMENT ON COLUMN leadroute.recycling_report.returned IS 'How often it came back.';
COMMENT ON COLUMN leadroute.recycling_report.returned_by_intent IS 'How often by a signal of high intent.';
COMMENT ON COLUMN leadroute.recycling_report.archived IS 'How often it was archived, at once or later.';
COMMENT ON COLUMN leadroute.recycling_report.won IS 'Leads that were won after they came back, counted for their last code.';
COMMENT ON COLUMN leadroute.recycling_report.value IS 'What these were worth together, in the units of the leads table''s column value; 0 of none.';
COMMENT ON COLUMN leadroute.recycling_report.conversion_pct IS 'Won of returned, in percent; NULL of none.';

CREATE VIEW leadroute.lead_feedback_report AS
	SELECT f.flow, f.day, coalesce(f.source, '') AS source, coalesce(f.outcome, 'open') AS outcome, count(*) AS ratings, count(DISTINCT f.lead) AS leads,
		round(avg(f.rating), 2) AS average,
		count(*) FILTER (WHERE f.rating = 1) AS ones, count(*) FILTER (WHERE f.rating = 2) AS twos, count(*) FILTER (WHERE f.rating = 3) AS threes,
		count(*) FILTER (WHERE f.rating = 4) AS fours, count(*) FILTER (WHERE f.rating = 5) AS fives
	/* the state is looked up lead by lead: a range of days reads those of its own */
	FROM (SELECT g.*, (g.at AT TIME ZONE z.timezone)::date AS day, (SELECT s.outcome FROM leadroute.lead_states s WHERE s.flow = g.flow AND s.lead = g.lead) AS outcome
		  FROM leadroute.lead_feedback g JOIN leadroute.flows z ON z.flow = g.flow) f
	GROUP BY f.flow, f.day, coalesce(f.source, ''), coalesce(f.outcome, 'open');
COMMENT ON VIEW leadroute.lead_feedback_report IS 'What people think of leads, by source and outcome and the day on which they said so. An average of several rows is sum(average * ratings) / sum(ratings).';
COMMENT ON COLUMN leadroute.lead_feedback_report.flow IS 'The flow.';
COMMENT ON COLUMN leadroute.lead_feedback_report.day IS 'The day on which it was said, in flows.timezone.';
COMMENT ON COLUMN leadroute.lead_feedback_report.source IS 'The source in the lead''s row when it was rated; empty where there was none.';
COMMENT ON COLUMN leadroute.lead_feedback_report.outcome IS 'What came of the lead: won, closed, …; open.';
COMMENT ON COLUMN leadroute.lead_feedback_report.ratings IS 'How many ratings.';
COMMENT ON COLUMN leadroute.lead_feedback_report.leads IS 'Of how many leads: one that was rated on two days is in both.';
COMMENT ON COLUMN leadroute.lead_feedback_report.average IS 'The average rating, 1 to 5.';
COMMENT ON COLUMN leadroute.lead_feedback_report.ones IS 'Ratings of 1.';
COMMENT ON COLUMN leadroute.lead_feedback_report.twos IS 'Ratings of 2.';
COMMENT ON COLUMN leadroute.lead_feedback_report.threes IS 'Ratings of 3.';
COMMENT ON COLUMN leadroute.lead_feedback_report.fours IS 'Ratings of 4.';
COMMENT ON COLUMN leadroute.lead_feedback_report.fives IS 'Ratings of 5.';
