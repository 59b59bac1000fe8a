import { describe, expect, it } from '@jest/globals';

import { createLanes, laneModesSchema } from '../../../api/transactions/lanes';
import { application } from '../../../contracts/engine/application';
import { flowOfBatchId } from '../../../contracts/engine/batches';
import { operatorFlows } from '../../../contracts/engine/ids';
import { aConfig } from './fake-api';

const lanesOf = (text: string) => createLanes(laneModesSchema.parse(text));
/** Flows whose starts go as a batch, so many of each at once. */
const batched = (text: string, flows: readonly string[]): string[] => [
  ...lanesOf(text).batchesOf(flows).keys(),
];
const twice = (...flows: string[]): string[] => [...flows, ...flows];

describe('the lanes', () => {
  it('make a batch of starts of one flow that come together, and leave a lone one alone', () => {
    expect(batched('mixed', ['order', 'transfer', 'order'])).toEqual(['order']);
    expect(batched('single', twice('order', 'transfer'))).toEqual([]);
    expect(batched('batch', ['order', 'transfer', 'order'])).toEqual(['order', 'transfer']);
  });

  it('can be set for one flow', () => {
    expect(batched('mixed, payment = single', twice('order', 'payment'))).toEqual(['order']);
    expect(batched('single,order=batch', ['order', 'transfer'])).toEqual(['order']);
  });

  it('name each batch anew, by its flow', () => {
    const id = () => lanesOf('batch').batchesOf(['order']).get('order') ?? '';
    const [one, other] = [id(), id()];
    expect([one, other].map(flowOfBatchId)).toEqual(['order', 'order']);
    expect(one).not.toBe(other);
  });

  it('keep a flow that allows no batch single, whatever is set', () => {
    const single = Object.values(application().flows).filter(({ lane }) => lane === 'single');
    const names = single.map(({ name }) => name);
    expect(names).toEqual(['refund', 'settlement', ...operatorFlows]);
    for (const name of names) expect(batched(`batch,${name}=batch`, twice(name))).toEqual([]);
  });

  it('are mixed, unless something else is set', () => {
    const lanes = createLanes(aConfig().lanes);
    expect([...lanes.batchesOf([...twice('order'), 'transfer']).keys()]).toEqual(['order']);
  });

  it.each([
    ['many', 'LANES: its first entry is not one of mixed, single, batch'],
    ['order=single', 'LANES: its first entry is not one of mixed, single, batch'],
    ['mixed,order', 'LANES: its entry 2 is not <flow>=<one of mixed, single, batch>'],
    ['mixed,order=many', 'LANES: its entry 2 is not <flow>=<one of mixed, single, batch>'],
    ['mixed,order=single,orders=single', 'LANES: its entry 3 names no flow of order, checkout,'],
    ['mixed,order=single,order=batch', 'LANES: its entry 3 says a second time what'],
  ])('refuse %s with a sentence that says where it is wrong', (text, sentence) => {
    expect(() => aConfig({ LANES: text })).toThrow(sentence);
  });
});
