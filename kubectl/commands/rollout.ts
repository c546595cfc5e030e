/**
 * kubectl rollout: status, history, undo and restart of what rolls Pods over; pause and resume of Deployments.
 *
 * Where the former templates are kept, and how one is put back: ../rollout-revisions.ts.
 */

import type { Deployment } from "../../machinery/objects/kinds.ts";
import type { KubeObject } from "../../machinery/objects/wire.ts";
import { wireTime } from "../../machinery/process/clock.ts";
import { type AnyCommand, type CommandGroup, defineCommand, type Run } from "../command.ts";
import { TimedOut, watchUntil } from "../conditions.ts";
import { createDocument } from "../describe/document.ts";
import { writeTemplate } from "../describe/pod-template.ts";
import { resourcePath, typeName } from "../discovery.ts";
import { CommandError, throwAll } from "../errors.ts";
import type { FlagTable } from "../flags.ts";
import { goDuration } from "../go-duration.ts";
import { fileFlags, readManifests } from "../manifests.ts";
import { chosenRevision, revisionsOf, runs } from "../rollout-revisions.ts";
import { rolloutState } from "../rollout-state.ts";
import { type FoundObject, objectsOf, parseSelection } from "../selection.ts";

const CAUSE = "kubernetes.io/change-cause";
const RESTARTED = "kubectl.kubernetes.io/restartedAt";

const common = {
  ...fileFlags,
  selector: { type: "string", short: "l", default: "", help: "Selector (label query) to filter on" },
} as const satisfies FlagTable;

type RolloutRun = Run<typeof common>;

async function targets(run: RolloutRun): Promise<readonly FoundObject[]> {
  const cluster = await run.cluster();
  const { args, flags } = run;
  if (args.length === 0 && flags.filename.length === 0) {
    throw new CommandError("required resource not specified");
  }
  const fail = (error: unknown) => {
    throw error;
  };
  const manifests = await readManifests(cluster, run.io, flags.filename, flags);
  const named = manifests.map(({ type, object }) => ({ type, names: [object.metadata.name ?? ""] }));
  const selection = args.length > 0 ? await parseSelection(cluster, args) : named;
  return objectsOf(cluster, selection, { selector: flags.selector }, fail);
}

/** A subcommand that changes each object by a patch, or says why it has nothing to do. */
function patching(what: string, done: string, patchOf: (object: KubeObject, run: RolloutRun) => unknown): AnyCommand {
  return defineCommand({
    usage: `rollout ${what} RESOURCE`,
    summary: `${what[0]!.toUpperCase()}${what.slice(1)} a resource.`,
    flags: common,
    async run(run) {
      const cluster = await run.cluster();
      const errors: unknown[] = [];
      for (const { type, namespace, name, object } of await targets(run)) {
        try {
          const body = patchOf(object, run);
          const headers = { "content-type": "application/merge-patch+json" };
          const query = { fieldManager: "kubectl-rollout" };
          await cluster.request({ method: "PATCH", path: resourcePath(type, namespace, name), query, headers, body });
          run.out(`${typeName(type)}/${name} ${done}\n`);
        } catch (error) {
          errors.push(error);
        }
      }
      throwAll(errors);
    },
  });
}

const isPaused = (object: KubeObject) => (object["spec"] as { paused?: boolean }).paused === true;
const label = (object: KubeObject) => `deployments.apps ${JSON.stringify(object.metadata.name)}`;

function onlyDeployment(object: KubeObject, what: string): void {
  if (object.kind !== "Deployment")
    throw new CommandError(
      `${object.kind.toLowerCase()} ${JSON.stringify(object.metadata.name)}: ${what} is not supported`,
    );
}

const pause = patching("pause", "paused", (object) => {
  onlyDeployment(object, "pausing");
  if (isPaused(object)) throw new CommandError(`${label(object)} is already paused`);
  return { spec: { paused: true } };
});

const resume = patching("resume", "resumed", (object) => {
  onlyDeployment(object, "resuming");
  if (!isPaused(object)) throw new CommandError(`${label(object)} is not paused`);
  return { spec: { paused: null } };
});

const restart = patching("restart", "restarted", (object, { clock }) => {
  if (object.kind === "Deployment" && isPaused(object))
    throw new CommandError(`${label(object)} can't restart paused deployment (run rollout resume first)`);
  if (!(object["spec"] as { template?: unknown } | undefined)?.template)
    throw new CommandError("restarting is not supported");
  return { spec: { template: { metadata: { annotations: { [RESTARTED]: wireTime(clock.now()) } } } } };
});

const status = defineCommand({
  usage: "rollout status (TYPE NAME | TYPE/NAME) [flags]",
  summary: "Show the status of the rollout.",
  flags: {
    ...common,
    watch: { type: "boolean", short: "w", default: true, help: "Watch the status of the rollout until it's done." },
    timeout: {
      type: "string",
      default: "0s",
      help: "The length of time to wait before ending watch, zero means never.",
    },
    revision: { type: "number", default: 0, help: "Pin to a specific revision for showing its status." },
  },
  async run(run) {
    const cluster = await run.cluster();
    const timeout = goDuration(run.flags.timeout);
    for (const found of await targets(run as unknown as RolloutRun)) {
      let shown = "";
      const look = (object: KubeObject | undefined) => {
        if (!object) throw new CommandError("object has been deleted");
        const state = rolloutState(object, run.flags.revision);
        if (state.text !== shown) run.out(state.text);
        shown = state.text;
        return state.done || !run.flags.watch;
      };
      try {
        await watchUntil(
          { cluster, io: run.io, timeout: timeout > 0 ? timeout : Number.POSITIVE_INFINITY },
          found,
          look,
        );
      } catch (error) {
        throw error instanceof TimedOut ? new CommandError("timed out waiting for the condition") : error;
      }
    }
  },
});

const history = defineCommand({
  usage: "rollout history (TYPE NAME | TYPE/NAME) [flags]",
  summary: "View rollout history.",
  flags: {
    ...common,
    revision: { type: "number", default: 0, help: "See the details, including podTemplate of the revision specified" },
  },
  async run(run) {
    const cluster = await run.cluster();
    for (const found of await targets(run as unknown as RolloutRun)) {
      const revisions = await revisionsOf(cluster, found);
      const subject = `${typeName(found.type)}/${found.name} `;
      if (run.flags.revision > 0) {
        const one = revisions.find(({ number }) => number === run.flags.revision);
        if (!one) throw new CommandError(`unable to find the specified revision`);
        const document = createDocument();
        writeTemplate(document, one.template);
        run.out(`${subject}with revision #${one.number}\n${document.raw()}\n`);
        continue;
      }
      if (revisions.length === 0) {
        run.out(`${subject}\nNo rollout history found.\n`);
        continue;
      }
      const rows = revisions.map(({ number, annotations }) => {
        return [String(number), annotations[CAUSE] ?? "<none>"] as const;
      });
      const lines = [["REVISION", "CHANGE-CAUSE"] as const, ...rows].map(
        ([first, second]) => `${first.padEnd(10)}${second}\n`,
      );
      run.out(`${subject}\n${lines.join("")}\n`);
    }
  },
});

const undo = defineCommand({
  usage: "rollout undo (TYPE NAME | TYPE/NAME) [flags]",
  summary: "Roll back to a previous rollout.",
  flags: {
    ...common,
    "to-revision": { type: "number", default: 0, help: "The revision to rollback to. Default to 0 (last revision)." },
  },
  async run(run) {
    const cluster = await run.cluster();
    for (const found of await targets(run as unknown as RolloutRun)) {
      const deployment = found.object as unknown as Deployment;
      const target = chosenRevision(await revisionsOf(cluster, found), run.flags["to-revision"], found);
      if (deployment.spec?.paused) {
        throw new CommandError(
          `you cannot rollback a paused deployment; resume it first with 'kubectl rollout resume deployment/${found.name}' and try again`,
        );
      }
      if (runs(found.object, target)) {
        run.out(
          `${typeName(found.type)}/${found.name} skipped rollback (current template already matches revision ${target.number})\n`,
        );
        continue;
      }
      await cluster.request({
        method: "PATCH",
        path: resourcePath(found.type, found.namespace, found.name),
        query: { fieldManager: "kubectl-rollout" },
        headers: { "content-type": target.back.contentType },
        body: target.back.body,
      });
      run.out(`${typeName(found.type)}/${found.name} rolled back\n`);
    }
  },
});

export const rollout: CommandGroup = {
  summary: "Manage the rollout of one or many resources.",
  usage: "rollout SUBCOMMAND [options]",
  commands: { history, pause, restart, resume, status, undo },
};
