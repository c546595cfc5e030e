/** Drafts: what `kubectl debug` makes: an ephemeral container, a copy of a Pod, or a Pod on a node. Pure. */
import type { Container, Pod } from "../../machinery/objects/kinds.ts";
import { CommandError } from "../errors.ts";
import type { Draft } from "./profiles.ts";

export interface DebugLine {
  readonly image: string;
  readonly "image-pull-policy": string;
  readonly env: readonly { readonly name: string; readonly value: string }[];
  readonly stdin: boolean;
  readonly tty: boolean;
  readonly words: readonly string[];
  readonly "arguments-only": boolean;
}

function commandOf({ words, "arguments-only": asArgs }: DebugLine) {
  if (words.length === 0) return {};
  return asArgs ? { args: [...words] } : { command: [...words] };
}

export function debugContainer(name: string, line: DebugLine): Container {
  return {
    ...commandOf(line),
    ...(line.env.length > 0 ? { env: [...line.env] } : {}),
    image: line.image,
    ...(line["image-pull-policy"] === "" ? {} : { imagePullPolicy: line["image-pull-policy"] }),
    name,
    resources: {},
    ...(line.stdin ? { stdin: true } : {}),
    terminationMessagePolicy: "File",
    ...(line.tty ? { tty: true } : {}),
  };
}

export interface CopyLine extends DebugLine {
  readonly name: string;
  readonly container: string | undefined;
  readonly images: ReadonlyMap<string, string>;
  readonly sameNode: boolean;
  /** Undefined: as it is. */
  readonly share: boolean | undefined;
}

export interface Copied {
  readonly draft: Draft;
  /** The debugging container; undefined where only images were changed. */
  readonly container: string | undefined;
}

function changedContainer({ args, command, ...known }: Container, line: CopyLine): Container {
  const before = { ...(args ? { args } : {}), ...(command ? { command } : {}) };
  const asArgs = { ...(command ? { command } : {}), ...commandOf(line) };
  const words = line.words.length === 0 ? before : line["arguments-only"] ? asArgs : commandOf(line);
  return {
    ...known,
    ...words,
    ...(line.image === "" ? {} : { image: line.image }),
    ...(line.env.length > 0 ? { env: [...line.env] } : {}),
    ...(line["image-pull-policy"] === "" ? {} : { imagePullPolicy: line["image-pull-policy"] }),
    ...(line.stdin ? { stdin: true } : {}),
    ...(line.tty ? { tty: true } : {}),
    terminationMessagePolicy: "File",
  };
}

/** `fresh` makes a name for a container that has none yet. */
export function copyOfPod(pod: Pod, line: CopyLine, fresh: () => string): Copied {
  const { labels, annotations } = pod.metadata;
  const { ephemeralContainers: _, nodeName, ...spec } = pod.spec!;
  const containers = (spec.containers as Container[]).map((one) => {
    const image = line.images.get(one.name) ?? line.images.get("*");
    return image ? { ...one, image } : one;
  });
  const known = containers.find(({ name }) => name === line.container);
  const only = !known && line.image === "";
  if (only && line.images.size === 0) throw new CommandError("you must specify image when creating new container");
  const name = only ? undefined : (line.container ?? fresh());
  const changed = known && changedContainer(known, line);
  const all = known
    ? containers.map((one) => (one === known && changed ? changed : one))
    : name === undefined
      ? containers
      : [...containers, debugContainer(name, line)];
  const draft = {
    metadata: {
      name: line.name,
      namespace: pod.metadata.namespace,
      ...(labels ? { labels } : {}),
      ...(annotations ? { annotations } : {}),
    } as Pod["metadata"],
    spec: {
      ...spec,
      ...(line.sameNode && nodeName ? { nodeName } : {}),
      ...(line.share === undefined ? {} : { shareProcessNamespace: line.share }),
      containers: all,
    } as Draft["spec"],
  };
  return { draft, container: name };
}

export function podOnNode(node: string, suffix: string, namespace: string, container: Container): Draft {
  return {
    metadata: { name: `node-debugger-${node}-${suffix}`, namespace } as Pod["metadata"],
    spec: {
      containers: [container],
      nodeName: node,
      restartPolicy: "Never",
      tolerations: [{ operator: "Exists" }],
    } as Draft["spec"],
  };
}
