/**
 * How each server runs. One home for the native start and for docker-compose.yml: a unit test
 * compares the two, so that a drill on one says something about the other.
 */

/** The program that `testing/stack/temporal-cli/go.mod` builds and the tag of its image. */
export const temporalCliVersion = '1.8.2';

/** The broker that `testing/stack/kafka/pom.xml` fetches and the tag of its image. */
export const kafkaVersion = '4.1.1';

/** Older servers lack what we rely on; they are passed over, not tried. */
export const oldestVersion = {
  temporal: '1.4',
  mysql: '8.4',
  redis: '7.0',
  kafka: '3.7',
  java: '17',
} as const;

export const temporalNamespace = 'default';

/** Flags of `temporal server start-dev` that do not depend on the machine. */
export const temporalSettings: Readonly<Record<string, readonly string[]>> = {
  'log-level': ['error'],
  // Survives a kill of the server, not a loss of power: right for development, tests and drills.
  'sqlite-pragma': ['journal_mode=wal', 'synchronous=off'],
};

/** Values are JSON: a duration keeps its quotes. Without them a timer is a second late (measured). */
export const temporalDynamicConfig: Readonly<Record<string, string>> = {
  'system.enableActivityEagerExecution': 'true',
  'matching.numTaskqueueReadPartitions': '1',
  'matching.numTaskqueueWritePartitions': '1',
  'history.transferProcessorMaxPollRPS': '10000',
  'history.transferProcessorMaxPollHostRPS': '10000',
  'history.timerProcessorMaxTimeShift': '"1ms"',
  'history.timerProcessorMaxPollRPS': '10000',
  'history.timerProcessorMaxPollHostRPS': '10000',
  'history.visibilityProcessorMaxPollRPS': '10000',
  'history.visibilityProcessorMaxPollHostRPS': '10000',
  'frontend.namespaceRPS': '100000',
  'frontend.rps': '100000',
  'history.rps': '100000',
  'matching.rps': '100000',
};

/** Options of `mysqld`, without the leading dashes. */
export const mysqlSettings: Readonly<Record<string, string>> = {
  'character-set-server': 'utf8mb4',
  'collation-server': 'utf8mb4_0900_ai_ci',
  'default-time-zone': '+00:00',
  // A committed row survives a kill and a loss of power: the fence stands on it.
  'innodb-flush-log-at-trx-commit': '1',
  'sync-binlog': '1',
  'gtid-mode': 'ON',
  'enforce-gtid-consistency': 'ON',
  'binlog-expire-logs-seconds': '86400', // A day: enough for a replica that comes back, bounded on disk.
  'innodb-buffer-pool-size': '256M',
  'innodb-rollback-on-timeout': 'OFF', // The default, written down because the stores rely on it.
  'max-connections': '400',
  'performance-schema': 'OFF', // Saves some 200 MB; nothing here reads it.
  mysqlx: 'OFF', // It would open a second, unused port.
};

/**
 * Options of a MySQL that is in a region: the same for the active one and for its standby. A role in a file would come
 * back at each start. A server that starts again is read-only and acknowledges alone, until the hub says otherwise.
 */
const mysqlRegionSettings: Readonly<Record<string, string>> = {
  'log-bin': 'bin',
  'relay-log': 'relay',
  'relay-log-recovery': 'ON',
  'skip-replica-start': 'ON',
  'super-read-only': 'ON',
  'rpl-semi-sync-source-enabled': 'OFF',
  'rpl-semi-sync-replica-enabled': 'ON',
  'rpl-semi-sync-source-timeout': '4294967295', // 49 days: who decides is a person or a workflow, never a clock.
  'innodb-buffer-pool-size': '128M',
};
const mysqlRegionPlugins = ['semisync_source.so', 'semisync_replica.so', 'mysql_clone.so'] as const;

export const mysqlRegionFlags = (region: string, serverId: number): readonly string[] => [
  ...mysqlRegionPlugins.map((plugin) => `--plugin-load-add=${plugin}`),
  `--server-id=${serverId}`,
  `--report-host=region-${region}`,
  ...Object.entries(mysqlRegionSettings).map(([name, value]) => `--${name}=${value}`),
];

/**
 * Directives of redis.conf in a region: a server that has lost the other one refuses writes, until it is told to go on
 * alone.
 */
export const redisRegionSettings: Readonly<Record<string, string>> = {
  save: '""',
  'repl-diskless-sync': 'yes',
  'repl-diskless-sync-delay': '0',
  'repl-ping-replica-period': '1',
  'min-replicas-max-lag': '2',
};

/** Directives of redis.conf. */
export const redisSettings: Readonly<Record<string, string>> = {
  appendonly: 'yes',
  appendfsync: 'everysec',
  'maxmemory-policy': 'noeviction', // An evicted lock would be a lock held twice.
};

/** Broker properties that do not depend on the machine: KRaft, one node. */
export const kafkaSettings: Readonly<Record<string, string>> = {
  'process.roles': 'broker,controller',
  'node.id': '1',
  'controller.listener.names': 'CONTROLLER',
  'inter.broker.listener.name': 'PLAINTEXT',
  'listener.security.protocol.map': 'PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT',
  'auto.create.topics.enable': 'false', // A misspelt topic fails instead of appearing.
  'default.replication.factor': '1',
  'min.insync.replicas': '1',
  'offsets.topic.replication.factor': '1',
  'offsets.topic.num.partitions': '8', // The default 50 are fifty folders to open at each start.
  'transaction.state.log.replication.factor': '1',
  'transaction.state.log.min.isr': '1',
  'transaction.state.log.num.partitions': '8',
  'share.coordinator.state.topic.replication.factor': '1',
  'share.coordinator.state.topic.min.isr': '1',
  // After a kill the controller first waits for the old broker's session: 9 s by default.
  'broker.session.timeout.ms': '3000',
  'broker.heartbeat.interval.ms': '500',
  'group.initial.rebalance.delay.ms': '0', // A lone consumer need not wait for others.
};

export const kafkaHeap = '-Xmx512m';

/** `--name=value` for each setting, as mysqld takes it. */
export function mysqlFlags(): readonly string[] {
  return Object.entries(mysqlSettings).map(([name, value]) => `--${name}=${value}`);
}

/** The flags of `temporal server start-dev` that are the same everywhere. */
export function temporalFlags(): readonly string[] {
  return [
    ...Object.entries(temporalSettings).flatMap(([name, values]) =>
      values.flatMap((value) => [`--${name}`, value]),
    ),
    ...Object.entries(temporalDynamicConfig).flatMap(([name, value]) => [
      '--dynamic-config-value',
      `${name}=${value}`,
    ]),
  ];
}

/** `name value` for each directive. */
export function redisFlags(): readonly string[] {
  return Object.entries(redisSettings).flatMap(([name, value]) => [`--${name}`, value]);
}

/** The name that the Kafka image gives to a broker property in its environment. */
export function kafkaVariable(property: string): string {
  return `KAFKA_${property.toUpperCase().replaceAll('.', '_')}`;
}
