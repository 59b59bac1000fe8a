/** The MySQL users: one for each process and what it reaches. */
import { databaseVariableOf } from '../environment';
import type { ApplicationDatabases, EngineVariable, User, VariableOf } from './names';
import {
  accordWorkerRights,
  apiRights,
  checkRights,
  defaultRights,
  read,
  relayRights,
  workerRights,
} from './rights';

/** The participants, then `accord`. */
export const databasesOf = ({
  migrations,
}: Pick<ApplicationDatabases, 'migrations'>): readonly string[] => [
  ...Object.keys(migrations),
  'accord',
];

/**
 * One for each participant, for a transaction worker; those of the engine's processes; those that the application declares.
 *
 * @throws RangeError where two have one name.
 */
export function usersOf<Participant extends string, Own extends string>(
  declared: ApplicationDatabases<Participant, Own>,
): readonly User<EngineVariable | VariableOf<Participant> | Own>[] {
  const participants = Object.keys(declared.migrations) as Participant[]; // Keys of this record.
  const rightsOf = (database: string) =>
    declared.rights?.[database as Participant] ?? defaultRights; // `accord` has none of its own.
  const everywhere = [...participants, 'accord'];
  const users = [
    ...participants.map((participant) => ({
      name: participant,
      variable: databaseVariableOf(participant) as VariableOf<Participant>,
      databases: [participant],
      rights: workerRights(rightsOf(participant).worker),
    })),
    {
      ...({ name: 'accord', variable: 'ACCORD_DATABASE_URL', databases: ['accord'] } as const),
      rights: accordWorkerRights,
    },
    {
      ...({ name: 'relay', variable: 'RELAY_DATABASE_URLS', databases: everywhere } as const),
      rights: relayRights,
    },
    {
      ...({ name: 'api', variable: 'API_DATABASE_URL', databases: ['accord'] } as const),
      rights: apiRights,
    },
    {
      ...({
        name: 'api_books',
        variable: 'API_BOOKS_DATABASE_URLS',
        databases: everywhere,
      } as const),
      rights: checkRights((database) => rightsOf(database).checks),
    },
    ...(declared.users ?? []),
    {
      ...({ name: 'verify', variable: 'VERIFY_DATABASE_URLS', databases: everywhere } as const),
      rights: () => read,
    },
  ];
  const names = users.map(({ name }) => name);
  const twice = names.find((name, at) => names.indexOf(name) !== at);
  if (twice !== undefined) throw new RangeError(`Two MySQL users of one name: ${twice}.`);
  return users;
}
