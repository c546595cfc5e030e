/**
 * The kubelet's paths for what the API serves under pods: log, exec, attach, portforward.
 *
 * The kubelet's query differs from the API's: input, output and error for stdin, stdout and stderr.
 * https://kubernetes.io/docs/reference/access-authn-authz/kubelet-authn-authz/
 */

export interface PodPlace {
  readonly namespace: string;
  readonly pod: string;
  readonly container: string;
}

const LOG_OPTIONS = [
  "follow",
  "previous",
  "sinceSeconds",
  "sinceTime",
  "timestamps",
  "tailLines",
  "limitBytes",
  "stream",
];

const STREAMS = { stdin: "input", stdout: "output", stderr: "error", tty: "tty" } as const;

export type PodSubresource = "log" | "exec" | "attach" | "portforward";

const paths: Readonly<Record<PodSubresource, (place: PodPlace, query: URLSearchParams) => string>> = {
  log: (place, query) => {
    const asked = LOG_OPTIONS.flatMap((name) => query.getAll(name).map((value) => [name, value] as [string, string]));
    return containerPath("containerLogs", place, asked);
  },
  exec: (place, query) => {
    const command = query.getAll("command").map((value): [string, string] => ["command", value]);
    return containerPath("exec", place, [...streamsOf(query), ...command]);
  },
  attach: (place, query) => containerPath("attach", place, streamsOf(query)),
  portforward: ({ namespace, pod }, query) => {
    const ports = query.getAll("ports").flatMap((value) => value.split(","));
    return withQuery(`/portForward/${segments(namespace, pod)}`, ports.length > 0 ? [["port", ports.join(",")]] : []);
  },
};

/** `query` is that of the API request, already validated. */
export function kubeletPath(subresource: PodSubresource, place: PodPlace, query: URLSearchParams): string {
  return paths[subresource](place, query);
}

function containerPath(verb: string, { namespace, pod, container }: PodPlace, query: [string, string][]): string {
  return withQuery(`/${verb}/${segments(namespace, pod, container)}`, query);
}

function streamsOf(query: URLSearchParams): [string, string][] {
  return Object.entries(STREAMS).flatMap(([api, kubelet]): [string, string][] =>
    ["true", "1"].includes(query.get(api) ?? "") ? [[kubelet, "1"]] : [],
  );
}

const segments = (...parts: string[]) => parts.map(encodeURIComponent).join("/");

const withQuery = (path: string, query: [string, string][]) =>
  query.length > 0 ? `${path}?${new URLSearchParams(query)}` : path;
