import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';

import { operationsOf } from '../../../contracts/engine/definition';
import { regions } from '../../../contracts/regions/regions';
import { armFaults, faultMenu } from '../../../runtime/faults/menu';
import {
  inertFaultPoints,
  markOf,
  parseFaults,
  type Arming,
  type FiredFault,
} from '../../../runtime/faults/points';
import { createLogger } from '../../../runtime/logger';

const parse = (faults: string, seed = 7, more: Partial<Arming> = {}) =>
  parseFaults(faults, { seed, places: faultMenu(), ...more });

describe('fault points', () => {
  it('do nothing unless they are armed', async () => {
    await expect(inertFaultPoints.reach('accounts.holdFunds', 'before')).resolves.toBeUndefined();
    await expect(parse('').reach('accounts.holdFunds', 'before')).resolves.toBeUndefined();
  });

  it('strike the visit that is named, at the point that is named, and count it', async () => {
    const text = 'accounts.holdFunds:entered:throw-retryable:2';
    const faults = parse(text);
    await faults.reach('accounts.holdFunds', 'entered');
    await faults.reach('accounts.holdFunds', 'before');
    await faults.reach('inventory.reserveStock', 'entered');
    await expect(faults.reach('accounts.holdFunds', 'entered')).rejects.toMatchObject({
      type: 'InjectedFault',
      nonRetryable: false,
    });
    await faults.reach('accounts.holdFunds', 'entered');
    expect(faults.fired().get(text)).toBe(1);
  });

  it('strike a range of visits, and tell a fatal failure from a retryable one', async () => {
    const faults = parse('accounts.holdFunds:before:throw-fatal:2-3');
    const seen: boolean[] = [];
    for (let visit = 1; visit <= 4; visit += 1) {
      seen.push(
        await faults.reach('accounts.holdFunds', 'before').then(
          () => false,
          () => true,
        ),
      );
    }
    expect(seen).toEqual([false, true, true, false]);
  });

  it('strike the same visits again with the same seed', async () => {
    const strikes = async (seed: number) => {
      const faults = parse('accounts.holdFunds:before:throw-retryable:p=0.5', seed);
      const seen: boolean[] = [];
      for (let visit = 0; visit < 32; visit += 1) {
        seen.push(
          await faults.reach('accounts.holdFunds', 'before').then(
            () => false,
            () => true,
          ),
        );
      }
      return seen.map(Number).join('');
    };
    expect(await strikes(1)).toBe(await strikes(1));
    expect(await strikes(1)).not.toBe(await strikes(2));
    expect(await strikes(1)).toMatch(/01|10/);
  });

  it('hold a delivery for as long as it is told', async () => {
    const faults = parse('accounts.holdFunds:before:delay=30');
    const began = performance.now();
    await faults.reach('accounts.holdFunds', 'before');
    expect(performance.now() - began).toBeGreaterThanOrEqual(25);
  });

  it.each([
    ['accounts.nothing:before:kill', 'names no known place: "accounts.nothing"'],
    ['accounts.holdFunds:between:kill', 'has no point "between"'],
    ['accounts.holdFunds:before:explode', 'has no kind "explode"'],
    ['accounts.holdFunds:before:delay', 'has no kind "delay"'],
    ['accounts.holdFunds:before:kill:0', 'has no when "0"'],
    ['accounts.holdFunds:before:kill:3-2', 'has no when "3-2"'],
    ['accounts.holdFunds:before:kill:p=1.5', 'has no when "p=1.5"'],
    ['accounts.holdFunds:before:kill:1:2', 'has more than four parts'],
    ['accounts.holdFunds:before:kill:of=a b', 'has no when "of=a b"'],
    ['api.start:entered:kill', 'has no point "entered"; api.start has: before, begun'],
    ['accord.endRun:entered:kill', 'has no point "entered"'],
    ['accounts.holdFunds:entered:dup', '"dup" is for deliveries, at "before"'],
    ['worker.shutdown:beforeAck:dup', '"dup" is for deliveries, at "before"'],
  ])('refuse %s and say which part is wrong', (text, message) => {
    expect(() => parse(text)).toThrow(message);
  });

  it('repeat a delivery, and give its second answer', async () => {
    const faults = parse('accounts.holdFunds:before:dup:2');
    let deliveries = 0;
    const deliver = () => faults.deliver('accounts.holdFunds', () => Promise.resolve(++deliveries));
    expect(await deliver()).toBe(1);
    expect(await deliver()).toBe(3);
    expect(await deliver()).toBe(4);
    expect(await inertFaultPoints.deliver('accounts.holdFunds', () => Promise.resolve(1))).toBe(1);
  });

  it('wait for the transaction that they are of, and strike it once', async () => {
    const faults = parse('accounts.holdFunds:before:throw-retryable:of=O-1');
    const reach = (gid: string) => faults.reach('accounts.holdFunds', 'before', () => [gid]);
    await reach('order:acme.O-12');
    await reach('order:acme.MO-1');
    await expect(reach('order:acme.O-1')).rejects.toThrow('Injected');
    await reach('order:acme.O-1');
  });

  it('strike a transaction once among all processes that share their marks', async () => {
    const marks = mkdtempSync(join(tmpdir(), 'accord-marks-'));
    try {
      const text = 'accounts.holdFunds:before:throw-retryable:of=O-1';
      const reach = () =>
        parse(text, 1, { marks }).reach('accounts.holdFunds', 'before', () => ['order:acme.O-1']);
      await expect(reach()).rejects.toThrow('Injected');
      await reach();
      expect(readdirSync(marks)).toEqual([markOf(text)]);
    } finally {
      rmSync(marks, { recursive: true });
    }
  });

  it('tell of a fault before it strikes', async () => {
    const told: FiredFault[] = [];
    const fault = 'accounts.holdFunds:before:throw-fatal:2';
    const faults = parse(fault, 1, { onFired: (fired) => told.push(fired) });
    await faults.reach('accounts.holdFunds', 'before');
    expect(told).toEqual([]);
    await expect(faults.reach('accounts.holdFunds', 'before')).rejects.toThrow('Injected');
    expect(told).toEqual([{ fault, visit: 2 }]);
  });

  it('are one menu for every process, and a line of its log when they strike', async () => {
    const lines: string[] = [];
    const logger = createLogger({
      process: 'test',
      level: 'info',
      destination: { write: (line) => void lines.push(line) },
    });
    const arm = (text: string) => armFaults({ text, seed: 1, marks: undefined }, logger);
    expect(arm('')).toBe(inertFaultPoints);
    const fault = 'consumer.order-view:before:delay=1';
    await arm(`${fault};worker.shutdown:beforeAck:hang`).reach('consumer.order-view', 'before');
    expect(lines.map((line) => JSON.parse(line) as object)).toEqual([
      expect.objectContaining({ msg: 'Faults are armed.' }),
      expect.objectContaining({ msg: 'Fault fired.', fault, visit: 1 }),
    ]);
    expect(() => arm('api.begin:before:kill')).toThrow('names no known place: "api.begin"');
  });

  it('can be armed before and behind each step of a switch of regions, and nowhere in it', () => {
    for (const { name: step } of operationsOf(regions)) {
      const points = faultMenu().find(({ name }) => name === `regions.${step}`)?.points;
      expect(points).toEqual(['before', 'beforeAck']);
    }
  });
});
