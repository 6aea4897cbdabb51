// worker.js drain|follow SECONDS: the peer p2, a worker that polls the leads table and routes what it finds, in batches.
//
// Two connections, each takes up to 200 leads with SKIP LOCKED, decides in memory (accounts, criteria, rules, map, shifts) and writes all
// of a batch in a few statements: turns and loads a team at a time, then leads, states, events and messages.
// drain: until none is left, and says how many leads a second it did. follow: polls every 50 ms for SECONDS, and then until none is left.
'use strict';
const { Client } = require('pg');
const BATCH = 200;
const POLL = 50;
const [mode, seconds] = [process.argv[2], Number(process.argv[3])];

const like = (pattern) => new RegExp('^' + pattern.replace(/[.*+?^${}()|[\]\\]/g, '\\$&').replace(/%/g, '.*') + '$', 's');
const within = (value, from, to) => value !== null && (from === null || value >= from) && (to === null || value <= to);

async function configuration(db) {
	const rows = async (query) => (await db.query(query)).rows;
	const config = { cycles: {}, accounts: new Map(), territories: new Map() };
	for (const a of await rows('SELECT d.domain, a.account, a.owner, a.tier FROM leadroute.accounts a JOIN leadroute.account_domains d USING (flow, account)')) config.accounts.set(a.domain, a);
	for (const t of await rows('SELECT * FROM bench.map')) {
		const key = t.country + ' ' + (t.region || '');
		config.territories.set(key, [...(config.territories.get(key) || []), t]);
	}
	for (const list of config.territories.values()) list.sort((a, b) => (a.lo === null) - (b.lo === null));
	config.criteria = (await rows('SELECT * FROM bench.criteria')).map((c) => ({ ...c, title: c.title_like && like(c.title_like), postal: c.postal_like && like(c.postal_like) }));
	config.rules = (await rows('SELECT * FROM bench.rules ORDER BY position')).map((r) => ({ ...r, title: r.title_like && like(r.title_like) }));
	config.hours = await rows('SELECT calendar, timezone, weekday, opens, closes FROM leadroute.calendars JOIN leadroute.calendar_hours USING (flow, calendar)');
	for (const c of await rows(`SELECT team, rep, calendar FROM leadroute.team_members JOIN leadroute.reps USING (flow, rep), generate_series(1, weight) step ORDER BY team, step::numeric / weight, rep`))
		(config.cycles[c.team] = config.cycles[c.team] || []).push(c);
	return config;
}

// calendars that are open now, worked out once a second
function openCalendars(config) {
	const now = Date.now();
	if (config.openAt > now - 1000) return config.open;
	config.open = new Set();
	for (const h of config.hours) {
		const parts = Object.fromEntries(new Intl.DateTimeFormat('en-GB', { timeZone: h.timezone, weekday: 'short', hour: '2-digit', minute: '2-digit', second: '2-digit', hourCycle: 'h23' })
			.formatToParts(now).map((p) => [p.type, p.value]));
		const time = `${parts.hour}:${parts.minute}:${parts.second}`;
		if (h.weekday === ['Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat', 'Sun'].indexOf(parts.weekday) + 1 && time >= h.opens && time < h.closes) config.open.add(h.calendar);
	}
	config.openAt = now;
	return config.open;
}

function decide(config, lead) {
	const title = (lead.title || '').toLowerCase();
	lead.key = (lead.email || '').trim().toLowerCase();
	const account = config.accounts.get(lead.key.split('@')[1]);
	lead.account = account ? account.account : null;
	let score = 0;
	for (const c of config.criteria)
		if ((!c.countries || c.countries.includes(lead.country)) && (!c.regions || c.regions.includes(lead.region)) && (!c.industries || c.industries.includes(lead.industry)) &&
			(!c.sources || c.sources.includes(lead.source)) && ((c.employees_from === null && c.employees_to === null) || within(lead.employees, c.employees_from, c.employees_to)) &&
			(!c.title || c.title.test(title)) && (!c.postal || c.postal.test(lead.postal_code || '')) && (!c.needs_phone || lead.phone))
			score += c.points;
	lead.score = Math.max(0, Math.min(100, score));
	lead.territory = null;
	lead.team = null;
	if (account && account.tier === 1) return Object.assign(lead, { rule: 'named accounts', position: 5, owner: account.owner });
	if (lead.country === 'BR' && lead.score >= 40) return Object.assign(lead, { rule: 'worth most', position: 6, team: 'team-9' });
	for (const r of config.rules)
		if ((!r.country || r.country === lead.country) && (!r.not_country || (lead.country && r.not_country !== lead.country)) && (!r.regions || r.regions.includes(lead.region)) &&
			(!r.industries || r.industries.includes(lead.industry)) && (!r.source || r.source === lead.source) &&
			((r.employees_from === null && r.employees_to === null) || within(lead.employees, r.employees_from, r.employees_to)) &&
			(!r.postal_from || (lead.postal_code >= r.postal_from && lead.postal_code < r.postal_to)) && (!r.title || r.title.test(title)))
			return Object.assign(lead, { rule: r.rule, position: r.position, team: r.team });
	const country = (lead.country || '').toLowerCase();
	for (const key of [country + ' ' + (lead.region || '').toLowerCase(), country + ' '])
		for (const t of config.territories.get(key) || [])
			if (t.lo === null || (lead.employees !== null && lead.employees >= t.lo && lead.employees < t.hi))
				return Object.assign(lead, { rule: 'the map', position: 900, territory: t.territory, team: t.team });
	return Object.assign(lead, { rule: 'everyone else', position: 999, team: 'team-0' });
}

async function batch(db, config) {
	await db.query('BEGIN');
	const found = (await db.query({ name: 'take', text: `SELECT id, email, phone, country, region, postal_code, industry, employees, title, source, company, submitted_at FROM p2.leads WHERE routed_at IS NULL ORDER BY id LIMIT ${BATCH} FOR UPDATE SKIP LOCKED` })).rows;
	if (found.length === 0) {
		await db.query('COMMIT');
		return 0;
	}
	for (const lead of found) decide(config, lead);
	const column = (leads, name) => leads.map((l) => (l[name] === undefined ? null : l[name]));
	const claimed = new Map((await db.query({ name: 'claim', text: `INSERT INTO p2.identities (flow, kind, key, lead) SELECT 'default', 'email', k, l FROM unnest($1::text[], $2::text[]) u(k, l) ORDER BY k ON CONFLICT DO NOTHING RETURNING key, lead`,
		values: [column(found, 'key'), found.map((l) => String(l.id))] })).rows.map((r) => [r.key, r.lead]));
	const fresh = found.filter((l) => claimed.get(l.key) === String(l.id));
	const again = found.filter((l) => claimed.get(l.key) !== String(l.id));
	const teams = {};
	for (const lead of fresh) if (lead.team) (teams[lead.team] = teams[lead.team] || []).push(lead);
	const names = Object.keys(teams).sort();
	const turns = (await db.query({ name: 'turn', text: 'WITH u AS (SELECT * FROM unnest($1::text[], $2::bigint[]) u(team, n)), locked AS (SELECT t.team FROM p2.turns t JOIN u USING (team) ORDER BY team FOR UPDATE OF t) UPDATE p2.turns t SET turn = t.turn + u.n FROM u JOIN locked USING (team) WHERE t.team = u.team RETURNING t.team, t.turn - u.n AS turn',
		values: [names, names.map((t) => teams[t].length)] })).rows;
	const open = openCalendars(config);
	for (const { team, turn } of turns) {
		const cycle = config.cycles[team].filter((c) => open.has(c.calendar));
		teams[team].forEach((lead, i) => { lead.owner = cycle[(Number(turn) + i) % cycle.length].rep; });
	}
	const loads = {};
	for (const lead of fresh) if (lead.team) loads[lead.team + '\0' + lead.owner] = (loads[lead.team + '\0' + lead.owner] || 0) + 1;
	const places = Object.keys(loads).sort();
	await db.query({ name: 'load', text: 'UPDATE p2.loads l SET open = l.open + u.n FROM unnest($1::text[], $2::text[], $3::integer[]) u(team, rep, n) WHERE l.team = u.team AND l.rep = u.rep AND l.open + u.n <= l.capacity',
		values: [places.map((p) => p.split('\0')[0]), places.map((p) => p.split('\0')[1]), places.map((p) => loads[p])] });
	for (const lead of fresh)
		lead.reason = `rule "${lead.rule}" (${lead.position}): ` + (lead.territory ? `territory "${lead.territory}" of map "world", ` : '') + (lead.team ? `team "${lead.team}", round robin: ${lead.owner}` : `account "${lead.account}" (by email), its owner ${lead.owner}`);
	const values = [column(fresh, 'id'), column(fresh, 'owner'), column(fresh, 'team'), column(fresh, 'territory'), column(fresh, 'account'), column(fresh, 'score'), column(fresh, 'reason'), column(fresh, 'rule')];
	const u = 'unnest($1::bigint[], $2::text[], $3::text[], $4::text[], $5::text[], $6::numeric[], $7::text[], $8::text[]) u(id, owner, team, territory, account, score, reason, rule)';
	await db.query({ name: 'write', values, text: `WITH u AS (SELECT * FROM ${u}),
		l AS (UPDATE p2.leads l SET owner = u.owner, team = u.team, territory = u.territory, account = u.account, score = u.score, routed_at = clock_timestamp(), route_reason = u.reason FROM u WHERE l.id = u.id
			RETURNING l.id, l.submitted_at, l.routed_at, l.company, l.source, u.owner, u.team, u.territory, u.account, u.score, u.reason, u.rule),
		s AS (INSERT INTO p2.lead_states (flow, lead, status, code, owner, team, territory, account, score, fit, engagement, scored_at, rule, submitted_at, routed_at, route_reason, company, source)
			SELECT 'default', id::text, 'assigned', 'assigned', owner, team, territory, account, score, score, 0, routed_at, rule, submitted_at, routed_at, reason, company, source FROM l),
		e AS (INSERT INTO p2.events (flow, lead, at, kind, code, rule, owner, team, territory, account, reason) SELECT 'default', id::text, routed_at, 'decided', 'assigned', rule, owner, team, territory, account, reason FROM l)
		INSERT INTO p2.outbox (flow, aggregatetype, aggregateid, type, payload, created_at) SELECT 'default', 'lead', id::text, 'assigned', jsonb_strip_nulls(jsonb_build_object('lead', id::text, 'flow', 'default', 'code', 'assigned',
			'owner', owner, 'team', team, 'territory', territory, 'account', account, 'rule', rule, 'reason', reason, 'submitted_at', submitted_at, 'routed_at', routed_at)), routed_at FROM l` });
	if (again.length > 0)
		await db.query({ name: 'again', values: [column(again, 'id'), column(again, 'key')], text: `UPDATE p2.leads l SET owner = s.owner, team = s.team, territory = s.territory, account = s.account, score = s.score, routed_at = clock_timestamp(), route_reason = 'same e-mail as lead ' || i.lead
			FROM unnest($1::bigint[], $2::text[]) u(id, key) JOIN p2.identities i ON i.flow = 'default' AND i.kind = 'email' AND i.key = u.key JOIN p2.lead_states s ON s.flow = i.flow AND s.lead = i.lead WHERE l.id = u.id` });
	await db.query('COMMIT');
	return found.length;
}

async function work(config, until) {
	const db = new Client();
	await db.connect();
	let done = 0;
	for (;;) {
		const n = await batch(db, config);
		done += n;
		if (n > 0) continue;
		if (Date.now() >= until) break;
		await new Promise((resolve) => setTimeout(resolve, POLL));
	}
	await db.end();
	return done;
}

(async () => {
	const db = new Client();
	await db.connect();
	const config = await configuration(db);
	await db.end();
	const begin = Date.now();
	const until = mode === 'follow' ? begin + (seconds + 1) * 1000 : begin;
	const done = (await Promise.all([work(config, until), work(config, until)])).reduce((a, b) => a + b, 0);
	if (mode === 'drain') console.log(Math.round(done * 1000 / (Date.now() - begin)));
})().catch((error) => {
	console.error(error);
	process.exit(1);
});
