/**
 * Services: containerd's gRPC methods as typed calls, made from the descriptor.
 *
 * CRI's come from kubelet/cri/cri-v1.json. containerd's own events service is described here, as far
 * as it is used: who is concerned by an event, for what happened is read again (see events.ts).
 */
import protobuf from "protobufjs/light.js";
import type { Answer, CallName, Request } from "../../cri/contract.ts";
import { decode, encode, loadCri, type MessageType } from "./codec.ts";
import type { Hint } from "./event-hub.ts";
import type { GrpcMethod } from "./grpc.ts";

/** Calls that answer with the URL of a stream. */
export interface StreamCalls {
  Exec: {
    readonly containerId: string;
    readonly cmd: readonly string[];
    readonly tty: boolean;
    readonly stdin: boolean;
    readonly stdout: boolean;
    readonly stderr: boolean;
  };
  Attach: Omit<StreamCalls["Exec"], "cmd">;
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
