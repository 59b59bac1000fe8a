import eslint from '@eslint/js';
import prettier from 'eslint-config-prettier';
import jest from 'eslint-plugin-jest';
import tseslint from 'typescript-eslint';

const modules = [
  { selector: 'ExportDefaultDeclaration', message: 'Named exports only.' },
  { selector: 'ExportAllDeclaration', message: 'Exports are listed by name.' },
  { selector: 'TSEnumDeclaration', message: 'A union of strings instead of an enum.' },
];
const environment = {
  selector: "MemberExpression[object.name='process'][property.name='env']",
  message: 'The environment is read in config.ts alone.',
};
const machineClock = [
  "MemberExpression[object.name='Date'][property.name='now']",
  "NewExpression[callee.name='Date'][arguments.length=0]",
  "CallExpression[callee.name='Date']",
].map((selector) => ({
  selector,
  message:
    'A time is that of MySQL: ServerClock, or UTC_TIMESTAMP. How long something takes, performance.now() tells.',
}));

// What the preset does not ask for, and why it matters here, stands beside each rule.
export default tseslint.config(
  { ignores: ['dist/', 'node_modules/', '.accord/', 'coverage/'] },
  eslint.configs.recommended,
  {
    files: ['**/*.ts'],
    ignores: ['examples/**'], // Their types are those of the packed package: `npm run example` compiles them.
    extends: [tseslint.configs.strictTypeChecked],
    languageOptions: { parserOptions: { projectService: true } },
    rules: {
      '@typescript-eslint/consistent-type-imports': 'error',
      '@typescript-eslint/switch-exhaustiveness-check': [
        'error',
        { considerDefaultExhaustiveForUnions: true },
      ],
      '@typescript-eslint/no-shadow': 'error', // A shadowed `tx` or `key` would act under another step's name.
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true }],
      '@typescript-eslint/no-confusing-void-expression': ['error', { ignoreArrowShorthand: true }],
      'no-restricted-syntax': ['error', ...modules, environment],
      'no-console': 'error', // Logs go through the logger; scripts print for people.
    },
  },
  {
    // A project outside: it has nothing of Accord but its package.
    files: ['examples/**/*.ts'],
    extends: [tseslint.configs.strict],
    rules: {
      'no-restricted-imports': [
        'error',
        {
          patterns: [
            {
              regex: '^(?!(accord/[a-z]+|zod|node:[a-z/]+|\\./[a-z-]+)$)',
              message: 'A project imports accord/*, zod, Node and itself.',
            },
          ],
        },
      ],
    },
  },
  { files: ['package/**', 'scripts/**', 'testing/**', 'tests/**'], rules: { 'no-console': 'off' } },
  {
    // What is written down, compared or shown here is compared with the times of other machines.
    files: ['activities/**', 'api/**', 'invariants/**', 'contracts/**', 'runtime/**', 'workers/**'],
    ignores: [
      'runtime/server-clock.ts', // Compares the machine's clock with MySQL's.
      'runtime/temporal-call.ts', // Deadlines of gRPC, which its client counts by the machine's clock.
    ],
    rules: { 'no-restricted-syntax': ['error', ...modules, environment, ...machineClock] },
  },
  {
    // The readers of the environment. Scripts and test set-up hand it on to the processes that they start.
    files: ['**/config.ts', 'scripts/**', 'testing/**', 'tests/support/**', 'tests/*.ts'],
    rules: {
      'no-restricted-syntax': ['error', ...modules],
    },
  },
  {
    // Tool configuration is loaded by its default export: the tools' own contract.
    files: ['*.config.mjs'],
    rules: { 'no-restricted-syntax': 'off' },
  },
  {
    files: ['tests/**/*.test.ts'],
    extends: [jest.configs['flat/recommended']],
    rules: {
      'jest/expect-expect': ['error', { assertFunctionNames: ['expect', 'expect*', 'fc.assert'] }],
      'jest/no-conditional-expect': 'error',
      'jest/no-focused-tests': 'error',
      'jest/no-disabled-tests': 'error',
    },
  },
  {
    files: ['**/*.mjs', '**/*.cjs', 'examples/*/*.js'],
    languageOptions: {
      globals: {
        exports: 'writable',
        process: 'readonly',
        console: 'readonly',
        module: 'readonly',
        require: 'readonly',
        setTimeout: 'readonly',
        clearTimeout: 'readonly',
        setInterval: 'readonly',
        clearInterval: 'readonly',
        URL: 'readonly',
        __dirname: 'readonly',
      },
    },
  },
  prettier,
);
