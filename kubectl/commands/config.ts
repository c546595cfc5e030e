/** kubectl config: looks at kubeconfig files and chooses the current context. */
import { readFile, writeFile } from "node:fs/promises";
import type { Kubeconfig } from "../../machinery/client/kubeconfig.ts";
import { readOneYaml } from "../../machinery/yaml.ts";
import { writeYaml } from "../../machinery/yaml-writer.ts";
import { kubeconfigFiles, readKubeconfig } from "../cluster.ts";
import { type AnyCommand, type CommandGroup, defineCommand, type Run } from "../command.ts";
import { CommandError } from "../errors.ts";
import type { FlagTable } from "../flags.ts";
import { columns } from "../output/columns.ts";

const SECRET = ["client-certificate-data", "client-key-data", "token", "password"];

function hidden(config: Kubeconfig): unknown {
  const clusters = config.clusters.map(({ name, cluster }) => ({
    name,
    cluster: {
      ...cluster,
      ...(cluster["certificate-authority-data"] ? { "certificate-authority-data": "DATA+OMITTED" } : {}),
    },
  }));
  const users = config.users.map(({ name, user }) => {
    const shown = Object.entries(user).map(([key, value]) => {
      if (!SECRET.includes(key)) return [key, value];
      return [key, key.endsWith("-data") ? "DATA+OMITTED" : "REDACTED"];
    });
    return { name, user: Object.fromEntries(shown) };
  });
  return { ...config, clusters, users };
}

const view = defineCommand({
  usage: "config view [options]",
  summary: "Display merged kubeconfig settings or a specified kubeconfig file.",
  flags: {
    raw: { type: "boolean", help: "Display raw byte data and sensitive data" },
    minify: { type: "boolean", help: "Remove all information not used by current-context from the output" },
    output: { type: "string", short: "o", default: "yaml", help: "Output format: json, yaml, jsonpath=…" },
  },
  async run(run) {
    const config = await readKubeconfig(run.globals, run.io);
    const chosen = run.flags.minify ? minified(config) : config;
    const shown = run.flags.raw ? chosen : (hidden(chosen) as Kubeconfig);
    const whole = {
      apiVersion: "v1",
      kind: "Config",
      preferences: {},
      ...shown,
      "current-context": config["current-context"],
    };
    const { createPrinter } = await import("../output/printer.ts");
    run.out((await createPrinter(run.flags.output)).print(whole as never));
  },
});

function minified(config: Kubeconfig): Kubeconfig {
  const current = config["current-context"];
  const context = config.contexts.find(({ name }) => name === current);
  if (!context) throw new CommandError("current-context must exist in order to minify");
  return {
    ...config,
    contexts: [context],
    clusters: config.clusters.filter(({ name }) => name === context.context.cluster),
    users: config.users.filter(({ name }) => name === context.context.user),
  };
}

const plain = (usage: string, summary: string, run: (run: Run<FlagTable>) => Promise<void>): AnyCommand =>
  defineCommand({ usage, summary, flags: {}, run });

const currentContext = plain("config current-context", "Display the current-context.", async (run) => {
  const current = (await readKubeconfig(run.globals, run.io))["current-context"];
  if (current === "") throw new CommandError("current-context is not set");
  run.out(`${current}\n`);
});

const getContexts = defineCommand({
  usage: "config get-contexts [(-o|--output=)name)]",
  summary: "Display one or many contexts from the kubeconfig file.",
  flags: {
    output: { type: "string", short: "o", default: "", help: "Output format. One of: (name)." },
    "no-headers": { type: "boolean", help: "When using the default output format, don't print headers." },
  },
  async run(run) {
    const config = await readKubeconfig(run.globals, run.io);
    const wanted = config.contexts.filter(({ name }) => run.args.length === 0 || run.args.includes(name));
    const missing = run.args.filter((name) => !config.contexts.some((one) => one.name === name));
    if (missing.length > 0) throw new CommandError(`context ${missing[0]} not found`);
    const sorted = [...wanted].sort((a, b) => (a.name < b.name ? -1 : 1));
    if (run.flags.output === "name") return run.out(sorted.map(({ name }) => `${name}\n`).join(""));
    const rows = sorted.map(({ name, context }) => [
      name === config["current-context"] ? "*" : "",
      name,
      context.cluster ?? "",
      context.user ?? "",
      context.namespace ?? "",
    ]);
    run.out(
      columns(run.flags["no-headers"] ? rows : [["CURRENT", "NAME", "CLUSTER", "AUTHINFO", "NAMESPACE"], ...rows]),
    );
  },
});

const names = (what: "clusters" | "users") =>
  plain(`config get-${what}`, `Display ${what} defined in the kubeconfig.`, async (run) => {
    const config = await readKubeconfig(run.globals, run.io);
    run.out(["NAME", ...config[what].map(({ name }) => name)].map((name) => `${name}\n`).join(""));
  });

/** Changes the one file that has what is to be changed. */
async function edit(
  run: Run<FlagTable>,
  has: (config: Kubeconfig) => boolean,
  change: (config: Record<string, unknown>) => void,
): Promise<void> {
  for (const file of kubeconfigFiles(run.globals, run.io)) {
    const text = await readFile(file, "utf8").catch(() => undefined);
    const config = text === undefined ? undefined : (readOneYaml(text) as Record<string, unknown> | undefined);
    if (!config || !has(config as unknown as Kubeconfig)) continue;
    change(config);
    await writeFile(file, writeYaml(config), { mode: 0o600 });
    return;
  }
  throw new CommandError("no kubeconfig file has it");
}

const useContext = plain(
  "config use-context CONTEXT_NAME",
  "Set the current-context in a kubeconfig file.",
  async (run) => {
    const [name, ...more] = run.args;
    if (name === undefined || more.length > 0) throw new CommandError(`unexpected args: [${run.args.join(" ")}]`);
    const config = await readKubeconfig(run.globals, run.io);
    if (!config.contexts.some((one) => one.name === name))
      throw new CommandError(`no context exists with the name: ${JSON.stringify(name)}`);
    await edit(
      run,
      () => true,
      (file) => {
        file["current-context"] = name;
      },
    );
    run.out(`Switched to context ${JSON.stringify(name)}.\n`);
  },
);

const setContext = defineCommand({
  usage:
    "config set-context [NAME | --current] [--cluster=cluster_nickname] [--user=user_nickname] [--namespace=namespace]",
  summary: "Set a context entry in kubeconfig.",
  flags: { current: { type: "boolean", help: "Modify the current context" } },
  async run(run) {
    const current = (await readKubeconfig(run.globals, run.io))["current-context"];
    const name = run.flags.current ? current : run.args[0];
    if (!name) throw new CommandError("you must specify a non-empty context name or --current");
    const { namespace, cluster, user } = run.globals;
    const given = Object.entries({ namespace, cluster, user }).filter(([, value]) => value !== undefined);
    const known = (config: Kubeconfig) => config.contexts?.some((one) => one.name === name) ?? false;
    await edit(run as unknown as Run<FlagTable>, known, (file) => {
      const contexts = file["contexts"] as { name: string; context: Record<string, unknown> }[];
      Object.assign(contexts.find((one) => one.name === name)!.context, Object.fromEntries(given));
    });
    run.out(`Context ${JSON.stringify(name)} modified.\n`);
  },
});

export const config: CommandGroup = {
  summary: 'Modify kubeconfig files using subcommands like "kubectl config set current-context my-context".',
  usage: "config SUBCOMMAND [options]",
  commands: {
    view,
    "current-context": currentContext,
    "get-contexts": getContexts,
    "get-clusters": names("clusters"),
    "get-users": names("users"),
    "use-context": useContext,
    "set-context": setContext,
  },
};
