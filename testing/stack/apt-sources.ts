/** One file of apt's sources: one-line format (`.list`) or paragraphs (`.sources`). */
export interface AptSourceFile {
  readonly name: string;
  readonly text: string;
}

/** Where the Debian main archive can be had, in the order in which to try. */
export interface Mirror {
  readonly uri: string;
  readonly signedBy: string | undefined;
}

interface Entry extends Mirror {
  readonly suites: readonly string[];
  readonly components: readonly string[];
}

/**
 * The mirrors of the Debian main archive among the machine's apt sources; third-party and security
 * archives are left out. Which of them is the archive is in the end proven by its signature.
 */
export function mirrorsOf(
  files: readonly AptSourceFile[],
  codename: string | undefined,
): readonly Mirror[] {
  const suites = new Set(['stable', 'testing', 'unstable', 'sid', codename]);
  const mirrors = files
    .flatMap(({ name, text }) => (name.endsWith('.sources') ? paragraphs(text) : lines(text)))
    .filter(({ uri }) => /^https?:\/\//.test(uri))
    .filter((entry) => entry.components.includes('main'))
    .filter((entry) => entry.suites.some((suite) => suites.has(suite)))
    .map(({ uri, signedBy }) => ({ uri, signedBy }));
  const distinct = [...new Map(mirrors.map((mirror) => [mirror.uri, mirror])).values()];
  const isUsualPath = ({ uri }: Mirror): number => (/\/debian\/?$/.test(uri) ? 0 : 1);
  return distinct.sort((one, other) => isUsualPath(one) - isUsualPath(other));
}

/** `deb [signed-by=…] <uri> <suite> <components>` */
function lines(text: string): readonly Entry[] {
  return text.split('\n').flatMap((line) => {
    const match = /^\s*deb\s+(?:\[(?<options>[^\]]*)\]\s+)?(?<uri>\S+)\s+(?<rest>[^#]*)/.exec(line);
    const { options = '', uri, rest = '' } = match?.groups ?? {};
    if (uri === undefined) return [];
    const [suite = '', ...components] = words(rest);
    const signedBy = pathOf(/signed-by=(\S+)/i.exec(options)?.[1]);
    return [{ uri, suites: [suite], components, signedBy }];
  });
}

function paragraphs(text: string): readonly Entry[] {
  return text.split(/\n\s*\n/).flatMap((paragraph) => {
    const fields = fieldsOf(paragraph);
    const isOff = ['no', 'false', 'off', '0'].includes(fields.get('enabled')?.toLowerCase() ?? '');
    if (isOff || !words(fields.get('types') ?? '').includes('deb')) return [];
    return words(fields.get('uris') ?? '').map((uri) => ({
      uri,
      suites: words(fields.get('suites') ?? ''),
      components: words(fields.get('components') ?? ''),
      signedBy: pathOf(fields.get('signed-by')),
    }));
  });
}

/** `Name: value`, continued on lines that begin with a blank. */
function fieldsOf(paragraph: string): ReadonlyMap<string, string> {
  const fields = new Map<string, string>();
  let last = '';
  for (const line of paragraph.split('\n')) {
    if (line.startsWith('#')) continue;
    const match = /^(?<name>[A-Za-z-]+):\s*(?<value>.*)$/.exec(line);
    if (match?.groups !== undefined) last = match.groups['name']?.toLowerCase() ?? '';
    const value = match?.groups?.['value'] ?? line;
    fields.set(last, `${fields.get(last) ?? ''} ${value.trim()}`.trim());
  }
  return fields;
}

// A key may stand in the paragraph itself; only a file can be handed on.
const pathOf = (value: string | undefined): string | undefined =>
  value?.startsWith('/') === true ? value.split(/[\s,]/)[0] : undefined;

const words = (text: string): readonly string[] => text.split(/\s+/).filter((word) => word !== '');
