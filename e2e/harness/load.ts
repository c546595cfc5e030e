/**
 * Load: a client in a Pod that sends requests at a steady rate until it is told to stop, and counts what failed.
 *
 * It never retries. Half of its requests use a connection of their own, half one of eight that it
 * keeps; a kept one is left only when the server says so (Connection: close) or it failed.
 */
const SCRIPT = `
import http.client, json, os, sys, threading, time

host, port, rate, stop, kept = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4], 8
sent, failures, lock = [0, 0], [], threading.Lock()
start = time.monotonic()

def request(connection, kind):
    try:
        connection.request("GET", "/")
        response = connection.getresponse()
        response.read()
        problem = None if response.status == 200 else f"status {response.status}"
    except Exception as error:
        connection.close()
        problem = repr(error)
    with lock:
        sent[kind] += 1
        if problem:
            failures.append([["new", "kept"][kind], round(time.monotonic() - start, 2), problem])

def fresh():
    connection = http.client.HTTPConnection(host, port, timeout=10)
    request(connection, 0)
    connection.close()

def keeper(index):
    connection = http.client.HTTPConnection(host, port, timeout=10)
    turn = start + index * 2 / rate
    while not os.path.exists(stop):
        time.sleep(max(0, turn - time.monotonic()))
        request(connection, 1)
        turn += kept * 2 / rate

threads = [threading.Thread(target=keeper, args=(i,)) for i in range(kept)]
for thread in threads:
    thread.start()
turn = start
while not os.path.exists(stop):
    time.sleep(max(0, turn - time.monotonic()))
    thread = threading.Thread(target=fresh)
    thread.start()
    threads.append(thread)
    turn += 2 / rate
seconds = time.monotonic() - start
for thread in threads:
    thread.join()
print(json.dumps({"seconds": seconds, "sent": sum(sent), "new": sent[0], "kept": sent[1], "failed": len(failures), "failures": failures[:20]}))
`;

export interface LoadOptions {
  readonly name: string;
  /** Host name or address. */
  readonly host: string;
  readonly port: number;
  readonly perSecond: number;
}

/** Run in the Pod it ends the load. */
export const STOP_LOAD = ["touch", "/tmp/stop"];

export interface LoadResult {
  /** How long it went on. */
  readonly seconds: number;
  readonly sent: number;
  readonly failed: number;
  readonly failures: readonly unknown[];
}

/** A Pod that runs the load once and prints its result as its last line. */
export function loadPod({ name, host, port, perSecond }: LoadOptions): string {
  return JSON.stringify({
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name, labels: { app: "load" } },
    spec: {
      restartPolicy: "Never",
      containers: [
        {
          name: "load",
          image: "python:3.11-slim",
          command: ["python3", "-c", SCRIPT, host, String(port), String(perSecond), STOP_LOAD[1]],
        },
      ],
    },
  });
}

export function loadResult(log: string): LoadResult {
  return JSON.parse(log.trim().split("\n").at(-1) ?? "") as LoadResult;
}
