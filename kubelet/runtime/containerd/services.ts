/**
 * Services: containerd's gRPC methods as typed calls, made from the descriptor.
 *
 * CRI's come from kubelet/cri/cri-v1.json. Of containerd's own services, that of events is described
 * here as far as it is used (who is concerned: what happened is read again, see event-hub.ts), and
 * that of tasks as far as exec.ts takes it.
 */
import protobuf from "protobufjs/light.js";
import type { Answer, CallName, Request, TerminalSize } from "../../cri/contract.ts";
import { decode, encode, loadCri, type MessageType } from "./codec.ts";
import type { Hint } from "./event-hub.ts";
import type { GrpcMethod } from "./grpc.ts";
import { NAMESPACE } from "./layout.ts";

/** Calls that answer with the URL of a stream. */
export interface StreamCalls {
  Attach: {
    readonly containerId: string;
    readonly tty: boolean;
    readonly stdin: boolean;
    readonly stdout: boolean;
    readonly stderr: boolean;
  };
  PortForward: { readonly podSandboxId: string; readonly port: readonly number[] };
}

export interface CriMethods {
  unary<N extends CallName>(name: N): GrpcMethod<Request<N>, Answer<N>>;
  stream<N extends keyof StreamCalls>(name: N): GrpcMethod<StreamCalls[N], { readonly url: string }>;
}

export function criMethods(): CriMethods {
  const scope = loadCri().lookup("runtime.v1") as protobuf.Namespace;
  const find = (name: string) => {
    for (const service of ["RuntimeService", "ImageService"]) {
      const method = scope.lookupService(service).methods[name];
      if (method) return methodOf(`/runtime.v1.${service}/${name}`, scope, method);
    }
    throw new Error(`CRI has no call ${name}`);
  };
  const known = new Map<string, GrpcMethod<object, unknown>>();
  const method = (name: string) => {
    const found = known.get(name) ?? find(name);
    known.set(name, found);
    return found;
  };
  return { unary: (name) => method(name) as never, stream: (name) => method(name) as never };
}

function methodOf(path: string, scope: protobuf.Namespace, method: protobuf.Method): GrpcMethod<object, unknown> {
  const request = scope.lookupType(method.requestType);
  const answer = scope.lookupType(method.responseType);
  return { path, encode: (value) => encode(request, value), decode: (bytes) => decode(answer, bytes) };
}

const taskTypes = protobuf.Root.fromJSON({
  nested: {
    Process: {
      fields: {
        containerId: { type: "string", id: 1 },
        execId: { type: "string", id: 2 },
      },
    },
    Kill: {
      fields: {
        containerId: { type: "string", id: 1 },
        execId: { type: "string", id: 2 },
        signal: { type: "uint32", id: 3 },
      },
    },
    CloseIo: {
      fields: {
        containerId: { type: "string", id: 1 },
        execId: { type: "string", id: 2 },
        stdin: { type: "bool", id: 3 },
      },
    },
    Resize: {
      fields: {
        containerId: { type: "string", id: 1 },
        execId: { type: "string", id: 2 },
        width: { type: "uint32", id: 3 },
        height: { type: "uint32", id: 4 },
      },
    },
    Exec: {
      fields: {
        containerId: { type: "string", id: 1 },
        stdin: { type: "string", id: 2 },
        stdout: { type: "string", id: 3 },
        stderr: { type: "string", id: 4 },
        terminal: { type: "bool", id: 5 },
        spec: { type: "Any", id: 6 },
        execId: { type: "string", id: 7 },
      },
    },
    Any: { fields: { typeUrl: { type: "string", id: 1 }, value: { type: "bytes", id: 2 } } },
    Ended: { fields: { exitStatus: { type: "uint32", id: 1 } } },
    Empty: { fields: {} },
  },
});

interface Process {
  readonly containerId: string;
  readonly execId: string;
}

interface Exec extends Process {
  readonly stdin?: string;
  readonly stdout?: string;
  readonly stderr?: string;
  readonly terminal: boolean;
  readonly spec: object;
}

/** A process in OCI's words, as containerd takes it. */
export function processSpec(process: object): object {
  const typeUrl = "types.containerd.io/opencontainers/runtime-spec/1/Process";
  return { typeUrl, value: Buffer.from(JSON.stringify(process)) };
}

export type TaskMethods = ReturnType<typeof taskMethods>;

/** Those of containerd.services.tasks.v1.Tasks that exec takes. */
export function taskMethods() {
  const method = <Q extends object, A>(name: string, request: string, answer: string): GrpcMethod<Q, A> => ({
    path: `/containerd.services.tasks.v1.Tasks/${name}`,
    namespace: NAMESPACE,
    encode: (value) => encode(taskTypes.lookupType(request), value),
    decode: (bytes) => decode(taskTypes.lookupType(answer), bytes) as A,
  });
  return {
    exec: method<Exec, unknown>("Exec", "Exec", "Empty"),
    start: method<Process, unknown>("Start", "Process", "Empty"),
    wait: method<Process, { readonly exitStatus: number }>("Wait", "Process", "Ended"),
    kill: method<Process & { readonly signal: number }, unknown>("Kill", "Kill", "Empty"),
    closeIo: method<Process & { readonly stdin: true }, unknown>("CloseIO", "CloseIo", "Empty"),
    resizePty: method<Process & TerminalSize, unknown>("ResizePty", "Resize", "Empty"),
    deleteProcess: method<Process, unknown>("DeleteProcess", "Process", "Empty"),
  };
}

/** The topics that change what CRI answers about a container. */
export const topics: Readonly<Record<string, Hint["phase"]>> = {
  "/containers/create": "created",
  "/tasks/start": "running",
  "/tasks/exit": "stopped",
  "/containers/delete": "gone",
};

const eventTypes = protobuf.Root.fromJSON({
  nested: {
    SubscribeRequest: { fields: { filters: { rule: "repeated", type: "string", id: 1 } } },
    Envelope: {
      fields: {
        namespace: { type: "string", id: 2 },
        topic: { type: "string", id: 3 },
        event: { type: "Any", id: 4 },
      },
    },
    Any: { fields: { typeUrl: { type: "string", id: 1 }, value: { type: "bytes", id: 2 } } },
    /** Every event on tasks and containers has the container's id first. */
    Concerned: { fields: { containerId: { type: "string", id: 1 } } },
    /** /tasks/exit: `execId` differs from the container's id when an exec'd process ended. */
    TaskExit: { fields: { containerId: { type: "string", id: 1 }, execId: { type: "string", id: 2 } } },
  },
});

/** containerd.services.events.v1.Events/Subscribe; undefined for events of no concern. */
export function subscribeMethod(): GrpcMethod<{ readonly filters: readonly string[] }, Hint | undefined> {
  const type = (name: string): MessageType => eventTypes.lookupType(name);
  return {
    path: "/containerd.services.events.v1.Events/Subscribe",
    encode: (request) => encode(type("SubscribeRequest"), request),
    decode(bytes) {
      const { topic, event } = type("Envelope").decode(bytes) as unknown as Envelope;
      const phase = topics[topic];
      if (!phase) return undefined;
      const body = phase === "stopped" ? "TaskExit" : "Concerned";
      const { containerId, execId } = type(body).decode(event.value) as unknown as Concerned;
      return execId === undefined || execId === containerId ? { id: containerId, phase } : undefined;
    },
  };
}

interface Envelope {
  readonly topic: string;
  readonly event: { readonly value: Uint8Array };
}

interface Concerned {
  readonly containerId: string;
  readonly execId?: string;
}
