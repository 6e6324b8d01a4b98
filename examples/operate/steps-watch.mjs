// What happens, as it happens: the event feed and the metrics of the admin API, which does none of it.
import { assert, eventually, step } from './report.mjs';

/** A stream of events, as it comes in. */
async function follow(operator, query) {
  const stop = new AbortController();
  const answer = await operator.request('GET', `sessions/events${query}`, undefined, { signal: stop.signal });
  assert.equal(answer.status, 200);
  const events = [];
  const read = async () => {
    let text = '';
    for await (const chunk of answer.body.pipeThrough(new TextDecoderStream())) {
      text += chunk;
      const parts = text.split('\n\n');
      text = parts.pop();
      for (const part of parts) {
        const data = part.split('\n').find((line) => line.startsWith('data: '));
        if (data !== undefined) events.push(JSON.parse(data.slice(6)));
      }
    }
  };
  // It is over when it is stopped.
  read().catch((error) => assert.equal(error.name, 'AbortError'));
  return { events, stop: () => stop.abort() };
}

export async function watching(world) {
  const { operator } = world;

  await step('events: a session from its start in one gateway to its end in the other', async () => {
    const feed = await follow(operator, '');
    const hugo = await world.client('hugo').login(0);
    const { id } = hugo;
    await operator.alter(id, { parameters: { log_info: true } });
    await hugo.send('/logout', { gateway: 1 });
    const own = () => feed.events.filter((event) => event.id === id);
    const { took } = await eventually('its end', () => own().some(({ event }) => event === 'ended'), 3_000);
    feed.stop();
    const [last] = own().filter(({ event }) => event === 'ended');
    assert.equal(last.cause, 'logout');
    assert.ok(own().some(({ event, by }) => event === 'altered' && by === 'admin'));
    assert.ok(own().some(({ elsewhere }) => elsewhere));
    return `${own()
      .map(({ event, cause }) => (cause === undefined ? event : `${event} (${cause})`))
      .join(', ')}; the last one ${took} ms after the answer`;
  });

  await step('metrics of each gateway, for Prometheus', async () => {
    const listed = (await operator.read('sessions')).length;
    const told = [];
    for (const own of world.own) {
      const [alive, created] = [
        await own.metric('sessionkit_sessions'),
        await own.metric('sessionkit_sessions_created_total'),
      ];
      assert.equal(alive, listed);
      assert.ok(created > 0);
      told.push(`${alive} live in the store, ${created} begun here`);
    }
    return told.join('; ');
  });
}
