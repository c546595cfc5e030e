/**
 * The table of commands: name, summary and the file that has it. Only the command that runs is imported.
 */
import type { AnyCommand, CommandGroup } from "./command.ts";

export const sections = {
  basic: "Basic Commands",
  deploy: "Deploy Commands",
  cluster: "Cluster Management Commands",
  troubleshooting: "Troubleshooting and Debugging Commands",
  advanced: "Advanced Commands",
  settings: "Settings Commands",
  other: "Other Commands",
} as const;

export interface CommandEntry {
  readonly section: keyof typeof sections;
  readonly summary: string;
  load(): Promise<AnyCommand | CommandGroup>;
}

const entry = (
  section: keyof typeof sections,
  summary: string,
  load: () => Promise<AnyCommand | CommandGroup>,
): CommandEntry => ({ section, summary, load });

export const commands: Readonly<Record<string, CommandEntry>> = {
  create: entry(
    "basic",
    "Create a resource from a file or from stdin",
    async () => (await import("./commands/create.ts")).create,
  ),
  run: entry(
    "basic",
    "Run a particular image on the cluster",
    async () => (await import("./commands/run.ts")).runCommand,
  ),
  get: entry("basic", "Display one or many resources", async () => (await import("./commands/get.ts")).get),
  edit: entry("basic", "Edit a resource on the server", async () => (await import("./commands/edit.ts")).editCommand),
  delete: entry(
    "basic",
    "Delete resources by file names, stdin, resources and names, or by resources and label selector",
    async () => (await import("./commands/delete.ts")).deleteCommand,
  ),
  apply: entry(
    "advanced",
    "Apply a configuration to a resource by file name or stdin",
    async () => (await import("./commands/apply.ts")).apply,
  ),
  describe: entry(
    "troubleshooting",
    "Show details of a specific resource or group of resources",
    async () => (await import("./commands/describe.ts")).describe,
  ),
  logs: entry(
    "troubleshooting",
    "Print the logs for a container in a pod",
    async () => (await import("./commands/logs.ts")).logs,
  ),
  attach: entry(
    "troubleshooting",
    "Attach to a running container",
    async () => (await import("./commands/attach.ts")).attach,
  ),
  exec: entry(
    "troubleshooting",
    "Execute a command in a container",
    async () => (await import("./commands/exec.ts")).exec,
  ),
  "port-forward": entry(
    "troubleshooting",
    "Forward one or more local ports to a pod",
    async () => (await import("./commands/port-forward.ts")).portForward,
  ),
  rollout: entry(
    "deploy",
    "Manage the rollout of a resource",
    async () => (await import("./commands/rollout.ts")).rollout,
  ),
  scale: entry(
    "deploy",
    "Set a new size for a deployment, replica set, or replication controller",
    async () => (await import("./commands/scale.ts")).scale,
  ),
  autoscale: entry(
    "deploy",
    "Auto-scale a deployment, replica set, stateful set, or replication controller",
    async () => (await import("./commands/autoscale.ts")).autoscale,
  ),
  replace: entry(
    "advanced",
    "Replace a resource by file name or stdin",
    async () => (await import("./commands/replace.ts")).replace,
  ),
  wait: entry(
    "advanced",
    "Wait for a specific condition on one or many resources",
    async () => (await import("./commands/wait.ts")).wait,
  ),
  expose: entry(
    "basic",
    "Take a replication controller, service, deployment or pod and expose it as a new Kubernetes service",
    async () => (await import("./commands/expose.ts")).expose,
  ),
  set: entry("basic", "Set specific features on objects", async () => (await import("./commands/set.ts")).set),
  explain: entry(
    "basic",
    "Get documentation for a resource",
    async () => (await import("./commands/explain.ts")).explain,
  ),
  "cluster-info": entry(
    "cluster",
    "Display cluster information",
    async () => (await import("./commands/cluster-info.ts")).clusterInfo,
  ),
  top: entry("cluster", "Display resource (CPU/memory) usage", async () => (await import("./commands/top.ts")).top),
  cordon: entry("cluster", "Mark node as unschedulable", async () => (await import("./commands/cordon.ts")).cordon),
  uncordon: entry("cluster", "Mark node as schedulable", async () => (await import("./commands/cordon.ts")).uncordon),
  drain: entry(
    "cluster",
    "Drain node in preparation for maintenance",
    async () => (await import("./commands/drain.ts")).drain,
  ),
  taint: entry(
    "cluster",
    "Update the taints on one or more nodes",
    async () => (await import("./commands/taint.ts")).taint,
  ),
  events: entry("troubleshooting", "List events", async () => (await import("./commands/events.ts")).events),
  auth: entry("troubleshooting", "Inspect authorization", async () => (await import("./commands/auth.ts")).auth),
  trace: entry(
    "troubleshooting",
    "Show what caused an object and what it caused, from the first write to the started container",
    async () => (await import("./commands/trace.ts")).trace,
  ),
  proxy: entry(
    "troubleshooting",
    "Run a proxy to the Kubernetes API server",
    async () => (await import("./commands/proxy.ts")).proxy,
  ),
  cp: entry(
    "troubleshooting",
    "Copy files and directories to and from containers",
    async () => (await import("./commands/cp.ts")).cp,
  ),
  debug: entry(
    "troubleshooting",
    "Create debugging sessions for troubleshooting workloads and nodes",
    async () => (await import("./commands/debug.ts")).debug,
  ),
  why: entry(
    "troubleshooting",
    "Say why an object is not as it should be, and what would help",
    async () => (await import("./commands/why.ts")).whyCommand,
  ),
  diff: entry(
    "advanced",
    "Diff the live version against a would-be applied version",
    async () => (await import("./commands/diff.ts")).diff,
  ),
  patch: entry("advanced", "Update fields of a resource", async () => (await import("./commands/patch.ts")).patch),
  label: entry("settings", "Update the labels on a resource", async () => (await import("./commands/label.ts")).label),
  annotate: entry(
    "settings",
    "Update the annotations on a resource",
    async () => (await import("./commands/label.ts")).annotate,
  ),
  "api-resources": entry(
    "other",
    "Print the supported API resources on the server",
    async () => (await import("./commands/api-resources.ts")).apiResources,
  ),
  "api-versions": entry(
    "other",
    "Print the supported API versions on the server",
    async () => (await import("./commands/api-versions.ts")).apiVersions,
  ),
  config: entry("other", "Modify kubeconfig files", async () => (await import("./commands/config.ts")).config),
  version: entry(
    "other",
    "Print the client and server version information",
    async () => (await import("./commands/version.ts")).version,
  ),
};
