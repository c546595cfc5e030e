/**
 * Reading: what a node says at one moment, from the text of its /metrics/resource.
 *
 * Only the few series of Kubernetes' resource metrics count; anything else in the text is passed over.
 */

/** Counters and values at a time. */
export interface Point {
  readonly at: number;
  readonly cpuSeconds: number;
  readonly memoryBytes: number;
  /** When what is measured began; 0 where that is not known. */
  readonly startedAt: number;
}

export interface PodReading {
  readonly namespace: string;
  readonly name: string;
  readonly containers: ReadonlyMap<string, Point>;
}

export interface Reading {
  readonly node: Point | undefined;
  readonly pods: ReadonlyMap<string, PodReading>;
}

interface Draft {
  at: number;
  cpuSeconds?: number;
  memoryBytes?: number;
  startedAt: number;
}

type Take = (draft: Draft, value: number, at: number) => void;

const cpu: Take = (draft, value, at) => Object.assign(draft, { cpuSeconds: value, at: Math.max(draft.at, at) });
const memory: Take = (draft, value, at) => Object.assign(draft, { memoryBytes: value, at: Math.max(draft.at, at) });
const started: Take = (draft, value) => Object.assign(draft, { startedAt: value * 1000 });

const series: ReadonlyMap<string, Take> = new Map([
  ["node_cpu_usage_seconds_total", cpu],
  ["node_memory_working_set_bytes", memory],
  ["container_cpu_usage_seconds_total", cpu],
  ["container_memory_working_set_bytes", memory],
  ["container_start_time_seconds", started],
]);

/** `now`: the time of samples that have none. */
export function parseReading(text: string, now: number): Reading {
  const node: Draft = { at: 0, startedAt: 0 };
  const drafts = new Map<string, { namespace: string; name: string; containers: Map<string, Draft> }>();
  const known = new Map<string, Draft | undefined>();
  const draftOf = (labels: string) => {
    if (!known.has(labels)) known.set(labels, containerOf(drafts, labels));
    return known.get(labels);
  };
  for (const line of text.split("\n")) {
    if (!line.startsWith("container_") && !line.startsWith("node_")) continue;
    const match = LINE.exec(line);
    const take = match && series.get(match[1] ?? "");
    if (!match || !take) continue;
    const [, name = "", labels = "", value, at] = match;
    const draft = name.startsWith("node_") ? node : draftOf(labels);
    if (draft) take(draft, Number(value), at === undefined ? now : Number(at));
  }
  const pods = new Map<string, PodReading>();
  for (const [key, { namespace, name, containers }] of drafts) {
    const whole = [...containers].flatMap(([container, draft]) => {
      const point = pointOf(draft);
      return point ? [[container, point] as const] : [];
    });
    if (whole.length === containers.size) pods.set(key, { namespace, name, containers: new Map(whole) });
  }
  return { node: pointOf(node), pods };
}

const LINE = /^([a-z_]+)(?:\{([^}]*)\})? (\S+)(?: (\d+)(?:\.\d+)?)?$/;
const LABEL = /(\w+)="([^"]*)"/g;

function containerOf(
  drafts: Map<string, { namespace: string; name: string; containers: Map<string, Draft> }>,
  text: string,
): Draft | undefined {
  const labels: Record<string, string> = Object.create(null);
  for (const [, name = "", value = ""] of text.matchAll(LABEL)) labels[name] = value;
  const { namespace, pod: name, container } = labels;
  if (!namespace || !name || !container) return undefined;
  const key = `${namespace}/${name}`;
  const pod = drafts.get(key) ?? { namespace, name, containers: new Map<string, Draft>() };
  drafts.set(key, pod);
  const draft = pod.containers.get(container) ?? { at: 0, startedAt: 0 };
  pod.containers.set(container, draft);
  return draft;
}

function pointOf({ at, cpuSeconds, memoryBytes, startedAt }: Draft): Point | undefined {
  if (cpuSeconds === undefined || memoryBytes === undefined || !(at > 0)) return undefined;
  if (!Number.isFinite(cpuSeconds) || !Number.isFinite(memoryBytes)) return undefined;
  return { at, cpuSeconds, memoryBytes, startedAt };
}
