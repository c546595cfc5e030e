/**
 * Autoscaler annotations: how autoscaling/v1 carries what it has no fields for, in the form that Kubernetes gives it.
 *
 * Metrics travel in the older version's own form (`targetAverageValue`, `metricName`); behavior is written with
 * the names of Go's fields, nulls included, and read in either spelling. What has no known form is dropped.
 * Which of it a v1 object shows as fields: autoscaler-v1.ts.
 */
export type Json = Readonly<Record<string, unknown>>;

export const ANNOTATIONS = {
  metrics: "autoscaling.alpha.kubernetes.io/metrics",
  behavior: "autoscaling.alpha.kubernetes.io/behavior",
  currentMetrics: "autoscaling.alpha.kubernetes.io/current-metrics",
  conditions: "autoscaling.alpha.kubernetes.io/conditions",
} as const;

type Name = keyof typeof ANNOTATIONS;
/** In the newer version's form. */
export type Kept = { readonly [name in Name]?: unknown };

/** Removes the annotations and gives what they hold. */
export function takeKept(annotations: Record<string, string>): Kept {
  const kept: Partial<Record<Name, unknown>> = {};
  for (const [name, annotation] of Object.entries(ANNOTATIONS) as [Name, string][]) {
    const text = annotations[annotation];
    if (text === undefined) continue;
    delete annotations[annotation];
    const value = readers[name](parsed(text));
    if (value !== undefined) kept[name] = value;
  }
  return kept;
}

export function putKept(annotations: Record<string, string>, kept: Kept): void {
  for (const [name, annotation] of Object.entries(ANNOTATIONS) as [Name, string][]) {
    delete annotations[annotation];
    const value = kept[name];
    const isNothing = value === undefined || value === null || (Array.isArray(value) && value.length === 0);
    if (!isNothing) annotations[annotation] = JSON.stringify(writers[name](value));
  }
}

const isObject = (value: unknown): value is Json =>
  typeof value === "object" && value !== null && !Array.isArray(value);

const listOf =
  (each: (item: Json) => Json) =>
  (value: unknown): readonly Json[] | undefined => {
    const items = Array.isArray(value) ? value.filter(isObject).filter(({ type }) => typeof type === "string") : [];
    return items.length > 0 ? items.map(each) : undefined;
  };

const same = (value: Json): Json => value;

const readers: Readonly<Record<Name, (value: unknown) => unknown>> = {
  metrics: listOf((one) => newer(one, "target")),
  currentMetrics: listOf((one) => newer(one, "current")),
  conditions: listOf(same),
  behavior: (value) => (isObject(value) && Object.keys(value).length > 0 ? behaviorFrom(value) : undefined),
};

const writers: Readonly<Record<Name, (value: unknown) => unknown>> = {
  metrics: listOf((one) => older(one, "target")),
  currentMetrics: listOf((one) => older(one, "current")),
  conditions: listOf(same),
  behavior: (value) => behaviorTo(value as Json),
};

/** `target` of a wanted metric, `current` of a measured one: what names of fields begin with. */
type Side = "target" | "current";

interface Source {
  /** Where the older form has the metric's name and selector; absent for resources. */
  readonly selector?: "selector" | "metricSelector";
  /** The older name of the value itself, of its average, of its part of what is asked for. */
  readonly value?: (side: Side) => string;
  readonly average: (side: Side) => string;
  readonly use?: (side: Side) => string;
  readonly own: readonly (readonly [older: string, newer: string])[];
}

const resource: Source = {
  own: [
    ["name", "name"],
    ["container", "container"],
  ],
  use: (side) => `${side}AverageUtilization`,
  average: (side) => `${side}AverageValue`,
};

/** In the order in which Go writes a metric's parts. */
const SOURCES: Readonly<Record<string, Source>> = {
  object: {
    own: [["target", "describedObject"]],
    selector: "selector",
    value: (side) => `${side}Value`,
    average: () => "averageValue",
  },
  pods: { own: [], selector: "selector", average: (side) => `${side}AverageValue` },
  resource,
  containerResource: resource,
  external: {
    own: [],
    selector: "metricSelector",
    value: (side) => `${side}Value`,
    average: (side) => `${side}AverageValue`,
  },
};

function older(metric: Json, side: Side): Json {
  const made: Record<string, unknown> = { type: metric["type"] };
  for (const [name, source] of Object.entries(SOURCES)) {
    const given = metric[name];
    if (!isObject(given)) continue;
    const [asked, about] = [record(given[side]), record(given["metric"])];
    // Of an object the value is always written.
    const value = asked["value"] ?? (name === "object" ? "0" : undefined);
    made[name] = present({
      ...Object.fromEntries(source.own.map(([old, now]) => [old, given[now]])),
      ...(source.selector && { metricName: about["name"], [source.selector]: about["selector"] }),
      ...(source.value && { [source.value(side)]: value }),
      ...(source.use && { [source.use(side)]: asked["averageUtilization"] }),
      [source.average(side)]: asked["averageValue"],
    });
  }
  return made;
}

function newer(metric: Json, side: Side): Json {
  const made: Record<string, unknown> = { type: metric["type"] };
  for (const [name, source] of Object.entries(SOURCES)) {
    const given = metric[name];
    if (!isObject(given)) continue;
    const averageValue = given[source.average(side)];
    const averageUtilization = source.use && given[source.use(side)];
    const value = averageValue === undefined && source.value ? given[source.value(side)] : undefined;
    const type =
      averageUtilization !== undefined
        ? "Utilization"
        : source.value && averageValue === undefined
          ? "Value"
          : "AverageValue";
    const { selector } = source;
    made[name] = present({
      ...Object.fromEntries(source.own.map(([old, now]) => [now, given[old]])),
      ...(selector && { metric: present({ name: given["metricName"], selector: given[selector] }) }),
      [side]: present({ type: side === "target" ? type : undefined, value, averageValue, averageUtilization }),
    });
  }
  return made;
}

const record = (value: unknown): Json => (isObject(value) ? value : {});

const present = (fields: Json): Json =>
  Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined && value !== null));

const RULES = ["ScaleUp", "ScaleDown"];
const RULE = ["StabilizationWindowSeconds", "SelectPolicy", "Policies", "Tolerance"];
const POLICY = ["Type", "Value", "PeriodSeconds"];

const wireName = (name: string) => name.charAt(0).toLowerCase() + name.slice(1);

/** Go's struct as it writes itself: every field there is, in its order. */
const struct = (names: readonly string[], value: unknown, each: (value: unknown, name: string) => unknown) =>
  isObject(value)
    ? Object.fromEntries(names.map((name) => [name, each(value[wireName(name)], name) ?? null]))
    : undefined;

const behaviorTo = (value: Json) =>
  struct(RULES, value, (rule) =>
    struct(RULE, rule, (field, name) =>
      name === "Policies" && Array.isArray(field) ? field.map((policy) => struct(POLICY, policy, (one) => one)) : field,
    ),
  );

/** Names in either spelling; what is null was not there. */
function behaviorFrom(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(behaviorFrom);
  if (!isObject(value)) return value;
  const entries = Object.entries(value).map(([name, one]) => [wireName(name), behaviorFrom(one)] as const);
  return present(Object.fromEntries(entries));
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined; // as if it were not there
  }
}
