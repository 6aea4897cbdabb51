// A consumer of leadroute's outbox that posts to Slack: claims, posts, acknowledges; refuses what could not be posted.
//
//	node slack.js CONSUMER WEBHOOK [once]
//
// The connection is that of PGHOST, PGPORT, PGDATABASE, PGUSER. Each post carries the ids of its messages in the header
// Idempotency-Key. With "once" it ends when nothing is left to claim.
'use strict';
const { Client } = require('pg');

const [consumer, webhook, once] = process.argv.slice(2);
if (!webhook) {
	console.error('usage: slack.js CONSUMER WEBHOOK [once]');
	process.exit(2);
}

// What Slack shows: a line of text for notifications, and blocks.
function slackMessage(messages) {
	const lines = messages.map(({ type, payload: p }) => {
		if (type === 'alert') return `*${p.check}* is ${p.status}: ${p.reason}`;
		const who = [p.name, p.company].filter(Boolean).join(', ') || `lead ${p.lead}`;
		const left = p.seconds_left === undefined ? '' : p.seconds_left < 0 ? `, ${Math.ceil(-p.seconds_left / 60)} min overdue` : `, ${Math.floor(p.seconds_left / 60)} min left`;
		return `*${type}*: ${p.link ? `<${p.link}|${who}>` : who}${p.owner ? ` → ${p.owner_name || p.owner}` : ''}${left}\n${p.reason || ''}`;
	});
	const first = messages[0];
	return {
		channel: first.recipient && first.recipient.startsWith('#') ? first.recipient : `@${first.recipient || 'leads'}`,
		text: messages.length === 1 ? lines[0].replace(/\n.*/s, '') : `${messages.length} messages`,
		blocks: lines.map((text) => ({ type: 'section', text: { type: 'mrkdwn', text } })),
	};
}

// A digest is one post; everything else has its own.
function posts(messages) {
	const groups = new Map();
	for (const message of messages) {
		const key = message.digest_at ? `${message.recipient} ${message.digest_at.toISOString()}` : message.id;
		groups.set(key, [...(groups.get(key) || []), message]);
	}
	return groups.values();
}

async function post(messages) {
	const answer = await fetch(webhook, {
		method: 'POST',
		headers: { 'Content-Type': 'application/json', 'Idempotency-Key': messages.map((m) => m.id).join(',') },
		body: JSON.stringify(slackMessage(messages)),
	});
	if (!answer.ok) throw new Error(`HTTP ${answer.status}`);
	await answer.text();
}

async function main() {
	const client = new Client();
	await client.connect();
	for (;;) {
		const { rows } = await client.query('SELECT * FROM leadroute.outbox_claim($1, 10, $2)', [consumer, process.env.VISIBLE_FOR || '1 min']);
		for (const messages of posts(rows)) {
			const ids = messages.map((m) => m.id);
			try {
				await post(messages);
			} catch (error) {
				await client.query('SELECT leadroute.outbox_nack($1, $2, NULL, $3)', [consumer, ids, error.message]);
				continue;
			}
			await client.query('SELECT leadroute.outbox_ack($1, $2)', [consumer, ids]);
			console.log(`acknowledged ${ids.join(',')} at ${Date.now()}`);
		}
		if (rows.length === 0) {
			if (once) break;
			await new Promise((resolve) => setTimeout(resolve, 100));
		}
	}
	await client.end();
}

main().catch((error) => {
	console.error(error.message);
	process.exit(1);
});
