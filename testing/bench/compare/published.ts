/** Figures of what cannot run beside the others. They are what their makers published: not measured here. */
export interface Published {
  readonly name: string;
  /** `null`: there is none that can be cited. */
  readonly perSecond: number | null;
  readonly what: string;
  readonly source: string;
}

export const published: readonly Published[] = [
  {
    name: 'DTM',
    perSecond: 531,
    what: 'two SQL branches with its barrier, state in MySQL 5.7 on the same machine: 4 cores, 8 GiB, IOPS 26,800',
    source: 'https://en.dtm.pub/other/performance (commit fec4957; column DTM-2SQL-Barrier)',
  },
  {
    name: 'DTM, state in Redis',
    perSecond: 10_800,
    what: 'branches without SQL, on three machines of 4, 8 and 8 cores',
    source: 'https://en.dtm.pub/other/perform-redis (commit 5907f99)',
  },
  {
    name: 'Seata',
    perSecond: null,
    what: 'no official figure: the project says that it has no benchmark tool yet',
    source: 'https://www.mail-archive.com/dev@seata.apache.org/msg01847.html (issue 7646)',
  },
];
