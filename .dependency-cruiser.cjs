/** The import rules of the house (docs/architecture.md). A rule's name is its error message. */
const only = (folders, allowed) => ({ from: { path: folders }, to: { pathNot: allowed } });
/** @type {import('dependency-cruiser').IConfiguration} */
module.exports = {
  forbidden: [
    { name: 'no-circles', severity: 'error', from: {}, to: { circular: true } },
    {
      name: 'contracts-are-the-ground',
      severity: 'error',
      comment:
        'contracts/ imports itself, message definitions and search attribute keys; no Node, no driver, no zod.',
      ...only('^contracts/', '^(contracts/|node_modules/@temporalio/(workflow|common)/)'),
    },
    {
      name: 'workflows-are-deterministic',
      severity: 'error',
      comment:
        'workflows/ imports contracts/, itself, @temporalio/workflow and @temporalio/common. Never Node, never zod, never activities/.',
      ...only(
        '^workflows/',
        '^(contracts/|workflows/|node_modules/@temporalio/(workflow|common)/)',
      ),
    },
    {
      name: 'activities-know-no-one-above',
      severity: 'error',
      from: { path: '^activities/' },
      to: { path: '^(workflows|workers|api|testing|scripts|tests)/' },
    },
    {
      name: 'activities-know-no-siblings-inside',
      severity: 'error',
      from: { path: '^activities/([^/]+)/' },
      to: { path: '^activities/[^/]+/', pathNot: '^activities/($1|fence)/' },
    },
    {
      name: 'one-door-to-mysql',
      severity: 'error',
      comment:
        'runtime/mysql/door.ts opens every connection, of scripts and tests too: no session may be what a server makes of it. ' +
        'Types alone are free: they open nothing.',
      from: {
        path: '^(contracts|invariants|runtime|workflows|activities|workers|api|package|testing|scripts|tests)/',
        pathNot: '^runtime/mysql/door\\.ts$',
      },
      to: { path: '^node_modules/mysql2/', dependencyTypesNot: ['type-only'] },
    },
    {
      name: 'one-door-per-driver',
      severity: 'error',
      comment:
        'runtime/redis.ts opens every client of Redis, runtime/kafka/client.ts every client of Kafka. Tests may open their own. ' +
        'Types alone are free: they open nothing.',
      from: {
        path: '^(contracts|invariants|runtime|workflows|activities|workers|api|testing|scripts)/',
        pathNot: '^runtime/(redis|kafka/client)\\.ts$',
      },
      to: { path: '^node_modules/(ioredis|kafkajs)/', dependencyTypesNot: ['type-only'] },
    },
    {
      name: 'api-stays-outside',
      severity: 'error',
      from: { path: '^api/' },
      to: { path: '^(activities|workers|testing|scripts|tests)/' },
    },
    {
      name: 'api-takes-types-of-workflows-only',
      severity: 'error',
      from: { path: '^api/' },
      to: { path: '^workflows/', dependencyTypesNot: ['type-only'] },
    },
    {
      name: 'runtime-knows-no-room-above',
      severity: 'error',
      comment:
        'What every process is made of: configuration, logs, fault points, the way to stop. It knows no business.',
      from: { path: '^runtime/' },
      to: { path: '^(workflows|activities|workers|api|testing|scripts|tests)/' },
    },
    {
      name: 'invariants-know-contracts-only',
      severity: 'error',
      comment:
        'What must hold is asked by the API, by the worker that reconciles and by scripts: it leans on none of them. ' +
        'Of runtime/ it knows the door to MySQL.',
      from: { path: '^invariants/' },
      to: {
        path: '^(runtime|workflows|activities|workers|api|scripts|tests)/',
        pathNot: '^runtime/mysql/',
      },
    },
    {
      name: 'engine-knows-no-business',
      severity: 'error',
      comment:
        'The engine asks the application of its process. The composition roots of the shop give it their parts. ' +
        "The switch of regions is the engine's own: contracts/regions, workflows/regions, activities/regions.",
      from: {
        path: '^(contracts/(engine|regions)|invariants|runtime|workflows/(kernel|jobs|regions)|activities/(fence|runs|locks|retention|reconciliation|regions)|workers|api)/',
        pathNot:
          '^((api|invariants)/shop/|runtime/databases/shop\\.ts$|workers/transactions/shop\\.ts$|workers/consumers/order-view/|(workers/[^/]+|api)/main\\.ts$)',
      },
      to: {
        path: '^((api|invariants)/shop/|runtime/databases/shop\\.ts$|workers/transactions/shop\\.ts$|workers/consumers/order-view/|activities/(accounts|coupons|inventory|orders)/|workflows/flows/|contracts/(shop\\.ts$|flows/|participants/))',
      },
    },
    {
      name: 'workers-know-no-api',
      severity: 'error',
      from: { path: '^workers/' },
      to: { path: '^(api|testing|scripts|tests)/' },
    },
    {
      name: 'the-package-is-outermost',
      severity: 'error',
      comment:
        'package/ is how a project uses Accord: it composes every room, and no room knows of it.',
      from: { pathNot: '^(package|scripts|tests)/' },
      to: { path: '^package/' },
    },
    {
      name: 'the-package-knows-no-commands-of-the-checkout',
      severity: 'error',
      from: { path: '^package/' },
      to: { path: '^(scripts|tests)/' },
    },
    {
      name: 'workflow-code-of-a-project-is-deterministic',
      severity: 'error',
      comment:
        "What Temporal's bundler takes from the package: never Node, never zod, never activities/.",
      from: { path: '^package/(contracts|workflow)\\.ts$' },
      to: { pathNot: '^(contracts|workflows)/' },
    },
    {
      name: 'nobody-imports-planted-bugs',
      severity: 'error',
      from: { pathNot: '^(testing/(chaos|drills)|tests)/' },
      to: { path: '^testing/(chaos|drills)/breaks/' },
    },
    {
      name: 'no-tests-in-shipped-code',
      severity: 'error',
      comment: 'The recorder plays the scenarios that the replay tests replay.',
      from: { pathNot: '^(tests/|scripts/record-history\\.ts)' },
      to: { path: '^tests/' },
    },
    { name: 'resolvable', severity: 'error', from: {}, to: { couldNotResolve: true } },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['require', 'node', 'import', 'default', 'types'],
    },
  },
};
