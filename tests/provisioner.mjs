// A provisioner in another language: reads one event (JSON) from standard input, and reports to its callbackUrl.
// First a wrongly signed report, which must be refused, then the right one twice: a sender's retry.
import { createHmac } from 'node:crypto';

const chunks = [];
for await (const chunk of process.stdin) chunks.push(chunk);
const event = JSON.parse(Buffer.concat(chunks).toString('utf8'));

const report = JSON.stringify({
  initiatorId: event.tenant.id,
  type: 0,
  data: {
    status: 1,
    resources: [
      { type: 'bucket', metadata: { bucket: `node-${event.tenant.key}`, note: 'müller-緑-😀 \u2028 "quoted" \\ back' } },
      { type: 'db', externalIdentifier: `db-${event.tenant.key}`, metadata: {} },
    ],
    appPlaneUrl: `https://${event.tenant.key}.example.com/?a=1&b=ü`,
  },
});

async function send(secret) {
  const timestamp = Date.now().toString();
  const signature = createHmac('sha256', secret).update(report + event.context + timestamp).digest('hex');
  const answer = await fetch(event.callbackUrl, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'x-signature': signature, 'x-timestamp': timestamp },
    body: report,
  });
  return answer.status;
}

console.log(JSON.stringify([await send('0'.repeat(64)), await send(event.secret), await send(event.secret)]));
