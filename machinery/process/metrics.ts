/**
 * Metrics: numbers that a process counts as it works and shows when asked, in Prometheus' text form.
 *
 * Counting is a field's addition: whoever counts often asks for the child of its labels once and keeps it.
 * Label values must come from a bounded set, never from names that clients make up; beyond CHILDREN a
 * family counts everything new in one child of "other". prom-client writes the text, and is loaded when
 * somebody asks for it, not before.
 */

export interface Counter {
  value: number;
}

export interface Histogram {
  sum: number;
  /** `times`: so many of the same value. */
  observe(value: number, times?: number): void;
}

export interface Family<C> {
  /** The child of these label values, in the order of the family's label names. Made when it is first asked for. */
  of(...values: string[]): C;
  /** Nothing is told of it any more: what it was about is gone. */
  forget(...values: string[]): void;
}

export interface Metrics {
  counter(name: string, help: string, labels?: readonly string[]): Family<Counter>;
  gauge(name: string, help: string, labels?: readonly string[]): Family<Counter>;
  histogram(name: string, help: string, labels: readonly string[], buckets: readonly number[]): Family<Histogram>;
  /** Called before the text is written: for numbers that are somewhere else anyway. */
  onRead(update: () => void | Promise<void>): void;
  text(): Promise<string>;
}

export const METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8";

/** Children of one family. */
const CHILDREN = 5_000;
const OTHER = "other";

interface Sample {
  readonly metricName: string;
  readonly labels: Readonly<Record<string, string | number>>;
  readonly value: number;
}

/** What prom-client asks of a metric. */
interface Readable {
  readonly name: string;
  readonly help: string;
  readonly type: "counter" | "gauge" | "histogram";
  samples(): Sample[];
}

export function createMetrics(): Metrics {
  const readable = new Map<string, Readable>();
  const updates: (() => void | Promise<void>)[] = [];

  const add = <C>(
    what: Omit<Readable, "samples">,
    names: readonly string[],
    make: () => C,
    read: (child: C, labels: Readonly<Record<string, string>>) => Sample[],
  ): Family<C> => {
    if (readable.has(what.name)) throw new Error(`the metric ${what.name} is there twice`);
    const children = new Map<string, { readonly child: C; readonly labels: Readonly<Record<string, string>> }>();
    const find = (values: readonly string[]): C => {
      const key = values.join("\n");
      const found = children.get(key);
      if (found) return found.child;
      if (children.size >= CHILDREN && values.some((value) => value !== OTHER)) return find(names.map(() => OTHER));
      const child = make();
      children.set(key, { child, labels: Object.fromEntries(names.map((name, index) => [name, values[index] ?? ""])) });
      return child;
    };
    const samples = () => [...children.values()].flatMap(({ child, labels }) => read(child, labels));
    readable.set(what.name, { ...what, samples });
    return { of: (...values) => find(values), forget: (...values) => void children.delete(values.join("\n")) };
  };

  const single =
    (type: "counter" | "gauge") =>
    (name: string, help: string, labels: readonly string[] = []) =>
      add<Counter>(
        { name, help, type },
        labels,
        () => ({ value: 0 }),
        ({ value }, of) => [{ metricName: name, labels: of, value }],
      );

  return {
    counter: single("counter"),
    gauge: single("gauge"),
    histogram: (name, help, labels, buckets) =>
      add(
        { name, help, type: "histogram" },
        labels,
        () => createHistogram(buckets),
        (child, of) => samplesOf(name, buckets, child, of),
      ),
    onRead: (update) => void updates.push(update),

    async text() {
      for (const update of updates) await update();
      const { Registry } = (await import("prom-client")).default;
      const registry = new Registry();
      for (const { samples, ...what } of readable.values()) {
        const metric = { ...what, get: async () => ({ ...what, values: samples(), aggregator: "sum" }) };
        registry.registerMetric(metric as unknown as Parameters<typeof registry.registerMetric>[0]);
      }
      return registry.metrics();
    },
  };
}

interface Distribution extends Histogram {
  /** How many values fell into each bucket alone; the last one is beyond all. */
  readonly counts: Float64Array;
}

function createHistogram(buckets: readonly number[]): Distribution {
  const counts = new Float64Array(buckets.length + 1);
  return {
    sum: 0,
    counts,
    observe(value, times = 1) {
      let at = 0;
      while (at < buckets.length && value > (buckets[at] as number)) at++;
      counts[at] = (counts[at] as number) + times;
      this.sum += value * times;
    },
  };
}

function samplesOf(
  name: string,
  buckets: readonly number[],
  { counts, sum }: Distribution,
  labels: Readonly<Record<string, string>>,
): Sample[] {
  let below = 0;
  const samples = [...counts].map((count, index): Sample => {
    below += count;
    return { metricName: `${name}_bucket`, labels: { ...labels, le: buckets[index] ?? "+Inf" }, value: below };
  });
  samples.push({ metricName: `${name}_sum`, labels, value: sum });
  samples.push({ metricName: `${name}_count`, labels, value: below });
  return samples;
}
