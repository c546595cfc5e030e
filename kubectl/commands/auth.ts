/** kubectl auth: may I, and who am I? */
import type { Cluster } from "../cluster.ts";
import { type CommandGroup, defineCommand } from "../command.ts";
import { findType } from "../discovery.ts";
import { CommandError, ExitError } from "../errors.ts";
import { columns } from "../output/columns.ts";

interface Rules {
  readonly resourceRules?: readonly {
    verbs: string[];
    apiGroups?: string[];
    resources?: string[];
    resourceNames?: string[];
  }[];
  readonly nonResourceRules?: readonly { verbs: string[]; nonResourceURLs?: string[] }[];
}

const REVIEWS = "/apis/authorization.k8s.io/v1";

const canI = defineCommand({
  usage: "auth can-i VERB [TYPE | TYPE/NAME | NONRESOURCEURL]",
  summary: "Check whether an action is allowed.",
  examples: ["kubectl auth can-i create pods --all-namespaces", "kubectl auth can-i --list"],
  flags: {
    "all-namespaces": { type: "boolean", short: "A", help: "If true, check the specified action in all namespaces." },
    list: { type: "boolean", help: "If true, prints all allowed actions." },
    "no-headers": { type: "boolean", help: "If true, prints allowed actions without headers" },
    quiet: { type: "boolean", short: "q", help: "If true, suppress output and just return the exit code." },
    subresource: { type: "string", default: "", help: "SubResource such as pod/log or deployment/scale" },
  },
  async run(run) {
    const { args, flags, out } = run;
    const cluster = await run.cluster();
    if (flags.list) return out(await allRules(cluster, flags["no-headers"]));
    const [verb, subject, name] = args;
    if (verb === undefined || subject === undefined || args.length > 3) {
      throw new CommandError(
        "you must specify two arguments: verb resource or verb resource/resourceName.\nSee 'kubectl auth can-i -h' for help and examples.",
      );
    }
    const namespace = flags["all-namespaces"] ? "" : cluster.namespace;
    const spec = await specOf(cluster, {
      verb,
      subject,
      name,
      namespace,
      subresource: flags.subresource,
      warn: run.err,
    });
    const { status } = await cluster.request<{
      status: { allowed: boolean; reason?: string; evaluationError?: string };
    }>({
      method: "POST",
      path: `${REVIEWS}/selfsubjectaccessreviews`,
      body: { kind: "SelfSubjectAccessReview", apiVersion: "authorization.k8s.io/v1", metadata: {}, spec },
    });
    const why = [status.reason && ` - ${status.reason}`, status.evaluationError && ` - ${status.evaluationError}`];
    if (!flags.quiet) out(status.allowed ? "yes\n" : `no${why.filter(Boolean).join("")}\n`);
    if (!status.allowed) throw new ExitError(1);
  },
});

interface Question {
  readonly verb: string;
  readonly subject: string;
  readonly name: string | undefined;
  readonly namespace: string;
  readonly subresource: string;
  warn(text: string): void;
}

async function specOf(
  cluster: Cluster,
  { verb, subject, name, namespace, subresource, warn }: Question,
): Promise<unknown> {
  if (subject.startsWith("/")) return { nonResourceAttributes: { verb, path: subject } };
  const [typeText = "", named = name ?? ""] = subject.split("/");
  const type = typeText === "*" ? undefined : findType((await cluster.discovery()).resources, typeText);
  if (!type && typeText !== "*") warn(`Warning: the server doesn't have a resource type '${typeText}'\n\n`);
  if (type && !type.namespaced)
    warn(
      `Warning: resource '${type.plural}' is not namespace scoped${type.group ? ` in group '${type.group}'` : ""}\n\n`,
    );
  const place = type && !type.namespaced ? "" : namespace;
  return {
    resourceAttributes: {
      verb,
      group: type?.group ?? "",
      resource: type?.plural ?? typeText,
      ...(place ? { namespace: place } : {}),
      ...(named ? { name: named } : {}),
      ...(subresource ? { subresource } : {}),
    },
  };
}

async function allRules(cluster: Cluster, noHeaders: boolean): Promise<string> {
  const { status } = await cluster.request<{ status: Rules }>({
    method: "POST",
    path: `${REVIEWS}/selfsubjectrulesreviews`,
    body: {
      kind: "SelfSubjectRulesReview",
      apiVersion: "authorization.k8s.io/v1",
      metadata: {},
      spec: { namespace: cluster.namespace },
    },
  });
  const shown = (list: readonly string[] = []) => `[${list.join(" ")}]`;
  const qualifiedNames = (resources: readonly string[] = [], groups: readonly string[] = []) =>
    groups
      .flatMap((group) => resources.map((resource) => (group === "" ? resource : `${resource}.${group}`)))
      .join(",");
  const rows = [
    ...(status.resourceRules ?? []).map((rule) => [
      qualifiedNames(rule.resources, rule.apiGroups),
      "[]",
      shown(rule.resourceNames),
      shown(rule.verbs),
    ]),
    ...(status.nonResourceRules ?? []).map((rule) => ["", shown(rule.nonResourceURLs), "[]", shown(rule.verbs)]),
  ];
  const header = ["Resources", "Non-Resource URLs", "Resource Names", "Verbs"];
  return columns(noHeaders ? rows : [header, ...rows]);
}

const whoami = defineCommand({
  usage: "auth whoami",
  summary: "Experimental: Check self subject attributes",
  flags: {},
  async run(run) {
    const { status } = await (await run.cluster()).request<{
      status: { userInfo: { username?: string; uid?: string; groups?: string[]; extra?: Record<string, string[]> } };
    }>({
      method: "POST",
      path: "/apis/authentication.k8s.io/v1/selfsubjectreviews",
      body: { kind: "SelfSubjectReview", apiVersion: "authentication.k8s.io/v1", metadata: {} },
    });
    const { username = "", uid, groups = [], extra = {} } = status.userInfo;
    const rows = [
      ["Username", username],
      ...(uid ? [["UID", uid]] : []),
      ["Groups", `[${groups.join(" ")}]`],
      ...Object.entries(extra)
        .sort()
        .map(([key, values]) => [`Extra: ${key}`, `[${values.join(" ")}]`]),
    ];
    run.out(columns([["ATTRIBUTE", "VALUE"], ...rows]));
  },
});

export const auth: CommandGroup = {
  summary: "Inspect authorization.",
  usage: "auth SUBCOMMAND [options]",
  commands: { "can-i": canI, whoami },
};
