// What an operator changes while clients go on.
import { assert, eventually, step } from './report.mjs';

/** Of so many requests of one client, one after the other. */
const statuses = async (client, count, gateway = 0) => {
  const found = [];
  for (let n = 0; n < count; n++) found.push((await client.send('/visits', { gateway })).status);
  return found.join(' ');
};

export async function steering(world, ann) {
  const { operator } = world;

  await step('filters of one session: PATCH, while a request is under way', async () => {
    const running = ann.send('/slow?ms=800');
    await operator.filters(ann.id, ['gentle']);
    assert.equal((await running).status, 200);
    const [one, two] = [await statuses(ann, 3, 0), await statuses(ann, 3, 1)];
    assert.deepEqual([one, two], ['200 200 429', '200 200 429']);
    return `the request under way went through the old chain; then each gateway answers ${one}`;
  });

  await step('restart of one session: its filters are opened anew', async () => {
    await operator.restart(ann.id);
    const [one, two] = [await statuses(ann, 3, 0), await statuses(ann, 3, 1)];
    assert.deepEqual([one, two], ['200 200 429', '200 200 429']);
    return `both gateways count anew: ${one}`;
  });

  await step('restart of all sessions', async () => {
    await operator.restart();
    // The mark of all sessions is looked for once a second.
    const { took } = await eventually(
      'new filters',
      async () => (await statuses(ann, 1, 0)) === '200',
      3_000,
    );
    assert.equal(await statuses(ann, 2, 0), '200 429');
    return `gateway 1 counts anew after ${took} ms`;
  });

  await step('restart keeps what was set of a session, and drops it by ?reset=true', async () => {
    await operator.alter(ann.id, { parameters: { log_notice: true } });
    await operator.restart(ann.id);
    assert.equal((await operator.session(ann.id)).parameters.log_notice, true);
    assert.equal(await statuses(ann, 3), '200 200 429');
    await operator.restart(ann.id, '?reset=true');
    assert.equal((await operator.session(ann.id)).parameters.log_notice, false);
    const [one, two] = [await statuses(ann, 4, 0), await statuses(ann, 4, 1)];
    assert.deepEqual([one, two], ['200 200 200 200', '200 200 200 200']);
    return 'log level and filter were kept; after the reset there is neither, in either gateway';
  });

  await step('other filters in place of them: the cache', async () => {
    await operator.filters(ann.id, ['answers']);
    const ages = [];
    for (let n = 0; n < 2; n++) ages.push((await ann.send('/page')).headers.get('age'));
    assert.deepEqual(ages, [null, '0']);
    await operator.filters(ann.id, []);
    assert.equal(await statuses(ann, 4), '200 200 200 200');
    return 'the second answer comes from the cache; without filters nothing is refused';
  });

  await step('an unknown filter is refused, and changes nothing', async () => {
    const filters = { data: [{ id: 'nonsense', type: 'filters' }] };
    const before = (await operator.session(ann.id)).parameters;
    const parameters = { log_debug: !before.log_debug };
    const data = { attributes: { parameters }, relationships: { filters } };
    const answer = await operator.request('PATCH', `sessions/${ann.id}`, { data });
    assert.equal(answer.status, 400);
    assert.deepEqual((await operator.session(ann.id)).parameters, before);
    return (await answer.json()).errors[0].detail;
  });
}
