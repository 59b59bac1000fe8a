// The linter is an ES module, which Jest cannot load: it runs beside. Reads a document, writes what it found as JSON.
import { createConfig, lintFromString } from '@redocly/openapi-core';
import { text } from 'node:stream/consumers';

const config = await createConfig({ extends: ['recommended'] });
const found = await lintFromString({
  source: await text(process.stdin),
  config,
  absoluteRef: 'openapi.json',
});
process.stdout.write(JSON.stringify(found.map(({ ruleId, message }) => `${ruleId}: ${message}`)));
