/**
 * Metrics text: families of samples as Prometheus reads them, for figures that are read when somebody asks.
 *
 * Unlike machinery/process/metrics.ts nothing is counted here: each sample carries its value, and may carry its time.
 */
export type Labels = Readonly<Record<string, string>>;

export interface Sample {
  readonly labels: Labels;
  readonly value: number;
  /** Milliseconds since 1970; absent where the value is of no particular time. */
  readonly at?: number;
}

export interface Family<F> {
  readonly name: string;
  readonly type: "counter" | "gauge";
  readonly help: string;
  readonly samples: (figures: F) => readonly Sample[];
}

export const METRICS_TEXT = "text/plain; version=0.0.4; charset=utf-8";

/** The lines of one family; none where it has no samples. */
export function linesOf({ name, type, help }: Omit<Family<never>, "samples">, samples: readonly Sample[]): string[] {
  if (samples.length === 0) return [];
  return [
    `# HELP ${name} ${help}`,
    `# TYPE ${name} ${type}`,
    ...samples.map(
      ({ labels, value, at }) => `${name}${inBraces(labels)} ${value}${at === undefined ? "" : ` ${Math.round(at)}`}`,
    ),
  ];
}

function inBraces(labels: Labels): string {
  const pairs = Object.entries(labels).map(([name, value]) => `${name}="${escaped(value)}"`);
  return pairs.length > 0 ? `{${pairs.join(",")}}` : "";
}

const escaped = (value: string) => value.replace(/["\\]/g, "\\$&").replaceAll("\n", "\\n");
