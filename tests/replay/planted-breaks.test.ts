import { cpSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { afterAll, describe, expect, it } from '@jest/globals';

import { bundleWorkflows } from '../../scripts/bundle-workflows';
import { callsIn, type HistoryCall } from '../../testing/replay/calls';
import { workflowTypeOf } from '../../testing/replay/history';
import { recordings, verdictsOn, type Recording } from './corpus';

/** A change to workflow code that would break open runs, made in a copy of today's sources. */
interface Break {
  readonly title: string;
  readonly files: readonly string[];
  readonly edit: (source: string) => string;
  /** The activity that a recording must have called to be touched by it, and what is said then. */
  readonly touches: string;
  readonly says: RegExp;
}

const breaks: readonly Break[] = [
  {
    title: 'two steps are swapped',
    files: ['workflows/flows/order.ts'],
    edit: (source) =>
      source
        .replace(
          /( {4}const hold = [^\n]*\n)( {4}await tx\.createOrder.*?\n {4}\}\)\);\n)/s,
          '$2$1',
        )
        .trim(),
    touches: 'accounts.holdFunds',
    says: /: the recording calls accounts\.holdFunds \(step holdFunds\) (first|second|third|fourth); today's code calls orders\.createOrder \(step createOrder\)\.$/,
  },
  {
    title: 'a step has another key, under which it would be undone in vain',
    files: ['workflows/flows/order.ts', 'contracts/flows/order.ts'],
    edit: (source) => source.replace(/\bholdFunds(?=\(\{ accountId|: compensable)/, 'holdMoney'),
    touches: 'accounts.holdFunds',
    says: /: the recording calls accounts\.holdFunds \(step holdFunds\) (first|second|third|fourth); today's code calls accounts\.holdFunds \(step holdMoney\)\.$/,
  },
  {
    title: 'an amount is another one, which replay alone lets pass',
    files: ['workflows/flows/order.ts'],
    edit: (source) =>
      source.replace(
        'tx.holdFunds({ accountId, amount })',
        'tx.holdFunds({ accountId, amount: { ...amount, minorUnits: amount.minorUnits + 1 } })',
      ),
    touches: 'accounts.holdFunds',
    says: /: the recording calls accounts\.holdFunds \(step holdFunds\) (first|second|third|fourth) with (args\.0\.0\.amount\.minorUnits \d+|requestDigest "[\w,-]+"); today's code has (\d+|"[\w,-]+")\.$/,
  },
];

const root = join(__dirname, '..', '..');
const orders = recordings.filter(({ history }) => workflowTypeOf(history) === 'orderSaga');

describe('the gate can fail: it refuses every recording that is touched where', () => {
  const copies: string[] = [];
  afterAll(() => {
    for (const copy of copies) rmSync(join(root, copy), { recursive: true });
  });

  it.each(breaks.map((planted) => [planted.title, planted] as const))(
    '%s',
    async (_title, planted) => {
      const bundlePath = await bundleWith(planted, `dist/test-bundles/break-${copies.length}`);
      const touched = orders.filter((order) => hasCalled(order, planted.touches));
      const verdicts = await verdictsOn(touched, bundlePath);
      expect(verdicts.filter(({ kind }) => kind !== 'refused')).toEqual([]);
      for (const { sentence } of verdicts) expect(sentence).toMatch(planted.says);
      expect(verdicts.length).toBeGreaterThan(20);
    },
    60_000,
  );

  async function bundleWith({ files, edit }: Break, copy: string): Promise<string> {
    copies.push(copy);
    for (const room of ['contracts', 'workflows']) {
      cpSync(join(root, room), join(root, copy, room), { recursive: true });
    }
    for (const file of files) {
      const source = readFileSync(join(root, file), 'utf8');
      const edited = edit(source);
      if (edited.trim() === source.trim()) throw new Error(`${file} has no place for this break.`);
      writeFileSync(join(root, copy, file), edited);
    }
    return bundleWorkflows(`${copy}/workflows/index.ts`, `${copy}/bundle.js`);
  }
});

const hasCalled = ({ history }: Recording, activity: string): boolean =>
  callsIn(history).some((call) => call.activity === activity && !isUnknown(call));

/** A local call that failed left nothing to compare, and was not repeated remotely either. */
const isUnknown = ({ isLocal, verdicts, keys }: HistoryCall): boolean =>
  isLocal && verdicts === undefined && keys.length === 0;
